"""Layers: batch normalisation as in Keras, and whitening."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import layers
from models.layers import BatchNorm, Whitening

pytestmark = pytest.mark.runs


@pytest.mark.parametrize("options", [{}, {"scale": False, "momentum": 0.6, "epsilon": 1e-5}])
def test_batch_norm_equals_that_of_keras(options):
    """Outputs, gradients and moving statistics over several steps."""
    stock, ours = keras.layers.BatchNormalization(**options), BatchNorm(**options)
    rng = np.random.default_rng(0)
    for layer in (stock, ours):
        layer.build((None, 5, 4, 3))
        layer.set_weights(
            [np.random.default_rng(1).uniform(0.5, 2, w.shape) for w in layer.get_weights()]
        )
    for _ in range(3):
        x, pull = (tf.constant(rng.normal(2, 3, (6, 5, 4, 3)), tf.float32) for _ in range(2))
        found = []
        for layer in (stock, ours):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
                total = tf.reduce_sum(y * pull)
            found.append([y, *tape.gradient(total, [x, *layer.trainable_variables])])
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-4)
        for a, b in zip(stock.get_weights(), ours.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(
            stock(x, training=False), ours(x, training=False), atol=1e-5, rtol=1e-5
        )


def test_whitening_makes_patches_uncorrelated():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (400, 9, 9, 3)).astype(np.float32)
    images = (
        images + np.roll(images, 1, axis=1) + np.roll(images, 1, axis=2)
    ) / 3  # neighbours correlate
    layer = Whitening()
    layer.build((None, 9, 9, 3))
    layer.adapt(images.astype(np.uint8))
    whitened = layer(tf.constant(np.floor(images) / 255)).numpy()
    assert whitened.shape == (400, 8, 8, 24)
    np.testing.assert_allclose(whitened[..., :12], -whitened[..., 12:], atol=1e-4)
    covariance = np.cov(whitened[..., :12].reshape(-1, 12).T)
    np.testing.assert_allclose(covariance, np.eye(12), atol=0.05)
    assert [v.name for v in layer.trainable_variables] == ["bias"]


def test_whitening_samples_images_evenly(monkeypatch):
    """They may be sorted by class; use only as many as needed."""
    monkeypatch.setattr(layers, "WHITENING_PIXELS", 4 * 20 + 19)
    layer = layers.Whitening()
    layer.build((None, 5, 4, 1))
    layer.adapt(np.uint8(np.ones((9, 5, 4, 1)) * 10 * np.arange(9)[:, None, None, None]))
    assert layer.mean.numpy() == pytest.approx([(0 + 20 + 40 + 60) / 4 / 255])


def test_whitening_of_constant_images_is_finite():
    layer = Whitening()
    layer.build((None, 4, 4, 1))
    layer.adapt(np.full((3, 4, 4, 1), 7, np.uint8))
    assert np.isfinite(layer(np.full((3, 4, 4, 1), 7 / 255, np.float32))).all()
