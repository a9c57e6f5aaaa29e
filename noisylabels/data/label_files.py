"""Labels from .csv, .npy, .npz, and the .pt of CIFAR-N. No code in them is executed."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from noisylabels.data.dataset import Dataset, Whole
from noisylabels.data.label_arrays import READERS
from noisylabels.data.label_csv import TRUE, in_order_of_images, read_csv
from noisylabels.errors import UserError
from noisylabels.names import listed, places, shown


def read_labels(
    spec: str | Path, dataset: Dataset, report: Callable[[str], object] | None = None
) -> np.ndarray:
    """Read the observed labels of a data set's training images from a file.

    A CSV with a column of files is matched by name, in any order; it may also have rows for images
    that are unreadable or in the test set. All other files hold a label for each image in order.

    Parameters
    ----------
    spec
        FILE or FILE#KEY. KEY is the column of a CSV, or the array of an npz or pt. Without it the
        file must hold a single one besides `clean_label`, or a CSV with files one called as a
        column of labels is.
    dataset
        If all its classes are called by whole numbers, a whole number is a class's name, elsewhere
        its index; text is a name, or an index where no class is called so.
    report
        Takes a line that says which label goes to which image; None for no such line.

    Returns
    -------
    numpy.ndarray
        Indices of classes, int64 (n,).

    Raises
    ------
    UserError
        The file is missing, damaged or of another kind; the key is missing, or several fit; there
        is not one label for each image; a label is no class; or `clean_label` differs from the
        true labels, where those are known.
    """
    path, key = path_and_key(str(spec))
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in READERS:
        raise UserError(f"{path} holds no labels that can be read: give a .npy, .csv, .npz or .pt")
    if not path.is_file():
        raise UserError(
            f"{path} is missing or no file: give the file of the labels, and #KEY "
            "after it if it has keys"
        )
    whole = dataset.whole or Whole(dataset.y_train, slice(None), dataset.files, ())
    n = len(dataset.x_train if dataset.whole is None else whole.labels)
    by_name, lines = False, None
    if suffix == ".csv":
        table, by_name = read_csv(path, key, [*(whole.files or ()), *whole.test_files])
        if by_name:
            table = in_order_of_images(table, dataset)
            whole = Whole(dataset.y_train, slice(None), dataset.files, ())
        elif len(table.lines) != n:
            raise UserError(
                f"{path} has {len(table.lines):,} labels below its header, but there are {n:,} "
                "images: give one for each, or add a column that names their files"
            )
        found, lines = table.columns, table.lines
    else:
        found = READERS[suffix](path, key, n)
    labels = {
        name: _indices(f"{path}: {name}" if name else path, values, dataset, lines)
        for name, values in found.items()
    }
    if TRUE in labels and whole.labels is not None:
        differ = np.flatnonzero(labels[TRUE] != whole.labels)
        if len(differ):
            where = f"index {differ[0]}" if lines is None else f"line {lines[differ[0]]}"
            raise UserError(
                f"{path}: {TRUE} differs from the labels of {dataset.name} at "
                f"{len(differ):,} images, first at {where}: it is of another data set "
                "or in another order; give its own"
            )
    first = next(iter(labels.values()))
    if report:
        report(_matching(path, first, whole.files, dataset, by_name))
    return first[whole.places]


def path_and_key(spec: str) -> tuple[Path, str]:
    """Split FILE#KEY; a file may have # in its name."""
    file, mark, key = spec.rpartition("#")
    return (Path(file), key) if mark and not os.path.exists(spec) else (Path(spec), "")


def _matching(
    path: Path, labels: np.ndarray, files: Sequence[str] | None, dataset: Dataset, by_name: bool
) -> str:
    """Return the line that says how labels and images are matched."""
    if by_name:
        return f"{path}: {len(labels):,} labels, matched by file name"
    names = files or [f"image {k}" for k in range(3)]
    pairs = ", ".join(
        f"{shown(name)} -> {shown(dataset.classes[k])}" for name, k in zip(names[:3], labels)
    )
    return (
        f"{path}: {len(labels):,} labels, taken in the order of the images (in a folder: sorted "
        f"by path; in a .csv or .npz: its rows): {pairs}, ...; if that is wrong, give a .csv "
        "with the columns file and label, which is matched by name"
    )


def _indices(
    what: object, values: np.ndarray | list[str], dataset: Dataset, lines: list[int] | None = None
) -> np.ndarray:
    """Return class indices int64 (n,) of labels: whole numbers or text.

    lines: of the file, if it is a CSV, for errors.
    """
    codes, by_name = _codes(values, dataset.classes, what)
    bad = np.flatnonzero(codes < 0)
    if len(bad):
        texts = label_texts(what, values)
        expected = (
            f"one of the classes {listed(dataset.classes)}"
            if by_name
            else f"an index from 0 to {dataset.n_classes - 1}"
        )
        where = f"at index {bad[0]}" if lines is None else f"in line {lines[bad[0]]}"
        raise UserError(
            f"{what} holds the label {texts[bad[0]].strip()[:80]!a} {where}, which "
            f"is not {expected}: give labels of {dataset.name}"
        )
    return codes


def label_codes(values: np.ndarray | list[str], classes: Sequence[str]) -> np.ndarray:
    """Return the class indices of labels, int64 (n,); -1 for a label that is no class."""
    return _codes(values, classes, "the labels")[0]


def _codes(
    values: np.ndarray | list[str], classes: Sequence[str], what: object
) -> tuple[np.ndarray, bool]:
    """Return class indices, -1 for other labels, and whether the labels are names, not indices."""
    numbers = [whole_number(name) for name in classes]
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        present, inverse = np.unique(values.reshape(-1), return_inverse=True)
        present = [str(number) for number in present.tolist()]
        names = all(name == str(number) for name, number in zip(classes, numbers))
    else:
        present, inverse = distinct([text.strip() for text in label_texts(what, values)])
        names = any(number is not None for number in numbers) or any(
            whole_number(text) is None for text in present
        )
    if names:
        codes = places(present, classes)
    else:
        indices = [int(text) for text in present]
        codes = np.array([k if 0 <= k < len(classes) else -1 for k in indices], np.int64)
    return codes[inverse], names


def distinct(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the sorted distinct texts, and the index of each text among them, int64 (n,)."""
    present = sorted(set(texts))
    rank = {text: k for k, text in enumerate(present)}
    return present, np.fromiter((rank[text] for text in texts), np.int64, len(texts))


def whole_number(text: str) -> int | None:
    """Parse a whole number such as -3 or 012; None if it is none."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def label_texts(what: object, values: np.ndarray | list[str]) -> list[str]:
    """Return labels, whole numbers or text, as text; UserError if they are not encoded in UTF-8."""
    try:
        values = values.tolist() if isinstance(values, np.ndarray) else values
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    except UnicodeDecodeError:
        raise UserError(
            f"{what} holds text that is not encoded in UTF-8: save it with .astype(str)"
        ) from None
