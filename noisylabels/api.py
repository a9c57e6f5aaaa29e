"""The Python API: find wrong labels and clean samples in memory, without files.

Example:

    from noisylabels import find_label_issues, select_clean

    issues = find_label_issues(labels, images)  # images uint8 (n, height, width[, channels])
    clean = select_clean(labels, images)
    model.fit(images[clean.selected], labels[clean.selected])
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from models import RIDGE
from noisylabels.data.duplicates import find_duplicates
from noisylabels.data.features import RECIPE as FEATURES
from noisylabels.data.in_memory import dataset_of
from noisylabels.experiment import Execution, Experiment, NoisyData
from noisylabels.noise import ASSUMABLE_PATTERNS, PROVIDED, Noise
from noisylabels.recipes import RECIPES, resolve
from noisylabels.runs.run import Run
from noisylabels.selection.algorithm import Selection
from noisylabels.selection.issues import label_issues
from noisylabels.selection.processes import choose_trainers, expected_work, run_incv
from noisylabels.selection.selection_csv import RECORD
from noisylabels.system.child_processes import start_method
from noisylabels.system.progress import Progress
from noisylabels.system.sharing import share_machine

if TYPE_CHECKING:
    import keras

Build = Callable[[tuple[int, ...], int], "keras.Model"]


class CleanSamples(NamedTuple):
    """The result of `select_clean`. Each of the n samples is in exactly one of three sets."""

    selected: np.ndarray  # no label issue, bool (n,)
    candidate: np.ndarray  # a label issue that INCV did not remove, bool (n,)
    removed: np.ndarray  # a label issue with a high loss, bool (n,); none if "asym" is assumed
    noise_ratio: float  # estimated share of wrong labels


def find_label_issues(
    labels: Sequence | np.ndarray,
    images: np.ndarray | None = None,
    features: np.ndarray | None = None,
    *,
    classes: Sequence[str] | None = None,
    build: Build | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    may_be_mirrored: bool = True,
    iterations: int = 4,
    top_k: int = 1,
    assumed_pattern: str = "asym",
    seed: int = 0,
    gpu_id: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Find labels that are probably wrong by iterative noisy cross-validation (INCV).

    The computation is that of INCV.py, without files. On features, ridge regression takes seconds
    and needs no TensorFlow. Networks train in child processes on Linux if TensorFlow is not
    imported yet. Otherwise they train in this process and keep its TensorFlow configuration.

    Parameters
    ----------
    labels : sequence or np.ndarray
        Observed labels (n,): whole numbers or text.
    images : np.ndarray, optional
        Images, uint8 (n, h, w) or (n, h, w, 1 or 3), 0 to 255. They are not used with features.
    features : np.ndarray, optional
        Embeddings, float (n, d).
    classes : sequence of str, optional
        Class names. Labels are names, or indices if they are whole numbers. By default the sorted
        labels are the class names.
    build : callable, optional
        ``build(input_shape, n_classes)`` returns an untrained `keras.Model` to use in place of the
        recipe's network. Its input is float32: images (h, w, ch), 0 to 1, or features (d,). Its
        output is one logit per class, without softmax.
    recipe : str, optional
        A key of `noisylabels.recipes.RECIPES`. By default `features` for features, else `fast`.
    epochs, batch_size : int, optional
        Settings of each training. By default those of the recipe.
    may_be_mirrored : bool
        Whether a flipped image belongs to the same class.
    iterations : int
        Iterations of INCV. Each one has two trainings.
    top_k : int
        Number of most likely classes. A sample is selected if its label is one of them.
    assumed_pattern : {"sym", "asym"}
        Noise pattern that INCV assumes.
    seed : int
        Random seed.
    gpu_id : str, optional
        Id of the GPU, or "-1" for the CPU.
    threads : int, optional
        Threads of a training on the CPU.
    quiet : bool
        Show no progress.

    Returns
    -------
    pd.DataFrame
        One row per sample, the worst label first. The columns are those of label_issues.csv:
        `index`, `file` (the index as text), `given_label`, `predicted_label`, `label_score`,
        `is_label_issue`, `status`, `selected_iteration`, `y_true` (empty), `duplicate_group` and
        `duplicate_conflict`.
        ``attrs["noise_ratio"]`` is the estimated share of wrong labels.

    Raises
    ------
    ValueError
        An argument is invalid.
    UserError
        The labels leave nothing to learn, or a training fails.

    Source: Chen et al. 2019, INCV.
    """
    dataset = dataset_of(
        labels, images, features=features, classes=classes, may_be_mirrored=may_be_mirrored
    )
    n, recipe = len(dataset.given), recipe or dataset.default_recipe
    _check_choice("assumed_pattern", assumed_pattern, ASSUMABLE_PATTERNS)
    _check_choice("recipe", recipe, [r for r in RECIPES if (r == FEATURES) == dataset.is_embedded])
    iterations = _as_number("iterations", iterations, 1, n)
    top_k = _as_number("top_k", top_k, 1, dataset.n_classes - 1)
    epochs = _as_number("epochs", epochs, 1, 10**6)
    batch_size = _as_number("batch_size", batch_size, 2, n // 2)
    seed = _as_number("seed", seed, 0, 2**31 - 1)
    threads = _as_number("threads", threads, 1, 10**6)
    settings = resolve(
        recipe,
        "INCV",
        allows_flips=may_be_mirrored,
        allows_shifts=dataset.may_be_shifted,
        n_samples=n // 2,
        architecture="mlp" if build and dataset.is_embedded else None,
        optimizer="adam" if build else None,  # Muon's rates suit the recipe's networks
        epochs=epochs,
        batch_size=batch_size,
    )
    if settings.architecture == RIDGE and (epochs or batch_size):
        raise ValueError(
            "epochs and batch_size have no effect on ridge regression: leave them out, or give "
            "build to train a network"
        )
    data = NoisyData(dataset, Noise(PROVIDED), seed, dataset.given)
    in_parallel = settings.architecture != RIDGE and start_method() == "fork"
    gpu_ids, threads = share_machine("auto" if in_parallel else "off", gpu_id, threads)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        experiment = Experiment(
            data,
            assumed_pattern,
            recipe=recipe,
            settings=settings,
            folder=Path(folder),
            arguments={"INCV_iter": iterations, "top_k": top_k, "assumed_pattern": assumed_pattern},
            execution=Execution(gpu_id, gpu_ids, threads),
            build=build,
        )
        result = _select(experiment, quiet)
    frame = label_issues(dataset, dataset.given, result, find_duplicates(dataset.x_train))
    frame.attrs["noise_ratio"] = float(result.eval_ratio)
    return frame


def select_clean(
    labels: Sequence | np.ndarray,
    images: np.ndarray | None = None,
    features: np.ndarray | None = None,
    **options: Any,
) -> CleanSamples:
    """Select the samples whose labels are probably right.

    Parameters
    ----------
    labels, images, features, **options
        As for `find_label_issues`.

    Returns
    -------
    CleanSamples
        Masks of the selected samples, the candidates and the removed samples, in the order of the
        labels, and the estimated noise ratio.

    Raises
    ------
    ValueError, UserError
        As for `find_label_issues`.
    """
    issues = find_label_issues(labels, images, features, **options)
    issues = issues.sort_values("index")
    selected = ~issues.is_label_issue.to_numpy(bool)
    removed = (issues.status == "removed").to_numpy()
    return CleanSamples(selected, ~(selected | removed), removed, issues.attrs["noise_ratio"])


def _check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless a value is allowed."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: give one of {', '.join(allowed)}")


def _as_number(name: str, value: int | None, low: int, high: int) -> int | None:
    """Return a whole number from low to high as int, None as None; ValueError for other values."""
    if value is None:
        return None
    if value != int(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value}: give a whole number, {low} to {high:,}")
    return int(value)


def _select(experiment: Experiment, quiet: bool) -> Selection:
    """Run INCV with checkpoints in the folder of the experiment."""
    run = Run(experiment.folder, RECORD.removesuffix(".json"), experiment.identity)
    with (
        Progress(expected_work(experiment), quiet) as progress,
        choose_trainers(experiment)(experiment, run, progress) as trainers,
        run.session(trainers.start),
    ):
        result, _ = run_incv(experiment, trainers)
    return result
