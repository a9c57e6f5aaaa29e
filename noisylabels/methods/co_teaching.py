"""Co-teaching (Han et al., NeurIPS 2018): two networks, each trained on what the other finds easy.

Per batch of size B both networks rank the samples by their loss; the (1 - R(e)) B of smallest loss under one train the
other. R(e) = tau min(e/10, 1). Told: tau, the true noise ratio, or the one that the option noise_ratio gives.

Not stated in 2019: how the paper ran it. By default with the settings of every other method, and the selecting step of
the paper's own (`cross_step`). The option variant = 2018 does as the authors' code: losses are ranked in training mode,
in the passes of the whole batch that also give the gradients; R(e) = tau min(e/9, 1); and from epoch 80 of 200 on the
learning rate falls linearly to 0, with a beta1 of Adam of 0.1. That code divides the mean of the losses by the number
of samples once more, which Adam undoes: not here; nor is its later begin of that fall for CIFAR-100, epoch 100.
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
    return logs(batch, kept, losses, hits)


def whole_batch_step(method, batch, count):
    """As `cross_step`, but ranked in training mode, in the passes of the whole batch that also give the gradients."""
    kept = []

    def exchanged(*logits):
        losses = [cross_entropy(z, batch.y) for z in logits]
        kept.extend(smallest(loss, count) for loss in losses)
        return [tf.reduce_mean(tf.gather(loss, chosen)) for loss, chosen in zip(losses, reversed(kept))]

    losses, logits = method.descend_together([0, 1], batch.x, exchanged)
    hits = [accuracy(tf.gather(z, chosen), tf.gather(batch.y, chosen)) for z, chosen in zip(logits, reversed(kept))]
    return logs(batch, kept, losses, hits)


def logs(batch, kept, losses, hits):
    """What a step logs: the means of both networks' losses and hits, and how clean the samples are that each keeps."""
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


def decay_start(epochs):
    """When the decay of 2018 begins: at epoch 80 of 200, scaled to `epochs`."""
    return 80 / 200 * epochs


def linear_decay(time, epochs):
    """The factor of 2018: 1 up to the start s of the decay, then (E - e) / (E - s) at the whole epochs e of E."""
    return min(1, (epochs - int(time)) / (epochs - decay_start(epochs)))


class CoTeaching(Method):
    """Co-teaching; options variant: harness or 2018; noise_ratio: None for the true one."""

    n_networks = 2
    logged = ("loss", "accuracy", "kept_precision_1", "kept_precision_2")

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        self.ramp, self.step = ramp_epochs(given.epochs), cross_step
        tau = given.options["noise_ratio"]
        self.tau = given.noise_ratio if tau is None else tau
        if given.options["variant"] == "2018":
            self.ramp, self.step, self.factor = max(1, self.ramp - 1), whole_batch_step, linear_decay
            for optimizer in optimizers:
                optimizer.beta_1 = tf.Variable(optimizer.beta_1, trainable=False)

    def begin_epoch(self, epoch, history, seed):
        if self.factor and epoch >= decay_start(self.given.epochs):
            for optimizer in self.optimizers:
                optimizer.beta_1.assign(.1)
        return {}

    def schedule(self, epoch):
        return {"keep": max(1, round(self.given.batch_size * remember_rate(epoch, self.tau, self.ramp)))}

    def train_step(self, batch):
        return self.step(self, batch, batch.schedule["keep"])
