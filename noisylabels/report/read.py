"""Reads what runs left, and believes nothing: what is missing is None, what is damaged is named and left out."""
import contextlib
import functools
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_columns
from noisylabels.errors import UserError

VERIFY_COLUMNS = ["TA", "LP", "LR", "TA_theory", "LP_theory", "LR_theory", "test_accuracy"]
ITERATION_COLUMNS = ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
TRAINING_COLUMNS = ["epoch", ("test_accuracy_1", "test_agreement_1"), "seconds"]
ISSUE_COLUMNS = ["index", "file", "given_label", "predicted_label", "label_score", "is_label_issue", "status",
                 "selected_iteration", "y_true"]
RESULT_COLUMNS = ["last", "last10", "best"]
FURTHER_COLUMNS = ["final", "validated", "steps", "test_labels"]        # not in all files
OF_NUMBERS = ("test_accuracy_", "test_agreement_", "final", "validated", "steps")       # how such columns begin
SIZES = ["selected", "candidate", "removed"]


def networks_of(frame):
    """The columns of a training's log with a network's test accuracy, or agreement, as many as it has networks."""
    return [name for name in frame if name.startswith(("test_accuracy_", "test_agreement_"))]


def read_result(run, method):
    """Series of a finished run's results, the mean of its networks, and its recipe; None if not finished.

    final: the test accuracy of what the method arrives at; in files of before the last epoch's. test_labels: "given"
    where it is not known which of them are true, and accuracy is agreement with them, else nan.
    """
    frame = read_csv(run.folder / f"{method}_result.csv", "network", RESULT_COLUMNS)
    if frame is not None:
        scores = frame.loc["mean"] if "mean" in frame.index else frame.mean(numeric_only=True)
        scores = scores.reindex([*FURTHER_COLUMNS, *RESULT_COLUMNS, "recipe"])
        return scores.fillna({"final": scores["last"]})


def read_accuracy(run, method):
    """Series of test accuracy by epoch, the mean of the networks; None where there is none."""
    frame = read_training(run, method)
    if frame is not None:
        return frame[networks_of(frame)].mean(axis=1).dropna()


def read_training(run, method):
    """Frame of a method's training by epoch, from 1; None where there is none, or no test accuracy in it."""
    frame = read_csv(run.folder / f"{method}_training.csv", "epoch", TRAINING_COLUMNS)
    if frame is not None and 0 in frame.index:      # files of before count from 0
        frame.index = frame.index + 1
    if frame is not None and frame[networks_of(frame)].notna().any(axis=None):
        return frame


def read_iterations(run):
    """Frame of a run's selection by iteration; None where there is none, or a size is blank."""
    path = run.folder / "INCV_iterations.csv"
    frame = read_csv(path, "iteration", ITERATION_COLUMNS)
    if frame is not None and frame[SIZES].isna().any(axis=None):
        return warn(f"{path}: left out, a size is blank")
    return frame


class Issues(NamedTuple):
    """The label issues of a selection: a frame of ISSUE_COLUMNS, worst first; text but index, score and is_label_issue.
    """

    frame: pd.DataFrame
    classes: list               # the names of all classes, in the order of pred_probs.npy

    def codes(self, column):
        """The labels of a column as indices of the classes, int (n,)."""
        return pd.Index(self.classes).get_indexer(self.frame[column])


def read_issues(folder: Path) -> Issues | None:
    """Read the label issues in a folder; None where there are none.

    A file that is damaged is named on standard error, with the line, and left out.
    """
    path = folder / "label_issues.csv"
    if not path.exists():
        return None
    with _skipping(path):
        classes = json.loads((folder / "classes.json").read_bytes())
        table = read_columns(path, ISSUE_COLUMNS)
        frame = pd.DataFrame(table.columns | {"is_label_issue": table.booleans("is_label_issue")} | {
            name: table.numbers(name) for name in ("index", "label_score")})
        issues = Issues(frame.astype({"index": int}), classes)
        if not len(frame) or sorted(issues.frame["index"]) != list(range(len(frame))):
            raise ValueError("not one row for each index")
        for row, score in enumerate(issues.frame.label_score):
            if not 0 <= score <= 1.001:
                raise table.error(row, f"has the label_score {score}, which is no probability")
        for name in ("given_label", "predicted_label"):
            unknown = np.flatnonzero(issues.codes(name) < 0)
            if len(unknown):
                raise table.error(unknown[0], f"has {frame[name][unknown[0]][:80]!a} as {name}, "
                                              "which is not in classes.json")
        return issues


def read_csv(path, index, columns):
    """A frame by a unique `index`, with these columns at least, numbers or blank; None where there is no such.

    Of columns in a tuple it needs one.
    """
    with _skipping(path):
        frame = _frame(path, index, columns)
        return frame if len(frame) else None


def read_finished(path, index, columns):
    """As `read_csv`, of a run that has finished. Raises UserError where there is no such."""
    try:
        frame = _frame(path, index, columns)
        if len(frame):
            return frame
        reason = "it is empty"
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
    raise UserError(f"{path} is damaged, {reason}: remove it, and the same command makes it again")


def _frame(path, index, columns):
    """As `read_csv`, or an empty one. Raises ValueError or OSError where there is no such."""
    frame = pd.read_csv(path, dtype=str).apply(_numbers)
    if index not in frame:
        raise ValueError(f"no column {index}")
    for column in columns:
        names = column if isinstance(column, tuple) else (column,)
        if not any(name in frame and frame[name].dtype == float for name in names):
            raise ValueError(f"no column {names[0]} of numbers")
    if text := [name for name in frame if name.startswith(OF_NUMBERS) and frame[name].dtype != float]:
        raise ValueError(f"no numbers in {text[0]}")
    if (frame.select_dtypes(float).abs() > 1e15).any(axis=None):
        raise ValueError("a number beyond all reason")
    return frame.dropna(subset=index).set_index(index, verify_integrity=True)


def read_matrix(path):
    """A matrix of shares, (c, c), from a CSV with header and index; None where there is no such."""
    with _skipping(path):
        matrix = pd.read_csv(path, dtype=str).iloc[:, 1:].to_numpy(dtype=float)
        if len(matrix) < 2 or matrix.shape != (len(matrix), len(matrix)):
            raise ValueError("not a square matrix")
        if not (matrix > 0).any() or (matrix < 0).any() or (matrix > 1.001).any():
            raise ValueError("not shares of one")
        return matrix


def _numbers(column):
    """A column of text as float64, if it can be. Pandas' own parser crashes on a long exponent (its issue 63089)."""
    try:
        return column.astype(float)
    except ValueError:
        return column


@contextlib.contextmanager
def _skipping(path):
    """Leave the block at a missing file silently, at an unreadable one with a warning."""
    try:
        yield
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        warn(f"{path}: left out, {reason}")
    except UserError as error:              # of a CSV that people edit; it names path and line
        warn(f"{error}; the file is left out")


@functools.cache
def warn(line):
    """A line on standard error, once."""
    print(line, file=sys.stderr)
