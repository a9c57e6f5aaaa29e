"""Measures how fast the suite is: against a plain loop in the manner of 2019, and against the machine's convolutions.

    python benchmarks/speed.py --data_dir data          # ten minutes on two cores, fifteen at most

Suite and plain loop take turns in one process, and the medians of their times are compared. Of an epoch on CIFAR-10 a
few steps of ResNet-32, batch 128, are measured, and scaled up to the whole; epochs on the digits are measured as they
are. INCV trains on one half and scores the other, which the plain loop does twice; modified Co-teaching is past its
warm-up, with 64 candidates in a batch, and scores the test images with both networks. Where --data_dir has no CIFAR-10
its images are random: the speed does not depend on what they show. With PyTorch installed its ResNet-32 joins in.
--precision mixed: the suite and the convolutions compute in bfloat16 on CIFAR-10; the plain loop never does.

Prints medians, and ratios beside their goals, and last one line of JSON. CPU only; run it on a machine
that does nothing else.
"""
import argparse
import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"            # tf.data complains of an attribute in the plain loop
import keras
import plain_2019
import tensorflow as tf

from models import create_model
from noisylabels.methods import method_class
from noisylabels.methods.base import Given
from noisylabels.recipes import PRECISIONS, RECIPES
from noisylabels.streams import stream
from noisylabels.training.device import dtype_policy, start_tensorflow
from noisylabels.training.trainer import Trainer, build
from utils import load_dataset

GOALS = {"incv_epoch": 2.2, "co_teaching_epoch": 1.7, "digits_incv_epoch": 5, "digits_co_teaching_epoch": 5}
BATCH, STEPS, SCORED = 128, 16, 4096            # measured of an epoch on CIFAR-10
MINUTES = 12                                    # no repetition begins later than that


class Suite:
    """What the scripts do in an epoch: the same functions, checkpoint included."""

    def __init__(self, name, given, settings, samples, scored, folder):
        self.method = build(method_class(name), given, settings, 0, "main")
        self.method.samples, self.method.warm_up = samples, -1
        self.trainer = Trainer(self.method, np.ones(len(given.labels), bool), settings.augmentation, settings.rate)
        self.scored, self.checkpoint = scored, folder / "checkpoint.npz"

    def train(self):
        self.checkpoint.unlink(missing_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer.fit(1, 0, "benchmark", self.checkpoint, lambda epoch, memory: {})

    def score(self):
        for k in range(self.method.n_networks):
            self.method.probabilities(self.trainer.images, self.scored, k)


def cifar10(data_dir):
    """Images uint8 (50000, 32, 32, 3) and labels int (50000,), random ones where there are none."""
    if (Path(data_dir) / "cifar-10-batches-py").is_dir():
        dataset = load_dataset("cifar10", data_dir)
        return dataset.x_train, dataset.y_train
    print(f"no CIFAR-10 in {data_dir}: random images of its size")
    rng = stream(0, "benchmark")
    return rng.integers(0, 256, (50_000, 32, 32, 3), np.uint8), rng.integers(0, 10, 50_000)


def comparisons(data_dir, folder, precision):
    """What is compared: {name: (suite, plain loop, share of an epoch's training and scoring that is measured)}."""
    digits = load_dataset("digits", data_dir)
    found = {}
    for prefix, recipe, (images, labels), n, m, epoch, tests in [
            ("", "paper", cifar10(data_dir), STEPS * BATCH, SCORED, 25_000, 10_000),
            ("digits_", "digits", (digits.x_train, digits.y_train), 718, 719, 718, 360)]:
        samples, scored = np.arange(n), np.arange(n, n + m)
        given = Given(images, labels, 10, BATCH, 200)
        given = given.with_selection(np.arange(len(labels)) < n, np.isin(np.arange(len(labels)), scored[:n // 2]), .5)
        for name, task, suite, plain, all_scored in [
                ("incv_epoch", "INCV", "standard", plain_2019.INCV, len(labels) - epoch),
                ("co_teaching_epoch", "main", "incv", plain_2019.CoTeaching, tests)]:
            settings, measured = RECIPES[recipe][task], scored[:min(m, all_scored)]
            if recipe == "paper":
                settings = replace(settings, precision=precision)
            found[prefix + name] = (Suite(suite, given, settings, samples, measured, folder),
                                    plain(given, settings, samples, measured), n / epoch, len(measured) / all_scored)
    return found


def convolutions(precision):
    """A function that computes all convolutions of a training step of ResNet-32, forward and backward, and no more."""
    layers = [layer for layer in create_model("ResNet32", (32, 32, 3), 10).layers
              if isinstance(layer, keras.layers.Conv2D)]
    dtype = keras.DTypePolicy(dtype_policy(precision)).compute_dtype
    inputs = {shape: tf.cast(tf.random.stateless_uniform((BATCH, *shape), (0, 0)), dtype)
              for shape in {layer.input.shape[1:] for layer in layers}}

    @tf.function
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
        parts = {(name, side, part): getattr(loop, part) for name, (suite, plain, *_) in compared.items()
                 for part in ("train", "score") for side, loop in (("suite", suite), ("plain", plain))}
        extras = pytorch()
        seconds = measure({**parts, "convolutions": convolutions(precision), **extras}, repetitions)

    result = {}
    print(f"\n{'an epoch, seconds':<28}plain loop     suite     ratio    goal")
    for name, (_, _, trained, scored) in compared.items():
        plain, suite = (seconds[name, side, "train"] / trained + seconds[name, side, "score"] / scored
                        for side in ("plain", "suite"))
        result[name] = round(plain / suite, 2)
        print(f"{name:<28}{plain:<15.3f}{suite:<10.3f}{result[name]:<9.2f}{GOALS[name]}")
    train = STEPS * BATCH / seconds["incv_epoch", "suite", "train"]
    predict = SCORED / seconds["incv_epoch", "suite", "score"]
    bound = 4 * BATCH / seconds["convolutions"]
    print(f"\nResNet-32, images a second: training {train:.0f}, prediction {predict:.0f};"
          f" plain loop {STEPS * BATCH / seconds['incv_epoch', 'plain', 'train']:.0f},"
          f" {2 * SCORED / seconds['incv_epoch', 'plain', 'score']:.0f};"
          f" convolutions of the training alone {bound:.0f}")
    if extras:
        print("PyTorch, same network and batch: training {:.0f}, prediction {:.0f}".format(
            *(4 * BATCH / seconds[name] for name in extras)))
    print(json.dumps({**result, "conv_bound_share": round(train / bound, 3), "train_images_per_s": round(train),
                      "predict_images_per_s": round(predict)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", default="data", help="where CIFAR-10 is, if it is there")
    parser.add_argument("--repetitions", type=int, default=5, help="measurements of each, of which the median counts")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="of the suite on CIFAR-10")
    options = parser.parse_args()
    main(options.data_dir, options.repetitions, options.precision)
