"""Read the files of runs. Missing files are None. Damaged files are reported and left out.

For a requested run, a missing or damaged file is an error instead (`required`).
"""

from __future__ import annotations

import contextlib
import functools
import json
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
    from noisylabels.data.dataset import Dataset

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
)  # prefixes of numeric columns
ROUNDING = 0.001  # largest rounding error of a probability in a CSV
SIZES = ["selected", "candidate", "removed"]
REPEAT = "repeat the command to make it again"
RUN_INCV = "run INCV.py to make it again"


def networks_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a training log with each network's test accuracy or agreement."""
    return [name for name in frame if name.startswith(("test_accuracy_", "test_agreement_"))]


def read_result(run: RunFolder, method: str) -> pd.Series | None:
    """Read the mean result of a run's networks, and its recipe; None if it is not finished.

    `final` is the test accuracy of the networks that the run saved. `test_labels` is "given" if
    the test labels may be wrong, "none" without a test set, else nan.
    """
    path = run.folder / f"{method}_result.csv"
    record = finished_record(run.folder, f"{method}_training")
    frame = read_csv(path, "network", RESULT_COLUMNS, record)
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
    path = run.folder / f"{method}_training.csv"
    record = finished_record(run.folder, f"{method}_training")
    frame = read_csv(path, "epoch", TRAINING_COLUMNS, record)
    if frame is not None and 0 in frame.index:  # older files count from 0
        frame.index = frame.index + 1
    if frame is None or frame[networks_of(frame)].isna().all(axis=None):
        return None
    epochs = record.get("arguments", {}).get("epochs", len(frame))
    if [*frame.index] != [*range(1, epochs + 1)]:
        return warn(f"{path}: left out, not one row for each of {epochs} epochs")
    return frame


def read_iterations(
    folder: Path, record: dict | None, required: bool = False
) -> pd.DataFrame | None:
    """Read the log of a selection by iteration; None if there is none, or a size is blank.

    Unless it is `required`, the log of an unfinished selection is None, too. `record` is that of
    the selection, if there is one.
    """
    if not required and is_unfinished(record):
        return None
    path, record = folder / "INCV_iterations.csv", if_finished(record)
    frame = read_csv(
        path,
        "iteration",
        columns=ITERATION_COLUMNS,
        record=record,
        required=required,
        remedy=RUN_INCV,
    )
    if frame is None:
        return None
    with skipping(path, required, RUN_INCV):
        if frame[SIZES].isna().any(axis=None):
            raise ValueError("a size is blank")
        results = record.get("results") or {}
        if [*frame.index] != [*range(1, int(results.get("iteration", len(frame))) + 1)]:
            raise ValueError("not one row for each iteration")
        return frame


def read_csv(
    path: Path,
    index: str,
    columns: list,
    record: dict | None = None,
    required: bool = False,
    remedy: str = REPEAT,
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
    record : dict, optional
        The record of the finished run that wrote the CSV.
    required : bool
        Raise UserError if the CSV is missing, empty or damaged. Otherwise return None.
    remedy : str
        Advice of this error.
    """
    with skipping(path, required, remedy):
        frame = _frame(path, index, columns)
        check_unchanged(path, record)
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


def read_classes(path: Path, dataset: Dataset | None = None) -> list[str] | None:
    """Read the class names; None if there are none.

    With a data set, they must be its classes. Those are also returned if the file is missing.
    """
    if dataset is not None and not path.exists():
        return list(dataset.classes)
    with skipping(path, dataset is not None):
        classes = json.loads(path.read_bytes())
        if dataset is not None and classes != list(dataset.classes):
            raise ValueError(f"not the classes of {dataset.name}")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("not a list of names")
        return classes


def finished_record(folder: Path, run: str) -> dict:
    """Return the record of a finished run; {} if there is none."""
    return if_finished(read_record(folder / f"{run}.json"))


def if_finished(record: dict | None) -> dict:
    """Return a record if its run is finished, else {}."""
    return record if record and record["finished"] else {}


def is_unfinished(record: dict | None) -> bool:
    """Return whether a record says that its run is unfinished."""
    return record is not None and not record["finished"]


def check_unchanged(path: Path, record: dict | None) -> None:
    """Raise ValueError if a file has changed since the finished run of a record wrote it."""
    if record and has_changed(record, path):
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


def read_matrix(path: Path, record: dict | None = None) -> np.ndarray | None:
    """Read a matrix (c, c) whose rows sum to 1; None if there is none.

    The row of an absent class is 0, or blank in older files. The CSV has a header and an index.
    `record` is as in `read_csv`.
    """
    with skipping(path):
        check_whole(path)
        matrix = pd.read_csv(path, dtype=str).iloc[:, 1:].to_numpy(dtype=float)
        if len(matrix) < 2 or matrix.shape != (len(matrix), len(matrix)):
            raise ValueError("not a square matrix")
        if not (matrix > 0).any() or (matrix < 0).any() or (matrix > 1 + ROUNDING).any():
            raise ValueError("not probabilities")
        sums = matrix.sum(axis=1)
        is_absent = (sums == 0) | np.isnan(matrix).all(axis=1)
        if not (is_absent | (abs(sums - 1) <= 0.002)).all():
            raise ValueError("a row that does not sum to one")
        check_unchanged(path, record)
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
def skipping(path: Path, required: bool = False, remedy: str = REPEAT) -> Iterator[None]:
    """Leave the block if a file is missing, and warn if it is damaged.

    If `required`, both are a UserError that ends in the remedy.
    """
    try:
        yield
    except FileNotFoundError:
        if required:
            raise UserError(f"{path} is missing: {remedy}") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        if required:
            raise UserError(f"{path} is damaged, {reason}: remove it, and {remedy}") from None
        warn(f"{path}: left out, {reason}")
    except UserError as error:  # of a CSV that people edit; it names path and line
        if required:
            raise UserError(f"{error}; or remove it, and {remedy}") from None
        warn(f"{error}; the file is left out")


@functools.cache
def warn(line: str) -> None:
    """Print a line on standard error, once."""
    print(line, file=sys.stderr)
