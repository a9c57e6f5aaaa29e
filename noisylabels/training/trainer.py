"""The training loop of all methods: batches on the device, learning rate, log, evaluation, resume.

An epoch is one call of a compiled function for every few steps: it gathers the images of a step, augments them, and
calls the method's `train_step`. After each epoch everything that the rest depends on goes into a checkpoint, and all
randomness is drawn from streams named by seed, stage and epoch: a resumed training equals an uninterrupted one.
"""
import gc
import json
import time
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from models import create_model
from noisylabels.errors import UserError
from noisylabels.progress import Event
from noisylabels.runs.files import load_arrays, save_arrays, set_aside
from noisylabels.streams import stream, stream_seed
from noisylabels.training import augmentation as augmentations
from noisylabels.training import optimizers
from noisylabels.training.augmentation import scale
from noisylabels.training.device import dtype_policy, image_type

STEPS_PER_CALL = 16
OF_TRUTH = "kept_precision"     # logged columns that begin so need to know which labels are true


class Batch(NamedTuple):
    """What one training step sees: n augmented images in [0, 1], their observed labels, and what the epoch sets."""

    x: tf.Tensor                    # float32 (n, h, w, ch)
    y: tf.Tensor                    # int32 (n,)
    clean: tf.Tensor                # bool (n,): y is the true label; for the log alone, no method may learn from it
    indices: tf.Tensor              # int32 (n,), of the samples in data set order
    seed: tf.Tensor                 # int32 (2,)
    schedule: dict[str, Any]        # scalars, see `Method.schedule`


def as_tensor(images):
    """An array of images as a tensor on the device; on the CPU in the array's own memory, if that is aligned for it.

    Raises UserError where a GPU has too little memory for them.
    """
    aligned = images.ctypes.data % 64 == 0
    try:
        tensor = tf.experimental.dlpack.from_dlpack(images.__dlpack__()) if aligned else tf.constant(images)
        return tf.cast(tf.identity(tensor), image_type())
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError):         # that of a copy to a GPU
        raise UserError(f"argument --gpu_id: the device has too little memory for {len(images):,} images of "
                        f"{images[0].nbytes:,} bytes; smaller images, or -1 for the CPU") from None


def build(method_class, given, settings, seed, stage):
    """A method with its networks and optimizers. settings: recipes.Settings.

    seed, stage: name the stream of the initial weights. Each kind of training has its own stage: INCV, main, verify or
    standard. So a selection's network is not the first of the training on it; but all methods start from the same.
    """
    gc.collect()                        # networks of an earlier training and their graphs hold much memory, in cycles
    networks, descents = [], []
    for k in range(method_class.n_networks):
        keras.utils.set_random_seed(stream_seed(seed, "weights", stage, k))
        network = create_model(settings.architecture, given.images.shape[1:], given.n_classes,
                               precision=dtype_policy(settings.precision))
        for layer in network.layers:
            if hasattr(layer, "adapt"):
                layer.adapt(given.images)
        networks.append(network)
        descents.append(getattr(optimizers, settings.optimizer)(settings.learning_rate, settings.weight_decay))
    return method_class(given, networks, descents, mirror=settings.mirror)


def shared(step):
    """A step that several devices share: each takes an equal part of the batch, and what they log is averaged.

    The optimizers add up the devices' gradients; batch statistics are those of a device's own part. A device's weights
    and optimizer are copies, and stay equal; the moving statistics that predictions use are the first device's.
    """
    devices = tf.distribute.get_strategy()

    def step_of_all(batch):
        def step_of_one():
            k = tf.distribute.get_replica_context().replica_id_in_sync_group
            size = tf.size(batch.y) // devices.num_replicas_in_sync
            return step(Batch(*(part[k * size:(k + 1) * size] for part in batch[:4]), *batch[4:]))
        return devices.reduce("MEAN", devices.run(step_of_one), axis=None)
    return step_of_all


def compile_steps(method, augmentation, schedule, jit_compile=False):
    """A compiled function of several training steps, traced once for any number of them and any batch size.

    It takes images (n, h, w, ch) as of `as_tensor`, labels int32 (n,), clean bool (n,), rows int32 (steps, batch),
    seeds int32 (steps, 2), rates float32 (steps,), schedule {name: scalar}, and returns float32 (steps,
    len(method.logged)).
    schedule: that of an epoch; later ones have the same names and types.
    jit_compile: compile a step with XLA; scheduled whole numbers are Python's then, since they may set shapes.
    """
    augment = getattr(augmentations, augmentation)

    def step(batch):
        logs = method.train_step(batch)
        return tf.stack([tf.cast(logs[name], tf.float32) for name in method.logged])

    if jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        step = shared(step)

    signature = [tf.TensorSpec([None, *method.given.images.shape[1:]], image_type()), tf.TensorSpec([None], tf.int32),
                 tf.TensorSpec([None], tf.bool), tf.TensorSpec([None, None], tf.int32),
                 tf.TensorSpec([None, 2], tf.int32), tf.TensorSpec([None], tf.float32),
                 {name: tf.TensorSpec.from_tensor(value) for name, value in schedule.items() if tf.is_tensor(value)}]

    @tf.function(input_signature=None if jit_compile else signature, autograph=False)
    def steps(images, labels, clean, rows, seeds, rates, schedule):
        def one(i):
            for optimizer in method.optimizers:
                optimizer.learning_rate.assign(rates[i])
            x = augment(scale(tf.gather(images, rows[i])), seeds[i])
            return step(Batch(x, tf.gather(labels, rows[i]), tf.gather(clean, rows[i]), rows[i], seeds[i], schedule))

        return tf.map_fn(one, tf.range(tf.shape(rows)[0]), parallel_iterations=1,
                         fn_output_signature=tf.TensorSpec([len(method.logged)], tf.float32))
    return steps


def diverged(what, epoch, step):
    """The error of a training that went to infinity. epoch, step: counted from 0."""
    return UserError(f"{what} no longer finite in epoch {epoch + 1}, step {step + 1}: the epochs before are kept; try "
                     "a smaller --learning_rate")


class Trainer:
    """Trains a method on a data set, as often as one likes, with one compiled step.

    method: a methods.base.Method. clean: bool (n,), whether each label is true, or None where that is not known; it is
    logged, never learned from. learning_rate: function of the time in epochs (a float, 0 to epochs) and of epochs.
    tell: called with each progress.Event.
    """

    def __init__(self, method, clean, augmentation, learning_rate, jit_compile=False, tell=lambda event: None):
        self.method, self.learning_rate, self.jit_compile, self.tell = method, learning_rate, jit_compile, tell
        self.augmentation, self.steps = augmentation, None
        self.images = as_tensor(method.given.images)
        self.relabel(method.given.labels, clean)

    def relabel(self, labels, clean):
        """Other observed labels for the same images, and which of them are true, or None."""
        self.truth = clean
        self.labels = tf.constant(labels, tf.int32)
        self.clean = tf.constant(np.zeros(len(labels)) if clean is None else clean, tf.bool)

    def fit(self, epochs, seed, stage, checkpoint, after_epoch, name="", samples=None):
        """Trains for so many epochs, or for what is left of them since the checkpoint.

        seed, stage: name the random streams. checkpoint: its path. after_epoch(epoch, memory) returns further columns
        of the log; what it puts into `memory`, a dict of arrays, is kept in the checkpoint. name: of the training in
        its events. samples: a digest of them, where another stage decides on them; the checkpoint has to be of these.
        Returns the history, a list of one dict an epoch, and the memory.
        Raises UserError when the loss or the weights are no longer finite; the checkpoint is that of the epoch before.
        """
        training = [seed, stage] if samples is None else [seed, stage, samples]
        history, memory = self._restore(checkpoint, training)
        self.tell(Event(name, epochs, len(history)))
        for epoch in range(len(history), epochs):
            start = time.perf_counter()
            own = self.method.begin_epoch(epoch, history, seed)
            row = {"epoch": epoch + 1, "learning_rate": self.learning_rate(epoch, epochs)}
            row.update(self._epoch(epoch, epochs, stream(seed, "epoch", stage, epoch), name), **own)
            row.update(self.method.end_epoch(self.truth))
            row.update(after_epoch(epoch, memory))
            row["seconds"] = round(time.perf_counter() - start, 3)
            history.append(row)
            self._save(checkpoint, training, history, memory)
            self.tell(Event(name, epochs, epoch, row=row))
        return history, memory

    def _epoch(self, epoch, epochs, rng, name):
        """Trains one epoch; returns the means of what the steps logged, and how many steps it took."""
        rows = self.method.batches(epoch, rng)
        seeds = rng.integers(2 ** 31, size=(len(rows), 2), dtype=np.int32)
        rates = np.float32([self.learning_rate(epoch + i / len(rows), epochs) for i in range(len(rows))])
        schedule = {name: value if self.jit_compile and isinstance(value, int) else tf.constant(value)
                    for name, value in self.method.schedule(epoch).items()}
        self.steps = self.steps or compile_steps(self.method, self.augmentation, schedule, self.jit_compile)
        logs = []
        for i in range(0, len(rows), STEPS_PER_CALL):
            part = slice(i, i + STEPS_PER_CALL)
            try:
                logs.append(self.steps(self.images, self.labels, self.clean, rows[part], seeds[part], rates[part],
                                       schedule).numpy())
            except tf.errors.ResourceExhaustedError:
                raise UserError("argument --batch_size: the device has too little memory, give a smaller one") from None
            bad = np.flatnonzero(~np.isfinite(logs[-1]).all(axis=1))
            if len(bad):
                raise diverged("the loss is", epoch, i + bad[0])
            self.tell(Event(name, epochs, epoch, i + len(logs[-1]), len(rows), float(logs[-1][-1][0])))
        if not all(np.isfinite(array).all() for array in self.method.get_state()):
            raise diverged("the weights are", epoch, len(rows) - 1)
        means = dict(zip(self.method.logged, np.concatenate(logs).mean(axis=0, dtype=np.float64).tolist()))
        known = {name: mean for name, mean in means.items() if self.truth is not None or not name.startswith(OF_TRUTH)}
        return {**known, "steps": len(rows)}

    def _save(self, path, training, history, memory):
        arrays = {f"state{i}": array for i, array in enumerate(self.method.get_state())}
        arrays.update({f"memory_{name}": array for name, array in memory.items()})
        arrays["training"] = np.array(json.dumps([*training, history]))
        save_arrays(path, arrays)

    def _restore(self, path, training):
        """History and memory of a checkpoint, its state put back; empty ones where there is none."""
        arrays = load_arrays(path)
        if arrays is None:
            return [], {}
        try:
            *found, history = json.loads(str(arrays["training"]))
            if found != training:
                raise ValueError("the checkpoint of another training")
            self.method.set_state([arrays[f"state{i}"] for i in range(len(self.method.state))])
        except (KeyError, ValueError, TypeError):
            set_aside(path, "it is the checkpoint of something else")
            return [], {}
        return history, {name[len("memory_"):]: a for name, a in arrays.items() if name.startswith("memory_")}
