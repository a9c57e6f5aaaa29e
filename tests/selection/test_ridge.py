"""Ridge regression on embeddings, and the probability that a label is right."""

import numpy as np
import pytest

from models.ridge import PENALTIES, Ridge, moments
from noisylabels.selection import label_posterior as posterior
from noisylabels.selection.algorithm import incv
from utils import corrupt_labels

RNG = np.random.default_rng(0)


def blobs(n=600, n_classes=3, width=8, distance=4.0):
    """Return embeddings of Gaussian classes, float32 (n, width), and their classes."""
    y = np.arange(n) % n_classes
    centres = distance * np.eye(n_classes, width)
    return (RNG.normal(size=(n, width)) + centres[y]).astype(np.float32), y


def solve(x, y, n_classes, penalty, n=None):
    """Return W = (X^T X + penalty n I)^-1 X^T (Y - 1/c) in double precision."""
    gram = x.T @ x + penalty * (n or len(x)) * np.eye(x.shape[1])
    return np.linalg.solve(gram, x.T @ (np.eye(n_classes)[y] - 1 / n_classes))


def leave_one_out(x, y, n_classes, penalty):
    """Return the outputs of models that are refitted without each sample, (n, c)."""
    found = []
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        found.append(x[i] @ solve(x[others], y[others], n_classes, penalty, n=len(x)))
    return np.array(found)


def test_weights_of_four_samples():
    x = np.array([[3], [3], [7], [7]], np.float32)  # standardised: -1, -1, 1, 1
    fit = Ridge(x, np.array([0, 0, 1, 1]), 2).fit(np.arange(4))
    assert fit.penalty == pytest.approx(0.01)
    # X^T X = 4, X^T (Y - 1/2) = (-2, 2), lambda n = 0.04
    np.testing.assert_allclose(fit.weights, [[-2 / 4.04, 2 / 4.04]], rtol=1e-5)


def test_penalty_has_lowest_leave_one_out_error():
    x, y = blobs(60, distance=1.5)
    y = corrupt_labels(y, "sym", 0.4, 3, seed=0)
    ridge = Ridge(x, y, 3)
    z = ridge.standardised(np.arange(60)).astype(np.float64)
    errors = [((leave_one_out(z, y, 3, p) - np.eye(3)[y] + 1 / 3) ** 2).sum() for p in PENALTIES]
    fit = ridge.fit(np.arange(60))
    assert 0 < np.argmin(errors) < len(PENALTIES) - 1
    assert fit.penalty == PENALTIES[np.argmin(errors)]
    np.testing.assert_allclose(fit.outputs, leave_one_out(z, y, 3, fit.penalty), atol=1e-5)
    np.testing.assert_allclose(fit.weights, solve(z, y, 3, fit.penalty), atol=1e-5)


@pytest.mark.parametrize("size", [100, 500])
def test_subsets_are_fitted_alone(size):
    """More than half of the samples are fitted by the sums of all minus those of the others."""
    x, y = blobs()
    rows = np.sort(RNG.permutation(600)[:size])
    ridge = Ridge(x, y, 3)
    fit = ridge.fit(rows)
    expected = solve(ridge.standardised(rows).astype(np.float64), y[rows], 3, fit.penalty)
    np.testing.assert_allclose(fit.weights, expected, atol=1e-5)


def test_constant_features_have_no_effect():
    x, y = blobs(90)
    with_constant = np.hstack([x, np.full((90, 1), 1e4, np.float32)])
    assert moments(with_constant)[1][-1] == 0
    rows = np.arange(90)
    expected, ridge = Ridge(x, y, 3), Ridge(with_constant, y, 3)
    np.testing.assert_allclose(
        ridge.outputs(ridge.fit(rows).weights, rows),
        expected.outputs(expected.fit(rows).weights, rows),
        atol=1e-5,
    )


def test_moments_of_features_far_from_zero():
    x = (1000 + RNG.normal(size=(10_000, 3))).astype(np.float32)
    mean, scale = moments(x)
    np.testing.assert_allclose(mean, x.astype(float).mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(1 / scale, x.astype(float).std(axis=0), rtol=1e-4)


def test_posterior_by_hand():
    T = np.array([[0.8, 0.2], [0.4, 0.6]])
    p = np.array([[0.5, 0.5], [0.5, 0.5]])
    right = posterior.label_posterior(p, np.array([0, 1]), T)
    np.testing.assert_allclose(right, [0.4 / (0.4 + 0.2), 0.3 / (0.1 + 0.3)])


def test_confident_samples_are_a_quarter_of_each_predicted_class():
    outputs = np.array([[k, 0.0] for k in range(1, 9)] + [[0.0, 9.0]])
    assert posterior.confident_samples(outputs).tolist() == [6, 7, 8]


@pytest.mark.parametrize("pattern, ratio", [("sym", 0.2), ("sym", 0.6), ("asym", 0.4), ("sym", 0)])
def test_noise_of_a_head_is_estimated(pattern, ratio):
    """The formula for a network that memorises gives 0.10, 0.37 and 0.28 instead."""
    x, y = blobs(3000, n_classes=4)
    y_noisy = corrupt_labels(y, pattern, ratio, 4, seed=0)
    ridge = Ridge(x, y_noisy, 4)
    held_out = np.arange(1500, 3000)
    outputs = ridge.outputs(ridge.fit(np.arange(1500)).weights, held_out)
    assert posterior.noise_ratio(outputs, y_noisy[held_out]) == pytest.approx(ratio, abs=0.05)


def test_labels_that_are_probably_right_are_accepted():
    """At a low noise ratio, the second class is accepted; at a high one, it is not."""
    y = np.arange(400) % 2
    outputs = np.eye(2)[y] * 10.0
    outputs[:8] = [1.0, -1.0]
    for noisy, expected in ((0, True), (100, False)):
        labels = np.where(RNG.permutation(400) < noisy, 1 - y, y)
        labels[:8] = 1
        scores = posterior.score_labels(outputs, labels, inverse_temperature=1.0)
        assert scores.accepted[:8].all() == expected
        assert (scores.predicted[:8] == 0).all()


def test_estimate_replaces_the_formula_of_incv():
    y = np.arange(40) % 2

    def train(folds, use_best):
        return [
            posterior.score_labels(np.eye(2)[y[held_out]], y[held_out], 1.0)
            for _, _, held_out in folds
        ]

    def estimate(scores, labels):
        assert len(scores.accepted) == len(labels) == 20
        return 0.25

    assert incv(train, y, y, 2, "sym", estimate=estimate).eval_ratio == 0.25
    assert incv(train, y, y, 2, "sym").eval_ratio == 0
