"""D2L, dimensionality-driven learning (Ma et al., ICML 2018): trust the labels less once the features swell.

A network that begins to fit noise needs more dimensions for its features. At the start of each epoch e of E their local
intrinsic dimensionality is estimated, from the distances r_1 <= ... <= r_k to the k = 20 nearest neighbours in a batch,

    LID(x) = -k / sum_{i=1..k} log(r_i / r_k),

averaged over 1,280 random training images in batches of 128. The turning point is the first epoch, from 45/120 of the
training on, with LID - mean > 2 std of a window of previous ones, 5/120 of the training. There, once, the network goes
back to what it was before the epoch that made its LID rise; and from there on

    alpha = exp(-(e / E) LID / min of all LIDs),    target = alpha y + (1 - alpha) onehot(argmax prediction).

Before, alpha = 1: plain cross entropy. Told nothing of the noise.

Not stated in 2019: how the paper ran it. Chosen here: the first epoch that may turn, 40 + 5 of their 120, and the
window, their 5, scale with the number of epochs; features are what the last layer sees; going back restores weights,
statistics and optimizer (the authors' code loads what it has just saved, and so goes nowhere). The prediction is that
of the pass, in training mode, that gives the gradient. Their 2018 code clips the labels to [.01/9, .99], later code has
symmetric cross entropy before the turning point: neither here, so that until then D2L is Standard. Where no LID can be
had (all of the features equal) the last one counts again, as in the authors' code.
"""
import keras
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy
from noisylabels.streams import stream
from noisylabels.training.augmentation import scale

IMAGES, BATCH = 1280, 128


def lid(features, k=20):
    """LID at each of the points (n, d): float64 (n,), from min(k, n - 1) neighbours, the point itself left out.

    0 next to its own duplicates, their limit; nan or infinite where r_1 = r_k, which leaves it undefined.
    """
    x = np.asarray(features, np.float64)
    k = min(k, len(x) - 1)
    r = np.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    np.fill_diagonal(r, np.inf)
    r = np.sort(r, axis=1)[:, :k]
    with np.errstate(divide="ignore", invalid="ignore"):
        return -k / np.log(r / r[:, -1:]).sum(axis=1)


def mean_lid(batches, previous=1.):
    """Mean LID over batches of features (m, d) where it is defined; the previous one if it is so nowhere, or 0."""
    estimates = np.concatenate([lid(features) for features in batches])
    estimates = estimates[np.isfinite(estimates)]
    mean = float(estimates.mean()) if len(estimates) else 0.
    return mean if mean > 0 else previous


def window(epochs):
    """How many epochs the LID is held against: 5 of 120, scaled to `epochs`, and at least the two of a deviation."""
    return max(2, round(5 / 120 * epochs))


def first_turn(epochs):
    """The first epoch that may be the turning point: 40 + 5 of 120, scaled to `epochs`, with a window before it."""
    return max(window(epochs), round(45 / 120 * epochs))


def turning_point(lids, first, window):
    """The first epoch e >= first with LID_e - mean > 2 std of the `window` LIDs before it; None where there is none."""
    for e in range(first, len(lids)):
        before = lids[e - window:e]
        if lids[e] - np.mean(before) > 2 * np.std(before):
            return e
    return None


def trust(lids, epochs):
    """alpha = exp(-(e / E) LID_e / min LID) at the last epoch e of lids."""
    return float(np.exp(-(len(lids) - 1) / epochs * lids[-1] / min(lids)))


def paced_loss(logits, y, alpha):
    """Cross entropy with alpha onehot(y) + (1 - alpha) onehot(argmax logits), (n,); it is linear in the target."""
    return alpha * cross_entropy(logits, y) + (1 - alpha) * cross_entropy(logits, tf.argmax(logits, -1))


class D2L(Method):
    """One network whose labels give way to its own predictions as its LID grows."""

    shares_batches = True

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        features = keras.Model(networks[0].inputs, networks[0].get_layer("features").output)
        self.features = tf.function(lambda images: features(scale(images), training=False), reduce_retracing=True,
                                    autograph=False)
        self.extra_state = [tf.Variable(v.numpy(), trainable=False) for v in self.state]     # as an epoch earlier

    def begin_epoch(self, epoch, history, seed):
        before = [row["lid"] for row in history]
        lids = [*before, self.measure(stream(seed, "lid", epoch), *before[-1:])]
        turned = turning_point(lids, first_turn(self.given.epochs), window(self.given.epochs))
        for current, earlier in zip(self.state, self.extra_state):
            if turned == epoch:
                current.assign(earlier)
            elif turned is None:
                earlier.assign(current)
        self.alpha = 1. if turned is None else trust(lids, self.given.epochs)
        return {"lid": lids[-1], "alpha": self.alpha}

    def measure(self, rng, *previous):
        """Mean LID of the features of random training images, fewer than 1,280 where there are no more."""
        chosen = rng.permutation(self.samples)[:IMAGES]
        batches = np.array_split(chosen, -(-len(chosen) // BATCH))
        return mean_lid([self.features(self.given.images[rows]).numpy() for rows in batches], *previous)

    def schedule(self, epoch):
        return {"alpha": self.alpha}

    def train_step(self, batch):
        loss, logits = self.descend(
            0, batch.x, lambda logits: tf.reduce_mean(paced_loss(logits, batch.y, batch.schedule["alpha"])))
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}
