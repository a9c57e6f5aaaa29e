"""Measures how fast the suite is: against a plain loop in the manner of 2019, and against the machine's convolutions.

    python benchmarks/speed.py --data_dir data          # ten minutes on two cores, fifteen at most

Suite and plain loop take turns, and the medians of their times are compared. Of an epoch on CIFAR-10 a few steps of
ResNet-32, batch 128, are measured, and scaled up to the whole; epochs on the digits are measured as they are. INCV
trains on one half and scores the other, which the plain loop does twice; the suite's two halves train side by side, in
a process of one thread each, so that an epoch of it is half of the time of both (also given: in one process, on all
cores). Modified Co-teaching is past its warm-up, with 64 candidates in a batch, and scores the test images with both
networks. Where --data_dir has no CIFAR-10 its images are random: the speed does not depend on what they show. With
PyTorch installed its ResNet-32 joins in.
--precision mixed: the suite and the convolutions compute in bfloat16 on CIFAR-10; the plain loop never does.

Prints medians, and ratios beside their goals, and last one line of JSON. CPU only; run it on a machine
that does nothing else.
"""
import argparse
import contextlib
import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"            # tf.data complains of an attribute in the plain loop
import keras
import plain_2019
import tensorflow as tf

from models import create_model
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import PRECISIONS, RECIPES
from noisylabels.seeding import generator
from noisylabels.training.device import dtype_policy, start_tensorflow
from noisylabels.training.trainer import Trainer, build
from utils import load_dataset

DIGITS = {"digits_incv_epoch": 5, "digits_co_teaching_epoch": 5}
GOALS = {"float32": {"incv_epoch": 2.2, "co_teaching_epoch": 1.8, **DIGITS},
         "mixed": {"incv_epoch": 3, "co_teaching_epoch": 2.6, **DIGITS}}
BATCH, STEPS, SCORED = 128, 16, 4096            # measured of an epoch on CIFAR-10
MINUTES = 12                                    # no repetition begins later than that


class Suite:
    """What the scripts do in an epoch: the same functions, checkpoint included."""

    def __init__(self, name, problem, settings, scored, folder):
        self.method = build(method_class(name), problem.inputs, settings, 0, "main")
        self.method.samples, self.method.warm_up = problem.samples, -1
        self.trainer = Trainer(self.method, np.ones(len(problem.inputs.labels), bool), settings.augmentation,
                               settings.learning_rate_at)
        self.scored, self.checkpoint = scored, folder / "checkpoint.npz"

    def train(self):
        self.checkpoint.unlink(missing_ok=True)
        self.trainer.fit(1, 0, "benchmark", self.checkpoint, lambda epoch, memory: {})

    def score(self):
        for k in range(self.method.n_networks):
            self.method.probabilities(self.trainer.images, self.scored, k)


class SideBySide:
    """Two processes of one thread each, that do the same at the same time: INCV's halves, or convolutions alone."""

    def __init__(self, *arguments):
        context, self.connections = multiprocessing.get_context("spawn"), []
        for _ in range(2):
            here, there = context.Pipe()
            context.Process(target=serve, args=(there, *arguments), daemon=True).start()
            self.connections.append(here)
        self.do(None)

    def do(self, part):
        for connection in self.connections if part else []:
            connection.send(part)
        for connection in self.connections:
            connection.recv()

    def train(self):
        self.do("train")

    def score(self):
        self.do("score")

    def convolutions(self):
        self.do("convolutions")


def serve(connection, prefix, data_dir, precision):
    """The life of such a process."""
    start_tensorflow("-1", threads=1)
    problem = problem_of(prefix, data_dir)
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite("standard", problem, problem.settings("INCV", precision), problem.scored, Path(folder))
        parts = {"train": suite.train, "score": suite.score}
        if not prefix:
            parts["convolutions"] = convolutions(precision)
        connection.send(True)
        with contextlib.suppress(EOFError):
            while True:
                parts[connection.recv()]()
                connection.send(True)


class Problem(NamedTuple):
    """A data set as far as it is measured. epoch, held_out, tests: samples in a whole epoch of INCV, scored ones."""

    recipe: str
    inputs: MethodInputs
    samples: np.ndarray
    scored: np.ndarray
    epoch: int
    held_out: int
    tests: int

    def settings(self, task, precision):
        settings = RECIPES[self.recipe][task]
        return replace(settings, precision=precision) if self.recipe == "paper" else settings


def problem_of(prefix, data_dir):
    """CIFAR-10, or with the prefix digits_ the digits."""
    if prefix:
        digits = load_dataset("digits", data_dir)
        images, labels, n, m, epoch, tests = digits.x_train, digits.y_train, 718, 719, 718, 360
    else:
        (images, labels), n, m, epoch, tests = cifar10(data_dir), STEPS * BATCH, SCORED, 25_000, 10_000
    samples, scored, everything = np.arange(n), np.arange(n, n + m), np.arange(len(labels))
    candidate = np.isin(everything, scored[:n // 2])
    inputs = MethodInputs(images, labels, 10, BATCH, 200).with_selection(everything < n, candidate, .5)
    return Problem("digits" if prefix else "paper", inputs, samples, scored, epoch, len(labels) - epoch, tests)


def cifar10(data_dir):
    """Images uint8 (50000, 32, 32, 3) and labels int (50000,), random ones where there are none."""
    if (Path(data_dir) / "cifar-10-batches-py").is_dir():
        dataset = load_dataset("cifar10", data_dir)
        return dataset.x_train, dataset.y_train
    print(f"no CIFAR-10 in {data_dir}: random images of its size")
    rng = generator(0, "benchmark")
    return rng.integers(0, 256, (50_000, 32, 32, 3), np.uint8), rng.integers(0, 10, 50_000)


class Compared(NamedTuple):
    """One line of the comparison. sides: {name: loop}; trained, scored: the share of an epoch that is measured."""

    sides: dict
    trained: float
    scored: float


def comparisons(data_dir, folder, precision):
    """What is compared: {name: Compared}."""
    found = {}
    for prefix in ("", "digits_"):
        problem = problem_of(prefix, data_dir)
        for name, task, suite, plain, whole in [
                ("incv_epoch", "INCV", "standard", plain_2019.INCV, problem.held_out),
                ("co_teaching_epoch", "main", "incv", plain_2019.CoTeaching, problem.tests)]:
            settings, scored = problem.settings(task, precision), problem.scored[:whole]
            sides = {"suite": Suite(suite, problem, settings, scored, folder),
                     "plain": plain(problem.inputs, settings, problem.samples, scored)}
            if task == "INCV":
                sides["together"] = SideBySide(prefix, data_dir, precision)
            found[prefix + name] = Compared(sides, len(problem.samples) / problem.epoch, len(scored) / whole)
    return found


def convolutions(precision):
    """A function that computes all convolutions of a training step of ResNet-32, forward and backward, and no more."""
    layers = [layer for layer in create_model("ResNet32", (32, 32, 3), 10).layers
              if isinstance(layer, keras.layers.Conv2D)]
    dtype = keras.DTypePolicy(dtype_policy(precision)).compute_dtype
    inputs = {shape: tf.cast(tf.random.stateless_uniform((BATCH, *shape), (0, 0)), dtype)
              for shape in {layer.input.shape[1:] for layer in layers}}

    @tf.function(autograph=False)
    def compute():
        done, used = [], []
        for layer in layers:
            x, kernel = inputs[layer.input.shape[1:]], tf.cast(layer.kernel.value, dtype)
            options = {"strides": [1, *layer.strides, 1], "padding": "SAME"}
            with tf.control_dependencies(done):             # one layer after the other, as in a network
                y = tf.nn.conv2d(x, kernel, **options)
            done = [tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=kernel.shape, out_backprop=y, **options)]
            if layer is not layers[0]:                      # nothing needs the gradient of the images
                done.append(tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=kernel, out_backprop=y,
                                                           **options))
            used += [gradient[0, 0, 0, 0] for gradient in done]         # what nothing uses is not computed
        return tf.stack(used)
    return lambda: [compute().numpy() for _ in range(4)]


def pytorch():
    """Its training and prediction of four batches each, or none where it is not installed."""
    try:
        from pytorch import ResNet32
    except ImportError:
        print("PyTorch is not installed: measured without it")
        return {}
    network = ResNet32(BATCH)
    return {"torch_train": lambda: network.train(4), "torch_predict": lambda: network.predict(4)}


def measure(parts, repetitions):
    """Calls each of the functions `parts` once to warm up, then in turns: {name: median seconds}."""
    start, times = time.perf_counter(), {name: [] for name in parts}
    for repetition in range(repetitions + 1):
        if repetition > 1 and time.perf_counter() - start > MINUTES * 60:
            break
        for name, part in parts.items():
            begin = time.perf_counter()
            part()
            times[name].append(time.perf_counter() - begin)
    return {name: median(seconds[1:]) for name, seconds in times.items()}


def main(data_dir, repetitions, precision):
    start_tensorflow("-1")
    logging.getLogger("tensorflow").setLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        compared = comparisons(data_dir, Path(folder), precision)
        parts = {(name, side, part): getattr(loop, part) for name, line in compared.items()
                 for part in ("train", "score") for side, loop in line.sides.items()}
        parts["convolutions"] = compared["incv_epoch"].sides["together"].convolutions
        extras = pytorch()
        seconds = measure({**parts, **extras}, repetitions)

    result = {}
    print(f"\n{'an epoch, seconds':<28}plain loop     suite     ratio    goal     in one process")
    for name, line in compared.items():
        times = {side: seconds[name, side, "train"] / line.trained + seconds[name, side, "score"] / line.scored
                 for side in line.sides}
        suite = times["together"] / 2 if "together" in times else times["suite"]
        result[name] = round(times["plain"] / suite, 2)
        print(f"{name:<28}{times['plain']:<15.3f}{suite:<10.3f}{result[name]:<9.2f}{GOALS[precision][name]:<9}"
              f"{times['plain'] / times['suite']:.2f}")
    side = "incv_epoch", "together"
    train, predict = 2 * STEPS * BATCH / seconds[(*side, "train")], 2 * SCORED / seconds[(*side, "score")]
    bound = 2 * 4 * BATCH / seconds["convolutions"]
    print(f"\nResNet-32, images a second, two processes together: training {train:.0f}, prediction {predict:.0f},"
          f" convolutions of the training alone {bound:.0f}; in one process"
          f" {STEPS * BATCH / seconds['incv_epoch', 'suite', 'train']:.0f},"
          f" {SCORED / seconds['incv_epoch', 'suite', 'score']:.0f}; plain loop"
          f" {STEPS * BATCH / seconds['incv_epoch', 'plain', 'train']:.0f},"
          f" {2 * SCORED / seconds['incv_epoch', 'plain', 'score']:.0f}")
    if extras:
        print("PyTorch, same network and batch: training {:.0f}, prediction {:.0f}".format(
            *(4 * BATCH / seconds[name] for name in extras)))
    print(json.dumps({**result, "conv_bound_share": round(train / bound, 3), "train_images_per_s": round(train),
                      "predict_images_per_s": round(predict)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data_dir", default="data", help="where CIFAR-10 is, if it is there")
    parser.add_argument("--repetitions", type=int, default=5, help="measurements of each, of which the median counts")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="of the suite on CIFAR-10")
    options = parser.parse_args()
    main(options.data_dir, options.repetitions, options.precision)
