"""GCE, SCE and ELR: losses, gradients and targets by hand, and ELR's corrected labels."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import CLASSES, N, fit, killed, toy, whole_batch

from noisylabels.methods.elr import regularizer, update_target
from noisylabels.methods.gce import generalised_cross_entropy
from noisylabels.methods.losses import cross_entropy
from noisylabels.methods.sce import symmetric_cross_entropy

pytestmark = pytest.mark.runs
HALF = np.log([[0.25, 0.5, 0.25]])  # logits of p = (1/4, 1/2, 1/4)


def slope(loss, logits):
    """Return the gradient of a loss (n,) by the logits."""
    z = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(z)
    return tape.gradient(value, z).numpy()


# -------------------------------------------------------------------------------------- GCE and SCE


@pytest.mark.parametrize(
    "q, expected, weight",
    [
        (0.7, (1 - 0.5**0.7) / 0.7, 0.5**0.7),  # .549183
        (0.5, 2 - 2**0.5, 0.5**0.5),
        (1, 0.5, 0.5),
    ],
)
def test_generalised_cross_entropy(q, expected, weight):
    """1 - sqrt(0.5) over 0.5 is 2 - sqrt(2); for q = 1 half the absolute error.

    The gradient is p_y^q (p - onehot).
    """
    assert float(generalised_cross_entropy(HALF, [1], q)[0]) == pytest.approx(expected)
    np.testing.assert_allclose(
        slope(lambda z: generalised_cross_entropy(z, [1], q), HALF),
        [[0.25 * weight, -0.5 * weight, 0.25 * weight]],
    )


def test_gce_with_small_q_is_cross_entropy():
    np.testing.assert_allclose(
        generalised_cross_entropy(HALF, [0], 1e-4), cross_entropy(HALF, [0]), rtol=1e-3
    )


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, 0.1 * np.log(2) + 4.605170),
        ({"A": -4}, 0.1 * np.log(2) + 2),
        ({"alpha": 6.0, "beta": 0.1, "A": -4}, 4.358883),
    ],
)
def test_symmetric_cross_entropy(given, expected):
    """-log 1e-4 = 9.210340, of which p leaves half; 6 log 2 + 0.2 with CIFAR-100's constants."""
    assert float(symmetric_cross_entropy(HALF, [1], **given)[0]) == pytest.approx(
        expected, rel=1e-6
    )


def test_gradient_of_the_symmetric_cross_entropy():
    """(alpha - beta A p_y) (p - onehot) = (.1 + 4 / 2) (1/4, -1/2, 1/4)."""
    np.testing.assert_allclose(
        slope(lambda z: symmetric_cross_entropy(z, [1], A=-4), HALF), [[0.525, -1.05, 0.525]]
    )


@pytest.mark.parametrize(
    "loss", [lambda z, y: generalised_cross_entropy(z, y, 0.7), symmetric_cross_entropy]
)
def test_losses_and_gradients_are_always_finite(loss):
    z = np.float32([[1000, 0, -1000]])
    for y in range(3):
        assert (
            np.isfinite(loss(z, [y])).all()
            and np.isfinite(slope(lambda z, y=y: loss(z, [y]), z)).all()
        )


@pytest.mark.parametrize(
    "name, options",
    [
        ("gce", {"q": 1.0}),
        ("sce", {"A": -4.0}),
        ("sce", {"alpha": 1.0}),
        ("sce", {"beta": 0.5}),
        ("elr", {"beta": 0.5}),
        ("elr", {"lambda": 1.0}),
    ],
)
def test_options_change_the_step(name, options):
    losses = [
        float(method.train_step(whole_batch(method.inputs))["loss"])
        for method in (toy(name), toy(name, options=options))
    ]
    assert abs(losses[0] - losses[1]) > 0.01


# ---------------------------------------------------------------------------------------------- ELR


def test_elr_target_moves_to_the_normalised_prediction():
    """0.7 (0.2, 0.6, 0.2) + 0.3 (0.3, 0.5, 0.2) / 1; and clipped p that sums to 1.25."""
    np.testing.assert_allclose(
        update_target(np.array([[0.2, 0.6, 0.2]]), np.array([[0.3, 0.5, 0.2]]), 0.7),
        [[0.23, 0.57, 0.2]],
    )
    np.testing.assert_allclose(
        update_target(np.zeros((1, 2)), np.array([[1.0, 0.25]]), 0.9), [[0.08, 0.02]]
    )


def test_elr_regulariser_has_no_gradient_through_the_target():
    """<p, t> = 1/4 with t = (0, 1/2, 0): the loss is log(3/4).

    The gradient -p (t - <p, t>) / (1 - <p, t>) is -(1/4, 1/2, 1/4) (-1, 1, -1) / 3.
    """
    p, t = tf.nn.softmax(HALF), np.array([[0, 0.5, 0]])
    assert float(regularizer(p, t)[0]) == pytest.approx(np.log(0.75))
    expected = [[1 / 12, -1 / 6, 1 / 12]]
    np.testing.assert_allclose(slope(lambda z: regularizer(tf.nn.softmax(z), t), HALF), expected)
    before = (t - 0.3 * p.numpy()) / 0.7
    np.testing.assert_allclose(
        slope(
            lambda z: regularizer(tf.nn.softmax(z), update_target(before, tf.nn.softmax(z), 0.7)),
            HALF,
        ),
        expected,
    )


@pytest.mark.parametrize(
    "pattern, expected", [("sym", (0.7, 3)), ("asym", (0.9, 1)), (None, (0.9, 1))]
)
def test_constants_depend_on_the_assumed_pattern(pattern, expected):
    method = toy("elr", assumed_pattern=pattern)
    assert (method.beta, method.lambda_) == expected
    method = toy("elr", assumed_pattern=pattern, options={"beta": 0.0, "lambda": 0.0})
    assert (method.beta, method.lambda_) == (0, 0)


def test_only_targets_of_the_batch_move():
    """Samples 3 and 5 are certain: p = (1 - 1e-4, 1e-4, 1e-4) before normalisation."""
    method = toy("elr")
    kernel, bias = method.networks[0].layers[-1].weights
    kernel.assign(0 * kernel)
    bias.assign([100.0, 0, 0])
    whole = whole_batch(method.inputs)
    rows = [3, 5]
    part = whole._replace(
        x=tf.gather(whole.x, rows), y=tf.constant([0, 0]), indices=tf.constant(rows)
    )
    loss = float(method.train_step(part)["loss"])
    p = np.array([1 - 1e-4, 1e-4, 1e-4])
    expected = np.zeros((N, CLASSES))
    expected[rows] = 0.3 * p / p.sum()
    np.testing.assert_allclose(method.targets.numpy(), expected, rtol=1e-5)
    assert loss == pytest.approx(3 * np.log(1 - (p * expected[3]).sum()), rel=1e-5) and loss < 0
    bias.assign([100.0, 0, 0])
    method.train_step(part)
    np.testing.assert_allclose(method.targets.numpy(), 1.7 * expected, rtol=1e-5)


def test_negative_loss_is_no_divergence(tmp_path):
    history = fit(toy("elr", labels=np.zeros(N, int)), tmp_path, 12)
    assert history[-1]["loss"] < -2 and len(history) == 12


def test_elr_targets_are_in_the_checkpoint(tmp_path):
    (tmp_path / "whole").mkdir()
    whole, again = (toy("elr", optimizer=keras.optimizers.Adam) for _ in range(2))
    fit(whole, tmp_path / "whole", 3)
    killed(toy("elr", optimizer=keras.optimizers.Adam), tmp_path, 2)
    fit(again, tmp_path, 3)
    np.testing.assert_array_equal(whole.targets, again.targets)
    np.testing.assert_allclose(
        again.targets.numpy().sum(axis=1), 1 - 0.7**3, rtol=1e-5
    )  # once an epoch


def test_elr_scores_its_corrected_labels():
    """Compute LP and LR of argmax t among the training samples."""
    method = toy("elr", labels=np.zeros(N, int))
    method.exclude(np.arange(8, N))
    assert method.corrected_labels().tolist() == [-1] * N
    method.targets.assign(
        np.eye(CLASSES + 1, CLASSES, dtype=np.float32)[[0, 0, 0, 1, 1, 2, 2, 2, 3, 0, 0, 3]]
    )
    assert method.corrected_labels().tolist() == [0, 0, 0, 1, 1, 2, 2, 2, -1, 0, 0, -1]
    clean = np.isin(np.arange(N), [0, 1, 4, 5, 9])
    assert method.end_epoch(clean) == {"selected": 3, "LP": pytest.approx(2 / 3), "LR": 0.5}
    assert method.end_epoch(None) == {"selected": 3}


def test_elr_corrects_labels_after_one_step():
    """With beta 0.9 no target exceeds 0.1 after the first step."""
    method = toy("elr", assumed_pattern="asym")
    whole, rows = whole_batch(method.inputs), [3, 5]
    predicted = method.probabilities(tf.constant(method.inputs.images)).argmax(axis=1)
    method.train_step(
        whole._replace(
            x=tf.gather(whole.x, rows), y=tf.gather(whole.y, rows), indices=tf.constant(rows)
        )
    )
    expected = np.full(N, -1)
    expected[rows] = predicted[rows]
    assert (
        0 < method.targets.numpy().max() <= 0.1
        and method.corrected_labels().tolist() == expected.tolist()
    )
