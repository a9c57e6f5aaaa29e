"""The paper's formulas: what a network that reproduces its noisy labels must score, and the noise that a score betrays.

A network trained with noise matrix T is taken to predict class j for a sample of class i with probability T[i, j] (the
paper's M = T). Everything here follows from that; NumPy is all it needs.
"""
import math
import warnings
from typing import NamedTuple

import numpy as np

from noisylabels.errors import UserError

TOLD = ("sym", "asym")          # what an algorithm may be told of the noise
PATTERNS = (*TOLD, "asym5")
GIVEN = "given"                 # the pattern of labels that are taken as they came
FIVE = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}       # asym5: truck to automobile, bird to airplane, deer to horse, cat and dog


class Noise(NamedTuple):
    """What was done to the labels: a pattern, one of PATTERNS, and the probability that a label is wrong, of asym5
    that of a label of its five classes.

    Of labels as they came GIVEN, and None: how many of them are wrong is found, if the truth is known, not set.
    """

    pattern: str
    ratio: float | None = None

    @property
    def wrong(self):
        """The share of labels that are wrong, of classes of equal size."""
        return self.ratio * len(FIVE) / 10 if self.pattern == "asym5" else self.ratio

    def __str__(self):
        return self.pattern if self.ratio is None else f"{self.pattern} {self.ratio}"


def check_noise(pattern, ratio, n_classes):
    """Raises UserError: another pattern, a ratio outside [0, 1] or nan, fewer than two classes, of asym5 not ten."""
    if pattern not in PATTERNS:
        raise UserError(f"unknown noise pattern {pattern!r}: choose {' or '.join(PATTERNS)}")
    if not 0 <= ratio <= 1:  # nan fails this, too
        raise UserError(f"the noise ratio must lie between 0 and 1, not {ratio}")
    if n_classes < 2:
        raise UserError(f"label noise needs at least two classes, not {n_classes}")
    if pattern == "asym5" and n_classes != 10:
        raise UserError(f"asym5 flips five of the ten classes of CIFAR-10; here are {n_classes}: choose sym or asym")


def told(pattern):
    """What an algorithm is told of a pattern by default: sym or asym; of labels as given asym, the careful one.

    Then nothing is removed for its loss alone, and of what is selected more is discarded.
    """
    return pattern if pattern in TOLD else "asym"


def flipped_classes(pattern, n_classes):
    """Into what asym and asym5 turn each class, int (c,): asym all of them, asym5 FIVE."""
    if pattern == "asym":
        return (np.arange(n_classes) + 1) % n_classes
    return np.array([FIVE.get(k, k) for k in range(n_classes)])


def transition_matrix(pattern, ratio, n_classes):
    """T, float64 (c, c), T[i, j] = P(y_noisy = j | y = i), rows summing to 1.

    sym: a label turns with probability `ratio` into one of the c-1 others, uniformly. asym: into class (y+1) mod c.
    asym5: of five of CIFAR-10's classes into one that looks like it, see FIVE; the others keep theirs.
    UserError: see `check_noise`.
    """
    check_noise(pattern, ratio, n_classes)
    kept = np.eye(n_classes)
    flipped = (1 - kept) / (n_classes - 1) if pattern == "sym" else kept[flipped_classes(pattern, n_classes)]
    return (1 - ratio) * kept + ratio * flipped


def test_accuracy(T, prior=None):
    """TA = sum_i p_i sum_j T_ij^2: expected share of held-out samples predicted as their *noisy* label.

    T: (c, c). prior: class shares p, (c,), uniform if None. TA is never below 1/c.
    ValueError: T is not square, or a row of it or the prior is not of probabilities that sum to 1.
    """
    T, prior = _check_matrix(T, prior)
    return float(prior @ (T**2).sum(axis=1))


def label_precision(T, prior=None):
    """LP = sum_i p_i T_ii^2 / TA: expected share of clean samples among those predicted as their noisy label.

    Arguments and errors as in `test_accuracy`. Always defined, since TA is at least 1/c.
    """
    T, prior = _check_matrix(T, prior)
    return float(prior @ np.diag(T) ** 2) / test_accuracy(T, prior)


def label_recall(T, prior=None):
    """LR = sum_i p_i T_ii^2 / sum_i p_i T_ii: expected share of the clean samples that are predicted as their label.

    Arguments and errors as in `test_accuracy`. 0 where T leaves no clean sample, the limit of 1 - ratio.
    """
    T, prior = _check_matrix(T, prior)
    clean = float(prior @ np.diag(T))
    return float(prior @ np.diag(T) ** 2) / clean if clean > 0 else 0.0


def estimate_noise_ratio(accuracy, n_classes, top_k=1):
    """Noise ratio e that explains TA: the smaller root of (1-e)^2 + e^2 / (c/k - 1) = TA (INCV's estimate, i = 1).

    accuracy: TA, the share of held-out samples whose noisy label is among the k most likely, in [0, 1]. The formula is
    that of symmetric noise; 2019 uses it for asym too, and steps to its root by 0.001. Its minimum is k/c, at
    e = 1 - k/c: a TA below that has no root, and gives this e and a warning.
    ValueError: TA outside [0, 1] or nan, k below 1 or not below c.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"test accuracy must lie in [0, 1], not {accuracy}")
    if not 1 <= top_k < n_classes:
        raise ValueError(f"top_k must be at least 1 and below the {n_classes} classes, not {top_k}")
    minimum = top_k / n_classes
    if accuracy < minimum:
        warnings.warn(f"test accuracy {accuracy:.4g} is below {minimum:.4g}, the least that noise explains: "
                      f"noise ratio set to {1 - minimum:.4g}", stacklevel=2)
        return 1 - minimum
    # a e^2 - 2e + (1 - TA) = 0 with a = 1 / (1 - k/c); this form of the root loses no digits near TA = 1.
    return (1 - accuracy) / (1 + math.sqrt(1 - (1 - accuracy) / (1 - minimum)))


def label_loss(probabilities, labels):
    """-log(p[label] + 1e-8), (n,), of class probabilities (n, c) and labels int (n,): 2019's cross entropy."""
    return -np.log(probabilities[np.arange(len(labels)), labels] + 1e-8)


def label_scores(selected, clean):
    """LP and LR of a selection. selected, clean (the observed label is the true one): bool (n,).

    LP: share of clean samples among the selected, nan where none is selected. LR: share of selected samples among the
    clean ones, nan where no label is clean.
    """
    both = (selected & clean).sum()
    return {"LP": both / selected.sum() if selected.any() else float("nan"),
            "LR": both / clean.sum() if clean.any() else float("nan")}


def issue_scores(issue, wrong):
    """How well wrong labels are found, by samples in their order, worst first.

    issue: the label is taken to be wrong, wrong: it is, bool (n,). Precision and recall of the issues, and the average
    precision of the order, the mean of the share of wrong labels up to each wrong one; nan where undefined.
    """
    both, rank = (issue & wrong).sum(), np.arange(1, len(wrong) + 1)
    return {"issue_precision": both / issue.sum() if issue.any() else float("nan"),
            "issue_recall": both / wrong.sum() if wrong.any() else float("nan"),
            "issue_average_precision": (wrong.cumsum() / rank)[wrong].mean() if wrong.any() else float("nan")}


def confusion_matrix(predicted, y, n_classes):
    """M[i, j] = P(predicted = j | y = i), (c, c); a row of zeros for a class that does not occur."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (y, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def selected_noise_ratio(ratio, pattern, n_classes):
    """epsilon_S = e^2 / (e^2 + k(1-e)^2), k = c-1 for sym and 1 for asym: expected noise ratio of the selected set.

    pattern: one of TOLD. It is 1 - LP of the matrix: 0 at ratio 0 and 1 at ratio 1. UserError: as in `check_noise`.
    """
    if pattern not in TOLD:
        raise UserError(f"an algorithm can be told {' or '.join(TOLD)}, not {pattern!r}")
    check_noise(pattern, ratio, n_classes)
    k = n_classes - 1 if pattern == "sym" else 1
    return ratio**2 / (ratio**2 + k * (1 - ratio) ** 2)


def _check_matrix(T, prior):
    """T and prior as float64 arrays, (c, c) and (c,)."""
    T = np.asarray(T, dtype=float)
    if T.ndim != 2 or not T.size or T.shape[0] != T.shape[1] or not _are_probabilities(T):
        raise ValueError("T must be a square matrix of probabilities whose rows sum to 1")
    prior = np.full(len(T), 1 / len(T)) if prior is None else np.asarray(prior, dtype=float)
    if prior.shape != (len(T),) or not _are_probabilities(prior):
        raise ValueError(f"prior must hold {len(T)} probabilities that sum to 1")
    return T, prior


def _are_probabilities(values):
    return bool((values >= 0).all() and np.allclose(values.sum(axis=-1), 1))
