"""Which labels are wrong, as the selection says: in files that people and other tools can take as they are."""
import os

import numpy as np
import pandas as pd

from noisylabels.metrics import issue_scores
from noisylabels.runs.atomic_io import write_array, write_csv, write_json

ISSUES, PROBABILITIES, CLASSES = "label_issues.csv", "pred_probs.npy", "classes.json"


def label_issues(dataset, y_noisy, result):
    """The training samples as a frame, worst first: by label_score, the lower index first where it is equal.

    dataset: a Dataset. y_noisy: int (n,). result: an algorithm.Selection. Labels are names; a sample is an issue where
    it was not selected, so that every network which it was held out to contradicts its label.
    """
    names, n = np.array(dataset.classes, dtype=object), len(y_noisy)
    frame = pd.DataFrame({
        "index": np.arange(n), "file": file_names(dataset, n),
        "given_label": names[y_noisy], "predicted_label": names[result.predicted], "label_score": result.label_score,
        "is_label_issue": ~result.select,
        "status": np.select([result.select, result.candidate], ["selected", "candidate"], "removed"),
        "selected_iteration": pd.array(result.iteration, "Int64"),
        "y_true": None if dataset.y_train is None else names[dataset.y_train]})
    frame["selected_iteration"] = frame.selected_iteration.where(result.select)
    return frame.iloc[np.argsort(result.label_score, kind="stable")].reset_index(drop=True)


def file_names(dataset, n):
    """What the n training samples are called: their files, with \\x.. for what is no UTF-8; without files, indices."""
    files = range(n) if dataset.files is None else dataset.files
    return [os.fsencode(str(name)).decode("utf-8", "backslashreplace") for name in files]


def write_issues(experiment, result):
    """The frame of `label_issues`, the probabilities of the first iteration, and the names of their columns."""
    write_array(experiment.folder / PROBABILITIES, result.probabilities)
    write_json(experiment.folder / CLASSES, list(experiment.dataset.classes))
    write_csv(experiment.folder / ISSUES, label_issues(experiment.dataset, experiment.y_noisy, result))


def scores(experiment, result):
    """`issue_scores` of a selection; {} where the truth is not known."""
    if experiment.is_clean is None:
        return {}
    order = np.argsort(result.label_score, kind="stable")
    return issue_scores(~result.select[order], ~experiment.is_clean[order])
