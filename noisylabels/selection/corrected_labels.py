"""Labels that a method keeps or corrects: their CSV and their scores."""

from pathlib import Path

import numpy as np
import pandas as pd

from noisylabels.experiment import Experiment
from noisylabels.metrics import label_scores
from noisylabels.runs.atomic_io import write_csv


def write_labels(
    path: Path, experiment: Experiment, corrected: np.ndarray | None
) -> pd.DataFrame | None:
    """Write a method's corrected labels as CSV: y, y_noisy, label.

    Parameters
    ----------
    path : Path
        The CSV.
    experiment : Experiment
        True and observed labels.
    corrected : np.ndarray, optional
        See `Method.corrected_labels`. -1 becomes a blank. None writes nothing.

    Returns
    -------
    pd.DataFrame or None
        The written frame.
    """
    if corrected is None:
        return None
    labels = pd.DataFrame(
        {
            "y": experiment.dataset.y_train,
            "y_noisy": experiment.y_noisy,
            "label": pd.Series(corrected, dtype="Int64").replace(-1, pd.NA),
        }
    )
    write_csv(path, labels)
    return labels


def scores_of(labels: pd.DataFrame | None) -> dict[str, float]:
    """Return LP and LR of the labels that a method keeps, and the share of true labels.

    `labels` is a frame of `write_labels`. The result is {} if the true labels are unknown.
    """
    if labels is None:
        return {}
    assigned = labels.dropna(subset="label").astype({"label": float})
    if assigned.y.isna().any():
        return {}
    scores = label_scores(assigned.label == assigned.y_noisy, assigned.y == assigned.y_noisy)
    scores["labels_right"] = (assigned.label == assigned.y).mean()
    return {name: float(value) for name, value in scores.items()}
