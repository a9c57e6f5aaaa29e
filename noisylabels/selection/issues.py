"""Label issues, samples whose labels are probably wrong: their files for people and tools."""

import os

import numpy as np
import pandas as pd

from noisylabels.data.dataset import Dataset
from noisylabels.data.duplicates import NO_DUPLICATES, Duplicates
from noisylabels.experiment import Experiment
from noisylabels.metrics import issue_scores
from noisylabels.runs.atomic_io import write_array, write_csv, write_json
from noisylabels.selection.algorithm import Selection

ISSUES, PROBABILITIES, CLASSES = "label_issues.csv", "pred_probs.npy", "classes.json"
DUPLICATES = "duplicates.csv"


def label_issues(
    dataset: Dataset,
    y_noisy: np.ndarray,
    result: Selection,
    duplicates: Duplicates = NO_DUPLICATES,
) -> pd.DataFrame:
    """Return the training samples as a frame, sorted by label_score, the worst label first.

    A sample is a label issue if it was never selected: no network predicted its label while the
    sample was held out. Duplicates with different labels are label issues, too.

    Parameters
    ----------
    dataset : Dataset
        Class and file names.
    y_noisy : np.ndarray
        Observed labels, int (n,).
    result : Selection
        Result of INCV.
    duplicates : Duplicates
        Duplicates among the samples.

    Returns
    -------
    pd.DataFrame
        n rows; the columns are those of label_issues.csv, see docs/outputs.md.
    """
    names, n = np.array(dataset.classes, dtype=object), len(y_noisy)
    groups, conflict = duplicates.groups(n), duplicates.conflicts(y_noisy)
    frame = pd.DataFrame(
        {
            "index": np.arange(n),
            "file": file_names(dataset, n),
            "given_label": names[y_noisy],
            "predicted_label": names[result.predicted],
            "label_score": result.label_score,
            "is_label_issue": ~result.select | conflict,
            "status": np.select(
                [result.select, result.candidate], ["selected", "candidate"], "removed"
            ),
            "selected_iteration": pd.array(result.selected_iteration, "Int64"),
            "y_true": None if dataset.y_train is None else names[dataset.y_train],
            "duplicate_group": pd.array(groups, "Int64"),
            "duplicate_conflict": conflict,
        }
    )
    frame["duplicate_group"] = frame.duplicate_group.where(groups >= 0)
    frame["selected_iteration"] = frame.selected_iteration.where(result.select)
    return frame.iloc[np.argsort(result.label_score, kind="stable")].reset_index(drop=True)


def file_names(dataset: Dataset, n: int) -> list[str]:
    """Return the files of the n training samples, or their indices; escape bytes outside UTF-8."""
    files = range(n) if dataset.files is None else dataset.files
    return [os.fsencode(str(name)).decode("utf-8", "backslashreplace") for name in files]


def duplicate_rows(dataset: Dataset, y_noisy: np.ndarray, duplicates: Duplicates) -> pd.DataFrame:
    """Return the rows of duplicates.csv: the samples that have duplicates, sorted by group."""
    n = len(y_noisy)
    groups, similarity, exact = duplicates.groups(n), np.zeros(n), np.zeros(n, bool)
    for side in duplicates.pairs.T:
        np.maximum.at(similarity, side, duplicates.similarity)
        np.logical_or.at(exact, side, duplicates.exact)
    frame = pd.DataFrame(
        {
            "group": groups,
            "index": np.arange(n),
            "file": file_names(dataset, n),
            "given_label": np.array(dataset.classes, dtype=object)[y_noisy],
            "kind": np.where(exact, "exact", "near"),
            "similarity": similarity,
        }
    )
    return frame[groups >= 0].sort_values("group", kind="stable", ignore_index=True)


def write_issues(experiment: Experiment, result: Selection, duplicates: Duplicates) -> None:
    """Write label issues, duplicates, probabilities of the first iteration, and class names."""
    folder, dataset, y_noisy = experiment.folder, experiment.dataset, experiment.y_noisy
    write_array(folder / PROBABILITIES, result.probabilities)
    write_json(folder / CLASSES, list(dataset.classes))
    write_csv(folder / DUPLICATES, duplicate_rows(dataset, y_noisy, duplicates))
    write_csv(folder / ISSUES, label_issues(dataset, y_noisy, result, duplicates))


def scores(experiment: Experiment, result: Selection, duplicates: Duplicates) -> dict[str, float]:
    """Return `issue_scores` of a selection; {} if the true labels are unknown."""
    if experiment.is_clean is None:
        return {}
    order = np.argsort(result.label_score, kind="stable")
    is_issue = ~result.select | duplicates.conflicts(experiment.y_noisy)
    return issue_scores(is_issue[order], ~experiment.is_clean[order])
