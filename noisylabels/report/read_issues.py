"""Read and check the files of a selection. Users may have edited label_issues.csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_columns
from noisylabels.data.features import RECIPE as FEATURES
from noisylabels.report.read import (
    ROUNDING,
    RUN_INCV,
    SIZES,
    check_unchanged,
    if_finished,
    is_unfinished,
    read_classes,
    read_iterations,
    skipping,
    warn,
)
from noisylabels.runs.record import read_record
from noisylabels.selection.issues import CLASSES, ISSUES, PROBABILITIES
from noisylabels.selection.reliability import Reliability, assess
from noisylabels.selection.selection_csv import RECORD

if TYPE_CHECKING:
    from noisylabels.data.dataset import Dataset

ISSUE_COLUMNS = [
    "index",
    "file",
    "given_label",
    "predicted_label",
    "label_score",
    "is_label_issue",
    "status",
    "selected_iteration",
    "y_true",
]
STATUSES = ("selected", "candidate", "removed")
DUPLICATE_COLUMNS = ["duplicate_group", "duplicate_conflict"]  # not in files of earlier versions


class Issues(NamedTuple):
    """The label issues of a selection.

    The frame has ISSUE_COLUMNS and DUPLICATE_COLUMNS, worst first. `index` and `duplicate_group`
    are int, `label_score` is float, `is_label_issue` and `duplicate_conflict` are bool, and the
    others are text. `duplicate_group` is -1 for samples without duplicates.
    """

    frame: pd.DataFrame
    classes: list  # all class names, in the order of pred_probs.npy

    def codes(self, column: str) -> np.ndarray:
        """Return the labels of a column as class indices, int (n,)."""
        return pd.Index(self.classes).get_indexer(self.frame[column])


class SelectionResult(NamedTuple):
    """The contents of a selection's files, each read once. Missing or skipped parts are None."""

    folder: Path
    iterations: pd.DataFrame | None  # see `read_iterations`
    issues: Issues | None
    reliability: Reliability | None


def read_selection_result(folder: Path, dataset: Dataset | None = None) -> SelectionResult:
    """Read the files of a selection.

    Parameters
    ----------
    folder : Path
        The run folder of the selection.
    dataset : Dataset, optional
        The data set of the selection. All files must then exist and match it. Without it, the
        files of an unfinished selection are skipped, and damaged files are skipped with a warning.

    Raises
    ------
    UserError
        `dataset` is passed, and a file is missing or damaged.
    """
    record = read_record(folder / RECORD)
    required = dataset is not None
    iterations = read_iterations(folder, record, required)
    issues = read_issues(folder, record, dataset)
    reliability = None
    if issues is not None and iterations is not None:
        noise_ratio = iterations.eps.iloc[0]
        reliability = read_reliability(folder, record, issues, noise_ratio, required=required)
    return SelectionResult(folder, iterations, issues, reliability)


def read_issues(
    folder: Path, record: dict | None = None, dataset: Dataset | None = None
) -> Issues | None:
    """Read the label issues in a folder; None if there are none.

    `record` is the selection's record, if it exists. `dataset`: see `read_selection_result`.
    """
    path, required = folder / ISSUES, dataset is not None
    if not required and (not path.exists() or is_unfinished(record)):
        return None
    classes = read_classes(folder / CLASSES, dataset)
    if classes is None:
        return warn(f"{path}: left out without classes.json")
    with skipping(path, required, RUN_INCV):
        table = read_columns(path, ISSUE_COLUMNS, DUPLICATE_COLUMNS)
        frame = pd.DataFrame(
            table.columns
            | {"is_label_issue": table.booleans("is_label_issue")}
            | {name: table.numbers(name) for name in ("index", "label_score")}
        )
        frame["duplicate_group"], frame["duplicate_conflict"] = -1, False
        if "duplicate_group" in table.columns:
            frame["duplicate_group"] = table.numbers("duplicate_group", blank=-1)
        if "duplicate_conflict" in table.columns:
            frame["duplicate_conflict"] = table.booleans("duplicate_conflict")
        issues = Issues(frame.astype({"index": int, "duplicate_group": int}), classes)
        if required:
            n = len(dataset.x_train)
        else:
            n = _n_samples(record) or max(1, len(frame))
        if sorted(issues.frame["index"]) != list(range(n)):
            raise ValueError(f"not one row for each of {n:,} indices")
        for row, score in enumerate(issues.frame.label_score):
            if not 0 <= score <= 1 + ROUNDING:
                raise table.error(row, f"has the label_score {score}, which is not a probability")
        for row, status in enumerate(frame.status):
            if status not in STATUSES:
                raise table.error(
                    row, f"has {status[:80]!a} as status: give one of {', '.join(STATUSES)}"
                )
        for name in ("given_label", "predicted_label"):
            unknown = np.flatnonzero(issues.codes(name) < 0)
            if len(unknown):
                raise table.error(
                    unknown[0],
                    f"has {frame[name][unknown[0]][:80]!a} as {name}, which is not in classes.json",
                )
        by_score = issues.frame.sort_values(["label_score", "index"], ignore_index=True)
        return issues._replace(frame=by_score)


def read_reliability(
    folder: Path, record: dict | None, issues: Issues, noise_ratio: float, required: bool = False
) -> Reliability | None:
    """Assess from its files whether the model of a selection can judge the labels.

    Parameters
    ----------
    folder : Path
        The run folder of the selection.
    record : dict, optional
        The record of the selection.
    issues : Issues
        The label issues of the selection.
    noise_ratio : float
        The noise ratio that the first iteration estimated.
    required : bool
        Whether to raise UserError, not return None, if the probabilities are missing or damaged.
    """
    path = folder / PROBABILITIES
    arguments = record["arguments"] if record else {}
    with skipping(path, required, RUN_INCV):
        with open(path, "rb") as file:
            check_unchanged(path, if_finished(record))
            probabilities = np.lib.format.read_array(file, allow_pickle=False)
        n, c = len(issues.frame), len(issues.classes)
        if probabilities.shape != (n, c):
            raise ValueError(f"not {n:,} × {c} probabilities")
        epochs = arguments.get("epochs") or 1
        labels = np.empty(n, int)
        labels[issues.frame["index"]] = issues.codes("given_label")
        return assess(
            probabilities.argmax(axis=1),
            labels,
            issues.classes,
            noise_ratio,
            epochs=min(arguments.get("compared_epochs") or epochs, epochs),
            embedded=arguments.get("recipe") == FEATURES,
            has_epochs=arguments.get("architecture") != "ridge",
        )


def _n_samples(record: dict | None) -> int:
    """Return the number of samples in a selection's record; 0 if it is unknown."""
    results = if_finished(record).get("results") or {}
    return sum(int(results.get(name) or 0) for name in SIZES)
