"""--noisy_labels with file names: complete, matched by name in any order."""

import unicodedata

import numpy as np
import pytest
from image_sets import X, Y, class_folders, npz, table
from label_sets import NAMES, NOISY, N, dataset, write_csv

from noisylabels.data.label_files import read_labels
from noisylabels.errors import UserError
from utils import load_dataset


@pytest.fixture
def photos(tmp_path):
    """Return a folder of two classes and shuffled rows (file, label), a fifth of them noisy."""
    root = class_folders(tmp_path / "photos", **{"cat é": 15, "dog": 15})
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    rows = [(file, file.split("/")[0] if k % 5 else "dog") for k, file in enumerate(files)]
    return root, [rows[k] for k in np.random.default_rng(0).permutation(len(rows))]


def given(root, spec, lines=None):
    data = load_dataset(str(root), "", noisy_labels=str(spec), report=(lines or []).append)
    return {file: data.classes[k] for file, k in zip(data.files, data.given)}, data


def complaint(root, spec):
    with pytest.raises(UserError) as error:
        given(root, spec)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("header", [("file", "label"), ("Path", "Class"), ("image", "crowd")])
def test_csv_with_files_is_matched_by_name(header, form, photos, tmp_path):
    root, rows = photos
    path = table(
        tmp_path / "labels.csv",
        header,
        [(unicodedata.normalize(form, f), label) for f, label in rows],
    )
    found, data = given(root, path)
    assert len(found) == 30 and found == {file: dict(rows)[file] for file in found}
    assert data.y_train.tolist() == [data.classes.index(file.split("/")[0]) for file in data.files]


def test_matching_by_name_is_reported(photos, tmp_path):
    root, rows = photos
    lines = [""]
    given(root, table(tmp_path / "labels.csv", ("file", "label"), rows), lines)
    assert lines[-1] == f"{tmp_path}/labels.csv: 30 labels, matched by file name"


def test_rows_of_test_images_may_be_present(tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / "own" / part, a=3, b=3)
    rows = [
        (f"{part}/{c}/0{k}.png", c) for part in ("test", "train") for c in "ab" for k in range(3)
    ]
    found, _ = given(tmp_path / "own", table(tmp_path / "labels.csv", ("file", "label"), rows))
    assert found == dict(rows[6:])


def test_unknown_duplicate_or_missing_names_are_errors(photos, tmp_path):
    root, rows = photos
    trained = load_dataset(str(root), "", report=str).files
    path = tmp_path / "labels.csv"

    def said(rows):
        return complaint(root, table(path, ("file", "label"), rows))

    assert (
        f"{path}, line 32 names 'dog/99.png', which is not an image of photos: give names such as"
        in said([*rows, ("dog/99.png", "dog")])
    )
    assert f"{path}, line 32 names {rows[3][0]!a} again, after line 5: keep one of them" in said(
        [*rows, rows[3]]
    )
    missing = [row for row in rows if row[0] not in trained[:2]]
    assert f"{path} has no row for 2 of 30 images, such as {trained[0]!a}: add them" in said(
        missing
    )
    assert "holds the label 'emu' in line 4, which is not one of the classes" in said(
        [*rows[:2], (rows[2][0], "emu"), *rows[3:]]
    )
    table(path, ("file", "image", "label"), [(a, a, b) for a, b in rows])
    assert "has several columns of files (file, image): keep one" in complaint(root, path)
    table(path, ("file", "x", "y"), [(a, b, b) for a, b in rows])
    assert f"holds several: give {path}#KEY with KEY one of x, y" in complaint(root, path)
    assert given(root, f"{path}#Y")[0]


@pytest.mark.parametrize("key", ["", "#label"])
def test_files_in_a_column_of_another_name_are_an_error(key, photos, tmp_path):
    """Without the error, labels in another order would be assigned to the sorted files."""
    root, rows = photos
    path = table(tmp_path / "labels.csv", ("img", "label"), rows[::-1])
    expected = "the column 'img' names files: rename it to file" if key else f"give {path}#KEY"
    assert expected in complaint(root, f"{path}{key}")
    others = [("one", "two", label) for _, label in rows]
    assert given(root, f"{table(path, ('x', 'x', 'label'), others)}#label")[0]


def test_true_labels_in_the_csv_are_compared(photos, tmp_path):
    root, rows = photos
    own = [(file, label, file.split("/")[0]) for file, label in rows]
    assert given(root, table(tmp_path / "labels.csv", ("file", "label", "Clean_Label"), own))[0]
    trained = load_dataset(str(root), "", report=str).files
    k = next(k for k, row in enumerate(own) if row[0] in trained and row[2] == "dog")
    own[k] = (*own[k][:2], "cat é")
    message = complaint(root, table(tmp_path / "labels.csv", ("file", "label", "clean_label"), own))
    assert (
        f"clean_label differs from the labels of photos at 1 images, first at line {k + 2}"
        in message
    )


def test_arrays_and_built_in_data_sets_have_names(tmp_path):
    path = npz(tmp_path / "own.npz", x=X, y=Y)
    rows = [(f"x[{k}]", str(Y[k])) for k in range(40)][::-1]
    found, _ = given(path, table(tmp_path / "labels.csv", ("file", "label"), rows))
    assert found == {file: label for file, label in rows if file in found} and len(found) == 40
    names = [str(k) for k in range(N)][::-1]
    write_csv(
        tmp_path / "labels.csv", file=names, label=[NAMES[NOISY[int(name)]] for name in names]
    )
    assert np.array_equal(read_labels(tmp_path / "labels.csv", dataset()), NOISY)


# ------------------------------------------------------------------------------------ without names


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_without_names_the_order_and_first_pairs_are_shown(kind, photos, tmp_path):
    root, rows = photos
    labels = [label for _, label in sorted(rows)]
    path, lines = tmp_path / f"labels.{kind}", [""]
    np.save(path, labels) if kind == "npy" else table(
        path, ("label",), [(label,) for label in labels]
    )
    found, _ = given(root, path, lines)
    assert found == {file: dict(rows)[file] for file in found}
    assert lines[-1] == (
        f"{path}: 30 labels, matched by the order of the images (of a folder: sorted by path; of a "
        ".csv or .npz: its rows): cat é/00.png -> dog, cat é/01.png -> cat é, cat é/02.png -> cat "
        "é, ...; if that is wrong, give a .csv with the columns file and label, which is matched "
        "by name"
    )


def test_first_pairs_of_a_built_in_data_set(tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(1437) % 10)
    lines = []
    load_dataset("digits", "", noisy_labels=str(tmp_path / "labels.npy"), report=lines.append)
    assert len(lines) == 1 and ": image 0 -> 0, image 1 -> 1, image 2 -> 2, ...; if" in lines[0]
