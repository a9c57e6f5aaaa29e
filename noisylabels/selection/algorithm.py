"""Iterative noisy cross-validation (INCV), which selects clean samples from noisy data.

A sample is selected if a model that was not trained on it accepts its observed label. By default,
a network accepts the label that it predicts. Most selected samples are clean (see
`noisylabels.theory`), so each iteration trains on a cleaner set.

This module does not depend on a network library: `incv` receives the training as a function.

Source: Chen et al. 2019, INCV.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from noisylabels.metrics import label_loss, label_scores
from noisylabels.seeding import generator
from noisylabels.theory import estimate_noise_ratio


def is_selected(probabilities: np.ndarray, y_noisy: np.ndarray, top_k: int = 1) -> np.ndarray:
    """Return whether the observed label is among the k most likely classes.

    Parameters
    ----------
    probabilities : np.ndarray
        Class probabilities, (n, c). If two are equal, the lower class ranks first.
    y_noisy : np.ndarray
        Observed labels, int (n,).
    top_k : int
        k, from 1 to c.

    Returns
    -------
    np.ndarray
        bool (n,).
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return (ranked == np.asarray(y_noisy)[:, None]).any(axis=1)


def removal_ratio(eval_ratio: float, pattern: str | None) -> float:
    """Return r, the number of samples to remove per selected sample.

    r = min(2, e / (1 - e)) for symmetric noise with ratio e. r = 0 for other patterns, where a
    large loss does not identify mislabelled samples.

    Parameters
    ----------
    eval_ratio : float
        Estimated noise ratio e, from 0 to 1.
    pattern : {"sym", "asym"} or None
        Assumed noise pattern.

    Returns
    -------
    float
        r, from 0 to 2.

    Source: Chen et al. 2019, INCV. The published code removes nothing for other patterns.
    """
    if pattern != "sym":
        return 0.0
    if eval_ratio >= 2 / 3:
        return 2.0
    return eval_ratio / (1 - eval_ratio)


def is_removed(loss: np.ndarray, n_selected: int, r: float) -> np.ndarray:
    """Return a mask, bool (n,), of the int(r n_selected) samples with the largest loss, (n,)."""
    count = min(int(r * n_selected), len(loss))
    removed = np.zeros(len(loss), bool)
    removed[np.argsort(loss, kind="stable")[len(loss) - count :]] = True
    return removed


def best_epoch_iterations(eval_ratio: float, pattern: str | None) -> int:
    """Return m, the number of iterations that select with the best epoch's weights.

    The best epoch has the highest accuracy on the observed labels of the held-out half. m = 4 for
    symmetric noise, 2 above a ratio of 0.3, and 1 above 0.6. m = 1 for other patterns. Later
    iterations use the last epoch.

    Parameters
    ----------
    eval_ratio : float
        Estimated noise ratio. nan, before the first estimate, counts as low.
    pattern : {"sym", "asym"} or None
        Assumed noise pattern.

    Returns
    -------
    int
        m, at least 1.

    Source: Chen et al. 2019, published code.
    """
    if pattern != "sym" or eval_ratio > 0.6:
        return 1
    if eval_ratio > 0.3:
        return 2
    return 4


class FoldId(NamedTuple):
    """Identify a fold of the cross-validation."""

    iteration: int  # from 1
    half: str  # the half of the candidates that it trains on, "a" or "b"

    def __str__(self) -> str:
        return f"{self.iteration}{self.half}"


class Fold(NamedTuple):
    """Training and held-out samples of one fold."""

    fold_id: FoldId
    training: np.ndarray  # indices of the selected samples and of one half of the candidates
    held_out: np.ndarray  # indices of the other half, in increasing order


class Scores(NamedTuple):
    """Scores of m held-out samples by a model that was not trained on them."""

    accepted: np.ndarray  # whether INCV accepts the observed label, bool (m,)
    loss: np.ndarray  # cross entropy with the observed label; for ridge, -log label_score, (m,)
    predicted: np.ndarray  # most likely class, int (m,)
    label_score: np.ndarray  # probability of the observed label; for ridge, that it is right, (m,)
    probabilities: np.ndarray | None  # class probabilities (m, c); may be None after iteration 1


def score_predictions(probabilities: np.ndarray, y_noisy: np.ndarray, top_k: int = 1) -> Scores:
    """Return the scores of class probabilities (m, c) for observed labels, int (m,)."""
    return Scores(
        accepted=is_selected(probabilities, y_noisy, top_k),
        loss=label_loss(probabilities, y_noisy),
        predicted=probabilities.argmax(axis=1),
        label_score=probabilities[np.arange(len(y_noisy)), y_noisy],
        probabilities=probabilities,
    )


@dataclass
class Selection:
    """The result of INCV for n samples, in data set order."""

    select: np.ndarray  # the selected set S, bool (n,)
    candidate: np.ndarray  # the candidate set C, neither selected nor removed, bool (n,)
    selected_iteration: np.ndarray  # that selected a sample, from 1; 0 if none did, int (n,)
    predicted: np.ndarray  # latest prediction for a sample while it was held out, int (n,)
    label_score: np.ndarray  # mean of the held-out label scores over the iterations, (n,)
    probabilities: np.ndarray  # class probabilities of the first iteration, float32 (n, c)
    eval_ratio: float = float("nan")  # estimated noise ratio
    iteration_log: list[dict[str, Any]] = field(default_factory=list)  # see summarise_iteration


def empty_selection(n: int, n_classes: int) -> Selection:
    """Return the state before the first iteration: all n samples are candidates."""
    return Selection(
        select=np.zeros(n, bool),
        candidate=np.ones(n, bool),
        selected_iteration=np.zeros(n, int),
        predicted=np.zeros(n, int),
        label_score=np.zeros(n, np.float32),
        probabilities=np.zeros((n, n_classes), np.float32),
    )


TrainFolds = Callable[[Sequence[Fold], bool], Sequence[Scores]]
EstimateNoise = Callable[[Scores, np.ndarray], float]


def incv(
    train: TrainFolds,
    y: np.ndarray | None,
    y_noisy: np.ndarray,
    n_classes: int,
    pattern: str | None,
    iterations: int = 4,
    top_k: int = 1,
    seed: int = 0,
    after_iteration: Callable[[Selection], None] | None = None,
    estimate: EstimateNoise | None = None,
) -> Selection:
    """Select clean samples by iterative noisy cross-validation.

    The loop ends early if fewer than two candidates are left. Each training uses the selected
    samples and one half of the candidates.

    Parameters
    ----------
    train : callable
        ``train(folds, use_best)`` trains a network from the initial weights for each `Fold`, and
        returns the `Scores` of the held-out samples. The weights are those of the best epoch if
        `use_best` is true, else of the last epoch. Two independent folds are passed per iteration.
    y : np.ndarray or None
        True labels, int (n,), or None. They are used only to report label precision and recall.
    y_noisy : np.ndarray
        Observed labels, int (n,).
    n_classes : int
        Number of classes.
    pattern : {"sym", "asym"} or None
        Assumed noise pattern. None is treated like "asym".
    iterations : int
        Number of iterations.
    top_k : int
        Number of most likely classes. A sample is selected if its label is one of them.
    seed : int
        Random seed of the splits.
    after_iteration : callable, optional
        Called after each iteration. It receives the selection so far.
    estimate : callable, optional
        ``estimate(scores, labels)`` estimates the noise ratio from the first held-out half. The
        default assumes that the network has memorised its training labels.

    Returns
    -------
    Selection

    Source: Chen et al. 2019, INCV.
    """
    result = empty_selection(len(y_noisy), n_classes)
    for i in range(1, iterations + 1):
        candidates = np.flatnonzero(result.candidate)
        if len(candidates) < 2:
            break
        C1, C2 = np.array_split(generator(seed, "split", i).permutation(candidates), 2)
        S = np.flatnonzero(result.select)
        folds = [
            Fold(FoldId(i, "a"), np.concatenate([S, C1]), np.sort(C2)),
            Fold(FoldId(i, "b"), np.concatenate([S, C2]), np.sort(C1)),
        ]
        use_best = i <= best_epoch_iterations(result.eval_ratio, pattern)
        for (fold_id, _, held_out), scores in zip(folds, train(folds, use_best), strict=True):
            accepted = scores.accepted
            if fold_id == (1, "a"):
                if estimate:
                    result.eval_ratio = estimate(scores, y_noisy[held_out])
                else:
                    result.eval_ratio = estimate_noise_ratio(accepted.mean(), n_classes, top_k)
            r = removal_ratio(result.eval_ratio, pattern)
            removed = is_removed(scores.loss, accepted.sum(), r)
            result.select[held_out[accepted]] = True
            result.candidate[held_out[accepted | removed]] = False
            result.selected_iteration[held_out[accepted]] = i
            result.predicted[held_out] = scores.predicted
            mean = result.label_score[held_out]
            result.label_score[held_out] += (scores.label_score - mean) / i
            if i == 1:
                result.probabilities[held_out] = scores.probabilities
        result.iteration_log.append(summarise_iteration(result, i, y, y_noisy))
        if after_iteration:
            after_iteration(result)
    return result


def summarise_iteration(
    result: Selection, iteration: int, y: np.ndarray | None, y_noisy: np.ndarray
) -> dict[str, Any]:
    """Return the row of an iteration in the log: label precision, noise ratio and set sizes.

    Parameters
    ----------
    result : Selection
        The selection after the iteration.
    iteration : int
        Number of the iteration, from 1.
    y : np.ndarray or None
        True labels, int (n,), if known.
    y_noisy : np.ndarray
        Observed labels, int (n,).

    Returns
    -------
    dict
        "iteration"; "LP" and "LR", label precision and recall of the selected set; "eps", the
        estimated noise ratio; "selected", "candidate" and "removed", the sizes of the sets. LP and
        LR are nan if they are undefined or `y` is None.
    """
    select, candidate = result.select, result.candidate
    scores = {"LP": float("nan"), "LR": float("nan")}
    if y is not None:
        scores = label_scores(select, np.asarray(y) == y_noisy)
    return {
        "iteration": iteration,
        **scores,
        "eps": result.eval_ratio,
        "selected": int(select.sum()),
        "candidate": int(candidate.sum()),
        "removed": int((~select & ~candidate).sum()),
    }
