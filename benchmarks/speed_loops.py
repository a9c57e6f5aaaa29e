"""The loops of the project that speed.py measures, their data, and the convolutions alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from models import create_model
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import RECIPES, Settings
from noisylabels.seeding import generator
from noisylabels.training.device import dtype_policy, start_tensorflow
from noisylabels.training.trainer import Trainer, build_method
from utils import load_dataset

BATCH, STEPS, SCORED = 128, 16, 4096  # measured part of an epoch on CIFAR-10
CALLS = 4  # batches per measurement of convolutions and of PyTorch


class Loop(Protocol):
    """An implementation of an epoch."""

    def train(self) -> None:
        """Train on the samples."""

    def score(self) -> None:
        """Predict the scored samples."""


class ProjectLoop:
    """Train and score with the functions that the scripts use, including the checkpoint."""

    def __init__(
        self, name: str, problem: Problem, settings: Settings, scored: np.ndarray, folder: Path
    ) -> None:
        inputs = problem.inputs
        self.method = build_method(method_class(name), inputs, settings, seed=0, stage="main")
        self.method.samples = problem.samples
        self.method.warm_up = -1
        self.trainer = Trainer(
            self.method,
            np.ones(len(inputs.labels), bool),
            settings.augmentation,
            settings.learning_rate_at,
        )
        self.scored = scored
        self.checkpoint = folder / "checkpoint.npz"

    def train(self) -> None:
        """Train for one epoch."""
        self.checkpoint.unlink(missing_ok=True)
        self.trainer.fit(
            1,
            0,
            stage="benchmark",
            checkpoint=self.checkpoint,
            after_epoch=lambda epoch, memory: {},
        )

    def score(self) -> None:
        """Predict the scored samples with each network."""
        for k in range(self.method.n_networks):
            self.method.probabilities(self.trainer.images, self.scored, k)


class ParallelLoop:
    """Do the same work in two parallel processes of one thread each, like the halves of INCV."""

    def __init__(self, prefix: str, data_dir: str, precision: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connections = []
        for _ in range(2):
            ours, of_child = context.Pipe()
            arguments = (of_child, prefix, data_dir, precision)
            context.Process(target=serve, args=arguments, daemon=True).start()
            self.connections.append(ours)
        self._wait()

    def train(self) -> None:
        """Train for one epoch per process."""
        self._call("train")

    def score(self) -> None:
        """Predict the scored samples in each process."""
        self._call("score")

    def convolutions(self) -> None:
        """Compute the convolutions of a few training steps in each process."""
        self._call("convolutions")

    def _call(self, part: str) -> None:
        for connection in self.connections:
            connection.send(part)
        self._wait()

    def _wait(self) -> None:
        for connection in self.connections:
            connection.recv()


def serve(connection: Connection, prefix: str, data_dir: str, precision: str) -> None:
    """Run a process of ParallelLoop: receive names of parts and execute them."""
    start_tensorflow("-1", threads=1)
    problem = load_problem(prefix, data_dir)
    settings = problem.settings("INCV", precision)
    with tempfile.TemporaryDirectory() as folder:
        loop = ProjectLoop(
            "standard", problem, settings=settings, scored=problem.scored, folder=Path(folder)
        )
        parts = {"train": loop.train, "score": loop.score}
        if not prefix:
            parts["convolutions"] = convolutions(precision)
        connection.send(True)
        with contextlib.suppress(EOFError):
            while True:
                parts[connection.recv()]()
                connection.send(True)


class Problem(NamedTuple):
    """A data set, and the part of an epoch that is measured on it."""

    recipe: str
    inputs: MethodInputs
    samples: np.ndarray  # indices of the training samples
    scored: np.ndarray  # indices of the scored samples
    epoch: int  # training samples in a whole epoch of INCV
    held_out: int  # scored samples in a whole epoch of INCV
    tests: int  # scored samples in a whole epoch of Co-teaching

    def settings(self, task: str, precision: str) -> Settings:
        """Return the settings of a task. The precision applies to CIFAR-10 only."""
        settings = RECIPES[self.recipe][task]
        if self.recipe == "paper":
            settings = replace(settings, precision=precision)
        return settings


def load_problem(prefix: str, data_dir: str) -> Problem:
    """Return CIFAR-10, or with the prefix ``digits_`` the digits."""
    if prefix:
        digits = load_dataset("digits", data_dir)
        images, labels = digits.x_train, digits.y_train
        recipe, n, m, epoch, tests = "digits", 718, 719, 718, 360
    else:
        images, labels = load_cifar10(data_dir)
        recipe, n, m, epoch, tests = "paper", STEPS * BATCH, SCORED, 25_000, 10_000
    indices = np.arange(len(labels))
    scored = np.arange(n, n + m)
    select, candidate = indices < n, np.isin(indices, scored[: n // 2])
    inputs = MethodInputs(images, labels, n_classes=10, batch_size=BATCH, epochs=200)
    return Problem(
        recipe=recipe,
        inputs=inputs.with_selection(select, candidate, 0.5),
        samples=np.arange(n),
        scored=scored,
        epoch=epoch,
        held_out=len(labels) - epoch,
        tests=tests,
    )


def load_cifar10(data_dir: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 (50000, 32, 32, 3), and labels, int (50000,); random without files."""
    if (Path(data_dir) / "cifar-10-batches-py").is_dir():
        dataset = load_dataset("cifar10", data_dir)
        return dataset.x_train, dataset.y_train
    print(f"no CIFAR-10 in {data_dir}: using random images of the same size")
    rng = generator(0, "benchmark")
    images = rng.integers(0, 256, (50_000, 32, 32, 3), np.uint8)
    return images, rng.integers(0, 10, 50_000)


def convolutions(precision: str) -> Callable[[], None]:
    """Return a function that computes only the convolutions of training steps of ResNet-32.

    It computes those of the forward and of the backward pass.
    """
    network = create_model("ResNet32", (32, 32, 3), 10)
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    dtype = keras.DTypePolicy(dtype_policy(precision)).compute_dtype
    inputs = {
        shape: tf.cast(tf.random.stateless_uniform((BATCH, *shape), (0, 0)), dtype)
        for shape in {layer.input.shape[1:] for layer in layers}
    }

    @tf.function(autograph=False)
    def compute() -> tf.Tensor:
        done, used = [], []
        for layer in layers:
            x, kernel = inputs[layer.input.shape[1:]], tf.cast(layer.kernel.value, dtype)
            options = {"strides": [1, *layer.strides, 1], "padding": "SAME"}
            with tf.control_dependencies(done):  # one layer after the other, as in a network
                y = tf.nn.conv2d(x, kernel, **options)
            done = [
                tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=kernel.shape, out_backprop=y, **options
                )
            ]
            if layer is not layers[0]:  # training needs no gradient of the images
                done.append(
                    tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=x.shape, filter=kernel, out_backprop=y, **options
                    )
                )
            # TensorFlow removes operations whose results are not used.
            used += [gradient[0, 0, 0, 0] for gradient in done]
        return tf.stack(used)

    def compute_all() -> None:
        for _ in range(CALLS):
            compute().numpy()

    return compute_all
