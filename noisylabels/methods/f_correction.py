"""F-correction (Patrini et al., CVPR 2017): the forward loss correction, with an estimated noise matrix T.

1. Train a standard network on the noisy labels, and go back to its epoch of the lowest loss on held-out ones.
2. eta = its class probabilities of all training images. For each class i take the sample that is most surely of it,
   but for the surest three per cent, which may be outliers, and read row i of T off it:
       x_i = argmax_x { eta_i(x) : eta_i(x) < 97th percentile of eta_i },    T[i, :] = eta(x_i).
   Of a class that is predicted for less than six per cent of the images only half of these may be outliers.
3. Train a new network with the loss -log sum_j p_j T[j, y_noisy], and go back to its epoch of the lowest such loss on
   the held-out labels.

Both train on the same nine tenths of the samples; the tenth that is held out is drawn from each observed class alike.
A network that memorises its labels puts nearly all of T on the diagonal by its last epoch, where T no longer corrects.

Told nothing of the noise; with the option T = true it is told T. An estimate can put a class where another belongs when
pair noise comes near one half: then it is expected to fail.

Not stated in 2019: how the paper ran it. The tenth and the choice of the epochs are the authors' (who draw theirs from
all classes at once, and count the L2 penalty in). Chosen here: both networks are trained alike, with the settings of
every other method; the second begins from the initial weights that Standard begins from, the first from others. The
rule for small classes is ours: three per cent may be more than such a class has, and x_i would be of another. The
authors leave out no outliers for CIFAR-100.
"""
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy
from noisylabels.streams import stream
from noisylabels.training.evaluation import held_out

HELD_OUT = .1
OUTLIERS = .03
TINY = 1e-30


def estimate_T(eta):
    """T, float64 (c, c), rows summing to 1, from class probabilities eta (n, c); see step 2."""
    eta = np.asarray(eta, np.float64)
    n, c = eta.shape
    outliers = np.minimum(OUTLIERS, np.bincount(eta.argmax(axis=1), minlength=c) / n / 2)
    cuts = [np.percentile(column, 100 * (1 - share), method="higher") for column, share in zip(eta.T, outliers)]
    T = eta[np.where(eta < cuts, eta, 0).argmax(axis=0)]
    return T / T.sum(axis=1, keepdims=True)


def forward_loss(logits, y, T):
    """-log (softmax(logits) T)[y], (n,): by logarithms, with the entries of T at least 1e-30, so never infinite."""
    log_T = tf.math.log(tf.maximum(tf.cast(T, logits.dtype), TINY))
    return -tf.reduce_logsumexp(tf.nn.log_softmax(logits) + tf.gather(tf.transpose(log_T), y), axis=1)


class FCorrection(Method):
    """One network trained with the forward loss; option T: estimated or true."""

    matrices = ("T",)
    shares_batches = True

    def prepare(self, train_standard, seed):
        self.held_out = held_out(self.samples, self.given.labels, HELD_OUT, stream(seed, "held_out"))
        self.hold_out(self.held_out)
        if self.given.options["T"] == "true":
            self.T = self.given.T
        else:
            self.T = estimate_T(train_standard(self.samples, self.held_out))

    def observed(self, probabilities):
        return probabilities @ self.T

    def train_step(self, batch):
        loss, logits = self.descend(0, batch.x, lambda logits: tf.reduce_mean(forward_loss(logits, batch.y, self.T)))
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}
