"""MentorNet's predefined curricula: formulas by hand, and the steps that use them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import CLASSES, RATE, N, toy, whole_batch

from noisylabels.methods import mentornet
from noisylabels.methods.mentornet import (
    ALL,
    LINEAR,
    SELF_PACED,
    curriculum,
    dropout_mask,
    moving_average,
    percentile,
    sample_weights,
)


def test_moving_percentile_and_kept_samples():
    losses, ema, seen = tf.range(1.0, 11), 0.0, []
    for _ in range(3):
        ema = moving_average(ema, percentile(losses, 0.7))
        seen.append((float(ema), int(tf.reduce_sum(sample_weights(losses - ema, SELF_PACED)))))
    assert seen == [(3.5, 3), (5.25, 5), (6.125, 6)]


@pytest.mark.parametrize(
    "form, expected",
    [(ALL, [1, 1, 1, 1, 1]), (SELF_PACED, [1, 1, 0, 0, 0]), (LINEAR, [1, 1, 0.75, 0, 0])],
)
def test_sample_weights_follow_their_form(form, expected):
    assert sample_weights(tf.constant([-3.0, 0, 0.25, 1, 9]), form).numpy().tolist() == expected


@pytest.mark.parametrize(
    "percent, expected",
    [
        (0, (ALL, 0.5)),
        (16, (ALL, 0.5)),
        (17, (ALL, 0.05)),
        (18, (ALL, 0.05)),
        (19, (SELF_PACED, 0.05)),
        (89, (SELF_PACED, 0.05)),
        (90, (LINEAR, 0.05)),
        (99, (LINEAR, 0.05)),
    ],
)
def test_curricula(percent, expected):
    assert curriculum("pd", 2 * percent, 200) == expected
    assert curriculum("self_paced", 2 * percent, 200, burn_in=0) == (SELF_PACED, 0)


@pytest.mark.parametrize("epochs, kept", [(200, 36), (40, 8), (10, 2), (1, 1)])
def test_self_paced_keeps_all_in_the_first_18_per_cent(epochs, kept):
    method = toy("mentornet", epochs=epochs)
    forms = [method.schedule(epoch)["form"] for epoch in range(epochs)]
    assert forms == [ALL] * kept + [SELF_PACED] * (epochs - kept)
    assert toy("mentornet", epochs=epochs, options={"burn_in": "0"}).schedule(0) == {
        "form": SELF_PACED,
        "dropout": 0,
    }


@pytest.mark.parametrize("dropout, expected", [(0.0, 128), (0.05, 121), (0.5, 64), (1.0, 0)])
def test_example_dropout_keeps_a_random_share(dropout, expected):
    draws = [dropout_mask(128, dropout, [0, seed]).numpy() for seed in range(20)]
    assert all(set(draw) <= {0, 1} and draw.sum() == expected for draw in draws)
    if 0 < dropout < 1:
        assert (np.sum(draws, axis=0) > 0).all() and len({draw.tobytes() for draw in draws}) == 20


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, 0.7),
        ({"percentile": "0.5"}, 0.7),
        ({"curriculum": "pd"}, 0.75),
        ({"curriculum": "pd", "percentile": "0.5"}, 0.5),
    ],
)
def test_percentile_does_not_depend_on_the_noise(options, expected):
    for ratio in (0.2, 0.8):
        assert toy("mentornet", noise_ratio=ratio, options=options).p == expected


def losses_of(method):
    """Return all samples' losses, pixels, observed labels and class probabilities."""
    x, y = method.inputs.images.reshape(N, -1) / np.float32(255), method.inputs.labels
    z = x @ method.networks[0].get_weights()[0] + method.networks[0].get_weights()[1]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return -np.log(p[np.arange(N), y]), x, y, p


def test_percentile_moves_from_step_to_step():
    method = toy(
        "mentornet",
        optimizer=lambda learning_rate: keras.optimizers.SGD(0.0),
        options={"curriculum": "pd", "percentile": "0.5"},
    )
    sixth = np.sort(losses_of(method)[0])[6]
    for expected in (0.5, 0.75):
        method.train_step(whole_batch(method.inputs, form=ALL, dropout=0.0))
        assert float(method.ema) == pytest.approx(expected * sixth, rel=1e-5)


def test_weights_have_no_gradient():
    method = toy("mentornet", options={"curriculum": "pd"})
    losses, x, y, p = losses_of(method)
    W, _ = method.networks[0].get_weights()
    v = np.clip(1 - (losses - 0.5 * np.sort(losses)[8]), 0, 1)
    assert ((0 < v) & (v < 1)).any()
    method.train_step(whole_batch(method.inputs, form=LINEAR, dropout=0.0))
    slope = v[:, None] * (p - np.eye(CLASSES)[y]) / N
    np.testing.assert_allclose(
        method.networks[0].get_weights()[0], W - RATE * x.T @ slope, atol=1e-6
    )


def test_dropout_is_independent_of_augmentation(monkeypatch):
    method, seeds = toy("mentornet"), []
    monkeypatch.setattr(
        mentornet,
        "dropout_mask",
        lambda size, dropout, seed: seeds.append(seed.numpy()) or tf.ones(size),
    )
    of_batches = [np.int32([1, 2]), np.int32([3, 4])]
    for seed in of_batches:
        method.train_step(
            whole_batch(method.inputs, form=ALL, dropout=0.0)._replace(seed=tf.constant(seed))
        )
    assert len({tuple(seed) for seed in [*seeds, *of_batches]}) == 4
