"""The training loop of all methods: learning rate, log, evaluation, checkpoints.

After each epoch, everything that the following epochs depend on is written to a checkpoint. Random
numbers come from streams that are named by seed, stage and epoch. A resumed training therefore
equals an uninterrupted one.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from noisylabels.errors import UserError
from noisylabels.recipes import Settings
from noisylabels.runs.atomic_io import load_arrays, move_aside, save_arrays
from noisylabels.seeding import derived_seed, generator
from noisylabels.system.progress import Event
from noisylabels.training import optimizers
from noisylabels.training.callbacks import AfterEpoch
from noisylabels.training.device import as_tensor
from noisylabels.training.networks import create_network
from noisylabels.training.steps import compile_steps

if TYPE_CHECKING:
    from noisylabels.methods.base import Method
    from noisylabels.methods.inputs import MethodInputs

STEPS_PER_CALL = 16  # training steps per call of the compiled function
NEEDS_TRUE_LABELS = "kept_precision"  # prefix of the logged columns that need the true labels


def build_method(
    method_class: type[Method],
    inputs: MethodInputs,
    settings: Settings,
    seed: int,
    stage: str,
    create: Callable[[tuple[int, ...], int], keras.Model] | None = None,
) -> Method:
    """Create a method with its networks and optimizers.

    Parameters
    ----------
    method_class : type
        Subclass of `methods.base.Method`.
    inputs : MethodInputs
        The training data.
    settings : Settings
        Architecture, precision and optimizer.
    seed : int
        Random seed.
    stage : {"INCV", "main", "verify", "standard"}
        Kind of training. Seed and stage name the random stream of the initial weights. All methods
        start from the same weights, the selection from others.
    create : callable, optional
        ``create(input_shape, n_classes)`` returns the networks in place of the architecture.

    Returns
    -------
    Method
    """
    gc.collect()  # networks and graphs of earlier trainings are cycles and occupy much memory
    networks, network_optimizers = [], []
    for k in range(method_class.n_networks):
        keras.utils.set_random_seed(derived_seed(seed, "weights", stage, k))
        networks.append(create_network(inputs, settings, create))
        network_optimizers.append(optimizers.create(settings))
    return method_class(
        inputs,
        networks,
        network_optimizers,
        flip_tta=settings.flip_tta,
        shift_tta=settings.shift_tta,
        label_smoothing=settings.label_smoothing,
    )


class Trainer:
    """Train a method, once or several times, with one compiled step.

    Parameters
    ----------
    method : Method
        The method to train.
    is_clean : np.ndarray or None
        Whether each observed label is true, bool (n,); None if unknown. It is only logged.
    augmentation : str
        Name of a function of `training.augmentation`.
    learning_rate : callable
        Function of the time in epochs and of the number of epochs. The time goes from 0 to
        `epochs`.
    jit_compile : bool
        Compile the training step with XLA.
    on_event : callable
        Called with each `progress.Event`.
    """

    def __init__(
        self,
        method: Method,
        is_clean: np.ndarray | None,
        augmentation: str,
        learning_rate: Callable[[float, int], float],
        jit_compile: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self.method = method
        self.augmentation = augmentation
        self.learning_rate = learning_rate
        self.jit_compile = jit_compile
        self.on_event = on_event
        self.run_steps: Callable[..., tf.Tensor] | None = None
        self.images = as_tensor(method.inputs.images)
        self.relabel(method.inputs.labels, is_clean)

    def relabel(self, labels: np.ndarray, is_clean: np.ndarray | None) -> None:
        """Replace the observed labels, and the mask of those that are true."""
        self.is_clean = is_clean
        self._labels = tf.constant(labels, tf.int32)
        mask = np.zeros(len(labels)) if is_clean is None else is_clean
        self._is_clean = tf.constant(mask, tf.bool)

    def fit(
        self,
        epochs: int,
        seed: int,
        stage: str,
        checkpoint: Path,
        after_epoch: AfterEpoch,
        name: str = "",
        samples_digest: str | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Train for a number of epochs, or for those that are missing in the checkpoint.

        Parameters
        ----------
        epochs : int
            Length of the training.
        seed, stage : int, str
            Names of the random streams of batches and augmentation.
        checkpoint : Path
            File to resume from. It is written after each epoch.
        after_epoch : callable
            Called after each epoch with the epoch, from 0, and the memory. It returns further
            columns of the log. The memory is a dictionary of arrays, which checkpoints contain.
        name : str
            Name of the training in its events.
        samples_digest : str, optional
            Digest of samples that depend on an earlier stage. A checkpoint with another digest is
            not used.

        Returns
        -------
        history : list of dict
            One row of the log per epoch.
        memory : dict of np.ndarray
            The memory after the last epoch.

        Raises
        ------
        UserError
            If the loss or a weight is not finite, or the device's memory is too small. The previous
            epoch's checkpoint remains.
        """
        identity = [seed, stage] if samples_digest is None else [seed, stage, samples_digest]
        history, memory = self._restore(checkpoint, identity)
        self.on_event(Event(name, epochs, len(history)))
        first_flips = generator(seed, "flips", stage).integers(2, size=len(self.images)) == 1
        for epoch in range(len(history), epochs):
            start = time.perf_counter()
            own_columns = self.method.begin_epoch(epoch, history, seed)
            rng = generator(seed, "epoch", stage, epoch)
            flip_mask = first_flips ^ (epoch % 2 == 1)
            row = {
                "epoch": epoch + 1,
                "learning_rate": self.learning_rate(epoch, epochs),
                **self._train_epoch(epoch, epochs, rng=rng, flip_mask=flip_mask, name=name),
                **own_columns,
                **self.method.end_epoch(self.is_clean),
                **after_epoch(epoch, memory),
            }
            row["seconds"] = round(time.perf_counter() - start, 3)
            history.append(row)
            self._save(checkpoint, identity, history, memory)
            self.on_event(Event(name, epochs, epoch, row=row))
        return history, memory

    def _train_epoch(
        self,
        epoch: int,
        epochs: int,
        rng: np.random.Generator,
        flip_mask: np.ndarray,
        name: str,
    ) -> dict[str, Any]:
        """Train one epoch. Return the means of the logged values, and the number of batches.

        `flip_mask`, bool (n,), marks the images that alternating flips flip in this epoch.
        """
        batches = self.method.batches(epoch, rng)
        n = len(batches)
        seeds = rng.integers(2**31, size=(n, 2), dtype=np.int32)
        rates = np.float32([self.learning_rate(epoch + i / n, epochs) for i in range(n)])
        schedule = self._schedule(epoch)
        if self.run_steps is None:
            self.run_steps = compile_steps(
                self.method, self.augmentation, schedule, self.jit_compile
            )
        logs = []
        for i in range(0, n, STEPS_PER_CALL):
            part = slice(i, i + STEPS_PER_CALL)
            data = (self.images, self._labels, self._is_clean)
            step_inputs = (batches[part], seeds[part], rates[part])
            try:
                logs.append(self.run_steps(*data, *step_inputs, flip_mask, schedule).numpy())
            except tf.errors.ResourceExhaustedError:
                raise UserError(
                    "argument --batch_size: the device has too little memory, give a smaller one"
                ) from None
            bad = np.flatnonzero(~np.isfinite(logs[-1]).all(axis=1))
            if len(bad):
                raise _diverged("the loss is", epoch, i + bad[0])
            done = i + len(logs[-1])
            loss = float(logs[-1][-1][0])
            self.on_event(Event(name, epochs, epoch, step=done, steps=n, loss=loss))
        if not all(np.isfinite(array).all() for array in self.method.get_state()):
            raise _diverged("the weights are", epoch, n - 1)
        means = np.concatenate(logs).mean(axis=0, dtype=np.float64).tolist()
        columns = dict(zip(self.method.logged, means))
        if self.is_clean is None:
            columns = {
                column: mean
                for column, mean in columns.items()
                if not column.startswith(NEEDS_TRUE_LABELS)
            }
        return {**columns, "steps": n}

    def _schedule(self, epoch: int) -> dict[str, Any]:
        """Return the method's schedule as tensors. With XLA, integers remain Python integers."""
        schedule = {}
        for name, value in self.method.schedule(epoch).items():
            keep = self.jit_compile and isinstance(value, int)
            schedule[name] = value if keep else tf.constant(value)
        return schedule

    def _save(
        self,
        path: Path,
        identity: list[Any],
        history: list[dict[str, Any]],
        memory: dict[str, np.ndarray],
    ) -> None:
        """Write a checkpoint."""
        arrays = {f"state{i}": array for i, array in enumerate(self.method.get_state())}
        arrays.update({f"memory_{name}": array for name, array in memory.items()})
        arrays["training"] = np.array(json.dumps([*identity, history]))
        save_arrays(path, arrays)

    def _restore(
        self, path: Path, identity: list[Any]
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """Restore the state from a checkpoint. Return its history and memory, else empty ones."""
        arrays = load_arrays(path)
        if arrays is None:
            return [], {}
        try:
            *found, history = json.loads(str(arrays["training"]))
            if found != identity:
                raise ValueError("a checkpoint of another training")
            self.method.set_state([arrays[f"state{i}"] for i in range(len(self.method.state))])
        except (KeyError, ValueError, TypeError):
            move_aside(path, "it belongs to another training")
            return [], {}
        memory = {
            name.removeprefix("memory_"): array
            for name, array in arrays.items()
            if name.startswith("memory_")
        }
        return history, memory


def _diverged(what: str, epoch: int, step: int) -> UserError:
    """Return the error of a training that diverged at an epoch and step, counted from 0."""
    return UserError(
        f"{what} no longer finite in epoch {epoch + 1}, step {step + 1}: earlier epochs are "
        "kept; try a smaller --learning_rate"
    )
