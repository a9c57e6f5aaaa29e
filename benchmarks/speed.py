"""Measure the speed of training, compared with a plain loop in the style of the 2019 code.

    python benchmarks/speed.py --data_dir data          # 10 minutes on two cores, at most 15

Project and plain loop are measured in turns, and the medians of their times are compared. On
CIFAR-10, a few steps of ResNet-32 with batches of 128 are measured and scaled to a whole epoch. On
digits, whole epochs are measured. Random images replace CIFAR-10 if --data_dir does not contain it,
because the speed does not depend on their content.

- INCV trains on one half and scores the other one. The plain loop scores it twice. The project
  trains the two halves in parallel processes of one thread each, so its time per epoch is half of
  the time for both. The time in one process on all cores is reported too.
- Modified Co-teaching is measured after its warm-up, with 64 candidates per batch. It scores the
  test images with both networks.

The convolutions of a training step alone are measured as an upper bound of the speed. If PyTorch is
installed, its ResNet-32 is measured as well.

With --precision mixed, the project and the convolutions compute in bfloat16 on CIFAR-10. The plain
loop always computes in float32.

Prints medians, ratios and their goals. The last line is JSON. Uses the CPU only, and needs a
machine without other load.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # hides a warning of tf.data in the plain loop
import plain_2019
from speed_loops import BATCH, CALLS, SCORED, STEPS, Loop, ParallelLoop, ProjectLoop, load_problem

from noisylabels.recipes import PRECISIONS
from noisylabels.training.device import start_tensorflow

DIGITS = {"digits_incv_epoch": 5, "digits_co_teaching_epoch": 5}
GOALS = {
    "float32": {"incv_epoch": 2.2, "co_teaching_epoch": 1.8, **DIGITS},
    "mixed": {"incv_epoch": 3, "co_teaching_epoch": 2.6, **DIGITS},
}
MINUTES = 12  # no repetition starts later

Key = str | tuple[str, str, str]  # of a part: its name, or comparison, loop and "train" or "score"


class Comparison(NamedTuple):
    """One row of the result."""

    loops: dict[str, Loop]  # "project", "plain" and perhaps "parallel"
    trained: float  # measured share of the training of an epoch
    scored: float  # measured share of the scoring of an epoch

    def epoch_seconds(self, name: str, loop: str, seconds: Mapping[Key, float]) -> float:
        """Return the seconds of a whole epoch, from those of the measured parts."""
        return (
            seconds[name, loop, "train"] / self.trained + seconds[name, loop, "score"] / self.scored
        )


def create_comparisons(data_dir: str, folder: Path, precision: str) -> dict[str, Comparison]:
    """Return the comparisons by name."""
    comparisons = {}
    for prefix in ("", "digits_"):
        problem = load_problem(prefix, data_dir)
        for name, task, method, plain_loop, whole in [
            ("incv_epoch", "INCV", "standard", plain_2019.INCV, problem.held_out),
            ("co_teaching_epoch", "main", "incv", plain_2019.CoTeaching, problem.tests),
        ]:
            settings = problem.settings(task, precision)
            scored = problem.scored[:whole]
            loops = {
                "project": ProjectLoop(
                    method, problem, settings=settings, scored=scored, folder=folder
                ),
                "plain": plain_loop(problem.inputs, settings, problem.samples, scored),
            }
            if task == "INCV":
                loops["parallel"] = ParallelLoop(prefix, data_dir, precision)
            trained = len(problem.samples) / problem.epoch
            comparisons[prefix + name] = Comparison(loops, trained, len(scored) / whole)
    return comparisons


def pytorch_parts() -> dict[str, Callable[[], None]]:
    """Return training and prediction by PyTorch, or nothing if it is not installed."""
    try:
        from pytorch import ResNet32
    except ImportError:
        print("PyTorch is not installed: measuring without it")
        return {}
    network = ResNet32(BATCH)
    return {
        "torch_train": lambda: network.train(CALLS),
        "torch_predict": lambda: network.predict(CALLS),
    }


def measure(parts: Mapping[Key, Callable[[], None]], repetitions: int) -> dict[Key, float]:
    """Call each part once to warm up, then all in turns. Return the median seconds of each."""
    start = time.perf_counter()
    times: dict[Key, list[float]] = {name: [] for name in parts}
    for repetition in range(repetitions + 1):
        if repetition > 1 and time.perf_counter() - start > MINUTES * 60:
            break
        for name, part in parts.items():
            begin = time.perf_counter()
            part()
            times[name].append(time.perf_counter() - begin)
    return {name: median(seconds[1:]) for name, seconds in times.items()}


def print_ratios(
    comparisons: dict[str, Comparison], seconds: Mapping[Key, float], goals: dict[str, float]
) -> dict[str, float]:
    """Print the table of the comparisons. Return the ratios of the plain loop to the project."""
    ratios = {}
    print(f"\n{'seconds per epoch':<28}plain loop     project   ratio    goal     in one process")
    for name, comparison in comparisons.items():
        times = {loop: comparison.epoch_seconds(name, loop, seconds) for loop in comparison.loops}
        project = times["parallel"] / 2 if "parallel" in times else times["project"]
        ratios[name] = round(times["plain"] / project, 2)
        print(
            f"{name:<28}{times['plain']:<15.3f}{project:<10.3f}{ratios[name]:<9.2f}"
            f"{goals[name]:<9}{times['plain'] / times['project']:.2f}"
        )
    return ratios


def print_images_per_second(seconds: Mapping[Key, float]) -> dict[str, float]:
    """Print the images per second of ResNet-32. Return those of the parallel processes."""
    parallel = "incv_epoch", "parallel"
    train = 2 * STEPS * BATCH / seconds[(*parallel, "train")]
    predict = 2 * SCORED / seconds[(*parallel, "score")]
    bound = 2 * CALLS * BATCH / seconds["convolutions"]
    print("\nResNet-32, images per second")
    print(f"{'':<28}training       prediction")
    print(f"{'two processes':<28}{train:<15.0f}{predict:.0f}")
    print(f"{'convolutions alone':<28}{bound:<15.0f}")
    for loop, title, passes in (("project", "one process", 1), ("plain", "plain loop", 2)):
        trained = STEPS * BATCH / seconds["incv_epoch", loop, "train"]
        predicted = passes * SCORED / seconds["incv_epoch", loop, "score"]
        print(f"{title:<28}{trained:<15.0f}{predicted:.0f}")
    if "torch_train" in seconds:
        trained = CALLS * BATCH / seconds["torch_train"]
        predicted = CALLS * BATCH / seconds["torch_predict"]
        print(f"{'PyTorch':<28}{trained:<15.0f}{predicted:.0f}")
    return {
        "conv_bound_share": round(train / bound, 3),
        "train_images_per_s": round(train),
        "predict_images_per_s": round(predict),
    }


def main(data_dir: str, repetitions: int, precision: str) -> None:
    """Measure everything and print the result."""
    start_tensorflow("-1")
    logging.getLogger("tensorflow").setLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        comparisons = create_comparisons(data_dir, Path(folder), precision)
        parts: dict[Key, Callable[[], None]] = {}
        for name, comparison in comparisons.items():
            for part in ("train", "score"):
                for loop, implementation in comparison.loops.items():
                    parts[name, loop, part] = getattr(implementation, part)
        parts["convolutions"] = comparisons["incv_epoch"].loops["parallel"].convolutions
        parts.update(pytorch_parts())
        seconds = measure(parts, repetitions)
    ratios = print_ratios(comparisons, seconds, GOALS[precision])
    print(json.dumps({**ratios, **print_images_per_second(seconds)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data_dir", default="data", help="folder that contains CIFAR-10; else random images"
    )
    parser.add_argument(
        "--repetitions", type=int, default=5, help="number of measurements per median"
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="precision of the project on CIFAR-10",
    )
    options = parser.parse_args()
    main(options.data_dir, options.repetitions, options.precision)
