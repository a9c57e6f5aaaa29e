"""The formulas and held-out samples of F-correction, by hand."""

import numpy as np
import pytest
import tensorflow as tf
from toys import CLASSES, N, inputs_for, toy, whole_batch

from noisylabels.lr_schedules import ADAM_MAIN
from noisylabels.methods.f_correction import FCorrection, estimate_T, forward_loss
from noisylabels.methods.inputs import PreparationContext
from noisylabels.methods.losses import cross_entropy
from noisylabels.methods.standard import standard_probabilities
from noisylabels.noise import transition_matrix
from noisylabels.recipes import Settings


@pytest.mark.parametrize(
    "T, p, y, expected",
    [
        (np.eye(2), [0.25, 0.75], 0, -np.log(0.25)),
        ([[1, 0], [0.4, 0.6]], [0.25, 0.75], 0, 0.597837),
        (transition_matrix("sym", 0.3, 3), [0.7, 0.2, 0.1], 1, 1.347074),
        ([[0, 1], [0, 1]], [0.25, 0.75], 0, -np.log(1e-30)),
    ],
)  # a class that is never observed
def test_forward_loss(T, p, y, expected):
    assert float(forward_loss(tf.constant(np.log([p])), [y], np.array(T))[0]) == pytest.approx(
        expected, abs=1e-5
    )


def test_forward_loss_with_the_identity_is_cross_entropy():
    logits, y = tf.constant(np.random.default_rng(0).normal(size=(50, 4)) * 5), np.arange(50) % 4
    np.testing.assert_allclose(
        forward_loss(logits, y, np.eye(4)), cross_entropy(logits, y), rtol=1e-6
    )


def test_forward_loss_is_finite_at_certain_wrong_predictions():
    logits = tf.Variable([[1000.0, 0, -1000]])
    with tf.GradientTape() as tape:
        loss = forward_loss(logits, [2], np.eye(3))
    assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, logits)).all()


def test_anchor_is_the_largest_below_the_97th_percentile():
    """Of 300 sorted values the percentile is the 292nd, of its class the 92nd."""
    sure = 0.5 + np.arange(100) / 1000
    eta = np.concatenate(
        [np.where(np.arange(3) == k, sure[:, None], (1 - sure[:, None]) / 2) for k in range(3)]
    )
    kept = eta.copy()
    np.testing.assert_allclose(estimate_T(eta), eta[[90, 190, 290]])
    np.testing.assert_array_equal(eta, kept)  # a copy was cut, not eta


@pytest.mark.parametrize("c, rare", [(10, 1 / 10), (10, 0.02), (40, 1 / 40), (100, 1 / 100)])
def test_estimate_finds_each_class_however_small(c, rare):
    """Classes below 3 %: the last of ten, or all; the diagonal is 0.8 within 0.05."""
    sizes = np.r_[np.full(c - 1, (1 - rare) / (c - 1)), rare] * 10_000
    classes, rng = np.repeat(np.arange(c), sizes.round().astype(int)), np.random.default_rng(0)
    posterior = 0.98 * np.eye(c)[classes] + 0.02 * rng.dirichlet([0.5] * c, len(classes))
    T = transition_matrix("sym", 0.2, c)
    np.testing.assert_allclose(estimate_T(posterior @ T), T, atol=0.05)


def test_estimate_keeps_the_only_image_of_a_class():
    """Of classes 2 and 3, one image and none are predicted."""
    eta = np.repeat([[0.8, 0.1, 0.05, 0.05], [0.1, 0.8, 0.05, 0.05]], 50, axis=0)
    eta[7] = 0.2, 0.1, 0.6, 0.1
    eta[8] = 0.5, 0.2, 0.1, 0.2
    np.testing.assert_allclose(estimate_T(eta)[2:], eta[[7, 8]])


def test_estimate_recovers_the_generating_matrix():
    T = transition_matrix("asym", 0.3, 4)
    posterior = np.random.default_rng(0).dirichlet([0.05] * 4, 5000)
    np.testing.assert_allclose(estimate_T(posterior @ T), T, atol=0.05)


@pytest.mark.parametrize(
    "eta", [np.full((50, 3), 1 / 3), np.eye(3)[np.zeros(50, int)], np.eye(3)[:1], np.eye(3)[[0, 1]]]
)
def test_estimated_rows_sum_to_one(eta):
    T = estimate_T(eta)
    assert (T >= 0).all()
    np.testing.assert_allclose(T.sum(axis=1), 1)


def test_true_matrix_option_ignores_the_assumption():
    method = toy(
        "f_correction",
        options={"T": "true"},
        T=transition_matrix("asym", 0.3, CLASSES),
        assumed_pattern="sym",
    )
    np.testing.assert_array_equal(method.T, transition_matrix("asym", 0.3, CLASSES))


def test_network_that_estimates_T_learns_without_label_smoothing(tmp_path):
    made = []

    def stop(method):
        made.append(method)
        raise InterruptedError

    everything, inputs = np.arange(N), inputs_for("f_correction")
    settings = Settings("MLP", 1, ADAM_MAIN, label_smoothing=0.2)
    with pytest.raises(InterruptedError):
        standard_probabilities(everything, everything, inputs, settings, 0, tmp_path / "T", stop)
    batch = whole_batch(inputs)
    expected = tf.reduce_mean(cross_entropy(made[0].networks[0](batch.x), batch.y))
    assert float(made[0].train_step(batch)["loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("T", ["estimated", "true"])
def test_a_tenth_of_each_class_is_held_out(T):
    """Use 60 samples of two classes after 10 more were held out; drawn by the seed."""
    labels, asked, told = np.arange(70) % 2, [], np.full((70, CLASSES), 1 / CLASSES)
    images = np.zeros((70, 2, 2, 1), np.uint8)
    tenths = []
    for seed in (0, 0, 1):
        method = FCorrection(inputs_for("f_correction", images, labels, {"T": T}), [], [])
        method.exclude(np.arange(10))
        method.prepare(PreparationContext(seed, lambda *sets: asked.append(sets) or told, None))
        tenths.append(method.held_out.tolist())
        assert (
            np.bincount(labels[method.held_out]).tolist() == [3, 3] and min(method.held_out) >= 10
        )
        np.testing.assert_array_equal(
            method.samples, np.setdiff1d(np.arange(10, 70), method.held_out)
        )
        assert len(asked) == (T == "estimated")
        if asked:
            np.testing.assert_array_equal(
                np.concatenate(asked.pop()), [*method.samples, *method.held_out]
            )
    assert tenths[0] == tenths[1] != tenths[2]


def test_probability_of_an_observed_label():
    method = toy("f_correction")
    method.T = np.array([[1, 0], [0.4, 0.6]])
    observed = method.observed_probabilities(np.float32([[0.25, 0.75], [1, 0]]))
    np.testing.assert_allclose(observed, [[0.55, 0.45], [1, 0]], rtol=1e-6)
