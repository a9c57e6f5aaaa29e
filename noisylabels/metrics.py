"""Scores of predictions and selections against true and observed labels."""

import numpy as np


def label_loss(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the cross entropy -log(p[label] + 1e-8) of each sample, (n,).

    `probabilities` are (n, c) and `labels` int (n,). The constant is that of the 2019 code.
    """
    return -np.log(probabilities[np.arange(len(labels)), labels] + 1e-8)


def label_scores(selected: np.ndarray, is_clean: np.ndarray) -> dict[str, float]:
    """Return label precision LP and label recall LR of a selection.

    Parameters
    ----------
    selected : np.ndarray
        Selected samples, bool (n,).
    is_clean : np.ndarray
        Whether each observed label is true, bool (n,).

    Returns
    -------
    dict
        LP, the share of clean samples among the selected ones; LR, the share of selected samples
        among the clean ones; nan where undefined.
    """
    both = (selected & is_clean).sum()
    return {
        "LP": both / selected.sum() if selected.any() else float("nan"),
        "LR": both / is_clean.sum() if is_clean.any() else float("nan"),
    }


def issue_scores(is_issue: np.ndarray, is_mislabelled: np.ndarray) -> dict[str, float]:
    """Return how well label issues, sorted worst first, find mislabelled samples.

    Parameters
    ----------
    is_issue : np.ndarray
        Samples reported as label issues, bool (n,).
    is_mislabelled : np.ndarray
        Samples whose observed label is not the true one, bool (n,).

    Returns
    -------
    dict
        Precision and recall of the issues, and the average precision of the order; nan where
        undefined.
    """
    both = (is_issue & is_mislabelled).sum()
    precision_at = is_mislabelled.cumsum() / np.arange(1, len(is_mislabelled) + 1)
    scores = dict.fromkeys(
        ("issue_precision", "issue_recall", "issue_average_precision"), float("nan")
    )
    if is_issue.any():
        scores["issue_precision"] = both / is_issue.sum()
    if is_mislabelled.any():
        scores["issue_recall"] = both / is_mislabelled.sum()
        scores["issue_average_precision"] = precision_at[is_mislabelled].mean()
    return scores


def confusion_matrix(predicted: np.ndarray, y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return M[i, j] = P(predicted = j | y = i), (c, c); zeros for a class without samples."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (y, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
