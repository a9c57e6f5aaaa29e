"""Noisy data, and the configuration of one run, built once from the command-line arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from noisylabels.data.dataset import Dataset, digest_of
from noisylabels.metrics import confusion_matrix
from noisylabels.noise import PROVIDED, Noise, transition_matrix
from noisylabels.recipes import Settings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class NoisyData:
    """A data set with observed labels, and the noise between them and the true labels."""

    dataset: Dataset
    noise: Noise
    seed: int
    y_noisy: np.ndarray  # observed labels, int (n,)

    @cached_property
    def is_clean(self) -> np.ndarray | None:
        """Return whether each observed label is true, bool (n,); None if that is unknown."""
        if self.dataset.y_train is None:
            return None
        return self.dataset.y_train == self.y_noisy

    @cached_property
    def noise_rate(self) -> float | None:
        """Share of mislabelled samples: as set, or measured for labels as provided; None if
        unknown.
        """
        if self.noise.pattern != PROVIDED:
            return self.noise.noise_rate
        return None if self.is_clean is None else float((~self.is_clean).mean())

    @cached_property
    def T(self) -> np.ndarray | None:
        """Noise transition matrix (c, c): as set, or measured; None if unknown."""
        if self.noise.pattern != PROVIDED:
            return transition_matrix(*self.noise, self.dataset.n_classes)
        if self.is_clean is None:
            return None
        T = confusion_matrix(self.y_noisy, self.dataset.y_train, self.dataset.n_classes)
        return T + np.diag(T.sum(axis=1) == 0)  # a class without samples keeps its label

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Plain values that identify the data and labels in the record of a run."""
        dataset = self.dataset
        found = {
            "dataset": dataset.name,
            "data": dataset.fingerprint,
            "noise_pattern": self.noise.pattern,
            "seed": self.seed,
            "noise_ratio": self.noise.ratio,
        }
        if self.noise.pattern == PROVIDED:
            found |= {"noise_ratio": self.noise_rate, "labels": digest_of([], self.y_noisy)}
        if dataset.backbone is not None:
            found |= dataset.backbone.identity
        if dataset.is_custom:
            found |= {
                "image": "×".join(map(str, dataset.input_shape)),
                "may_be_mirrored": dataset.may_be_mirrored,
                "may_be_shifted": dataset.may_be_shifted,
            }
        return found

    def __str__(self) -> str:
        dataset = self.dataset
        unit, size = "images", "×".join(map(str, dataset.input_shape))
        if dataset.is_embedded:
            unit, size = "samples", f"{dataset.input_shape[0]:,} features"
        if self.is_clean is None:
            labels = "; the true labels are unknown"
        else:
            count = (~self.is_clean).sum()
            labels = f", {count:,} mislabelled ({count / len(self.y_noisy):.3f})"
        n, tests = f"{len(self.y_noisy):,}", f"{len(dataset.y_test):,}"
        if dataset.test_rows is None:
            images = f"{n} training {unit} of {size}, {tests} test {unit}"
        elif len(dataset.test_rows):
            images = f"{n} {unit} of {size}, {tests} of them set aside for testing"
        else:
            images = f"{n} {unit} of {size}"
        return (
            f"{dataset.name}: {images}, {dataset.n_classes} classes\n"
            f"noise {self.noise}{labels}, seed {self.seed}"
        )


@dataclass(frozen=True)
class Execution:
    """Where and how a run computes.

    Several GPUs change batch statistics. Otherwise results depend on it in their last digits only.
    """

    gpu_id: str | None = None
    gpu_ids: tuple[str | None, ...] = (None,)  # one per parallel process
    threads: int | None = None  # per training; None for all cores
    jit_compile: bool = False
    wait: bool = False  # for another process that works on the same run


@dataclass(frozen=True, eq=False)
class Experiment:
    """Data, settings and folder of a run."""

    data: NoisyData
    assumed_pattern: str | None  # noise pattern that the algorithm assumes
    recipe: str
    settings: Settings  # of the recipe, with the values of flags
    folder: Path
    arguments: dict[str, Any] = field(
        default_factory=dict
    )  # further values of the identity, by flag
    execution: Execution = Execution()
    overwrite: bool = False
    requested: tuple[str, ...] = ()  # keys of the identity that flags have set
    build: Callable[[tuple[int, ...], int], keras.Model] | None = None  # replaces the network

    @property
    def dataset(self) -> Dataset:
        """Return the data set."""
        return self.data.dataset

    @property
    def noise(self) -> Noise:
        """Return the noise between true and observed labels."""
        return self.data.noise

    @property
    def y_noisy(self) -> np.ndarray:
        """Observed labels, int (n,)."""
        return self.data.y_noisy

    @property
    def is_clean(self) -> np.ndarray | None:
        """Return whether each observed label is true, bool (n,); None if unknown."""
        return self.data.is_clean

    @property
    def seed(self) -> int:
        """Return the random seed."""
        return self.data.seed

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the result depends on, as plain values for the record of the run."""
        settings = {"recipe": self.recipe, **self.settings.values}
        return {**self.data.identity, **settings, **self.arguments}

    def __str__(self) -> str:
        settings = self.settings
        if self.arguments.get("method", "standard") != "standard":
            settings = replace(settings, label_smoothing=0.0)  # which only Standard uses
        return f"{self.data}\nrecipe {self.recipe}: {settings}"
