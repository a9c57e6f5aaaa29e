"""Read the label issues of a selection, which people may have edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_columns
from noisylabels.report.read import (
    ITERATION_COLUMNS,
    SIZES,
    check_unchanged,
    finished_record,
    is_unfinished,
    read_csv,
    skipping,
    warn,
)
from noisylabels.runs.record import read_record
from noisylabels.selection.issues import PROBABILITIES
from noisylabels.selection.reliability import Reliability, assess

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
    are int, `label_score` is float, `is_label_issue` and `duplicate_conflict` are bool, and others
    are text. `duplicate_group` is -1 for samples without duplicates.
    """

    frame: pd.DataFrame
    classes: list  # all class names, in the order of pred_probs.npy

    def codes(self, column: str) -> np.ndarray:
        """Return the labels of a column as class indices, int (n,)."""
        return pd.Index(self.classes).get_indexer(self.frame[column])


def read_issues(folder: Path, dataset: Dataset | None = None) -> Issues | None:
    """Read the label issues in a folder; None if there are none.

    Parameters
    ----------
    folder : Path
        The run folder of a selection.
    dataset : Dataset, optional
        The data set of a requested selection. Its label issues must exist and fit. Without it,
        damaged label issues are reported on standard error and left out.
    """
    path, required = folder / "label_issues.csv", dataset is not None
    if not required and (not path.exists() or is_unfinished(folder, "INCV")):
        return None
    classes = read_classes(folder / "classes.json", dataset)
    if classes is None:
        return warn(f"{path}: left out without classes.json")
    with skipping(path, required):
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
        n = len(dataset.x_train) if required else _samples(folder) or max(1, len(frame))
        if sorted(issues.frame["index"]) != list(range(n)):
            raise ValueError(f"not one row for each of {n:,} indices")
        for row, score in enumerate(issues.frame.label_score):
            if not 0 <= score <= 1.001:
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
        return issues


def read_classes(path: Path, dataset: Dataset | None = None) -> list[str] | None:
    """Read the class names; None if there are none. With a data set, they are required."""
    with skipping(path, dataset is not None):
        classes = json.loads(path.read_bytes())
        if dataset is not None and classes != list(dataset.classes):
            raise ValueError(f"not the classes of {dataset.name}")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("not a list of names")
        return classes


def read_reliability(folder: Path, issues: Issues, required: bool = False) -> Reliability | None:
    """Assess the model of a selection by its files.

    The result is None if files are missing or damaged. If `required`, that is a UserError.
    """
    arguments = (read_record(folder / "INCV.json") or {}).get("arguments", {})
    iterations = read_csv(
        folder / "INCV_iterations.csv", "iteration", ITERATION_COLUMNS, "INCV", required
    )
    if iterations is None:
        return None
    path = folder / PROBABILITIES
    with skipping(path, required):
        check_unchanged(path, "INCV")
        with open(path, "rb") as file:
            probabilities = np.lib.format.read_array(file, allow_pickle=False)
        n, c = len(issues.frame), len(issues.classes)
        if probabilities.shape != (n, c):
            raise ValueError(f"not {n:,} × {c} probabilities")
        labels = np.empty(n, int)
        labels[issues.frame["index"]] = issues.codes("given_label")
        return assess(
            probabilities.argmax(axis=1),
            labels,
            issues.classes,
            iterations.eps.iloc[0],
            epochs=arguments.get("epochs") or 1,
            embedded=arguments.get("recipe") == "features",
            has_epochs=arguments.get("architecture") != "ridge",
        )


def _samples(folder: Path) -> int:
    """Return how many samples the selection in a folder had; 0 if that is unknown."""
    results = finished_record(folder, "INCV").get("results") or {}
    return sum(int(results.get(name) or 0) for name in SIZES)
