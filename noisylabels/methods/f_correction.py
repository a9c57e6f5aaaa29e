"""F-correction: forward loss correction with an estimated noise transition matrix T.

1. Train a standard network on the noisy labels. Return to the epoch of its lowest loss on held-out
   samples.
2. Let eta be its class probabilities of all training images. Row i of T is the prediction for the
   image that is most certainly of class i, after leaving out 3% of outliers:

       x_i = argmax_x { eta_i(x) : eta_i(x) < 97th percentile of eta_i },    T[i, :] = eta(x_i)

   If a class is predicted for less than 6% of the images, only half of those, rounded up, are left
   out, but never the only one.
3. Train a new network with the loss -log sum_j p_j T[j, y_noisy]. Return to the epoch of the lowest
   such loss on the held-out samples.

Both networks train on the same 90% of the samples. The other 10% are held out, the same share of
each observed class. They are needed because a network that has memorised its labels estimates a
nearly diagonal T, and such a T corrects nothing.

Needs no knowledge of the noise. With the option T = true, it needs the true T. Near 50% pair noise,
the estimate can exchange two classes. The method is then expected to fail.

Differences from the paper: Chen et al. 2019 do not say how they ran F-correction. The held-out 10%
and the choice of the epochs follow the authors' code, which draws them without regard to classes
and includes the L2 penalty in the loss. Both networks have the settings of all methods here. The
second one starts from the same weights as Standard, the first from others. The rule for rare
classes is ours: 3% may be more images than such a class has, and x_i would be of another class.
The authors leave out no outliers for CIFAR-100.

Source: Patrini et al., "Making deep neural networks robust to label noise: a loss correction
approach", CVPR 2017.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import PreparationContext
from noisylabels.seeding import generator
from noisylabels.training.sampling import stratified_holdout
from noisylabels.training.steps import Batch

HELD_OUT_SHARE = 0.1
OUTLIER_SHARE = 0.03
MIN_PROBABILITY = 1e-30  # of an entry of T, so that its logarithm is finite


def estimate_T(eta: np.ndarray) -> np.ndarray:
    """Estimate the noise transition matrix from predictions, step 2.

    Parameters
    ----------
    eta : np.ndarray
        Class probabilities of the training images, (n, c).

    Returns
    -------
    np.ndarray
        T, float64 (c, c). Its rows sum to 1.
    """
    eta = np.asarray(eta, np.float64)
    n, c = eta.shape
    predicted = np.bincount(eta.argmax(axis=1), minlength=c)
    outlier_share = np.minimum(OUTLIER_SHARE, predicted / n / 2)
    cuts = [
        np.percentile(column, 100 * (1 - share), method="higher")
        for column, share in zip(eta.T, outlier_share)
    ]
    cuts = np.where(predicted < 2, np.inf, cuts)
    T = eta[np.where(eta < cuts, eta, 0).argmax(axis=0)]
    return T / T.sum(axis=1, keepdims=True)


def forward_loss(logits: tf.Tensor, y: tf.Tensor, T: np.ndarray) -> tf.Tensor:
    """Return the loss of step 3 for each sample, (n,), computed from logarithms."""
    log_T = tf.math.log(tf.maximum(tf.cast(T, logits.dtype), MIN_PROBABILITY))
    log_joint = tf.nn.log_softmax(logits) + tf.gather(tf.transpose(log_T), y)
    return -tf.reduce_logsumexp(log_joint, axis=1)


class FCorrection(Method):
    """Train one network with the forward loss; option T."""

    matrices = ("T",)
    shares_batches = True

    def prepare(self, context: PreparationContext) -> None:
        """Draw the held-out samples, and estimate T unless the option gives the true one."""
        rng = generator(context.seed, "held_out")
        self.held_out = stratified_holdout(self.samples, self.inputs.labels, HELD_OUT_SHARE, rng)
        self.exclude(self.held_out)
        if self.inputs.options["T"] == "true":
            self.T = self.inputs.T
        else:
            self.T = estimate_T(context.train_standard(self.samples, self.held_out))

    def observed_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities (n, c) of the observed labels."""
        return probabilities @ self.T

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return the forward loss of each sample, (n,)."""
        return forward_loss(logits, batch.y, self.T)
