"""Inputs of a method: training data, knowledge of the noise, predictions of other networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MethodInputs:
    """The data and the knowledge of the noise that a method may use.

    The docstring of each method says which of these fields it needs.
    """

    images: np.ndarray  # uint8 (n, h, w, ch), or embeddings, float32 (n, d)
    labels: np.ndarray  # observed labels, int (n,)
    n_classes: int
    batch_size: int
    epochs: int
    noise_ratio: float | None = None  # true noise ratio; None if unknown
    T: np.ndarray | None = None  # true noise transition matrix (c, c); None if unknown
    assumed_pattern: str | None = None  # "sym", "asym" or None
    select: np.ndarray | None = None  # samples selected by INCV, bool (n,)
    candidate: np.ndarray | None = None  # samples neither selected nor removed by INCV, bool (n,)
    eval_ratio: float | None = None  # noise ratio estimated by INCV
    options: dict[str, Any] = field(default_factory=dict)  # values of the method's own flags

    def with_selection(
        self, select: np.ndarray, candidate: np.ndarray, eval_ratio: float
    ) -> MethodInputs:
        """Return a copy with the result of INCV."""
        return replace(self, select=select, candidate=candidate, eval_ratio=float(eval_ratio))


@dataclass(frozen=True)
class PreparationContext:
    """Tools that a method may use before its training, see `Method.prepare`.

    Attributes
    ----------
    seed : int
        Random seed of the run.
    train_standard : callable
        ``train_standard(samples, held_out)`` trains a standard network on the samples, and keeps
        the epoch of the lowest held-out loss. It returns class probabilities of the k images that
        are not set aside for testing, float32 (k, c). A finished training is not repeated.
    teacher_probabilities : callable
        ``teacher_probabilities()`` returns class probabilities of all training images, float (n,
        c). They are averaged over the networks that `incv` trained on the same selection.
    """

    seed: int
    train_standard: Callable[[np.ndarray, np.ndarray], np.ndarray]
    teacher_probabilities: Callable[[], np.ndarray]
