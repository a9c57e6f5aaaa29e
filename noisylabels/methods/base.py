"""What all methods share: their networks and optimizers, steps, predictions, and their state for a checkpoint."""
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from noisylabels.errors import UserError
from noisylabels.training import tf
from noisylabels.training.augmentation import scale
from noisylabels.training.device import image_type

PREDICTION_BATCH = {"CPU": 64, "GPU": 256}      # as the activations fit into a core's caches; as they fill a GPU


@dataclass(frozen=True)
class Given:
    """What a method may be told. Each method's docstring says which of it the method uses."""

    images: np.ndarray              # uint8 (n, h, w, ch)
    labels: np.ndarray              # observed labels, int (n,)
    n_classes: int
    batch_size: int
    epochs: int
    noise_ratio: float | None = None        # the true one, and the true noise matrix (c, c); None: not known
    T: np.ndarray | None = None
    assumed_pattern: str | None = None      # what is assumed of that: sym, asym, or nothing
    select: np.ndarray | None = None        # INCV's S and C, bool (n,), and its estimate of the noise ratio
    candidate: np.ndarray | None = None
    eval_ratio: float | None = None
    predicted: np.ndarray | None = None     # labels by networks that were trained on that selection, int (n,)
    options: dict[str, Any] = field(default_factory=dict)   # the method's own flags, see methods.OPTIONS

    def with_selection(self, select, candidate, eval_ratio):
        """The same, with INCV's result."""
        return replace(self, select=select, candidate=candidate, eval_ratio=float(eval_ratio))


def batches_of(samples, batch_size, rng):
    """The samples in random order, ceil(n / batch_size) rows of batch_size; the last row is filled up from the first.

    Every batch has the same shape, so nothing is traced or compiled twice.
    """
    order = np.resize(rng.permutation(samples), -(-len(samples) // batch_size) * batch_size)
    return order.reshape(-1, batch_size).astype(np.int32)


def cross_entropy(logits, y):
    """-log softmax(logits)[y], (n,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)


def masked_mean(condition, mask=None):
    """The mean of a mask (n,), weighted by a second one if it is given; 0 where that is zero everywhere."""
    condition = tf.cast(condition, tf.float32)
    mask = tf.ones_like(condition) if mask is None else tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(condition * mask), tf.reduce_sum(mask))


def accuracy(logits, y):
    """The share of samples (n,) whose largest logit (n, c) is that of their label."""
    return masked_mean(tf.argmax(logits, -1, tf.int32) == y)


class Method:
    """A way of training one or two networks on noisy labels.

    A method says what its step does (`train_step`), which samples make an epoch (`batches`), and what changes from one
    epoch to the next (`schedule`, `begin_epoch`); the rest is here and in `Trainer.fit`.
    """

    n_networks = 1
    logged = ("loss", "accuracy")           # the names that train_step returns, averaged over an epoch
    matrices = ()                           # attributes, (c, c) each, that are written as <method>_<name>.csv
    factor = None                           # of the learning rate, see Settings, in place of the recipe's
    shares_batches = False                  # devices can share its batches: its loss is a mean over samples

    def __init__(self, given, networks, optimizers, mirror=False):
        """networks, optimizers: n_networks of each. mirror: predict the mean over an image and its mirror image."""
        self.given, self.mirror = given, mirror
        self.networks, self.optimizers = networks, optimizers
        for network, optimizer in zip(networks, optimizers):
            optimizer.build(network.trainable_variables)
        self.samples = np.arange(len(given.labels))
        self.held_out = self.samples[:0]    # by whose labels it chooses its epoch; without, it ends with the last
        self.prediction_batch = PREDICTION_BATCH["GPU" if tf.config.get_visible_devices("GPU") else "CPU"]
        self._predict = [self._compiled_prediction(network) for network in networks]
        self.extra_state = []               # what a method adds to the state of networks and optimizers
        self._initial = None

    # --- what a method overrides ---

    def prepare(self, train_standard, seed):
        """Called before the training, and again before a resumed one.

        train_standard(samples, held_out): trains a standard network in the same way on the samples, or recognises that
        this is done; returns the class probabilities of all training images, float32 (n, c), inference mode, not
        augmented, at the epoch of its lowest loss on the held-out ones.
        """

    def begin_epoch(self, epoch, history, seed):
        """Called before an epoch's first step, with the history's rows so far. Returns further columns of its row."""
        return {}

    def end_epoch(self, clean):
        """Called after an epoch's last step. Returns further columns of its row.

        clean: bool (n,), whether each observed label is true, or None where that is not known; for the log alone.
        """
        return {}

    def believed(self):
        """What it takes the labels to be, after the steps so far: int (n,), -1 where it does not say; None for all."""
        return None

    def batches(self, epoch, rng):
        """The samples of each step: int32 (steps, batch)."""
        return batches_of(self.samples, self.given.batch_size, rng)

    def schedule(self, epoch):
        """Scalars for the steps of this epoch, by name."""
        return {}

    def observed(self, probabilities):
        """Probabilities (n, c) of the observed labels, from those of the true ones, for the loss on held-out labels."""
        return probabilities

    def train_step(self, batch):
        """One step on a Batch. Returns the scalars of `logged`, by name."""
        loss, logits = self.descend(0, batch.x, lambda logits: tf.reduce_mean(cross_entropy(logits, batch.y)))
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}

    # --- what it calls ---

    def hold_out(self, samples):
        """Takes samples (indices) out of the training. Raises UserError where none is left."""
        self.samples = np.setdiff1d(self.samples, samples)
        if not len(self.samples):
            raise UserError("argument --validation_split: nothing is left to train on; give a smaller share")

    def descend(self, k, x, loss):
        """One step of network k along the gradient of loss(logits), a scalar, and the network's own penalties.

        Returns the loss without penalties, and the logits (n, c).
        """
        (value,), (logits,) = self.descend_together([k], x, lambda logits: [loss(logits)])
        return value, logits

    def descend_together(self, networks, x, losses):
        """As `descend`, for several networks (their indices) on the same x: losses(*logits) gives one scalar each.

        Returns a list of losses and a list of logits. What waits for the losses begins when the gradients are done, and
        so never needs memory for its activations beside those of this step.
        """
        chosen = [self.networks[k] for k in networks]
        devices = tf.distribute.get_strategy().num_replicas_in_sync     # each has a part of x; the gradients add up
        with tf.GradientTape(persistent=True) as tape:
            logits = [network(x, training=True) for network in chosen]
            values = losses(*logits)
            totals = [tf.add_n([value, *network.losses]) / devices for value, network in zip(values, chosen)]
        for k, network, total in zip(networks, chosen, totals):
            gradients = tape.gradient(total, network.trainable_variables)
            self.optimizers[k].apply(gradients, network.trainable_variables)
        with tf.control_dependencies(gradients):
            return [tf.identity(value) for value in values], logits

    def probabilities(self, images, indices=None, k=0):
        """Network k's class probabilities, inference mode: float32 (n, c).

        images: tensor (m, h, w, ch) as of `trainer.as_tensor`. indices: int (n,), which of them; None is all.
        """
        indices = np.arange(len(images)) if indices is None else indices
        rows = -(-len(indices) // self.prediction_batch)
        padded = np.zeros((rows, self.prediction_batch), np.int32)
        padded.flat[:len(indices)] = indices
        return self._predict[k](images, padded).numpy().reshape(padded.size, -1)[:len(indices)]

    def _compiled_prediction(self, network):
        def one_batch(images, indices):
            x = scale(tf.gather(images, indices))
            logits = network(x, training=False)
            if self.mirror:
                logits = (logits + network(tf.reverse(x, [2]), training=False)) / 2
            return tf.nn.softmax(logits)

        @tf.function(input_signature=[tf.TensorSpec([None, *self.given.images.shape[1:]], image_type()),
                                      tf.TensorSpec([None, self.prediction_batch], tf.int32)], autograph=False)
        def all_batches(images, rows):
            return tf.map_fn(lambda indices: one_batch(images, indices), rows, fn_output_signature=tf.float32,
                             parallel_iterations=1)
        return all_batches

    # --- state ---

    @property
    def state(self):
        """All variables that training changes, in a fixed order."""
        models = [variable for network in self.networks for variable in network.variables]
        return models + [v for optimizer in self.optimizers for v in optimizer.variables] + self.extra_state

    def get_state(self):
        """The state as arrays."""
        return [variable.numpy() for variable in self.state]

    def set_state(self, arrays):
        """Puts a state back. Raises ValueError where it is that of another method or network."""
        if [a.shape for a in arrays] != [tuple(v.shape) for v in self.state]:
            raise ValueError("the state of another method or network")
        for variable, array in zip(self.state, arrays):
            variable.assign(array)

    def restart(self, samples):
        """Back to the initial weights and a fresh optimizer, to train on these samples."""
        if self._initial is None:
            self._initial = self.get_state()
        self.set_state(self._initial)
        self.samples = np.asarray(samples)
