"""Compiled training steps: gather a batch, augment it and update the networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorflow as tf

from noisylabels.training import augmentation as augmentations
from noisylabels.training.augmentation import scale
from noisylabels.training.device import stored_type

if TYPE_CHECKING:
    from noisylabels.methods.base import Method


class Batch(NamedTuple):
    """The data of one training step, with n samples."""

    x: tf.Tensor  # augmented images in [0, 1], or embeddings, float32 (n, ...)
    y: tf.Tensor  # observed labels, int32 (n,)
    is_clean: tf.Tensor  # whether y is the true label, bool (n,); for the log, not for training
    indices: tf.Tensor  # indices of the samples in data set order, int32 (n,)
    seed: tf.Tensor  # seed of the step's random numbers, int32 (2,)
    schedule: dict[str, Any]  # scalars of the epoch, see `Method.schedule`


TrainStep = Callable[[Batch], tf.Tensor]


def compile_steps(
    method: Method, augmentation: str, schedule: dict[str, Any], jit_compile: bool = False
) -> Callable[..., tf.Tensor]:
    """Compile a function that runs several training steps.

    Without XLA, the function is traced once, for any number of steps and any batch size.

    Parameters
    ----------
    method : Method
        The method whose `train_step` is run.
    augmentation : str
        Name of a function of `training.augmentation`.
    schedule : dict
        Schedule of one epoch. Later epochs must have the same names and types.
    jit_compile : bool
        Compile each step with XLA. Integers of the schedule must then be Python's, because they
        may determine shapes.

    Returns
    -------
    callable
        A function that returns the values of `method.logged`, float32 (steps, len(method.logged)).
        Its arguments are, in this order,

        - images, (n, h, w, ch), see `training.device.as_tensor`;
        - observed labels, int32 (n,), and whether each label is true, bool (n,);
        - indices of the samples of each step, int32 (steps, batch size);
        - seeds, int32 (steps, 2), and learning rates, float32 (steps,);
        - the images that alternating flips mirror in this epoch, bool (n,);
        - the schedule.
    """
    augment = getattr(augmentations, augmentation)

    def step(batch: Batch) -> tf.Tensor:
        logs = method.train_step(batch)
        return tf.stack([tf.cast(logs[name], tf.float32) for name in method.logged])

    if jit_compile:
        step = tf.function(step, jit_compile=True, autograph=False)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        step = split_across_devices(step)

    signature = None
    if not jit_compile:
        shape = method.inputs.images.shape[1:]
        signature = [
            tf.TensorSpec([None, *shape], stored_type(shape)),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.bool),
            tf.TensorSpec([None, None], tf.int32),
            tf.TensorSpec([None, 2], tf.int32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.bool),
            {name: tf.TensorSpec.from_tensor(value) for name, value in schedule.items()},
        ]

    @tf.function(input_signature=signature, autograph=False)
    def steps(
        images: tf.Tensor,
        labels: tf.Tensor,
        is_clean: tf.Tensor,
        batches: tf.Tensor,
        seeds: tf.Tensor,
        rates: tf.Tensor,
        flip_mask: tf.Tensor,
        schedule: dict[str, Any],
    ) -> tf.Tensor:
        def one_step(i: tf.Tensor) -> tf.Tensor:
            for optimizer in method.optimizers:
                optimizer.learning_rate.assign(rates[i])
            indices = batches[i]
            x = scale(tf.gather(images, indices))
            batch = Batch(
                x=augment(x, seeds[i], tf.gather(flip_mask, indices)),
                y=tf.gather(labels, indices),
                is_clean=tf.gather(is_clean, indices),
                indices=indices,
                seed=seeds[i],
                schedule=schedule,
            )
            return step(batch)

        return tf.map_fn(
            tf.autograph.experimental.do_not_convert(one_step),
            tf.range(tf.shape(batches)[0]),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([len(method.logged)], tf.float32),
        )

    return steps


def split_across_devices(step: TrainStep) -> TrainStep:
    """Return a step in which each of several devices trains on an equal part of the batch.

    The optimizers add up the gradients of the devices, and the logged values are averaged. Batch
    statistics are those of a device's own part. The weights and optimizer states of the devices
    stay equal. Predictions use the moving statistics of the first device.
    """
    devices = tf.distribute.get_strategy()

    def part_of(batch: Batch) -> Batch:
        k = tf.distribute.get_replica_context().replica_id_in_sync_group
        size = tf.size(batch.y) // devices.num_replicas_in_sync
        part = slice(k * size, (k + 1) * size)
        return batch._replace(
            x=batch.x[part],
            y=batch.y[part],
            is_clean=batch.is_clean[part],
            indices=batch.indices[part],
        )

    def split_step(batch: Batch) -> tf.Tensor:
        logs = devices.run(lambda: step(part_of(batch)))
        return devices.reduce("MEAN", logs, axis=None)

    return split_step
