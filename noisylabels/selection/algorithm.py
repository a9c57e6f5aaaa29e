"""Iterative noisy cross-validation (INCV), the paper's selection of clean samples, without the networks.

Selected: the prediction of a network that has not seen the sample equals its observed label. Those samples are mostly
clean, for a network trained on noisy labels errs as the noise does (theory.py); and each round trains on cleaner ones.
"""
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from noisylabels.streams import stream
from noisylabels.theory import estimate_noise_ratio, label_loss, label_scores


def is_selected(probabilities, y_noisy, top_k=1):
    """Whether the observed label is among the top_k most likely classes: bool (n,). probabilities: (n, c).

    Of equal probabilities the lower class comes first, as in np.argmax.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return (ranked == np.asarray(y_noisy)[:, None]).any(axis=1)


def removal_ratio(eval_ratio, pattern):
    """r: samples to remove for each one selected. min(2, e/(1 - e)) for sym, 0 for asym or an unknown pattern.

    Under a class-dependent noise the samples of largest loss need not be the noisy ones: nothing is removed.
    """
    if pattern != "sym":
        return 0.
    return 2. if eval_ratio >= 2 / 3 else eval_ratio / (1 - eval_ratio)


def is_removed(loss, n_selected, r):
    """The int(r n_selected) samples of largest loss: bool (n,). A count of zero removes nothing."""
    count = min(int(r * n_selected), len(loss))
    removed = np.zeros(len(loss), bool)
    removed[np.argsort(loss, kind="stable")[len(loss) - count:]] = True
    return removed


def best_epoch_iterations(eval_ratio, pattern):
    """m: in iterations 1..m the epoch of best accuracy on the held-out noisy half selects, later the last epoch.

    A network that has not yet fitted its noise selects better; once the training set is clean the last is as good.
    """
    if pattern != "sym" or eval_ratio > .6:
        return 1
    return 2 if eval_ratio > .3 else 4


class Stage(NamedTuple):
    """One training: an iteration, from 1, and the half that it trains on, "a" or "b"."""

    iteration: int
    half: str

    def __str__(self):
        return f"{self.iteration}{self.half}"


class Scores(NamedTuple):
    """What a network says of m samples that it has not seen."""

    hit: np.ndarray                     # is_selected, bool (m,)
    loss: np.ndarray                    # theory.label_loss, (m,)
    predicted: np.ndarray               # the most likely class, int (m,)
    label_score: np.ndarray             # the probability of the observed label, (m,)
    probabilities: np.ndarray | None    # of all classes, (m, c); None after the first iteration


def scores_of(probabilities, y_noisy, top_k=1):
    """The Scores of class probabilities (m, c) for observed labels int (m,)."""
    return Scores(is_selected(probabilities, y_noisy, top_k), label_loss(probabilities, y_noisy),
                  probabilities.argmax(axis=1), probabilities[np.arange(len(y_noisy)), y_noisy], probabilities)


@dataclass
class Selection:
    """The sets S (select), C (candidate), the estimated noise ratio, one row an iteration; and what the networks said.

    select, candidate: bool (n,). iteration: in which a sample was selected, from 1, 0 where it was not: int (n,).
    predicted: the most likely class for the last network to which a sample was held out, int (n,). label_score: the
    mean probability of its observed label for all networks to which it was, float32 (n,). probabilities: of all classes
    in the first iteration, float32 (n, c).
    """

    select: np.ndarray
    candidate: np.ndarray
    iteration: np.ndarray
    predicted: np.ndarray
    label_score: np.ndarray
    probabilities: np.ndarray
    eval_ratio: float = float("nan")
    iterations: list = field(default_factory=list)


def incv(train, y, y_noisy, n_classes, pattern, iterations=4, top_k=1, seed=0):
    """Algorithm INCV: cleans D, the samples with observed labels y_noisy (n,).

    train(halves, use_best): for each (stage, samples, held_out) of the two halves, trains from the initial weights on
    the samples (indices), and returns the Scores of the held-out ones; by the weights of the epoch with the best
    held-out accuracy if use_best, else of the last. stage: a Stage. Neither half depends on what the other gives, so
    that they may be trained side by side.
    y: true labels, for LP and LR in the rows alone; None where they are not known.
    pattern: what the algorithm is told of the noise, "sym", "asym" or None.
    Ends early when fewer than two candidates are left. Where S stays empty the next iteration trains on the half alone.
    """
    n = len(y_noisy)
    result = Selection(np.zeros(n, bool), np.ones(n, bool), np.zeros(n, int), np.zeros(n, int),
                       np.zeros(n, np.float32), np.zeros((n, n_classes), np.float32))
    for i in range(1, iterations + 1):
        candidates = np.flatnonzero(result.candidate)
        if len(candidates) < 2:
            break
        C1, C2 = np.array_split(stream(seed, "split", i).permutation(candidates), 2)
        kept = np.flatnonzero(result.select)                                    # S, as it was before this iteration
        halves = [(Stage(i, "a"), np.concatenate([kept, C1]), np.sort(C2)),
                  (Stage(i, "b"), np.concatenate([kept, C2]), np.sort(C1))]
        use_best = i == 1 or i <= best_epoch_iterations(result.eval_ratio, pattern)
        for (stage, _, held_out), scores in zip(halves, train(halves, use_best), strict=True):
            hit = scores.hit
            if stage == (1, "a"):
                result.eval_ratio = estimate_noise_ratio(hit.mean(), n_classes, top_k)
            removed = is_removed(scores.loss, hit.sum(), removal_ratio(result.eval_ratio, pattern))
            result.select[held_out[hit]] = True
            result.candidate[held_out[hit | removed]] = False
            result.iteration[held_out[hit]] = i
            result.predicted[held_out] = scores.predicted
            result.label_score[held_out] += (scores.label_score - result.label_score[held_out]) / i
            if i == 1:
                result.probabilities[held_out] = scores.probabilities
        result.iterations.append(describe(result, i, y, y_noisy))
    return result


def describe(result, iteration, y, y_noisy):
    """LP and LR of S so far (nan without true labels, or where undefined), and the sizes of S, C and the removed."""
    select, candidate = result.select, result.candidate
    scores = {"LP": float("nan"), "LR": float("nan")} if y is None else label_scores(select, np.asarray(y) == y_noisy)
    return {"iteration": iteration, **scores, "eps": result.eval_ratio, "selected": int(select.sum()),
            "candidate": int(candidate.sum()), "removed": int((~select & ~candidate).sum())}
