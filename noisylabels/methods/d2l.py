"""D2L: dimensionality-driven learning, which weights labels by the dimensionality of features.

A network that begins to fit noise needs more dimensions for its features. The local intrinsic
dimensionality (LID) of the features is therefore measured before each epoch e of E:

    LID(x) = -k / sum_{i=1..k} log(r_i / r_k)

where r_1 <= ... <= r_k are the distances of x to its k = 20 nearest neighbours in a batch. LID_e is
the mean over 1,280 random training images in batches of 128.

The turning point is the first epoch e >= e_1 with

    LID_e - mean > 2 std,    mean and std of LID over the w epochs before e,
    w = 5/120 E,    e_1 = 45/120 E

At the turning point, the network returns once to its state before the previous epoch. It then
learns the target

    target = alpha onehot(y) + (1 - alpha) onehot(argmax prediction)
    alpha = exp(-(e / E) LID_e / min LID)

Before the turning point, alpha = 1, which is plain cross entropy.

Needs no knowledge of the noise.

Differences from the paper: Chen et al. 2019 do not say how they ran D2L. The constants w and e_1
are those of the authors (40 + 5 and 5 of 120 epochs), scaled to E. The features are the input of
the last dense layer. The return restores weights, batch statistics and optimizer; the authors' code
loads the state that it has just saved, which has no effect. The prediction in the target comes
from the same pass in training mode as the gradient. The authors' code of 2018 clips the labels to
[0.01/9, 0.99], and later code has symmetric cross entropy before the turning point. Both are left
out, so that D2L equals Standard without label smoothing until then. If no LID can be estimated,
because all features are equal, the previous one is used, as in the authors' code.

Source: Ma et al., "Dimensionality-driven learning with noisy labels", ICML 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import cross_entropy
from noisylabels.seeding import generator
from noisylabels.training.augmentation import scale
from noisylabels.training.steps import Batch

N_IMAGES = 1280
BATCH_SIZE = 128


def lid(features: np.ndarray, k: int = 20) -> np.ndarray:
    """Estimate the LID at each of n points.

    Parameters
    ----------
    features : np.ndarray
        Points, (n, d).
    k : int
        Number of neighbours, at most n - 1 are used.

    Returns
    -------
    np.ndarray
        LID, float64 (n,). It is 0 for points with a duplicate, and nan or infinite where
        r_1 = r_k.
    """
    x = np.asarray(features, np.float64)
    k = min(k, len(x) - 1)
    r = np.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    np.fill_diagonal(r, np.inf)
    r = np.sort(r, axis=1)[:, :k]
    with np.errstate(divide="ignore", invalid="ignore"):
        return -k / np.log(r / r[:, -1:]).sum(axis=1)


def mean_lid(batches: Sequence[np.ndarray], previous: float = 1.0) -> float:
    """Return the mean of the finite LIDs over batches of features (m, d).

    Return the previous value if no LID is finite, or if the mean is 0.
    """
    estimates = np.concatenate([lid(features) for features in batches])
    estimates = estimates[np.isfinite(estimates)]
    mean = float(estimates.mean()) if len(estimates) else 0.0
    return mean if mean > 0 else previous


def window(epochs: int) -> int:
    """Return w, at least the 2 epochs that a standard deviation needs."""
    return max(2, round(5 / 120 * epochs))


def first_turn(epochs: int) -> int:
    """Return e_1, the first epoch that may be the turning point, with a whole window before it."""
    return max(window(epochs), round(45 / 120 * epochs))


def turning_point(lids: Sequence[float], first: int, window: int) -> int | None:
    """Return the turning point, or None if it is not reached yet.

    Parameters
    ----------
    lids : sequence of float
        Mean LID of each epoch so far.
    first : int
        e_1.
    window : int
        w.
    """
    for e in range(first, len(lids)):
        before = lids[e - window : e]
        if lids[e] - np.mean(before) > 2 * np.std(before):
            return e
    return None


def label_weight(lids: Sequence[float], epochs: int) -> float:
    """Return alpha at the last epoch of `lids`, with E = `epochs`."""
    return float(np.exp(-(len(lids) - 1) / epochs * lids[-1] / min(lids)))


def paced_loss(logits: tf.Tensor, y: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
    """Return the cross entropy with the target, (n,). It is linear in the target."""
    predicted = tf.argmax(logits, -1)
    return alpha * cross_entropy(logits, y) + (1 - alpha) * cross_entropy(logits, predicted)


class D2L(Method):
    """Train one network that replaces labels by its own predictions as its LID grows."""

    shares_batches = True

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, networks, optimizers, **kwargs)
        features = keras.Model(networks[0].inputs, networks[0].get_layer("features").output)
        self.features = tf.function(
            lambda images: features(scale(images), training=False),
            reduce_retracing=True,
            autograph=False,
        )
        self.alpha = 1.0
        # The state of networks and optimizers before the previous epoch.
        self.extra_state = [tf.Variable(v.numpy(), trainable=False) for v in self.state]

    def begin_epoch(self, epoch: int, history: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        """Measure the LID, go back at the turning point, and update alpha."""
        lids = [row["lid"] for row in history]
        previous = lids[-1] if lids else 1.0
        lids.append(self.measure(generator(seed, "lid", epoch), previous))
        epochs = self.inputs.epochs
        turned = turning_point(lids, first_turn(epochs), window(epochs))
        for current, earlier in zip(self.state, self.extra_state):
            if turned == epoch:
                current.assign(earlier)
            elif turned is None:
                earlier.assign(current)
        self.alpha = 1.0 if turned is None else label_weight(lids, epochs)
        return {"lid": lids[-1], "alpha": self.alpha}

    def measure(self, rng: np.random.Generator, previous: float = 1.0) -> float:
        """Return the mean LID of the features of `N_IMAGES` random training images, or all."""
        chosen = rng.permutation(self.samples)[:N_IMAGES]
        batches = np.array_split(chosen, -(-len(chosen) // BATCH_SIZE))
        features = [self.features(self.inputs.images[indices]).numpy() for indices in batches]
        return mean_lid(features, previous)

    def schedule(self, epoch: int) -> dict[str, Any]:
        """Return the weight of the observed labels."""
        return {"alpha": self.alpha}

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return the cross entropy with the target of each sample, (n,)."""
        return paced_loss(logits, batch.y, batch.schedule["alpha"])
