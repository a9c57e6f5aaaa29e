"""Label issues: samples whose labels are probably wrong, in files for people and tools."""

import os

import numpy as np
import pandas as pd

from noisylabels.data.dataset import Dataset
from noisylabels.experiment import Experiment
from noisylabels.metrics import issue_scores
from noisylabels.runs.atomic_io import write_array, write_csv, write_json
from noisylabels.selection.algorithm import Selection

ISSUES, PROBABILITIES, CLASSES = "label_issues.csv", "pred_probs.npy", "classes.json"


def label_issues(dataset: Dataset, y_noisy: np.ndarray, result: Selection) -> pd.DataFrame:
    """Return the training samples as a frame, sorted by label_score, the worst label first.

    A sample is a label issue if it was not selected: every network that it was held out from
    contradicts its label.

    Parameters
    ----------
    dataset : Dataset
        Class and file names.
    y_noisy : np.ndarray
        Observed labels, int (n,).
    result : Selection
        Result of INCV.

    Returns
    -------
    pd.DataFrame
        n rows; the columns are those of label_issues.csv, see docs/outputs.md.
    """
    names, n = np.array(dataset.classes, dtype=object), len(y_noisy)
    frame = pd.DataFrame(
        {
            "index": np.arange(n),
            "file": file_names(dataset, n),
            "given_label": names[y_noisy],
            "predicted_label": names[result.predicted],
            "label_score": result.label_score,
            "is_label_issue": ~result.select,
            "status": np.select(
                [result.select, result.candidate], ["selected", "candidate"], "removed"
            ),
            "selected_iteration": pd.array(result.iteration, "Int64"),
            "y_true": None if dataset.y_train is None else names[dataset.y_train],
        }
    )
    frame["selected_iteration"] = frame.selected_iteration.where(result.select)
    return frame.iloc[np.argsort(result.label_score, kind="stable")].reset_index(drop=True)


def file_names(dataset: Dataset, n: int) -> list[str]:
    """Return the files of the n training samples, or their indices; bytes outside UTF-8 as \\x.."""
    files = range(n) if dataset.files is None else dataset.files
    return [os.fsencode(str(name)).decode("utf-8", "backslashreplace") for name in files]


def write_issues(experiment: Experiment, result: Selection) -> None:
    """Write the label issues, the probabilities of the first iteration, and the class names."""
    write_array(experiment.folder / PROBABILITIES, result.probabilities)
    write_json(experiment.folder / CLASSES, list(experiment.dataset.classes))
    write_csv(
        experiment.folder / ISSUES, label_issues(experiment.dataset, experiment.y_noisy, result)
    )


def scores(experiment: Experiment, result: Selection) -> dict[str, float]:
    """Return `issue_scores` of a selection; {} if the true labels are unknown."""
    if experiment.is_clean is None:
        return {}
    order = np.argsort(result.label_score, kind="stable")
    return issue_scores(~result.select[order], ~experiment.is_clean[order])
