"""Custom images from folders, CSVs and .npz; test_bad_images.py has their errors."""

import csv

import numpy as np
import pytest
from image_sets import X, Y, class_folders, load, npz, picture, table
from PIL import Image

from noisylabels.data import image_files, images, sources

# ------------------------------------------------------------------------------------------ folders


def test_folder_of_class_folders_loads(tmp_path):
    class_folders(tmp_path / "pets", dog=10, cat=15, Emu=5)
    data, lines = load(tmp_path / "pets")
    assert (data.name, data.classes, data.input_shape) == (
        "pets",
        ("Emu", "cat", "dog"),
        (32, 32, 1),
    )
    assert (data.default_recipe, data.may_be_mirrored, data.clean_test, data.y_train) == (
        "fast",
        True,
        False,
        None,
    )
    assert np.bincount(data.given).tolist() == [5, 15, 10] and np.bincount(
        data.y_test
    ).tolist() == [
        1,
        3,
        2,
    ]
    assert data.given.dtype == data.y_test.dtype == np.int64 and type(data.files) is tuple
    assert list(data.files) == sorted(data.files) and len(data.files) == len(data.x_train) == 30
    shades = {
        path.relative_to(tmp_path / "pets").as_posix(): np.asarray(Image.open(path))[0, 0]
        for path in tmp_path.rglob("*.png")
    }
    for image, file, label in zip(data.x_train, data.files, data.given):
        assert (image == shades[file]).all() and file.split("/")[0] == data.classes[label]
    assert "6 of 30 images" in lines[0] and "as noisy as the rest" in lines[0]
    assert lines[1] == "pets: 3 classes, images to train on/to test on: Emu 4/1, cat 12/3, dog 8/2"
    assert np.array_equal(data.x_test, data.x_train[data.test_rows])
    assert "30 images of 32×32 need up to 0.1 MB" in lines[2]


def test_arrays_are_aligned_contiguous_bytes(tmp_path):
    class_folders(tmp_path / "grey", a=5, b=5)
    picture(class_folders(tmp_path / "colour", a=5, b=5) / "a" / "00.png", (255, 0, 0))
    x = np.zeros((10, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "arrays.npz", x=x, y=np.arange(10) % 2)
    for path in ("grey", "colour", "arrays.npz"):
        data, _ = load(tmp_path / path)
        x = data.x_train
        assert x.dtype == np.uint8 and x.flags.c_contiguous and x.flags.writeable
        assert x.ctypes.data % 4096 == 0


def test_numeric_class_names_are_sorted_by_value(tmp_path):
    class_folders(tmp_path, **{str(k): 2 for k in (10, 9, 1, 100)})
    assert load(tmp_path, test_split=0.5)[0].classes == ("1", "9", "10", "100")
    class_folders(tmp_path, x=2)
    assert load(tmp_path, test_split=0.5)[0].classes == ("1", "10", "100", "9", "x")


def test_subfolders_are_read_and_hidden_files_skipped(tmp_path):
    class_folders(tmp_path, a=5, b=5)
    picture(tmp_path / "a" / "deep" / "deeper" / "one.JPG")
    for hidden in (".ipynb_checkpoints/00.png", "._b.png", "a/._00.png", "b/.thumbs/00.png"):
        picture(tmp_path / hidden)
    data, _ = load(tmp_path)
    assert len(data.x_train) == 11
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    picture(tmp_path / "loose.png")
    with pytest.warns(UserWarning, match=": 2 files are left out"):
        images.load(tmp_path, report=str)


def test_empty_class_warns(tmp_path):
    (class_folders(tmp_path, a=5, b=5) / "c").mkdir()
    with pytest.warns(UserWarning, match="no image in c"):
        assert images.load(tmp_path, report=str).classes == ("a", "b")


def test_train_and_test_folders_are_the_split(tmp_path):
    class_folders(tmp_path / "train", a=3, b=4)
    class_folders(tmp_path / "test", a=1, b=2)
    data, lines = load(tmp_path)
    assert (
        data.given.tolist() == [0] * 3 + [1] * 4
        and data.y_test.tolist() == [0, 1, 1]
        and not data.clean_test
    )
    assert data.files[0] == "train/a/00.png" and len(lines) == 2
    class_folders(tmp_path / "other", a=1)
    with pytest.warns(UserWarning, match="other left out"):
        assert len(images.load(tmp_path, report=str).given) == 7


def test_classes_may_be_named_train_and_test(tmp_path):
    class_folders(tmp_path, train=5, test=5, bus=5)
    assert load(tmp_path)[0].classes == ("bus", "test", "train")


def test_links_are_followed(tmp_path):
    root = class_folders(tmp_path / "root", a=5, b=5)
    class_folders(tmp_path / "elsewhere", c=4)
    picture(tmp_path / "single.png")
    (root / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (root / "a" / "link.png").symlink_to(tmp_path / "single.png")
    for loop, target in (
        ("a/self", root / "a"),
        ("a/up", root),
        ("b/above", tmp_path),
        ("b/there", root / "b/back"),
        ("b/back", root / "b/there"),
    ):
        (root / loop).symlink_to(target)
    (root / "loop").symlink_to(root)  # would be a class that holds all others
    with pytest.warns(UserWarning) as caught:
        data = images.load(root, report=str)
    assert len(data.x_train) == 15 and data.classes == ("a", "b", "c")
    messages = sorted(str(warning.message).split(": ")[1] for warning in caught)
    assert messages[0].startswith("2 files are left out") and messages[1:] == ["no image in loop"]


@pytest.mark.parametrize("n", [12, 30])
def test_linked_folders_are_read_once(n, tmp_path):
    for a in range(n):
        picture(tmp_path / "a" / str(a) / "image.png")
        for b in range(n):
            (tmp_path / "a" / str(a) / f"to{b}").symlink_to(tmp_path / "a" / str(b))
    class_folders(tmp_path, a=1, b=5)
    data, _ = load(tmp_path)
    assert len(data.x_train) == n + 6


# ---------------------------------------------------------------------------------------------- CSV


@pytest.mark.parametrize("image", sources.IMAGE_COLUMNS)
@pytest.mark.parametrize("label", sources.LABEL_COLUMNS)
def test_csv_columns_are_recognised(image, label, tmp_path):
    class_folders(tmp_path / "a folder", x=4)
    rows = [("0.5", f"a folder/x/0{k}.png", "yn"[k % 2]) for k in range(4)]
    data, _ = load(table(tmp_path / "own.csv", ("score", image, label), rows), test_split=0.5)
    assert (data.name, data.classes, len(data.y_test)) == ("own", ("n", "y"), 2)
    assert set(data.files) == {row[1] for row in rows}


def test_flags_choose_csv_columns(tmp_path):
    class_folders(tmp_path, x=4)
    rows = [(f"x/0{k}.png", "gone.png", "ab"[k % 2], "cd"[k % 2]) for k in range(4)]
    path = table(tmp_path / "own.csv", ("file", "path", "label", "my label"), rows)
    data, _ = load(path, image_column="file", label_column="my label", test_split=0.5)
    assert data.classes == ("c", "d")


def test_labels_stay_text(tmp_path):
    class_folders(tmp_path, x=10)
    names = [
        "01",
        "1",
        "NA",
        "nan",
        "1e3",
        "",
        "True",
        'with "quotes", and commas',
        " spaced ",
        "<script>",
    ]
    rows = [(f"x/0{k}.png", name or "01") for k, name in enumerate(names)]
    rows = [("x/00.png", "01"), *rows[1:]]
    with open(tmp_path / "own.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("file", " label "), *rows])
        file.write("\r\n")  # an empty line at the end
    with pytest.warns(UserWarning) as caught:
        data = images.load(tmp_path / "own.csv", test_split=0.5, report=str)
    assert data.classes == (
        "01",
        "1",
        "1e3",
        "<script>",
        "NA",
        "True",
        "nan",
        "spaced",
        'with "quotes", and commas',
    )
    assert len(caught) == 2


def test_csv_order_split_and_true_labels(tmp_path):
    class_folders(tmp_path, x=6)
    columns = ("baabba", "bbaabc", "train test train train test train".split())
    rows = [
        (f"./x/0{k}.png" if k else tmp_path / "x/00.png", *row)
        for k, row in enumerate(zip(*columns))
    ][::-1]
    path = table(tmp_path / "own.csv", ("file", "label", "y_true", "split"), rows)
    with pytest.warns(UserWarning, match="y_true has c, but no image has this label"):
        data = images.load(path, report=str)
    assert data.files == ("./x/05.png", "./x/03.png", "./x/02.png", str(tmp_path / "x/00.png"))
    assert data.x_train[:, 0, 0, 0].tolist() == [5, 3, 2, 0] and data.x_test[
        :, 0, 0, 0
    ].tolist() == [4, 1]
    assert data.given.tolist() == [0, 1, 0, 1] and data.y_train.tolist() == [2, 0, 0, 1]
    assert data.y_test.tolist() == [1, 1] and data.clean_test


def test_true_labels_follow_the_random_split(tmp_path):
    class_folders(tmp_path, x=10)
    rows = [(f"x/0{k}.png", "ab"[k % 2], "ab"[k // 5]) for k in range(10)]
    data, lines = load(table(tmp_path / "own.csv", ("file", "label", "y_true"), rows))
    assert data.y_train.tolist() == ["ab".index(rows[int(file[2:4])][2]) for file in data.files]
    assert data.clean_test and "their labels are those of y_true" in lines[0]


def test_columns_without_information_are_ignored(tmp_path):
    class_folders(tmp_path, x=10)
    rows = [(f"x/0{k}.png", "ab"[k % 2], "", "train") for k in range(10)]
    data, _ = load(table(tmp_path / "own.csv", ("file", "label", "y_true", "split"), rows))
    assert (data.y_train, data.clean_test, len(data.y_test)) == (None, False, 2)


# ---------------------------------------------------------------------------------------------- npz


@pytest.mark.parametrize(
    "x", [X, X[..., :1], X[..., 0], np.asfortranarray(X)], ids=["RGB", "1", "grey", "Fortran"]
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_split(x, save, tmp_path):
    save(tmp_path / "own.npz", x=x, y=Y[:, np.newaxis], y_true=Y[::-1].copy())
    data, lines = load(tmp_path / "own.npz")
    assert data.name == "own" and data.classes == ("1", "2", "3", "4")
    assert data.files == tuple(f"x[{k}]" for k in range(40))
    assert np.array_equal(data.x_train, x.reshape(40, 5, 7, -1))
    assert np.array_equal(data.x_test, data.x_train[data.test_rows])
    assert np.array_equal(data.given, Y - 1) and np.array_equal(data.y_train, Y[::-1] - 1)
    assert len(data.x_test) == 8 and data.clean_test and len(lines) == 3


@pytest.mark.parametrize("names", sources.ARRAYS[1:])
def test_npz_with_a_test_set(names, tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "BLOCK", 300)  # bytes: two images
    path = npz(
        tmp_path / "own.npz", **dict(zip(names, (X[:30], Y[:30, np.newaxis], X[30:], Y[30:])))
    )
    data, lines = load(path)
    assert np.array_equal(data.x_train, X[:30]) and np.array_equal(data.x_test, X[30:])
    assert np.array_equal(data.given, Y[:30] - 1) and np.array_equal(data.y_test, Y[30:] - 1)
    assert not data.clean_test and data.y_train is None and len(lines) == 2


def test_medmnist_npz_loads_without_validation_split(tmp_path):
    names = (
        "train_images",
        "train_labels",
        "val_images",
        "val_labels",
        "test_images",
        "test_labels",
    )
    path = npz(
        tmp_path / "own.npz", **dict(zip(names, (X[:20], Y[:20, np.newaxis], X, Y, X[20:], Y[20:])))
    )
    with pytest.warns(UserWarning, match="left out: val_images, val_labels"):
        assert len(images.load(path, report=str).x_train) == 20


def test_npz_with_text_labels(tmp_path):
    for k, y in enumerate(
        (np.array(["dog", "café"])[Y % 2], np.array([b"dog", "café".encode()])[Y % 2])
    ):
        assert load(npz(tmp_path / f"{k}.npz", x=X, y=y))[0].classes == ("café", "dog")


def test_npz_is_resized(tmp_path):
    for x in (X, X[..., 0]):
        whole, small = (
            load(npz(tmp_path / "own.npz", x=x, y=Y), image_size=size)[0] for size in (None, 4)
        )
        assert small.input_shape == (4, 4, whole.input_shape[2])
        expected = [
            np.asarray(image_files.resized(Image.fromarray(image.squeeze()), 4))
            for image in whole.x_train
        ]
        assert np.array_equal(small.x_train, np.array(expected).reshape(small.x_train.shape))
