"""Co-teaching: two networks, each trained on the samples that the other finds easy.

For each batch of B samples, both networks rank the samples by their loss. The R(e) B samples with
the smallest loss under one network train the other, with

    R(e) = 1 - tau min(e / r, 1),    r = min(10, E / 2),    in epoch e of E.

Needs the noise ratio tau: the true one, or the option noise_ratio.

Differences from the paper: Chen et al. 2019 do not say how they ran Co-teaching. By default it uses
the settings shared by all methods, and ranks like their modified Co-teaching, see
`small_loss_step`. With the option variant = 2018 it follows the authors' code instead. Samples are
then ranked by losses in training mode, in the same pass that gives the gradients. R(e) B is rounded
down, and r is smaller by 1. From epoch 80 of 200, the learning rate falls linearly to 0, and Adam's
beta1 is 0.1.

That code also divides the mean loss by the number of samples, which has no effect with Adam. It
counts epochs from 1, and drops the incomplete last batch, which is filled here. For CIFAR-100 it
decays the learning rate from epoch 100. These details are left out.

Source: Han et al., "Co-teaching: robust training of deep neural networks with extremely noisy
labels", NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import accuracy, cross_entropy, masked_mean
from noisylabels.training.steps import Batch


def small_loss_indices(losses: tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Return the indices of the `count` smallest losses, in ascending order, (count,)."""
    return tf.argsort(losses, stable=True)[:count]


def small_loss_step(method: Method, batch: Batch, count: int | tf.Tensor) -> dict[str, tf.Tensor]:
    """Train each network on the `count` samples with the smallest loss under the other one.

    The augmented batch is ranked in inference mode. Only the chosen samples pass through the
    network in training mode, so they alone determine the batch statistics.

    Source: Chen et al. 2019, modified Co-teaching, published code.
    """
    kept = []
    for network in method.networks:
        losses = cross_entropy(network(batch.x, training=False), batch.y)
        kept.append(small_loss_indices(losses, count))
    values, accuracies = [], []
    for k, chosen in enumerate(reversed(kept)):
        # The second network waits for the first, which halves the memory for activations.
        with tf.control_dependencies(values):
            x, y = tf.gather(batch.x, chosen), tf.gather(batch.y, chosen)

        def loss(logits: tf.Tensor, y: tf.Tensor = y) -> tf.Tensor:
            return tf.reduce_mean(cross_entropy(logits, y))

        value, logits = method.apply_gradients(k, x, loss)
        values.append(value)
        accuracies.append(accuracy(logits, y))
    return step_log(batch, kept, values, accuracies)


def single_pass_step(method: Method, batch: Batch, count: int | tf.Tensor) -> dict[str, tf.Tensor]:
    """Train like `small_loss_step`, but rank in training mode, in the gradient pass.

    Source: Han et al. 2018, published code.
    """
    kept = []

    def exchanged_losses(*logits: tf.Tensor) -> list[tf.Tensor]:
        losses = [cross_entropy(z, batch.y) for z in logits]
        kept.extend(small_loss_indices(loss, count) for loss in losses)
        return [
            tf.reduce_mean(tf.gather(loss, chosen)) for loss, chosen in zip(losses, reversed(kept))
        ]

    values, logits = method.apply_gradients_jointly([0, 1], batch.x, exchanged_losses)
    accuracies = [
        accuracy(tf.gather(z, chosen), tf.gather(batch.y, chosen))
        for z, chosen in zip(logits, reversed(kept))
    ]
    return step_log(batch, kept, values, accuracies)


def step_log(
    batch: Batch,
    kept: Sequence[tf.Tensor],
    losses: Sequence[tf.Tensor],
    accuracies: Sequence[tf.Tensor],
) -> dict[str, tf.Tensor]:
    """Return mean loss and accuracy, and the label precision of each network's kept samples."""
    precision = [masked_mean(tf.gather(batch.is_clean, chosen)) for chosen in kept]
    return {
        "loss": tf.reduce_mean(losses),
        "accuracy": tf.reduce_mean(accuracies),
        "kept_precision_1": precision[0],
        "kept_precision_2": precision[1],
    }


def ramp_epochs(epochs: int) -> float:
    """Return the number of epochs until R(e) is constant: 10, or epochs / 2 if smaller.

    Longer trainings do not extend it, because networks always need a few epochs to distinguish easy
    samples from hard ones.
    """
    return min(10, epochs / 2)


def remember_rate(epoch: int, tau: float, ramp: float = 10) -> float:
    """Return R(e), the share of a batch to keep, with a ramp of `ramp` epochs."""
    return 1 - tau * min(epoch / ramp, 1)


def decay_start(epochs: int) -> float:
    """Return the epoch at which the 2018 variant's learning rate begins to fall."""
    return 80 / 200 * epochs


def linear_decay(time: float, epochs: int) -> float:
    """Return the 2018 variant's multiplier of the learning rate at a time in epochs."""
    return min(1, (epochs - int(time)) / (epochs - decay_start(epochs)))


class CoTeaching(Method):
    """Train two networks by Co-teaching; options variant and noise_ratio."""

    n_networks = 2
    logged = ("loss", "accuracy", "kept_precision_1", "kept_precision_2")

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, networks, optimizers, **kwargs)
        self.tau = inputs.options["noise_ratio"]
        if self.tau is None:
            self.tau = inputs.noise_ratio
        self.ramp = ramp_epochs(inputs.epochs)
        self.step = small_loss_step
        self.round_count = round
        if inputs.options["variant"] == "2018":
            self.ramp = max(1, self.ramp - 1)
            self.step = single_pass_step
            self.round_count = int
            self.lr_schedule = linear_decay
            for optimizer in optimizers:
                # A variable, so that the compiled step sees its change.
                optimizer.beta_1 = tf.Variable(optimizer.beta_1, trainable=False)

    def begin_epoch(self, epoch: int, history: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        """Lower Adam's beta1 once the 2018 variant's learning rate falls."""
        if self.lr_schedule and epoch >= decay_start(self.inputs.epochs):
            for optimizer in self.optimizers:
                optimizer.beta_1.assign(0.1)
        return {}

    def schedule(self, epoch: int) -> dict[str, Any]:
        """Return the number of samples that each network keeps of a batch."""
        share = remember_rate(epoch, self.tau, self.ramp)
        return {"keep": max(1, self.round_count(self.inputs.batch_size * share))}

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update both networks with one batch."""
        return self.step(self, batch, batch.schedule["keep"])
