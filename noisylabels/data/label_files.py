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

    A CSV with a column of files is matched by name, in any order. It may also have rows for images
    that are unreadable or in the test set. All other files hold one label per image, in order.

    Numeric labels are class names if all class names are whole numbers without leading zeros,
    otherwise class indices.
    Text labels are class indices if all of them, but no class name, are whole numbers; otherwise
    class names.

    Parameters
    ----------
    spec
        FILE or FILE#KEY. KEY is the column of a CSV, or the array of an npz or pt. Without KEY, the
        file must have one array or column, not counting `clean_label`. A CSV with files may
        instead have one column with a name of LABEL_COLUMNS.
    dataset
        The data set.
    report
        Receives a line that says which label belongs to which image.

    Returns
    -------
    numpy.ndarray
        Indices of classes, int64 (n,).

    Raises
    ------
    UserError
        The file is missing, damaged or of another kind. Or the key is missing or ambiguous. Or the
        labels do not fit the images or the classes. Or `clean_label` differs from the true labels.
    """
    path, key = path_and_key(str(spec))
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in READERS:
        raise UserError(f"{path} is not a file of labels: give a .npy, .csv, .npz or .pt")
    if not path.is_file():
        raise UserError(
            f"{path} is missing or not a file: give a file of labels; #KEY chooses its column or "
            "array"
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
                f"{len(differ):,} images, first at {where}: the file belongs to another data set "
                "or has another order; give the file of this data set"
            )
    first = next(iter(labels.values()))
    if report:
        report(_matching(path, first, files=whole.files, dataset=dataset, by_name=by_name))
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
        f"{path}: {len(labels):,} labels, matched by the order of the images (of a folder: sorted "
        f"by path; of a .csv or .npz: its rows): {pairs}, ...; if that is wrong, give a .csv "
        "with the columns file and label, which is matched by name"
    )


def _indices(
    what: object, values: np.ndarray | list[str], dataset: Dataset, lines: list[int] | None = None
) -> np.ndarray:
    """Return the class indices of labels (whole numbers or text), int64 (n,).

    lines: line of each label in a CSV, for errors.
    """
    codes, are_names = _codes(values, dataset.classes, what)
    bad = np.flatnonzero(codes < 0)
    if len(bad):
        texts = label_texts(what, values)
        expected = (
            f"one of the classes {listed(dataset.classes)}"
            if are_names
            else f"an index from 0 to {dataset.n_classes - 1}"
        )
        where = f"at index {bad[0]}" if lines is None else f"in line {lines[bad[0]]}"
        raise UserError(
            f"{what} holds the label {texts[bad[0]].strip()[:80]!a} {where}, which "
            f"is not {expected}: give labels of {dataset.name}"
        )
    return codes


def label_codes(values: np.ndarray | list[str], classes: Sequence[str]) -> np.ndarray:
    """Return the class indices of labels, int64 (n,); -1 for a label that is not a class."""
    return _codes(values, classes, "the labels")[0]


def _codes(
    values: np.ndarray | list[str], classes: Sequence[str], what: object
) -> tuple[np.ndarray, bool]:
    """Return class indices, -1 for other labels. Also return whether the labels are names."""
    numbers = [whole_number(name) for name in classes]
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        present, inverse = np.unique(values, return_inverse=True)
        present = [str(number) for number in present.tolist()]
        are_names = all(name == str(number) for name, number in zip(classes, numbers))
    else:
        present, inverse = distinct([text.strip() for text in label_texts(what, values)])
        are_names = any(number is not None for number in numbers) or any(
            whole_number(text) is None for text in present
        )
    if are_names:
        codes = places(present, classes)
    else:
        indices = [int(text) for text in present]
        codes = np.array([k if 0 <= k < len(classes) else -1 for k in indices], np.int64)
    return codes[inverse], are_names


def distinct(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the sorted distinct texts, and the index of each text among them, int64 (n,)."""
    present = sorted(set(texts))
    rank = {text: k for k, text in enumerate(present)}
    return present, np.fromiter((rank[text] for text in texts), np.int64, len(texts))


def whole_number(text: str) -> int | None:
    """Parse a whole number such as -3 or 012; None for another text."""
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
