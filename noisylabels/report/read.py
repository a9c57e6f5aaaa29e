"""Read the files of runs. Missing files are None. Damaged files are reported and left out.

For a requested run, a missing or damaged file is an error instead (`required`).
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from noisylabels.errors import UserError
from noisylabels.runs.comparison import has_changed
from noisylabels.runs.folders import RunFolder
from noisylabels.runs.record import read_record

if TYPE_CHECKING:
    pass

VERIFY_COLUMNS = ["TA", "LP", "LR", "TA_theory", "LP_theory", "LR_theory", "test_accuracy"]
ITERATION_COLUMNS = ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
TRAINING_COLUMNS = ["epoch", ("test_accuracy_1", "test_agreement_1"), "seconds"]
RESULT_COLUMNS = ["last", "last10", "best"]
FURTHER_COLUMNS = ["final", "validated", "steps", "test_labels"]  # not in all files
OF_NUMBERS = (
    "test_accuracy_",
    "test_agreement_",
    "final",
    "validated",
    "steps",
)  # how such columns begin
SIZES = ["selected", "candidate", "removed"]


def networks_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a training log with each network's test accuracy or agreement."""
    return [name for name in frame if name.startswith(("test_accuracy_", "test_agreement_"))]


def read_result(run: RunFolder, method: str) -> pd.Series | None:
    """Read the mean result of a run's networks, and its recipe; None if it is not finished.

    `final` is the test accuracy of the networks that the run saved. `test_labels` is "given" where
    the true test labels are unknown, so that accuracy is agreement with them; else nan.
    """
    path = run.folder / f"{method}_result.csv"
    frame = read_csv(path, "network", RESULT_COLUMNS, f"{method}_training")
    if frame is None:
        return None
    if "mean" not in frame.index:
        return warn(f"{path}: left out, no row mean")
    scores = frame.loc["mean"].reindex([*FURTHER_COLUMNS, *RESULT_COLUMNS, "recipe"])
    return scores.fillna({"final": scores["last"]})


def read_accuracy(run: RunFolder, method: str) -> pd.Series | None:
    """Return the test accuracy by epoch, averaged over the networks; None if there is none."""
    frame = read_training(run, method)
    if frame is not None:
        return frame[networks_of(frame)].mean(axis=1).dropna()


def read_training(run: RunFolder, method: str) -> pd.DataFrame | None:
    """Read the log of a training by epoch, from 1; None if it is missing or has no accuracy."""
    path, name = run.folder / f"{method}_training.csv", f"{method}_training"
    frame = read_csv(path, "epoch", TRAINING_COLUMNS, name)
    if frame is not None and 0 in frame.index:  # older files count from 0
        frame.index = frame.index + 1
    if frame is None or frame[networks_of(frame)].isna().all(axis=None):
        return None
    epochs = finished_record(run.folder, name).get("arguments", {}).get("epochs", len(frame))
    if [*frame.index] != [*range(1, epochs + 1)]:
        return warn(f"{path}: left out, not one row for each of {epochs} epochs")
    return frame


def read_iterations(run: RunFolder, required: bool = False) -> pd.DataFrame | None:
    """Read the log of a selection by iteration; None if there is none, or a size is blank.

    Unless it is `required`, the log of an unfinished selection is None, too.
    """
    path = run.folder / "INCV_iterations.csv"
    if not required and is_unfinished(run.folder, "INCV"):
        return None
    frame = read_csv(path, "iteration", ITERATION_COLUMNS, "INCV", required)
    if frame is None:
        return None
    with skipping(path, required):
        if frame[SIZES].isna().any(axis=None):
            raise ValueError("a size is blank")
        results = finished_record(run.folder, "INCV").get("results") or {}
        if [*frame.index] != [*range(1, int(results.get("iteration", len(frame))) + 1)]:
            raise ValueError("not one row for each iteration")
        return frame


def read_csv(
    path: Path, index: str, columns: list, run: str | None = None, required: bool = False
) -> pd.DataFrame | None:
    """Read a CSV of numbers.

    Parameters
    ----------
    path : Path
        The CSV.
    index : str
        Column of unique values.
    columns : list of str or tuple of str
        Required columns of numbers or blanks. A tuple requires one of its columns.
    run : str, optional
        The run that wrote the CSV. Its record is in the same folder.
    required : bool
        Raise UserError if the CSV is missing, empty or damaged. Otherwise return None.
    """
    with skipping(path, required):
        frame = _frame(path, index, columns)
        check_unchanged(path, run)
        if required and not len(frame):
            raise ValueError("it is empty")
        return frame if len(frame) else None


def read_labels(path: Path, n: int) -> pd.DataFrame:
    """Read the labels that a method assigned: columns y, y_noisy and label, n rows.

    Raises UserError if the file is missing or damaged.
    """
    with skipping(path, required=True):
        check_whole(path)
        frame = pd.read_csv(path, dtype=str)
        if [*frame] != ["y", "y_noisy", "label"]:
            raise ValueError("no columns y, y_noisy and label")
        if len(frame) != n:
            raise ValueError(f"{len(frame):,} rows for {n:,} training samples")
        frame = frame.astype(float)
        if frame.y_noisy.isna().any():
            raise ValueError("a blank in y_noisy")
        return frame


def finished_record(folder: Path, run: str) -> dict:
    """Return the record of a finished run; {} if there is none."""
    record = read_record(folder / f"{run}.json")
    return record if record and record["finished"] else {}


def is_unfinished(folder: Path, run: str) -> bool:
    """Return whether a record says that its run is unfinished."""
    record = read_record(folder / f"{run}.json")
    return record is not None and not record["finished"]


def check_unchanged(path: Path, run: str | None) -> None:
    """Raise ValueError if a file has changed since the run of a record wrote it."""
    if run and has_changed(finished_record(path.parent, run), path):
        raise ValueError("it has changed since the run wrote it")


def check_whole(path: Path) -> None:
    """Raise ValueError if the last line of a file is incomplete."""
    if not path.read_bytes().endswith(b"\n"):
        raise ValueError("its end is missing")


def _frame(path: Path, index: str, columns: list) -> pd.DataFrame:
    """Read a CSV like `read_csv`. The frame may be empty.

    Raises ValueError or OSError if the CSV is missing or damaged.
    """
    check_whole(path)
    frame = pd.read_csv(path, dtype=str).apply(_numbers)
    if index not in frame:
        raise ValueError(f"no column {index}")
    for column in columns:
        names = column if isinstance(column, tuple) else (column,)
        if not any(name in frame and frame[name].dtype == float for name in names):
            raise ValueError(f"no column {names[0]} of numbers")
    if text := [
        name for name in frame if name.startswith(OF_NUMBERS) and frame[name].dtype != float
    ]:
        raise ValueError(f"no numbers in {text[0]}")
    if (frame.select_dtypes(float).abs() > 1e15).any(axis=None):
        raise ValueError("a number that is too large")
    return frame.dropna(subset=index).set_index(index, verify_integrity=True)


def read_matrix(path: Path, run: str | None = None) -> np.ndarray | None:
    """Read a matrix (c, c) whose rows sum to 1, or to 0 for an absent class; None if there is none.

    The CSV has a header and an index. `run` is as in `read_csv`.
    """
    with skipping(path):
        check_whole(path)
        matrix = pd.read_csv(path, dtype=str).iloc[:, 1:].to_numpy(dtype=float)
        if len(matrix) < 2 or matrix.shape != (len(matrix), len(matrix)):
            raise ValueError("not a square matrix")
        if not (matrix > 0).any() or (matrix < 0).any() or (matrix > 1.001).any():
            raise ValueError("not shares of one")
        sums = matrix.sum(axis=1)
        if ((abs(sums - 1) > 0.002) & (sums != 0)).any():
            raise ValueError("a row that does not sum to one")
        check_unchanged(path, run)
        return matrix


def _numbers(column: pd.Series) -> pd.Series:
    """Return a column of text as float64, if possible.

    Pandas' own parser crashes on a long exponent (issue 63089).
    """
    try:
        return column.astype(float)
    except ValueError:
        return column


@contextlib.contextmanager
def skipping(path: Path, required: bool = False) -> Iterator[None]:
    """Leave the block if a file is missing, and warn if it is damaged.

    If `required`, both are a UserError.
    """
    again = "remove it, and the same command makes it again"
    try:
        yield
    except FileNotFoundError:
        if required:
            raise UserError(f"{path} is missing: give --overwrite to make it again") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        if required:
            raise UserError(f"{path} is damaged, {reason}: {again}") from None
        warn(f"{path}: left out, {reason}")
    except UserError as error:  # of a CSV that people edit; it names path and line
        if required:
            raise UserError(f"{error}; or {again}") from None
        warn(f"{error}; the file is left out")


@functools.cache
def warn(line: str) -> None:
    """Print a line on standard error, once."""
    print(line, file=sys.stderr)
