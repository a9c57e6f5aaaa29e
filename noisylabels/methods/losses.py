"""Cross entropy and accuracy of a batch, in TensorFlow."""

from __future__ import annotations

from noisylabels.training import tf


def cross_entropy(logits: tf.Tensor, y: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Return the cross entropy of logits (n, c) with labels y, int (n,), as (n,).

    `smoothing` is the share of the target distribution that is spread evenly over all c classes.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    if not smoothing:
        return losses
    uniform = tf.reduce_logsumexp(logits, -1) - tf.reduce_mean(logits, -1)
    return (1 - smoothing) * losses + smoothing * uniform


def masked_mean(condition: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Return the weighted mean of a mask (n,), 0 if all weights are 0. By default all are 1."""
    condition = tf.cast(condition, tf.float32)
    weights = tf.ones_like(condition) if weights is None else tf.cast(weights, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(condition * weights), tf.reduce_sum(weights))


def accuracy(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Return the share of samples whose largest logit, of (n, c), is that of their label."""
    return masked_mean(tf.argmax(logits, -1, tf.int32) == y)
