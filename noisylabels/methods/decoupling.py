"""Decoupling (Malach & Shalev-Shwartz, NeurIPS 2017): two networks, updated where they disagree.

Both networks, of different initial weights, predict the same batch. Each takes a step on the samples whose predicted
classes differ, so that "when to update" no longer depends on the label:

    L_k = sum_{differ} CE_k / max(0.1 B, number that differ),    k = 1, 2.

Told nothing of the noise. It does not filter noise either, and so degrades as the ratio grows.

Not stated in 2019: how the paper ran it. Chosen here, as in the authors' code: the whole batch passes both networks in
training mode, and these very logits decide who disagrees; the floor 0.1 B keeps tiny sets from making wild steps. That
code can begin with steps on all samples, and by default does not: nor here.
"""
import tensorflow as tf

from noisylabels.methods.base import Method, cross_entropy, masked_mean

FLOOR = .1


def disagreement_loss(losses, differ, floor=FLOOR):
    """sum_{differ} losses / max(floor B, number that differ); 0 where none differ. losses, differ (bool): (B,)."""
    differ = tf.cast(differ, losses.dtype)
    size = tf.cast(tf.size(losses), losses.dtype)
    return tf.reduce_sum(differ * losses) / tf.maximum(floor * size, tf.reduce_sum(differ))


class Decoupling(Method):
    """Two networks, each trained on the samples of the batch on which their predicted classes differ."""

    n_networks = 2
    logged = ("loss", "accuracy", "disagreement")

    def train_step(self, batch):
        def losses(*logits):
            predicted = [tf.argmax(z, -1) for z in logits]
            differ = predicted[0] != predicted[1]
            return [disagreement_loss(cross_entropy(z, batch.y), differ) for z in logits]

        values, logits = self.descend_together([0, 1], batch.x, losses)
        first, second = (tf.argmax(z, -1, tf.int32) for z in logits)
        return {"loss": tf.reduce_mean(values), "disagreement": masked_mean(first != second),
                "accuracy": (masked_mean(first == batch.y) + masked_mean(second == batch.y)) / 2}
