"""Co-teaching (Han et al., NeurIPS 2018): two networks, each trained on what the other finds easy.

Per batch of size B both networks rank the samples by their loss; the (1 - R(e)) B of smallest loss under one train the
other. R(e) = tau min(e/10, 1). Told: tau, the true noise ratio.
"""
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy, masked_mean


def smallest(losses, count):
    """Indices of the `count` smallest losses, (count,), smallest first."""
    return tf.argsort(losses, stable=True)[:count]


def cross_step(method, batch, count):
    """One step of both networks of `method`, each on the `count` samples of smallest loss under the other.

    Ranked in inference mode on the augmented batch; only what is kept passes through a network in training mode, so
    that the batch statistics are its own.
    """
    kept = [smallest(cross_entropy(network(batch.x, training=False), batch.y), count) for network in method.networks]
    losses, hits = [], []
    for k, chosen in enumerate(reversed(kept)):             # f1 learns from what f2 keeps, f2 from what f1 keeps
        with tf.control_dependencies(losses):               # one network after the other: half the memory
            x, y = tf.gather(batch.x, chosen), tf.gather(batch.y, chosen)
        loss, logits = method.descend(k, x, lambda z, y=y: tf.reduce_mean(cross_entropy(z, y)))
        losses.append(loss)
        hits.append(accuracy(logits, y))
    precision = [masked_mean(tf.gather(batch.clean, chosen)) for chosen in kept]
    return {"loss": tf.reduce_mean(losses), "accuracy": tf.reduce_mean(hits),
            "kept_precision_1": precision[0], "kept_precision_2": precision[1]}


def ramp_epochs(epochs):
    """How many epochs it takes to discard in full: 10, or half of a shorter training.

    Not scaled as other constants are: networks that have hardly begun cannot tell easy samples from hard ones.
    """
    return min(10, epochs / 2)


def remember_rate(epoch, tau, ramp=10):
    """1 - R(e) = 1 - tau min(e/ramp, 1)."""
    return 1 - tau * min(epoch / ramp, 1)


class CoTeaching(Method):
    """Co-teaching, with the true noise ratio."""

    n_networks = 2
    logged = ("loss", "accuracy", "kept_precision_1", "kept_precision_2")

    def schedule(self, epoch):
        rate = remember_rate(epoch, self.noise_ratio, ramp_epochs(self.given.epochs))
        return {"keep": max(1, round(self.given.batch_size * rate))}

    def train_step(self, batch):
        return cross_step(self, batch, batch.schedule["keep"])
