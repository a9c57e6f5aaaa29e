"""Decoupling: two networks, updated on the samples on which they disagree.

Both networks have different initial weights and predict the same batch of B samples. Each is
updated with the samples whose predicted classes differ, so that "when to update" does not depend
on the label:

    L_k = sum_{differ} CE_k / max(0.1 B, number that differ),    k = 1, 2

Needs no knowledge of the noise. It does not filter noisy labels, so it degrades as the noise ratio
grows.

Differences from the paper: Chen et al. 2019 do not say how they ran Decoupling. As in the
authors' code, the whole batch passes through both networks in training mode, and these logits
decide who disagrees. The bound 0.1 B, also from that code, keeps the gradient of few samples small.
The code's optional first steps on all samples are left out, as they are by default there.

Source: Malach & Shalev-Shwartz, "Decoupling 'when to update' from 'how to update'", NeurIPS 2017.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.losses import cross_entropy, masked_mean
from noisylabels.training.steps import Batch

MIN_SHARE = 0.1


def disagreement_loss(
    losses: tf.Tensor, differ: tf.Tensor | np.ndarray, min_share: float = MIN_SHARE
) -> tf.Tensor:
    """Return L_k from the losses of a batch (B,) and the mask of those that differ, bool (B,)."""
    differ = tf.cast(differ, losses.dtype)
    size = tf.cast(tf.size(losses), losses.dtype)
    return tf.reduce_sum(differ * losses) / tf.maximum(min_share * size, tf.reduce_sum(differ))


class Decoupling(Method):
    """Train two networks on the samples on which they disagree."""

    n_networks = 2
    logged = ("loss", "accuracy", "disagreement")

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update both networks with one batch."""

        def losses(*logits: tf.Tensor) -> list[tf.Tensor]:
            first, second = (tf.argmax(z, -1) for z in logits)
            differ = first != second
            return [disagreement_loss(cross_entropy(z, batch.y), differ) for z in logits]

        values, logits = self.apply_gradients_jointly([0, 1], batch.x, losses)
        first, second = (tf.argmax(z, -1, tf.int32) for z in logits)
        accuracies = masked_mean(first == batch.y) + masked_mean(second == batch.y)
        return {
            "loss": tf.reduce_mean(values),
            "accuracy": accuracies / 2,
            "disagreement": masked_mean(first != second),
        }
