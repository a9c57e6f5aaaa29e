"""ELR: early-learning regularisation, which penalises a drift away from early predictions.

Each training sample has a target t, the moving average of the network's predictions p for this
sample. t starts at 0, and p is clipped to [1e-4, 1 - 1e-4]. Each step first updates the targets of
its batch, then the network:

    t <- beta t + (1 - beta) p / sum(p),    L = mean CE(logits, y) + lambda mean log(1 - <p, t>)

without a gradient through t. CE is the cross entropy with the observed label y. The second term is
lowest if p agrees with t. Its gradient counteracts that of a label that disagrees with t. It is
never positive, so the loss can be negative.

Needs the assumed pattern: beta = 0.7 and lambda = 3 for "sym", else beta = 0.9 and lambda = 1.
These are the authors' values for CIFAR-10 with symmetric and asymmetric noise.

argmax t estimates the true label.

Differences from the paper: all methods here share the same training settings. The authors use
ResNet-34, SGD with momentum and warm restarts of the learning rate. ELR+, with two networks and
mixup, is left out.

Source: Liu et al., "Early-learning regularization prevents memorization of noisy labels",
NeurIPS 2020.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import cross_entropy
from noisylabels.metrics import label_scores
from noisylabels.training.steps import Batch

CLIP = 1e-4
BETA = {"sym": 0.7, "asym": 0.9}
LAMBDA = {"sym": 3.0, "asym": 1.0}


def update_target(target: tf.Tensor, p: tf.Tensor, beta: float) -> tf.Tensor:
    """Return the targets (n, c) after a step with predictions p, (n, c), without a gradient."""
    total = tf.reduce_sum(p, axis=1, keepdims=True)
    return tf.stop_gradient(beta * target + (1 - beta) * p / total)


def regularizer(p: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return the second term of the loss for each sample, (n,), without lambda.

    It is finite, because p, (n, c), is clipped and the sum of a target, (n, c), is at most 1.
    """
    return tf.math.log(1 - tf.reduce_sum(p * target, axis=1))


class ELR(Method):
    """Train one network with early-learning regularisation; options beta and lambda."""

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, networks, optimizers, **kwargs)
        pattern = "sym" if inputs.assumed_pattern == "sym" else "asym"
        self.beta = inputs.options["beta"]
        if self.beta is None:
            self.beta = BETA[pattern]
        self.lambda_ = inputs.options["lambda"]
        if self.lambda_ is None:
            self.lambda_ = LAMBDA[pattern]
        zeros = tf.zeros([len(inputs.labels), inputs.n_classes])
        self.targets = tf.Variable(zeros, trainable=False)
        self.extra_state = [self.targets]

    def corrected_labels(self) -> np.ndarray:
        """Return the most likely class of each target, -1 before its first update."""
        targets = self.targets.numpy()
        return np.where(targets.any(axis=1), targets.argmax(axis=1), -1)

    def end_epoch(self, is_clean: np.ndarray | None) -> dict[str, Any]:
        """Log how many targets agree with the observed label, and LP and LR of these samples."""
        agrees = (self.corrected_labels() == self.inputs.labels)[self.samples]
        columns: dict[str, Any] = {"selected": int(agrees.sum())}
        if is_clean is not None:
            scores = label_scores(agrees, is_clean[self.samples])
            columns.update({name: float(value) for name, value in scores.items()})
        return columns

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Update the targets of a batch, and return the loss of each sample, (n,)."""
        p = tf.clip_by_value(tf.nn.softmax(logits), CLIP, 1 - CLIP)
        target = update_target(tf.gather(self.targets, batch.indices), p, self.beta)
        self.targets.scatter_update(tf.IndexedSlices(target, batch.indices))
        return cross_entropy(logits, batch.y) + self.lambda_ * regularizer(p, target)
