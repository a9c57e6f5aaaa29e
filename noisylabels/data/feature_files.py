"""Files of embeddings: .npy, .npz or .csv. Arrays are read block by block."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from noisylabels.csv_files import read_table
from noisylabels.data.label_arrays import array_header, damage, open_npz, read_label_array
from noisylabels.data.label_csv import IMAGE_COLUMNS
from noisylabels.data.label_files import label_texts, path_and_key
from noisylabels.errors import UserError
from noisylabels.names import listed

BLOCK = 2**24  # bytes read at once
LONGEST_NAME = 2**15  # bytes of a path, 4 per character
NAME_KEYS = (*IMAGE_COLUMNS, "files", "paths", "file_names", "filenames", "filepaths", "names")

Block = tuple[slice, slice, np.ndarray]  # rows, columns and values of a part of a matrix


class Matrix(NamedTuple):
    """Features in a file, (n, d), that are read block by block."""

    what: str  # file and key, for messages
    shape: tuple[int, int]
    blocks: Callable[[], Iterator[Block]]
    names: list[str] | None = None  # file names of the rows


def find_features(spec: str) -> Matrix:
    """Find the features in FILE or FILE#KEY. Only the header of an array is read.

    Raises
    ------
    UserError
        The file is missing, damaged or of another kind, or the array is not float (n, d).
    """
    path, key = path_and_key(spec)
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz", ".csv") or not path.is_file():
        raise UserError(
            f"argument --features: {path} is missing, or not a .npy, .npz or .csv: give a file of "
            "features"
        )
    if suffix == ".npz":
        return _in_npz(path, key)
    if key:
        raise UserError(f"{path} has no keys: give {path} without #{key}")
    return _in_csv(path) if suffix == ".csv" else matrix_of_npy(str(path), lambda: open(path, "rb"))


def matrix_of_npy(what: str, open_file: Callable[[], BinaryIO]) -> Matrix:
    """Return the features in an npy file; UserError if it is not float (n, d)."""
    problem = f"{what} is damaged or not a NumPy array: save it again"
    with damage(problem), open_file() as file:
        shape, fortran, dtype = array_header(file)
    if dtype.hasobject:
        raise UserError(
            f"{what} holds Python objects, which are not read: save it with .astype(numpy.float32)"
        )
    if dtype.kind != "f" or dtype.itemsize > 8 or len(shape) != 2 or 0 in shape:
        raise UserError(
            f"{what} is {dtype} of shape {shape}: give float16, float32 or float64 of shape (n, "
            "d), one row of features per sample"
        )
    outer, inner = shape[::-1] if fortran else shape
    step = max(1, BLOCK // (inner * dtype.itemsize))

    def blocks() -> Iterator[Block]:
        with damage(problem), open_file() as file:
            array_header(file)
            for start in range(0, outer, step):
                part = slice(start, min(start + step, outer))
                size = (part.stop - start) * inner
                values = np.frombuffer(file.read(size * dtype.itemsize), dtype, size)
                values = values.reshape(-1, inner)
                if fortran:
                    yield slice(0, inner), part, values.T
                else:
                    yield part, slice(0, inner), values

    return Matrix(what, shape, blocks)


def matrix_of_npz(path: Path, key: str) -> Matrix:
    """Return the features in an array of an npz; UserError if it is not float (n, d)."""
    archive, _ = open_npz(path)
    return matrix_of_npy(f"{path}: {key}", lambda: archive.open(f"{key}.npy"))


def _in_npz(path: Path, key: str) -> Matrix:
    """Return the features in an npz, with file names if it has them."""
    archive, keys = open_npz(path)
    named = [name for name in keys if name.lower() in NAME_KEYS and name != key]
    fit = [name for name in keys if name not in named and key in ("", name)]
    if len(fit) != 1 or len(named) > 1:
        raise UserError(
            f"{path} holds the arrays {listed(keys)}: give {path}#KEY with the KEY of the "
            "features; one other array, files, may hold their file names"
        )
    found = matrix_of_npz(path, fit[0])
    if not named:
        return found
    what = f"{path}: {named[0]}"
    texts = read_label_array(
        what, lambda: archive.open(f"{named[0]}.npy"), found.shape[0], LONGEST_NAME
    )
    return found._replace(names=label_texts(what, texts))


def _in_csv(path: Path) -> Matrix:
    """Return the features in a CSV: a column of file names, and numbers in all others."""
    table = read_table(path, lambda header: {name: name for name in header if name})
    files = [name for name in table.columns if name.lower() in IMAGE_COLUMNS]
    others = [name for name in table.columns if name not in files]
    if len(files) != 1 or not others or not table.lines:
        raise UserError(
            f"{path} needs a column of file names ({' or '.join(IMAGE_COLUMNS)}) and columns of "
            f"numbers; it has {listed(table.columns)}"
        )
    values = np.array([table.numbers(name) for name in others]).T
    block = (slice(0, len(values)), slice(0, len(others)), values)
    return Matrix(str(path), values.shape, lambda: iter([block]), table.columns[files[0]])
