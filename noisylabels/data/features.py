"""Embeddings that replace the images of a data set, read as float32 (n, d)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from noisylabels.data.dataset import Dataset
from noisylabels.data.feature_files import Matrix, find_features
from noisylabels.data.image_files import available_memory, pages
from noisylabels.data.image_source import pictures_of
from noisylabels.errors import UserError
from noisylabels.names import file_key, places

RECIPE = "features"


def read_matrices(
    matrices: Sequence[Matrix], targets: np.ndarray, test: np.ndarray, must_differ: bool = True
) -> list[np.ndarray]:
    """Read features into the order of a data set.

    Parameters
    ----------
    matrices : sequence of Matrix
        Arrays of equal width. Together they have m rows.
    targets : np.ndarray
        The sample of each row, int (m,). Rows with -1 are left out.
    test : np.ndarray
        Samples of the test set, bool (n,).
    must_differ : bool
        Whether equal features of all samples are an error.

    Returns
    -------
    list of np.ndarray
        Features of the training and of the test samples, float32 (k, d), aligned to pages.

    Raises
    ------
    UserError
        The features do not fit into memory, are not finite, or do not differ between samples.
    """
    what, width = matrices[0].what, matrices[0].shape[1]
    needed, free = 4 * len(test) * width, available_memory()
    if needed > free:
        raise UserError(
            f"{what}: {len(test):,} × {width:,} features need {needed / 1e9:,.1f} GB of memory, "
            f"{free / 1e9:,.1f} GB are free: give fewer"
        )
    counts = [int((~test).sum()), int(test.sum())]
    x = [pages(4 * n * width).view(np.float32).reshape(n, width) for n in counts]
    places_in_part = np.where(test, np.cumsum(test), np.cumsum(~test)) - 1
    low, high = np.full(width, np.inf), np.full(width, -np.inf)
    first = 0
    for matrix in matrices:
        for rows, columns, values in matrix.blocks():
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
            _check_finite(matrix.what, values, rows.start, columns.start)
            low[columns] = np.minimum(low[columns], values.min(axis=0))
            high[columns] = np.maximum(high[columns], values.max(axis=0))
            samples = targets[first + rows.start : first + rows.stop]
            for part, chosen in zip(x, (~test[samples], test[samples])):
                chosen &= samples >= 0
                part[places_in_part[samples[chosen]], columns] = values[chosen]
        first += matrix.shape[0]
    if must_differ and len(test) > 1 and (low == high).all():
        raise UserError(f"{what}: all samples have the same features: give others")
    return x


def _check_finite(what: str, values: np.ndarray, row: int, column: int) -> None:
    """Raise UserError for a value that is not finite; the block begins at this row and column."""
    if np.isfinite(values).all():
        return
    i, j = np.argwhere(~np.isfinite(values))[0]
    kind = "nan" if np.isnan(values[i, j]) else "infinite, or too large for float32,"
    raise UserError(f"{what} is {kind} at row {row + i}, column {column + j}: give finite features")


def read_matrix(matrix: Matrix) -> np.ndarray:
    """Return all features of a file to predict, float32 (n, d), see `read_matrices`."""
    n = matrix.shape[0]
    return read_matrices([matrix], np.arange(n), np.zeros(n, bool), must_differ=False)[0]


def read_features(
    spec: str,
    files: Sequence[str] | None,
    test: np.ndarray,
    name: str,
    report: Callable[[str], None] = print,
) -> list[np.ndarray]:
    """Read the features of a data set's samples, matched by file name or by order.

    Parameters
    ----------
    spec : str
        FILE or FILE#KEY.
    files : sequence of str, optional
        File names of the n samples.
    test : np.ndarray
        Samples of the test set, bool (n,).
    name : str
        Name of the data set. Messages contain it.
    report : callable
        Receives the line that says how rows are matched.

    Returns
    -------
    list of np.ndarray
        Features of the training and of the test samples, float32 (k, d).

    Raises
    ------
    UserError
        The file does not fit the data set, see also `find_features` and `read_matrices`.
    """
    matrix = find_features(spec)
    if matrix.names is not None:
        how, targets = "matched by file name", _samples_of_rows(matrix, files, name)
    else:
        how, targets = "taken in the order of the samples", np.arange(len(test))
        _check_length(matrix, test, name)
    x = read_matrices([matrix], targets, test)
    rows, width = matrix.shape
    left_out = (targets < 0).sum()
    more = f"; {left_out:,} rows of other files are left out" if left_out else ""
    report(f"{matrix.what}: {rows:,} rows of {width:,} features, {how}{more}")
    return x


def _check_length(matrix: Matrix, test: np.ndarray, name: str) -> None:
    """Raise UserError if there is not one row per sample."""
    rows, n, n_test = matrix.shape[0], len(test), int(test.sum())
    if rows == n:
        return
    wanted = f"{name} has {n:,} samples"
    if n_test:
        wanted = f"{name} has {n - n_test:,} training and {n_test:,} test samples"
    if rows == n - n_test:
        raise UserError(
            f"{matrix.what} has rows for the training samples only, but {wanted}: add the rows of "
            "the test samples, in the order of the data set"
        )
    raise UserError(f"{matrix.what} has {rows:,} rows, but {wanted}: give {n:,} rows")


def _samples_of_rows(matrix: Matrix, files: Sequence[str] | None, name: str) -> np.ndarray:
    """Return the sample of each row by its file name, int (m,), -1 for other files.

    Raises UserError if a sample has no row, or two rows.
    """
    if files is None:
        raise UserError(
            f"{matrix.what} has file names, but the samples of {name} have none: give one row per "
            "sample in an .npy"
        )
    samples = places(matrix.names, files, file_key)
    counts = np.bincount(samples[samples >= 0], minlength=len(files))
    if (counts == 0).any():
        raise UserError(
            f"{matrix.what} has no row for {(counts == 0).sum():,} of the {len(files):,} files of "
            f"{name}, such as {files[counts.argmin()][:200]!a}; it has {matrix.names[0][:200]!a}"
        )
    if (counts > 1).any():
        raise UserError(
            f"{matrix.what} has {counts.max()} rows for {files[counts.argmax()][:200]!a}: keep "
            "one of them"
        )
    return samples


def with_features(dataset: Dataset, x_train: np.ndarray, x_test: np.ndarray) -> Dataset:
    """Return a data set whose images are replaced by embeddings."""
    return replace(
        dataset,
        x_train=x_train,
        x_test=x_test,
        default_recipe=RECIPE,
        image_recipe=dataset.default_recipe,
        pictures=pictures_of(dataset),
    )


def replace_images(dataset: Dataset, spec: str, report: Callable[[str], None] = print) -> Dataset:
    """Return a data set whose images are replaced by the features of a file."""
    test = np.arange(len(dataset.x_train) + len(dataset.x_test)) >= len(dataset.x_train)
    return with_features(
        dataset, *read_features(spec, None, test=test, name=dataset.name, report=report)
    )
