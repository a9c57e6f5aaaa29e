"""A toy of each method: networks of one layer on 12 images, and its training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisylabels.methods import OPTIONS, method_class
from noisylabels.methods.inputs import MethodInputs, PreparationContext
from noisylabels.noise import transition_matrix
from noisylabels.training.steps import Batch
from noisylabels.training.trainer import Trainer

N, CLASSES, RATE = 12, 3, 0.5


def inputs_for(name, images=None, labels=None, options=None, **changes):
    """Return 12 images of 2x2 pixels in 3 classes, noise 0.3, half selected, 3 candidates."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (N, 2, 2, 1), np.uint8) if images is None else images
    labels = rng.integers(0, CLASSES, N) if labels is None else labels
    usual = {flag.removeprefix(f"{name}_"): option.default for flag, option in OPTIONS.items()}
    defaults = {
        "batch_size": 6,
        "epochs": 10,
        "noise_ratio": 0.3,
        "T": transition_matrix("sym", 0.3, CLASSES),
        "assumed_pattern": "sym",
        "options": usual | (options or {}),
        "select": np.arange(N) < 6,
        "candidate": np.arange(N) >= 9,
        "eval_ratio": 0.3,
    }
    return MethodInputs(images, labels, CLASSES, **{**defaults, **changes})


def context_for(labels, seed=0):
    """Return a standard network that weakly predicts the labels, and a teacher 0, 1, 2, 0, ..."""
    return PreparationContext(
        seed=seed,
        train_standard=lambda *_: (
            np.full((N, CLASSES), 1 / CLASSES) + 0.1 * np.eye(CLASSES)[labels]
        ),
        teacher_probabilities=lambda: np.eye(CLASSES)[np.arange(len(labels)) % CLASSES],
    )


def toy(name, penalty=None, optimizer=None, norm=False, **changes):
    """Return a method whose networks are one layer, logits = x W + b; norm normalises x."""
    cls, networks = method_class(name), []
    for k in range(cls.n_networks):
        keras.utils.set_random_seed(k)
        inputs = keras.Input((2, 2, 1))
        features = keras.layers.Flatten(name="features")(inputs)
        features = keras.layers.BatchNormalization()(features) if norm else features
        networks.append(
            keras.Model(inputs, keras.layers.Dense(CLASSES, kernel_regularizer=penalty)(features))
        )
    method = cls(
        inputs_for(name, **changes),
        networks,
        [(optimizer or keras.optimizers.SGD)(learning_rate=RATE) for _ in networks],
    )
    method.prepare(context_for(method.inputs.labels))
    return method


def whole_batch(inputs, **schedule):
    """Return all samples as one Batch; every other label is true."""
    return Batch(
        tf.constant(inputs.images / np.float32(255)),
        tf.constant(inputs.labels, tf.int32),
        tf.constant(np.arange(N) % 2 == 0),
        tf.range(N),
        tf.constant([1, 2]),
        schedule,
    )


def fit(method, folder, epochs, jit_compile=False, after_epoch=lambda epoch, memory: {}):
    """Return the history of a training, or of its rest since the checkpoint in the folder."""
    trainer = Trainer(method, np.arange(N) % 2 == 0, "none", lambda time, epochs: RATE, jit_compile)
    return trainer.fit(epochs, 0, "toy", folder / "toy.npz", after_epoch)[0]


class Killed(Exception):
    pass


def killed(method, folder, epoch, after_epoch=lambda epoch, memory: {}):
    """Train a method up to an epoch, whose checkpoint is not written any more."""

    def until(now, memory):
        row = after_epoch(now, memory)
        if now == epoch:
            raise Killed
        return row

    with pytest.raises(Killed):
        fit(method, folder, epoch + 1, after_epoch=until)
