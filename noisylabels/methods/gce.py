"""GCE, the generalised cross entropy (Zhang & Sabuncu, NeurIPS 2018): between cross entropy and the absolute error.

    L = (1 - p_y^q) / q,    dL/dlogits = p_y^q (p - onehot(y)),    q = 0.7

A step of cross entropy, weighted by p_y^q: a label that the network finds unlikely hardly pulls. q -> 0 is cross
entropy, q = 1 half of the absolute error, which learns slowly. Told nothing of the noise.

Chosen here: the settings of every other method, from the first epoch on. The paper's truncated form, which prunes
samples of small p_y while it trains, is left out.
"""
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy


def generalised_cross_entropy(logits, y, q):
    """(1 - softmax(logits)[y]^q) / q, (n,); by logarithms, so that its gradient is finite at p = 0."""
    return (1 - tf.exp(-q * cross_entropy(logits, y))) / q


class GCE(Method):
    """One network trained with the generalised cross entropy; option q."""

    shares_batches = True

    def train_step(self, batch):
        q = self.given.options["q"]
        loss, logits = self.descend(
            0, batch.x, lambda logits: tf.reduce_mean(generalised_cross_entropy(logits, batch.y, q)))
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}
