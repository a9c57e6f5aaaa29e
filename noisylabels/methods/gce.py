"""GCE: generalised cross entropy, between cross entropy and the absolute error.

    L = (1 - p_y^q) / q,    dL/dlogits = p_y^q (p - onehot(y)),    q = 0.7

The gradient is that of cross entropy times p_y^q, so unlikely labels have little influence. With
q -> 0 the loss is cross entropy. With q = 1 it is half of the absolute error, which learns slowly.

Needs no knowledge of the noise.

Differences from the paper: the settings are those of all methods here. The truncated loss, which
prunes samples of small p_y during the training, is left out.

Source: Zhang & Sabuncu, "Generalized cross entropy loss for training deep neural networks with
noisy labels", NeurIPS 2018.
"""

from __future__ import annotations

import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.losses import cross_entropy
from noisylabels.training.steps import Batch


def generalised_cross_entropy(logits: tf.Tensor, y: tf.Tensor, q: float) -> tf.Tensor:
    """Return L of each sample, (n,), from logits (n, c) and labels y (n,).

    p_y^q is computed from log p_y, so that the gradient is finite at p_y = 0.
    """
    return (1 - tf.exp(-q * cross_entropy(logits, y))) / q


class GCE(Method):
    """Train one network with the generalised cross entropy; option q."""

    shares_batches = True

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return L of each sample, (n,)."""
        return generalised_cross_entropy(logits, batch.y, self.inputs.options["q"])
