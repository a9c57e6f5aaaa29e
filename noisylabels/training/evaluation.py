"""Measurements after each epoch: test accuracy, and loss and accuracy on training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from noisylabels.metrics import label_loss
from noisylabels.seeding import generator
from noisylabels.training.device import as_tensor
from noisylabels.training.training_log import TEST_ACCURACY, TEST_AGREEMENT

if TYPE_CHECKING:
    from noisylabels.experiment import Experiment
    from noisylabels.methods.base import Method

N_TRACKED = 1000  # training samples whose loss and accuracy are logged
DEAD_CLASS_RECALL = 0.05  # a class with a lower recall on the test set was not learned


def mean_by_correctness(
    values: np.ndarray,
    is_clean: np.ndarray | None,
    names: tuple[str, str, str] = ("all", "clean", "noisy"),
) -> dict[str, float | None]:
    """Average values over all samples, over the clean ones and over the mislabelled ones.

    Parameters
    ----------
    values : np.ndarray
        One value per sample, (n,).
    is_clean : np.ndarray or None
        Whether each observed label is true, bool (n,). If it is None, only the mean over all
        samples is returned.
    names : tuple of str
        Names of the three means.

    Returns
    -------
    dict
        The means by name, None where there are no such samples.
    """
    masks = [np.ones(len(values), bool)]
    if is_clean is not None:
        masks += [is_clean, ~is_clean]
    means = [float(values[mask].mean()) if mask.any() else None for mask in masks]
    return dict(zip(names, means))


def dead_classes(predicted: np.ndarray, y: np.ndarray) -> int:
    """Count the classes in y (n,) with a recall below `DEAD_CLASS_RECALL` in predictions (n,)."""
    recalls = [np.mean(predicted[y == c] == c) for c in np.unique(y)]
    return sum(float(recall) < DEAD_CLASS_RECALL for recall in recalls)


class Evaluation:
    """Evaluate each network on the test set and on a sample of the training set.

    The test columns are called "test_agreement" instead of "test_accuracy" if the test labels are
    noisy, too. Without a test set they are blank.

    Parameters
    ----------
    method : Method
        The method to evaluate.
    images : tf.Tensor
        Training images on the device, see `training.device.as_tensor`.
    experiment : Experiment
        Data set, observed labels and seed.
    """

    def __init__(self, method: Method, images: tf.Tensor, experiment: Experiment) -> None:
        self.method = method
        self.images = images
        self.measure = TEST_ACCURACY if experiment.dataset.clean_test else TEST_AGREEMENT
        self.y_test = experiment.dataset.y_test
        self.test_images = as_tensor(experiment.dataset.x_test)
        rng = generator(experiment.seed, "tracked")
        count = min(N_TRACKED, len(method.samples))
        self.tracked = np.sort(rng.choice(method.samples, count, replace=False))
        self.y = experiment.y_noisy[self.tracked]
        self.is_clean = None
        if experiment.is_clean is not None:
            self.is_clean = experiment.is_clean[self.tracked]

    def __call__(self, epoch: int, memory: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the columns of the log."""
        row = {}
        for k in range(self.method.n_networks):
            row |= self._test_columns(k)
            p = self.method.probabilities(self.images, self.tracked, k)
            loss = mean_by_correctness(label_loss(p, self.y), self.is_clean)
            accuracy = mean_by_correctness(p.argmax(axis=1) == self.y, self.is_clean)
            for part in loss:
                row[f"loss_{part}_{k + 1}"] = loss[part]
                row[f"accuracy_{part}_{k + 1}"] = accuracy[part]
        return row

    def _test_columns(self, k: int) -> dict[str, float | int | None]:
        """Return the columns of network k on the test set, blank without one."""
        accuracy = dead = None
        if len(self.y_test):
            predicted = self.method.probabilities(self.test_images, k=k).argmax(axis=1)
            accuracy = float(np.mean(predicted == self.y_test))
            dead = dead_classes(predicted, self.y_test)
        return {f"{self.measure}_{k + 1}": accuracy, f"dead_classes_{k + 1}": dead}
