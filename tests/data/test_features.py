"""Embeddings in place of images: `--features`, and an npz of embeddings alone."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from noisylabels.data.feature_files import find_features
from noisylabels.data.features import read_features
from noisylabels.errors import UserError
from utils import load_dataset

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 2


@pytest.fixture
def pets(tmp_path):
    """Return a folder of two classes with six empty files each, whose names need normalisation."""
    for k in range(12):
        folder = tmp_path / "pets" / ("cat" if k < 6 else "dög")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"ä{k}.png").write_bytes(b"")
    return tmp_path / "pets"


def saved(folder, x, name="x.npy", **others):
    """Save an array, or several of an npz, and return the path as text."""
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, x)
    else:
        np.savez(path, x=x, **others)
    return str(path)


def rows_of(dataset, n=12):
    """Return the features of a data set in the order of its files."""
    assert dataset.is_embedded and dataset.input_shape == (5,)
    assert dataset.files == dataset.whole.files
    return dataset.x_train


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_belong_to_the_samples_in_their_order(pets, tmp_path, dtype, order, monkeypatch):
    monkeypatch.setattr("noisylabels.data.feature_files.BLOCK", 40)  # several blocks
    x = np.array(X, dtype=dtype, order=order)
    dataset = load_dataset(str(pets), features=saved(tmp_path, x), report=lambda line: None)
    assert dataset.x_train.dtype == np.float32
    assert dataset.default_recipe == "features" and dataset.image_recipe == "fast"
    np.testing.assert_array_equal(rows_of(dataset), x.astype(np.float32))


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_rows_with_file_names_are_matched_by_name(pets, tmp_path, kind):
    names = [f"cat/ä{k}.png" for k in range(6)] + [f"dög/ä{k}.png" for k in range(6, 12)]
    order = np.random.default_rng(1).permutation(12)
    shuffled = [unicodedata.normalize("NFD", names[k]) for k in order] + ["other/b.png"]
    x = np.vstack([X[order], np.zeros((1, 5), np.float32)])
    path = tmp_path / f"x.{kind}"
    if kind == "npz":
        np.savez(path, features=x, files=np.array(shuffled))
    else:
        lines = [",".join([name, *map(str, row)]) for name, row in zip(shuffled, x)]
        path.write_text("\n".join(["file,a,b,c,d,e", *lines]), encoding="utf-8")
    printed = []
    dataset = load_dataset(str(pets), features=str(path), report=printed.append)
    found = dict(zip(dataset.whole.files, rows_of(dataset)))
    for name, row in zip(names, X):
        np.testing.assert_allclose(found[name], row, rtol=1e-6)
    assert "13 rows of 5 features, matched by file name; 1 rows of other files" in printed[-1]


def test_index_column_of_pandas_is_no_feature(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(",file,a,b\n0,a.png,1,2\n1,b.png,3,4\n")
    matrix = find_features(str(path))
    (_, _, values), *_ = matrix.blocks()
    assert values.tolist() == [[1, 2], [3, 4]] and matrix.names == ["a.png", "b.png"]


def test_names_of_files_may_be_long(tmp_path):
    names = np.array(["a" * 5000 + ".png", "b.png"])
    matrix = find_features(saved(tmp_path, X[:2], "x.npz", files=names))
    assert matrix.names == names.tolist()


def test_rows_follow_a_csv_whose_split_is_not_sorted(tmp_path):
    test = np.arange(12) % 3 == 1
    x = read_features(saved(tmp_path, X), None, test=test, name="own", report=str)
    np.testing.assert_array_equal(x[0], X[~test])
    np.testing.assert_array_equal(x[1], X[test])
    message = "add the rows of the test samples, in the order of the data set"
    with pytest.raises(UserError, match=message):
        read_features(saved(tmp_path, X[~test]), None, test=test, name="own")


def test_named_data_sets_take_training_rows_first(tmp_path):
    x = np.arange(1797 * 2, dtype=np.float32).reshape(-1, 2)
    images = load_dataset("digits")
    dataset = load_dataset("digits", features=saved(tmp_path, x, "x.npz") + "#x")
    np.testing.assert_array_equal(np.concatenate([dataset.x_train, dataset.x_test]), x)
    np.testing.assert_array_equal(dataset.y_test, images.y_test)
    assert dataset.fingerprint != images.fingerprint


def test_an_npz_of_embeddings_is_a_data_set(tmp_path):
    path = saved(tmp_path, X, "texts.npz", y=Y, y_true=1 - Y)
    dataset = load_dataset(path, report=lambda line: None)
    assert dataset.name == "texts" and dataset.image_recipe is None
    np.testing.assert_array_equal(dataset.x_train, X)
    np.testing.assert_array_equal(dataset.x_test, X[dataset.test_rows])
    assert dataset.clean_test and (dataset.y_train == 1 - dataset.given).all()


def test_an_npz_of_embeddings_may_have_a_test_set(tmp_path):
    path = tmp_path / "texts.npz"
    np.savez(path, x_train=X, y_train=Y, x_test=X[:4] + 1, y_test=Y[:4])
    dataset = load_dataset(str(path), report=lambda line: None)
    np.testing.assert_array_equal(dataset.x_train, X)
    np.testing.assert_array_equal(dataset.x_test, X[:4] + 1)


def test_rows_of_the_test_set_are_needed(tmp_path):
    path = saved(tmp_path, np.ones((1437, 2)))
    message = "for the training samples only, but digits has 1,437 training and 360 test.*add the"
    with pytest.raises(UserError, match=message):
        load_dataset("digits", features=path)


def changed(row, column, value):
    """Return X with another value."""
    x = X.astype(np.float64)
    x[row, column] = value
    return x


BAD = {
    "another length": (X[:11], "has 11 rows, but pets has 12 samples: give 12"),
    "nan": (changed(7, 3, np.nan), "is nan at row 7, column 3: give finite"),
    "infinite": (changed(2, 1, np.inf), "is infinite.* at row 2, column 1"),
    "too large": (changed(2, 1, 1e300), "too large for float32, at row 2, column 1"),
    "objects": (X.astype(object), r"Python objects.*\.astype\(numpy\.float32\)"),
    "whole numbers": (X.astype(int), r"is int64 of shape \(12, 5\): give float16"),
    "three dimensions": (X[..., None], r"shape \(12, 5, 1\).*\(n, d\)"),
    "one dimension": (X[:, 0], r"shape \(12,\).*\(n, d\)"),
    "no column": (X[:, :0], r"shape \(12, 0\)"),
    "equal rows": (np.ones((12, 5)), "all samples have the same features"),
}


@pytest.mark.parametrize("x, message", BAD.values(), ids=BAD)
def test_unusable_features_end_in_one_line(pets, tmp_path, x, message):
    path = saved(tmp_path, x)
    with pytest.raises(UserError, match=message) as error:
        load_dataset(str(pets), features=path, test_split=0.3, report=lambda line: None)
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


def test_unusable_embeddings_of_an_npz_end_in_one_line(tmp_path):
    for x, message in [
        (changed(7, 3, np.nan), "x.npz: x is nan at row 7"),
        (X.astype(object), "Py"),
    ]:
        with pytest.raises(UserError, match=message):
            load_dataset(saved(tmp_path, x, "x.npz", y=Y), report=lambda line: None)


NAMES = [f"cat/ä{k}.png" for k in range(6)] + [f"dög/ä{k}.png" for k in range(6, 12)]


@pytest.mark.parametrize(
    "names, message",
    [
        (NAMES[:11] + ["x.png"], "has no row for 1 of the 12 files of pets, such as"),
        (NAMES + NAMES[:1], "has 2 rows for 'cat/.*0.png': keep one"),
    ],
)
def test_file_names_must_match(pets, tmp_path, names, message):
    path = saved(tmp_path, X[np.arange(len(names)) % 12], "x.npz", files=np.array(names))
    with pytest.raises(UserError, match=message):
        load_dataset(str(pets), features=path, report=lambda line: None)


def test_files_of_other_kinds_are_refused(pets, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    np.savez(tmp_path / "two.npz", a=X, b=X)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    for name, message in [
        ("none.npy", "none.npy is missing"),
        ("bad.npy", "damaged"),
        ("two.npz", "arrays a, b: give .*#KEY"),
        ("two.npz#c", "arrays a, b: give .*#KEY"),
        ("x.csv", "needs a column of file names"),
    ]:
        with pytest.raises(UserError, match=message):
            load_dataset(str(pets), features=f"{tmp_path / name}", report=lambda line: None)


@pytest.mark.parametrize("flag", ["image_size", "no_mirror"])
def test_flags_of_images_are_refused_with_features(tmp_path, flag):
    path = saved(tmp_path, X, "x.npz", y=Y)
    with pytest.raises(UserError, match=f"--{flag}: it applies to images"):
        load_dataset(path, **{flag: 8}, report=lambda line: None)


def test_features_replace_the_images_of_an_npz(tmp_path):
    images = np.zeros((12, 8, 8), np.uint8)
    path = saved(tmp_path, images, "images.npz", y=Y)
    dataset = load_dataset(path, features=saved(tmp_path, X), report=lambda line: None)
    assert dataset.is_embedded and dataset.image_recipe == "fast"


def test_damaged_images_do_not_matter_with_features(pets, tmp_path):
    Image.new("L", (8, 8)).save(pets / "cat" / "ä0.png")  # the others are empty files
    dataset = load_dataset(str(pets), features=saved(tmp_path, X), report=lambda line: None)
    assert len(dataset.x_train) == 12
