"""Custom images at the limits: few unreadable, names, warnings."""

import warnings

import numpy as np
import pytest
from image_sets import X, Y, class_folders, complaint, load, npz, picture, table

from noisylabels import data
from noisylabels.data import images, sources
from noisylabels.errors import UserError
from utils import load_dataset

# --------------------------------------------------------------------------- files that are damaged


def spoil(root, *files):
    for file in files:
        (root / file).write_text("no image")


def test_at_most_one_in_twenty_may_be_unreadable(tmp_path):
    spoil(class_folders(tmp_path / "own", a=10, b=10), "a/03.png")
    with pytest.warns(UserWarning, match="1 of 20 images cannot be read"):
        assert len(images.load(tmp_path / "own", report=str).files) == 19
    (tmp_path / "own" / "b" / "07.png").unlink()
    assert "1 of 19 images cannot be read, such as 'a/03.png'" in complaint(tmp_path / "own")


def test_three_unreadable_files_are_named(tmp_path):
    spoil(class_folders(tmp_path / "own", a=15, b=15), *(f"a/0{k}.png" for k in (1, 3, 5, 7)))
    message = complaint(tmp_path / "own")
    assert [message.count(f"'a/0{k}.png' (no image of a known format") for k in (1, 3, 5, 7)] == [
        1,
        1,
        1,
        0,
    ]


def test_damage_in_one_class_does_not_remove_another(tmp_path):
    spoil(class_folders(tmp_path / "own", a=20, b=20, rare=1), "a/03.png")
    with pytest.warns(UserWarning, match="1 of 41 images cannot be read.*left out"):
        assert images.load(tmp_path / "own", report=str).classes == ("a", "b", "rare")
    (tmp_path / "own" / "a" / "03.png").unlink()
    spoil(tmp_path / "own", "rare/00.png")
    assert "no image would be left to train on for rare: repair" in complaint(tmp_path / "own")


def test_unwritable_list_says_why(tmp_path):
    spoil(class_folders(tmp_path / "own", a=15, b=15), "a/03.png")
    (tmp_path / "file").write_text("not a folder")
    listed = tmp_path / "file" / "unreadable.csv"
    assert complaint(tmp_path / "own", unreadable_csv=listed) == (
        f"{listed}: File exists; fix that, or give another --results_dir"
    )


# --------------------------------------------------------------------------------- names and tables


@pytest.mark.parametrize(
    "name, called", [("pets.v2", "pets.v2"), ("own.csv", "own"), ("a.b.npz", "a.b")]
)
def test_custom_data_set_names(name, called, tmp_path):
    (tmp_path / name).write_text("") if name.endswith(("csv", "npz")) else (tmp_path / name).mkdir()
    assert data.name_of(str(tmp_path / name)) == called and data.name_of("digits") == "digits"


@pytest.mark.parametrize("name", ["given", "given.csv", "two\nlines", "/"])
def test_reserved_data_set_names_are_refused(name, tmp_path):
    path = tmp_path / name  # "/" stays itself
    if name != "/":
        path.mkdir() if "." not in name else path.write_text("")
    with pytest.raises(
        UserError,
        match="argument --dataset: .* cannot be the name of a folder of results: rename '/",
    ):
        data.name_of(str(path))


@pytest.mark.parametrize("name", ["cifar10.npz", "CIFAR100.csv", "Digits"])
def test_custom_images_cannot_have_a_built_in_name(name, tmp_path):
    """Their results would share a folder with published values."""
    path = tmp_path / name
    path.write_text("") if "." in name else path.mkdir()
    with pytest.raises(
        UserError, match=f"^argument --dataset: .*{path.stem.lower()} is the name of a built-in one"
    ):
        data.name_of(str(path))


LONG = "x" * 300

TABLES = {
    "address": (
        f"file,label\nhttp://{LONG},a\n",
        f"line 2 names 'http://{LONG[:193]}'; give a path on this machine",
    ),
    "twice": (
        f"file,label\n{LONG},a\n{LONG},a\n",
        f"line 3 names '{LONG[:200]}' again, after line 2; keep one",
    ),
    "split": (
        f"file,label,split\na,a,{LONG}\n",
        f"line 2 has '{LONG[:80]}' as split; give train or test",
    ),
    "class": (
        f'file,label\na,"a\n{LONG}"\nb,b\n',
        f"the class name 'a\\n{LONG[:78]}' is empty, or contains a line break",
    ),
    "empty lines": (
        "file,label\n\na,b\n\n\na,b\n",
        "line 6 names 'a' again, after line 3; keep one of them",
    ),
    "of columns": (
        "file,kind,of\n",
        "has no column label or class or given_label: choose with --label_column one of "
        "file, kind, of",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_csv_errors_quote_the_problem(case, tmp_path):
    content, expected = TABLES[case]
    (tmp_path / "own.csv").write_text(content)
    assert expected in complaint(tmp_path / "own.csv")


def test_empty_csv_lines_are_skipped(tmp_path):
    class_folders(tmp_path, x=4)
    (tmp_path / "own.csv").write_text(
        "file,label\n\nx/00.png,a\nx/01.png,b\n\n\nx/02.png,a\nx/03.png,b\n\n"
    )
    found, _ = load(tmp_path / "own.csv", test_split=0.5)
    assert len(found.given) == 4 and len(found.y_test) == 2


# ---------------------------------------------------------------------------------------------- npz


@pytest.mark.parametrize("block", [1, 300, 420])
@pytest.mark.parametrize(
    "x, order", [(X, "C"), (X, "F"), (X[..., 0], "C")], ids=["RGB", "Fortran", "grey"]
)
def test_npz_is_read_in_blocks(x, order, block, tmp_path, monkeypatch):
    """Use blocks of less than an image, of two, and of four with a smaller last one."""
    monkeypatch.setattr("noisylabels.data.image_files.BLOCK", block)
    parts = {
        name: np.array(part, order=order)
        for name, part in (("x_train", x[:31]), ("x_test", x[31:]))
    }
    found, _ = load(npz(tmp_path / "own.npz", **parts, y_train=Y[:31], y_test=Y[31:]))
    assert np.array_equal(found.x_train, x.reshape(40, 5, 7, -1)[:31])
    assert np.array_equal(found.x_test, x.reshape(40, 5, 7, -1)[31:])


@pytest.mark.parametrize("names", sources.ARRAYS[1:])
def test_true_labels_of_test_images_are_left_out(names, tmp_path):
    arrays = dict(zip(names, (X[:30], Y[:30], X[30:], Y[30:])))
    with pytest.warns(UserWarning, match="left out: y_true$"):
        found = images.load(npz(tmp_path / "own.npz", **arrays, y_true=Y), report=str)
    assert found.y_train is None and not found.clean_test


# ----------------------------------------------------------------------------------------- warnings


def test_warnings_point_at_the_caller(tmp_path):
    own = class_folders(tmp_path / "own", a=15, b=15)
    spoil(own, "a/03.png", "loose.txt")
    (own / "empty").mkdir()
    parts = [
        class_folders(tmp_path / "parts" / part, a=3, b=3) for part in ("train", "test", "other")
    ]
    picture(own / "x" / "0.png")
    rows = [(f"x/0{k}.png", "ab"[k % 2], "ab"[k % 2] if k else "c") for k in range(4)]
    class_folders(tmp_path, x=4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images.load(own, report=str)
        images.load(parts[0].parent, report=str)
        images.load(
            table(tmp_path / "own.csv", ("file", "label", "y_true"), rows),
            test_split=0.5,
            report=str,
        )
        images.load(npz(tmp_path / "own.npz", x=X, y=Y, more=Y), report=str)
    said = [
        "no image in empty",
        "1 files are left out",
        "1 of 31 images cannot be read",
        "other left out",
        "y_true has c, but no image",
        "left out: more",
    ]
    assert [any(word in str(warning.message) for word in said) for warning in caught] == [True] * 6
    assert {warning.filename for warning in caught} == {__file__}


# --------------------------------------------------------------------------- what else can be wrong


def test_label_file_covers_unreadable_images(tmp_path):
    for part, n in (("train", 30), ("test", 6)):
        class_folders(tmp_path / "own" / part, a=n, b=n)
    (tmp_path / "own/train/a/03.png").write_bytes(b"no image")
    labels = np.arange(60) % 7 == 0
    np.save(tmp_path / "labels.npy", labels.astype(int))
    with pytest.warns(UserWarning, match="1 of 72 images cannot be read"):
        found = load_dataset(str(tmp_path / "own"), "", noisy_labels=str(tmp_path / "labels.npy"))
    assert found.given.tolist() == np.delete(labels, 3).astype(int).tolist()
    assert found.y_train.tolist() == [0] * 29 + [1] * 30


def test_unreadable_test_set_is_an_error(tmp_path):
    for part, n in (("train", 30), ("test", 1)):
        class_folders(tmp_path / "own" / part, a=n, b=n)
    for name in "ab":
        (tmp_path / f"own/test/{name}/00.png").write_bytes(b"no image")
    assert "no image would be left to test on: repair or replace these files" in complaint(
        tmp_path / "own"
    )


def test_test_set_without_classes_is_an_error(tmp_path):
    class_folders(tmp_path / "own/train", a=5, b=5)
    picture(tmp_path / "own/test/1.png")
    said = (
        "test/ has no folders of classes: sort its images into such folders, or give train/ alone"
    )
    assert said in complaint(tmp_path / "own")
    assert load(tmp_path / "own/train", test_split=0.2)[0].classes == ("a", "b")


def test_true_labels_as_floats_are_recognised(tmp_path):
    """Pandas writes whole numbers as floats if one is missing."""
    class_folders(tmp_path, x=4)
    rows = [(f"x/{k:02}.png", k % 2, f"{k % 2}.0") for k in range(4)]
    message = complaint(
        table(tmp_path / "own.csv", ("file", "label", "y_true"), rows), test_split=0.5
    )
    assert message.endswith(
        "y_true and the labels share no class: y_true has '0.0', the labels have '0'; use the same "
        "names"
    )


@pytest.mark.parametrize("relative", [False, True])
def test_relative_and_absolute_paths_are_one_file(relative, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path, x=4)
    rows = [("x/00.png", "a"), (tmp_path / "x/00.png", "b")]
    csv = table(tmp_path / "own.csv", ("file", "label"), rows)
    assert "again, after line 2" in complaint(csv.relative_to(tmp_path) if relative else csv)


def test_windows_path_gets_a_hint(tmp_path):
    class_folders(tmp_path, x=4)
    rows = [(f"x\\{k:02}.png", "ab"[k % 2]) for k in range(4)]
    message = complaint(table(tmp_path / "own.csv", ("file", "label"), rows), test_split=0.5)
    assert "'x\\\\00.png' (missing or not a file; its path needs / for each backslash)" in message
