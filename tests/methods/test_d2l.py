"""The formulas of D2L, by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import CLASSES, inputs_for, toy

from models import create_model
from noisylabels.methods import d2l
from noisylabels.methods.losses import cross_entropy


def test_lid_by_hand():
    assert d2l.lid([[0], [1], [2], [4]], k=3)[0] == pytest.approx(1.442695)


def test_lid_uses_the_twenty_nearest():
    """Distances 1, 2, ..., 20: 20 / (20 log 20 - log 20!)."""
    assert d2l.lid(np.arange(40)[:, None])[0] == pytest.approx(
        20 / (20 * math.log(20) - math.lgamma(21))
    )


def test_lid_of_a_ball_has_the_estimator_s_expectation():
    """k d / (k - 2) for points uniform in a d-ball around the query, the 20 nearest of 2,000."""
    rng = np.random.default_rng(0)
    for d in (2, 8):
        estimates = []
        for _ in range(300):
            direction = rng.normal(size=(400, d))
            points = (
                direction
                / np.linalg.norm(direction, axis=1, keepdims=True)
                * rng.random((400, 1)) ** (1 / d)
            )
            r = np.sort(np.linalg.norm(points, axis=1))[:20]
            estimates.append(d2l.lid(np.vstack([np.zeros((1, 1)), r[:, None]]))[0])
        assert np.mean(estimates) == pytest.approx(20 * d / 18, rel=0.05)


def test_lid_of_duplicates_is_left_out():
    assert d2l.lid([[0], [0], [1], [3]], k=3)[0] == 0
    assert not np.isfinite(d2l.lid(np.zeros((5, 2)), k=3)).any()
    assert not np.isfinite(d2l.lid([[1.0]])).any()
    good, bad = np.array([[0], [1], [2], [4]]), np.zeros((5, 1))
    assert d2l.mean_lid([good, bad]) == d2l.mean_lid([good]) == pytest.approx(d2l.lid(good).mean())
    twins = np.repeat([0, 1], 2)[:, None]  # 0 for each
    assert d2l.mean_lid([bad], 7.0) == d2l.mean_lid([twins], 7.0) == 7 and d2l.mean_lid([bad]) == 1


def test_mean_lid_below_one():
    """Forty points have 19 duplicates each, and so 0; 2.5 and 3 have one neighbour at 0.5."""
    points = np.repeat([0, 1, 2.5, 3], [20, 20, 1, 1])[:, None]
    assert d2l.mean_lid([points]) == pytest.approx(20 * (1 / np.log(3) + 1 / np.log(4)) / 42)


@pytest.mark.parametrize(
    "n, batches", [(60, [60]), (128, [128]), (129, [65, 64]), (1300, [128] * 10)]
)
def test_lid_is_measured_on_1280_images_in_batches(n, batches):
    method, seen = toy("d2l", images=np.zeros((n, 2, 2, 1), np.uint8), labels=np.zeros(n, int)), []
    method.features = lambda images: (
        seen.append(len(images)) or tf.random.stateless_uniform([len(images), 2], [1, 2])
    )
    method.measure(np.random.default_rng(0))
    assert seen == batches


def test_lid_is_measured_on_shuffled_training_images():
    images = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 2, 2, 1))
    method, seen, rng = (
        toy("d2l", images=images, labels=np.zeros(40, int)),
        [],
        np.random.default_rng(0),
    )
    method.exclude(range(10))
    method.features = lambda images: (
        seen.append(images[:, 0, 0, 0].tolist()) or tf.zeros([len(images), 2])
    )
    method.measure(rng), method.measure(rng)
    assert sorted(seen[0]) == sorted(seen[1]) == [*range(10, 40)] and seen[0] != seen[1] != sorted(
        seen[1]
    )


def test_lid_samples_depend_on_epoch_and_seed():
    method, draws = toy("d2l"), set()
    method.measure = lambda rng, *_: draws.add(rng.integers(2**40)) or 1.0
    for epoch, seed in ((0, 0), (1, 0), (0, 1)):
        method.begin_epoch(epoch, [{"lid": 1.0}] * epoch, seed)
    assert len(draws) == 3


def test_lid_uses_features_in_inference_mode():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
    network = create_model("SmallCNN", (8, 8, 1), CLASSES)
    method = d2l.D2L(
        inputs_for("d2l", images, np.zeros(40, int)), [network], [keras.optimizers.SGD()]
    )
    features = keras.Model(network.inputs[0], network.get_layer("features").output)
    expected = d2l.mean_lid([features(images / np.float32(255), training=False).numpy()])
    assert method.measure(np.random.default_rng(0)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "lids, expected",
    [
        ([3, 2, 3, 2, 3, 3.5], None),  # 2.6 + 2 std = 3.58
        ([3, 2, 3, 2, 3, 3.6], 5),
        ([3, 2, 3, 2, 3, 3.5, 9, 1, 20], 6),  # the first one, for good
        ([2, 2, 2, 2, 2, 2], None),  # a rise of nothing over a std of nothing
        ([2, 9, 2, 2, 2], None),
        ([], None),
    ],
)
def test_turning_point(lids, expected):
    assert d2l.turning_point(lids, first=5, window=5) == expected


def test_turning_point_is_not_searched_too_early():
    assert d2l.turning_point([2, 2, 2, 2, 2, 9, 2, 2, 2, 2, 20], first=6, window=5) == 10


@pytest.mark.parametrize(
    "epochs, expected, window",
    [(120, 45, 5), (200, 75, 8), (100, 38, 4), (40, 15, 2), (30, 11, 2), (5, 2, 2), (2, 2, 2)],
)
def test_first_possible_turning_point_and_its_window(epochs, expected, window):
    assert d2l.first_turn(epochs) == expected and d2l.window(epochs) == window


@pytest.mark.parametrize("epochs, turned", [(48, True), (120, False)])
def test_turning_point_window_depends_on_the_epochs(epochs, turned):
    """3.5 after 3 and 3 stands out of the last two; 120 epochs use a window of five with a 9."""
    method, first = toy("d2l", epochs=epochs), round(45 / 120 * epochs)
    method.measure = lambda rng, *previous: 3.5
    row = method.begin_epoch(first, [{"lid": lid} for lid in [3] * (first - 3) + [9, 3, 3]], 0)
    assert (row["alpha"] < 1) == turned


def test_trust():
    assert d2l.label_weight([1.0] * 60 + [1.2], 120) == pytest.approx(0.548812)


def test_paced_loss_with_full_trust_is_cross_entropy():
    logits, y = tf.constant([[1.0, 2, 3], [0, 5, 1]]), tf.constant([0, 1])
    np.testing.assert_array_equal(d2l.paced_loss(logits, y, 1.0), cross_entropy(logits, y))
    np.testing.assert_array_equal(d2l.paced_loss(logits, y, 0.0), cross_entropy(logits, [2, 1]))


def test_d2l_restores_the_epoch_before_the_lid_rose():
    method = toy("d2l", optimizer=keras.optimizers.Adam)  # first_turn(10) = 4, window(10) = 2
    lids, history, starts = [3.0, 2, 3, 2, 3, 3, 9, 9.5, 50], [], []
    for epoch, value in enumerate(lids):
        method.measure = lambda rng, *previous, value=value: value
        at_start = method.get_state()
        history.append(method.begin_epoch(epoch, history, 0))
        starts.append(method.get_state()[: len(method.state) // 2])
        if epoch == 6:
            for back, earlier, here in zip(starts[6], starts[5], at_start):
                np.testing.assert_array_equal(back, earlier)
                assert (here != earlier).any()
        for variable in method.state[
            : len(method.state) // 2
        ]:  # an epoch: weights, moments and iterations move
            variable.assign(variable + tf.ones_like(variable))
    for later in (7, 8):
        for start, previous in zip(starts[later], starts[later - 1]):
            np.testing.assert_array_equal(start, previous + np.ones_like(previous))
    assert [row["lid"] for row in history] == lids
    expected = [1] * 6 + [np.exp(-epoch / 10 * lids[epoch] / 2) for epoch in (6, 7, 8)]
    np.testing.assert_allclose([row["alpha"] for row in history], expected)
