"""MentorNet with a predefined curriculum: sample weights that depend on the loss.

For each batch of B samples with losses l, the curriculum compares them with a moving average of
their p-percentile:

    ema <- d ema + (1 - d) percentile_p(l),    d = 0.5, initially ema = 0
    diff = l - ema
    loss = sum v l / B,    without a gradient through v

The weights v depend on the curriculum and on how much of the training is done:

- self_paced: v = 1 in the first 18%, then v = 1[diff <= 0]. p = 0.7.
- pd: v = 1 in the first 19%, then v = 1[diff <= 0], and from 90% on v = clip(1 - diff, 0, 1).
  In addition, a random half of the samples is dropped (v = 0) in the first 17%, and 5% afterwards.
  p = 0.75, or 0.5 by an option, the authors' value for a noise ratio of 0.8.

Needs no knowledge of the noise.

Differences from the paper: Chen et al. 2019 do not say which MentorNet they ran. The default is
self_paced, as in the Co-teaching paper, whose choice of methods their table follows. The authors'
library keeps all samples in the first 18% by default. Their command for self_paced has 0%, see the
option burn_in. With 0%, classes whose losses are large at first are discarded and never learned. As
in the authors' code, the losses come from the same pass in training mode as the gradient. The
authors' MentorNets are networks that learned these formulas. Here the formulas themselves are used.
The authors' L2 penalty shrinks with v, here it does not. The data-driven MentorNet is left out,
because it learns its curriculum from clean labels.

Source: Jiang et al., "MentorNet: learning data-driven curriculum for very deep neural networks on
corrupted labels", ICML 2018.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import accuracy, cross_entropy, masked_mean
from noisylabels.training.steps import Batch

DECAY = 0.5
ALL, SELF_PACED, LINEAR = range(3)  # the forms of v: 1, 1[diff <= 0], clip(1 - diff, 0, 1)


def percentile(losses: tf.Tensor, p: float) -> tf.Tensor:
    """Return the p-percentile of losses (B,), p in [0, 1], without interpolation."""
    position = tf.round(p * (tf.cast(tf.size(losses), tf.float32) - 1))
    return tf.sort(losses)[tf.cast(position, tf.int32)]


def moving_average(ema: float | tf.Tensor, value: tf.Tensor, decay: float = DECAY) -> tf.Tensor:
    """Return the moving average after a new value."""
    return decay * ema + (1 - decay) * value


def sample_weights(diff: tf.Tensor, form: int | tf.Tensor) -> tf.Tensor:
    """Return v (B,) of a form for loss differences (B,)."""
    easy = tf.cast(diff <= 0, diff.dtype)
    return tf.stack([tf.ones_like(diff), easy, tf.clip_by_value(1 - diff, 0, 1)])[form]


def dropout_mask(size: int | tf.Tensor, dropout: float | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return a random mask, float32 (size,), in which int(size (1 - dropout)) samples are 1."""
    order = tf.argsort(tf.random.stateless_uniform([size], seed))
    count = tf.cast(tf.cast(size, tf.float32) * (1 - dropout), tf.int32)
    return tf.cast(order < count, tf.float32)


def curriculum(name: str, epoch: int, epochs: int, burn_in: int = 18) -> tuple[int, float]:
    """Return the form of v and the share of dropped samples in an epoch.

    As in the authors' code, it depends on the training done in whole per cent. self_paced keeps
    all samples for `burn_in` per cent.
    """
    percent = 100 * epoch // epochs
    if name == "self_paced":
        return (ALL if percent < burn_in else SELF_PACED), 0.0
    dropout = 0.5 if percent < 17 else 0.05
    if percent <= 18:
        return ALL, dropout
    if percent < 90:
        return SELF_PACED, dropout
    return LINEAR, dropout


class MentorNet(Method):
    """Train one network with weighted losses; options curriculum, burn_in and percentile."""

    logged = ("loss", "accuracy", "kept", "kept_precision")

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, networks, optimizers, **kwargs)
        self.curriculum = inputs.options["curriculum"]
        self.burn_in = int(inputs.options["burn_in"])
        self.p = 0.7
        if self.curriculum == "pd":
            self.p = float(inputs.options["percentile"])
        self.ema = tf.Variable(0.0, trainable=False)
        self.extra_state = [self.ema]

    def schedule(self, epoch: int) -> dict[str, Any]:
        """Return the form of the weights and the share of dropped samples."""
        form, dropout = curriculum(self.curriculum, epoch, self.inputs.epochs, self.burn_in)
        return {"form": form, "dropout": dropout}

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update the moving percentile and the network with one batch."""
        # The augmentation uses the batch's own seed.
        seed = tf.random.experimental.stateless_fold_in(batch.seed, 1)
        v = dropout_mask(tf.size(batch.y), batch.schedule["dropout"], seed)

        def loss(logits: tf.Tensor) -> tf.Tensor:
            nonlocal v
            losses = cross_entropy(logits, batch.y)
            ema = self.ema.assign(moving_average(self.ema, percentile(losses, self.p)))
            v = tf.stop_gradient(v * sample_weights(losses - ema, batch.schedule["form"]))
            return tf.reduce_mean(v * losses)

        value, logits = self.apply_gradients(0, batch.x, loss)
        return {
            "loss": value,
            "accuracy": accuracy(logits, batch.y),
            "kept": tf.reduce_mean(v),
            "kept_precision": masked_mean(batch.is_clean, v),
        }
