"""Base class of all methods: networks, optimizers, gradient steps, predictions and state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noisylabels.errors import UserError
from noisylabels.methods.inputs import MethodInputs, PreparationContext
from noisylabels.methods.losses import accuracy, cross_entropy
from noisylabels.training import tf
from noisylabels.training.prediction import compile_prediction, prediction_batch_size
from noisylabels.training.sampling import random_batches

if TYPE_CHECKING:
    import keras

    from noisylabels.training.steps import Batch


class Method:
    """A way to train one or two networks on noisy labels.

    A method defines its loss (`sample_losses`) or its whole training step (`train_step`), the
    samples of an epoch (`batches`) and what changes from epoch to epoch (`schedule`,
    `begin_epoch`). `training.trainer.Trainer` runs the epochs.

    Parameters
    ----------
    inputs : MethodInputs
        Training data and known facts about the noise.
    networks : list of keras.Model
        `n_networks` networks. They map images in [0, 1] to logits.
    optimizers : list of keras.optimizers.Optimizer
        One optimizer per network.
    flip_tta : bool
        Predict with the mean logits of an image and its horizontal flip.
    shift_tta : bool
        Average also over two shifts of the image, by (1, 1) and (-1, -1) pixels. The shifted images
        have half of the weight.
    label_smoothing : float
        Share of the target that is spread over all classes. Only Standard uses it.

    Attributes
    ----------
    samples : np.ndarray
        Indices of the training samples.
    held_out : np.ndarray
        Indices of the validation samples that select the epoch. Empty means the last epoch.
    extra_state : list of tf.Variable
        Further variables that a checkpoint must contain.
    """

    n_networks = 1
    logged: tuple[str, ...] = ("loss", "accuracy")  # what `train_step` returns
    matrices: tuple[str, ...] = ()  # attributes (c, c) that are written to <method>_<name>.csv
    lr_schedule: Callable[[float, int], float] | None = None  # replaces the recipe's, see Settings
    shares_batches = False  # whether several GPUs may split a batch: the loss is a mean over it

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        flip_tta: bool = False,
        shift_tta: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        self.inputs = inputs
        self.networks = networks
        self.optimizers = optimizers
        self.flip_tta = flip_tta
        self.shift_tta = shift_tta
        self.label_smoothing = label_smoothing
        for network, optimizer in zip(networks, optimizers):
            optimizer.build(network.trainable_variables)
        self.samples = np.arange(len(inputs.labels))
        self.held_out = self.samples[:0]
        self.extra_state: list[tf.Variable] = []
        self._predict = [compile_prediction(network, flip_tta, shift_tta) for network in networks]
        self._initial: list[np.ndarray] | None = None

    # --- hooks that a method may override ---

    def prepare(self, context: PreparationContext) -> None:
        """Compute what the training needs. Called once before a new or a resumed training."""

    def begin_epoch(self, epoch: int, history: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        """Update the method before an epoch, and return further columns of the epoch's log.

        `history` has one row per finished epoch.
        """
        return {}

    def end_epoch(self, is_clean: np.ndarray | None) -> dict[str, Any]:
        """Return further columns of the log after an epoch.

        `is_clean`, bool (n,), marks the observed labels that are true. It is None if they are
        unknown. It must not influence the training.
        """
        return {}

    def corrected_labels(self) -> np.ndarray | None:
        """Return the current estimate of the true labels, int (n,), -1 where there is none.

        Methods that do not estimate labels return None.
        """
        return None

    def batches(self, epoch: int, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of the samples of each step, int32 (steps, batch size)."""
        return random_batches(self.samples, self.inputs.batch_size, rng)

    def schedule(self, epoch: int) -> dict[str, Any]:
        """Return named scalars that the steps of an epoch use."""
        return {}

    def observed_probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Convert probabilities of the true labels, (n, c), to those of the observed labels.

        The loss on held-out samples is computed from the latter.
        """
        return probabilities

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return the loss of each sample, (n,), from logits (n, c)."""
        return cross_entropy(logits, batch.y)

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update the networks with one batch. Return the scalars that are named in `logged`."""

        def mean_loss(logits: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(self.sample_losses(logits, batch))

        loss, logits = self.apply_gradients(0, batch.x, mean_loss)
        return {"loss": loss, "accuracy": accuracy(logits, batch.y)}

    # --- building blocks for methods ---

    def exclude(self, samples: Iterable[int]) -> None:
        """Remove samples from the training.

        Raises
        ------
        UserError
            If no sample is left.
        """
        self.samples = np.setdiff1d(self.samples, samples)
        if not len(self.samples):
            raise UserError(
                "nothing is left to train on: give a smaller --validation_split or --test_split"
            )

    def apply_gradients(
        self, k: int, x: tf.Tensor, loss: Callable[[tf.Tensor], tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Update network k with the gradient of a loss plus the network's penalties.

        Parameters
        ----------
        k : int
            Index of the network.
        x : tf.Tensor
            Images in [0, 1], float32 (n, h, w, ch).
        loss : callable
            Function from logits (n, c) to a scalar.

        Returns
        -------
        loss : tf.Tensor
            The loss without penalties, a scalar.
        logits : tf.Tensor
            The logits before the update, (n, c).
        """
        (value,), (logits,) = self.apply_gradients_jointly([k], x, lambda logits: [loss(logits)])
        return value, logits

    def apply_gradients_jointly(
        self,
        networks: Sequence[int],
        x: tf.Tensor,
        losses: Callable[..., Sequence[tf.Tensor]],
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Update several networks on the same images, with losses that depend on all logits.

        Parameters
        ----------
        networks : sequence of int
            Indices of the networks.
        x : tf.Tensor
            Images in [0, 1], float32 (n, h, w, ch).
        losses : callable
            Function from all logits to one scalar per network.

        Returns
        -------
        losses : list of tf.Tensor
            The losses without penalties, scalars.
        logits : list of tf.Tensor
            The logits before the update, (n, c) each.
        """
        chosen = [self.networks[k] for k in networks]
        # Each device has a part of x, and the optimizer adds up the gradients of all devices.
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape(persistent=True) as tape:
            logits = [network(x, training=True) for network in chosen]
            values = losses(*logits)
            totals = [
                tf.add_n([value, *network.losses]) / devices
                for value, network in zip(values, chosen)
            ]
        for k, network, total in zip(networks, chosen, totals):
            gradients = tape.gradient(total, network.trainable_variables)
            self.optimizers[k].apply(gradients, network.trainable_variables)
        # A caller that waits for the losses starts after the gradients. Its activations then never
        # need memory at the same time as those of this step.
        with tf.control_dependencies(gradients):
            return [tf.identity(value) for value in values], logits

    def probabilities(
        self, images: tf.Tensor, indices: np.ndarray | None = None, k: int = 0
    ) -> np.ndarray:
        """Predict class probabilities in inference mode.

        Parameters
        ----------
        images : tf.Tensor
            Images (m, h, w, ch) on the device, see `training.device.as_tensor`.
        indices : np.ndarray, optional
            Indices of the images to predict, int (n,). By default all images.
        k : int
            Index of the network.

        Returns
        -------
        np.ndarray
            Class probabilities, float32 (n, c).
        """
        indices = np.arange(len(images)) if indices is None else indices
        batch_size = prediction_batch_size()
        batches = np.zeros((-(-len(indices) // batch_size), batch_size), np.int32)
        batches.flat[: len(indices)] = indices
        predicted = self._predict[k](images, batches).numpy()
        return predicted.reshape(batches.size, -1)[: len(indices)]

    # --- state, for checkpoints ---

    @property
    def state(self) -> list[Any]:
        """Return all variables that the training changes, in a fixed order."""
        variables = [v for network in self.networks for v in network.variables]
        variables += [v for optimizer in self.optimizers for v in optimizer.variables]
        return variables + self.extra_state

    def get_state(self) -> list[np.ndarray]:
        """Return the values of `state` as arrays."""
        return [variable.numpy() for variable in self.state]

    def set_state(self, arrays: list[np.ndarray]) -> None:
        """Restore the values that `get_state` returned.

        Raises
        ------
        ValueError
            If the shapes are those of another method or network.
        """
        if [array.shape for array in arrays] != [tuple(v.shape) for v in self.state]:
            raise ValueError("the state of another method or network")
        for variable, array in zip(self.state, arrays):
            variable.assign(array)

    def restart(self, samples: np.ndarray) -> None:
        """Restore the initial weights and optimizers, and train on these samples from now on."""
        if self._initial is None:
            self._initial = self.get_state()
        self.set_state(self._initial)
        self.samples = np.asarray(samples)
