"""The theory of Chen et al. 2019: scores predicted from the noise, and noise from a score.

A model trained on noisy labels is assumed to predict class j for a sample of class i with
probability T[i, j], the noise transition matrix: M = T. Everything here follows from that.
"""

import math
import warnings

import numpy as np

from noisylabels.errors import UserError
from noisylabels.noise import ASSUMABLE_PATTERNS, check_noise


def test_accuracy(T: np.ndarray, prior: np.ndarray | None = None) -> float:
    """Return TA = sum_i p_i sum_j T_ij^2, the accuracy on held-out samples with noisy labels.

    Parameters
    ----------
    T : np.ndarray
        Noise transition matrix, (c, c).
    prior : np.ndarray, optional
        Class shares p, (c,); by default uniform.

    Returns
    -------
    float
        Expected share of held-out samples that are predicted as their noisy label, in [1/c, 1].

    Raises
    ------
    ValueError
        T is not square, or its rows or the prior are not probabilities that sum to 1.
    """
    T, prior = _check_matrix(T, prior)
    return float(prior @ (T**2).sum(axis=1))


def label_precision(T: np.ndarray, prior: np.ndarray | None = None) -> float:
    """Return LP = sum_i p_i T_ii^2 / TA, the expected label precision of the selected samples.

    Arguments and errors are those of `test_accuracy`.
    """
    T, prior = _check_matrix(T, prior)
    return float(prior @ np.diag(T) ** 2) / test_accuracy(T, prior)


def label_recall(T: np.ndarray, prior: np.ndarray | None = None) -> float:
    """Return LR = sum_i p_i T_ii^2 / sum_i p_i T_ii, the expected label recall.

    Arguments and errors are those of `test_accuracy`. Without clean samples it is 0, the limit of
    1 - ratio.
    """
    T, prior = _check_matrix(T, prior)
    clean = float(prior @ np.diag(T))
    return float(prior @ np.diag(T) ** 2) / clean if clean > 0 else 0.0


def estimate_noise_ratio(accuracy: float, n_classes: int, top_k: int = 1) -> float:
    """Return the smaller root e of (1 - e)^2 + e^2 / (c/k - 1) = TA.

    The formula is that of symmetric noise. The 2019 code uses it for asym too, and finds the root
    in steps of 0.001.

    Parameters
    ----------
    accuracy : float
        TA, the share of held-out samples whose noisy label is among the k most likely classes.
    n_classes, top_k : int
        c and k, with 1 <= k < c.

    Returns
    -------
    float
        The noise ratio, in [0, 1 - k/c]. A TA below the minimum k/c has no root; the result is then
        1 - k/c, with a warning.

    Raises
    ------
    ValueError
        TA is outside [0, 1], or k is below 1 or not below c.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"test accuracy must lie in [0, 1], not {accuracy}")
    if not 1 <= top_k < n_classes:
        raise ValueError(f"top_k must be at least 1 and below the {n_classes} classes, not {top_k}")
    minimum = top_k / n_classes
    if accuracy < minimum:
        warnings.warn(
            f"held-out agreement {accuracy:.4g} is below chance, {minimum:.4g}: the noise ratio is "
            f"set to its maximum, {1 - minimum:.4g}",
            stacklevel=2,
        )
        return 1 - minimum
    # a e^2 - 2e + (1 - TA) = 0 with a = 1 / (1 - k/c); this form loses no digits near TA = 1.
    return (1 - accuracy) / (1 + math.sqrt(1 - (1 - accuracy) / (1 - minimum)))


def selected_noise_ratio(ratio: float, pattern: str, n_classes: int) -> float:
    """Return epsilon_S = e^2 / (e^2 + k(1 - e)^2), the expected noise ratio of the selected set.

    k is c - 1 for sym and 1 for asym. It is 1 - LP of the matrix T.

    Raises
    ------
    UserError
        The pattern cannot be assumed, or see `noise.check_noise`.
    """
    if pattern not in ASSUMABLE_PATTERNS:
        choices = " or ".join(ASSUMABLE_PATTERNS)
        raise UserError(f"an algorithm can assume {choices}, not {pattern!r}")
    check_noise(pattern, ratio, n_classes)
    k = n_classes - 1 if pattern == "sym" else 1
    return ratio**2 / (ratio**2 + k * (1 - ratio) ** 2)


def _check_matrix(T: np.ndarray, prior: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return T and prior as float64 arrays, (c, c) and (c,)."""
    T = np.asarray(T, dtype=float)
    if T.ndim != 2 or not T.size or T.shape[0] != T.shape[1] or not _are_probabilities(T):
        raise ValueError("T must be a square matrix of probabilities whose rows sum to 1")
    prior = np.full(len(T), 1 / len(T)) if prior is None else np.asarray(prior, dtype=float)
    if prior.shape != (len(T),) or not _are_probabilities(prior):
        raise ValueError(f"prior must hold {len(T)} probabilities that sum to 1")
    return T, prior


def _are_probabilities(values: np.ndarray) -> bool:
    return bool((values >= 0).all() and np.allclose(values.sum(axis=-1), 1))
