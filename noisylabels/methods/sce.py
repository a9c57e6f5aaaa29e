"""SCE, the symmetric cross entropy (Wang et al., ICCV 2019): cross entropy, and the same with the roles exchanged.

    L = alpha CE + beta RCE,    RCE = -sum_k p_k log onehot(y)_k = -A (1 - p_y),    alpha = 0.1, beta = 1

A stands for log 0. The reverse part is an absolute error, which noise of all classes alike does not move; the little
that is left of cross entropy learns the hard classes. Told nothing of the noise.

The authors' code clips the one-hot label at 1e-4, so that A = log 1e-4 = -9.21: the default. Their paper has A = -4,
the option A. alpha and beta are those of CIFAR-10. Chosen here: the settings of every other method. That code also
clips p at 1e-7 in the cross entropy, where a label then has no gradient: not here, as in every other method.
"""
import math

import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy

LOG_ZERO = math.log(1e-4)


def symmetric_cross_entropy(logits, y, alpha=.1, beta=1., A=LOG_ZERO):
    """alpha CE - beta A (1 - softmax(logits)[y]), (n,)."""
    losses = cross_entropy(logits, y)
    return alpha * losses - beta * A * (1 - tf.exp(-losses))


class SCE(Method):
    """One network trained with the symmetric cross entropy; options alpha, beta, and A, None for that of the code."""

    shares_batches = True

    def train_step(self, batch):
        alpha, beta, A = (self.given.options[name] for name in ("alpha", "beta", "A"))
        loss, logits = self.descend(0, batch.x, lambda logits: tf.reduce_mean(
            symmetric_cross_entropy(logits, batch.y, alpha, beta, LOG_ZERO if A is None else A)))
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}
