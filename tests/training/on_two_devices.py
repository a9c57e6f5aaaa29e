"""Train on one device and on two, which are this machine's CPU twice, and save the results.

    python tests/training/on_two_devices.py FOLDER METHOD ...

The METHOD `normalised` is standard with a network of batch normalisation, also half by half and
interrupted. <name>_<devices>.npz has the losses, the state and the predictions. This needs a
process of its own, since devices can be made only before TensorFlow's first operation.
"""

import contextlib
import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np

from models.layers import Layers
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs, PreparationContext
from noisylabels.methods.losses import cross_entropy
from noisylabels.methods.standard import Standard
from noisylabels.noise import transition_matrix
from noisylabels.recipes import RECIPES
from noisylabels.training import optimizers, tf
from noisylabels.training.muon import Muon
from noisylabels.training.trainer import Trainer, build_method
from utils import load_dataset

EPOCHS = 3
OPTIONS = {"T": "true", "q": 0.7, "alpha": 0.1, "beta": 1.0, "A": None}
SETTINGS = RECIPES["digits"]["verify"]  # its network has no batch normalisation

NORMALISED = {
    "normalised": lambda: optimizers.Adam(0.003, epsilon=1e-8, weight_decay=0.01),
    "muon": lambda: Muon(0.03, batch=64, accumulate=2),
}


class Halves(Standard):
    """Use separate batch statistics for each half of a batch, as two devices do."""

    def train_step(self, batch):
        network = self.networks[0]
        with tf.GradientTape() as tape:
            losses = [
                tf.reduce_mean(cross_entropy(network(x, training=True), y))
                for x, y in zip(tf.split(batch.x, 2), tf.split(batch.y, 2))
            ]
            total = tf.add_n([tf.reduce_mean(losses), *network.losses])
        gradients = tape.gradient(total, network.trainable_variables)
        self.optimizers[0].apply(gradients, network.trainable_variables)
        return {"loss": tf.reduce_mean(losses), "accuracy": 0.0}


def normalised(kind, method_inputs, create_optimizer):
    """Return a method with a network of batch normalisation and penalties."""
    keras.utils.set_random_seed(0)
    layers = Layers()
    inputs = x = keras.Input(method_inputs.images.shape[1:])
    for width in (8, 16):
        x = keras.layers.ReLU()(
            layers.norm()(layers.conv(width, kernel_regularizer=keras.regularizers.L2(1e-2))(x))
        )
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    return kind(method_inputs, [keras.Model(inputs, outputs)], [create_optimizer()])


def train(folder, name, devices, make, stop_in=EPOCHS):
    """Train what make() returns, or resume it, and save the results; or stop within an epoch.

    Returns the method.
    """

    def after_epoch(epoch, memory):
        if epoch == stop_in:
            raise InterruptedError
        return {}

    tf.distribute.experimental_set_strategy(both if devices == 2 else None)
    method = make()
    method.prepare(PreparationContext(0, None, None))
    trainer = Trainer(
        method, np.ones(len(method_inputs.labels), bool), "flip", SETTINGS.learning_rate_at
    )
    with contextlib.suppress(InterruptedError):
        history, _ = trainer.fit(
            EPOCHS, 0, "main", folder / f"{name}_{devices}_checkpoint.npz", after_epoch
        )
        state = {
            f"{'moving' if 'moving' in variable.path else 'state'}{i}": variable.numpy()
            for i, variable in enumerate(
                method.networks[0].variables + method.optimizers[0].variables
            )
        }
        np.savez(
            folder / f"{name}_{devices}.npz",
            **state,
            loss=[row["loss"] for row in history],
            accuracy=[row["accuracy"] for row in history],
            predicted=method.probabilities(trainer.images),
        )
    tf.distribute.experimental_set_strategy(None)
    return method


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
tf.config.experimental.enable_op_determinism()
both = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
folder, names, digits = Path(sys.argv[1]), sys.argv[2:], load_dataset("digits", "data")
method_inputs = MethodInputs(
    digits.x_train[:200],
    digits.y_train[:200],
    10,
    32,
    EPOCHS,
    T=transition_matrix("sym", 0.2, 10),
    options=OPTIONS,
)
for name in names:
    if name in NORMALISED:
        standard, halves = (
            functools.partial(normalised, kind, method_inputs, NORMALISED[name])
            for kind in (Standard, Halves)
        )
        train(folder, name, 1, standard)
        train(folder, f"{name}_halves", 1, halves)
        train(folder, f"{name}_resumed", 2, standard, stop_in=1)
        train(folder, f"{name}_resumed", 2, standard)
        copies = train(folder, name, 2, standard).networks[0].trainable_variables
        np.savez(
            folder / f"{name}_copies.npz",
            **{
                f"{k}_{i}": variable.value.values[k].numpy()
                for i, variable in enumerate(copies)
                for k in range(2)
            },
        )
    else:
        for devices in (1, 2):
            train(
                folder,
                name,
                devices,
                functools.partial(
                    build_method, method_class(name), method_inputs, SETTINGS, 0, "main"
                ),
            )
