"""SCE: symmetric cross entropy, the sum of cross entropy and reverse cross entropy.

    L = alpha CE + beta RCE,    RCE = -sum_k p_k log onehot(y)_k = -A (1 - p_y),    A = log 0

The reverse cross entropy is proportional to the absolute error, which is robust to symmetric
noise. The small share of cross entropy learns the hard classes. The defaults alpha = 0.1 and
beta = 1 are the authors' values for CIFAR-10.

Needs no knowledge of the noise.

Differences from the paper: the settings are those of all methods here. A is log 1e-4 = -9.21 by
default, since the authors' code clips the one-hot label at 1e-4; the paper has A = -4. The code
also clips p at 1e-7 in the cross entropy, so that such labels have no gradient. Here p is not
clipped.

Source: Wang et al., "Symmetric cross entropy for robust learning with noisy labels", ICCV 2019.
"""

from __future__ import annotations

import math

import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.losses import cross_entropy
from noisylabels.training.steps import Batch

LOG_ZERO = math.log(1e-4)


def symmetric_cross_entropy(
    logits: tf.Tensor, y: tf.Tensor, alpha: float = 0.1, beta: float = 1.0, A: float = LOG_ZERO
) -> tf.Tensor:
    """Return L of each sample, (n,), from logits (n, c) and labels y (n,)."""
    losses = cross_entropy(logits, y)
    return alpha * losses - beta * A * (1 - tf.exp(-losses))


class SCE(Method):
    """Train one network with the symmetric cross entropy; options alpha, beta and A."""

    shares_batches = True

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return L of each sample, (n,)."""
        alpha, beta, A = (self.inputs.options[name] for name in ("alpha", "beta", "A"))
        if A is None:
            A = LOG_ZERO
        return symmetric_cross_entropy(logits, batch.y, alpha=alpha, beta=beta, A=A)
