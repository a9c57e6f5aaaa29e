"""Decide without true labels whether the networks of a selection can judge the observed labels."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from noisylabels.names import shortened

TITLE = "this model cannot judge these labels"
SIGNIFICANT = 0.005  # largest p-value of an agreement above chance
CONTRADICTED = 0.5  # an estimated noise ratio above it contradicts most labels
FEW = 20  # images of a class
FEW_CONTRADICTED = 50  # images of a class, if the model contradicts most labels
MISSED = 0.1  # largest share of samples in classes that are never predicted
NAMED = 5  # classes in a sentence
LONGEST = 30  # characters of a class name


class Reliability(NamedTuple):
    """Whether a model can judge the observed labels, and the numbers that show it."""

    reasons: list[str]  # why the model cannot judge the labels; empty if it can
    notes: list[str]  # notes on classes that it cannot judge, and on a high noise ratio
    remedy: str  # what would help
    agreement: float  # share of held-out predictions that equal the observed label
    chance: float  # expected share if predictions were independent of the labels
    majority: float  # share if the most frequent label were always predicted
    p_value: float  # of an agreement this far above chance
    noise_ratio: float  # estimated
    never_predicted: list[str]  # classes
    few_images: list[str]  # classes

    @property
    def can_judge(self) -> bool:
        """Return whether the model can judge the labels."""
        return not self.reasons

    @property
    def record(self) -> dict[str, Any]:
        """Return all values as JSON values."""
        return {"can_judge": self.can_judge, **self._asdict()}


def kappa_test(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Test whether predictions agree with labels more often than independent ones would.

    Parameters
    ----------
    predicted, labels : np.ndarray
        Classes, int (n,).

    Returns
    -------
    agreement, chance : float
        The agreement, and its expected value for independent predictions.
    p_value : float
        p-value of kappa = 0 against kappa > 0, by the normal approximation.

    Source: Fleiss, Cohen and Everitt 1969, large sample standard errors of kappa.
    """
    n, n_classes = len(labels), max(predicted.max(), labels.max()) + 1
    q, p = (np.bincount(values, minlength=n_classes) / n for values in (predicted, labels))
    agreement, chance = float((predicted == labels).mean()), float(q @ p)
    variance = float(chance + chance**2 - (q * p * (q + p)).sum()) / n
    if variance < 1e-12:  # one class only
        return agreement, chance, 1.0
    z = (agreement - chance) / math.sqrt(variance)
    return agreement, chance, math.erfc(z / math.sqrt(2)) / 2


def assess(
    predicted: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    noise_ratio: float,
    epochs: int = 1,
    embedded: bool = False,
    has_epochs: bool = True,
) -> Reliability:
    """Assess whether a model can judge the observed labels.

    Parameters
    ----------
    predicted : np.ndarray
        Predictions for held-out samples, int (n,). They are those of the first iteration.
    labels : np.ndarray
        Observed labels, int (n,).
    classes : sequence of str
        Class names.
    noise_ratio : float
        Estimated noise ratio.
    epochs : int
        Number of epochs from which the best one was chosen. The p-value is multiplied by it
        (Bonferroni).
    embedded : bool
        Whether the inputs are embeddings.
    has_epochs : bool
        Whether the model is trained in epochs, unlike ridge regression.

    Returns
    -------
    Reliability
    """
    n, names = len(labels), np.array(classes, dtype=object)
    agreement, chance, p_value = kappa_test(predicted, labels)
    p_value = min(1.0, p_value * epochs)
    counts = np.bincount(labels, minlength=len(classes))
    never = (counts > 0) & (np.bincount(predicted, minlength=len(classes)) == 0)
    few = (counts > 0) & (counts < FEW)
    frequent, majority = names[counts.argmax()], counts.max() / n
    typical = int(np.median(counts[counts > 0]))
    contradicts = noise_ratio > CONTRADICTED
    reasons, notes = [], []
    if p_value > SIGNIFICANT:
        reasons.append(
            f"its held-out predictions agree with {agreement:.1%} of the labels, and chance "
            f"predictions with {chance:.1%} (p = {p_value:.2g})"
        )
    elif agreement <= majority:
        reasons.append(
            f"its held-out predictions agree with {agreement:.1%} of the labels, and always "
            f"predicting {shortened(frequent, LONGEST)} agrees with {majority:.1%}"
        )
    if counts[never].sum() > MISSED * n:
        reasons.append(f"it never predicts {_listed(names[never], len(classes))}")
    elif never.any():
        notes.append(
            f"The model never predicts {_listed(names[never], len(classes))}: it cannot judge the "
            "labels of these classes."
        )
    if contradicts and typical < FEW_CONTRADICTED:
        reasons.append(
            f"it contradicts most labels (estimated noise ratio {noise_ratio:.2f}), and {typical} "
            "images of a typical class are too few to learn it"
        )
    elif contradicts:
        notes.append(
            f"The model contradicts most labels (estimated noise ratio {noise_ratio:.2f}): either "
            "most labels are wrong, or the model is too weak."
        )
    if few.any():
        notes.append(
            f"Fewer than {FEW} images: {_listed(names[few], len(classes))}. There is little "
            "evidence to judge their labels."
        )
    remedy = "more images of each class, or better features"
    if has_epochs:
        remedy = "more images of each class, or more epochs (--INCV_epochs)"
    if not embedded:
        remedy = f"features of a pretrained network (--backbone or --features), {remedy}"
    return Reliability(
        reasons=reasons,
        notes=notes,
        remedy=remedy,
        agreement=agreement,
        chance=chance,
        majority=float(majority),
        p_value=p_value,
        noise_ratio=noise_ratio,
        never_predicted=names[never].tolist(),
        few_images=names[few].tolist(),
    )


def _listed(names: np.ndarray, n_classes: int) -> str:
    """Return how many classes these are, and the names of the first ones."""
    first = ", ".join(shortened(name, LONGEST) for name in names[:NAMED])
    more = ", …" if len(names) > NAMED else ""
    return f"{len(names)} of {n_classes} classes ({first}{more})"
