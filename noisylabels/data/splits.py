"""Labels of custom data, and their split into a training and a test set."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from noisylabels.data.class_names import class_codes, counts, doubts
from noisylabels.data.sources import Samples
from noisylabels.errors import UserError
from noisylabels.names import listed
from noisylabels.seeding import derived_seed


class Labels(NamedTuple):
    """Labels of n samples, and their split into a training and a test set."""

    classes: tuple[str, ...]
    given: np.ndarray  # observed labels, int64 (n,)
    truth: np.ndarray | None  # true labels, int64 (n,); None if unknown
    in_test_set: np.ndarray  # samples of the data set's own test set, bool (n,)
    is_tested: np.ndarray  # samples that test the final network, bool (n,)
    is_drawn: bool  # the data set has no test set of its own

    @property
    def best(self) -> np.ndarray:
        """Return the true labels, or the observed ones if the true ones are unknown."""
        return self.given if self.truth is None else self.truth


def split_labels(path: Path, samples: Samples, share: float, seed: int) -> Labels:
    """Find the classes of a data set, and draw a test set if it has none of its own.

    Parameters
    ----------
    path : Path
        Path of the data set.
    samples : Samples
        Labels and test set.
    share : float
        Share of each class to draw.
    seed : int
        Random seed of the draw.

    Raises
    ------
    UserError
        The labels leave nothing to train or to test on.
    """
    classes, given, truth = class_codes(path, samples.labels, samples.truth)
    in_test_set, is_drawn = samples.test, samples.test is None
    if is_drawn:
        in_test_set = np.zeros(len(given), bool)
    is_tested = in_test_set
    if is_drawn and share:
        is_tested = _draw_test_set(given, share, seed)
    labels = Labels(
        classes, given, truth=truth, in_test_set=in_test_set, is_tested=is_tested, is_drawn=is_drawn
    )
    _check_classes(path, labels)
    return labels


def _draw_test_set(given: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw a share of each class for testing, bool (n,).

    The only image of a class is never drawn.
    """
    several = np.flatnonzero(np.bincount(given)[given] > 1)
    if not len(several):
        raise UserError(
            "argument --test_split: each class has only one image, so none can be set aside: give "
            "more images, or 0"
        )
    n, n_classes = math.ceil(share * len(several)), len(np.unique(given[several]))
    if not n_classes <= n <= len(several) - n_classes:
        raise UserError(
            f"argument --test_split: {share} of the images are {n:,}, and {len(given) - n:,} are "
            f"left to train on, too few on one side for {n_classes} classes: give another share, "
            "or more images"
        )
    _, chosen = train_test_split(
        several, test_size=n, random_state=derived_seed(seed, "test split"), stratify=given[several]
    )
    test = np.zeros(len(given), bool)
    test[chosen] = True
    return test


def _check_classes(path: Path, labels: Labels) -> None:
    """Raise UserError if the training or test set is empty, or a class is in the test set only."""
    classes, given, truth, test = labels.classes, labels.given, labels.truth, labels.is_tested
    if truth is not None and not np.isin(truth, given).any():
        raise UserError(
            f"{path}: y_true and the labels share no class: y_true has {classes[truth[0]]!a}, the "
            f"labels have {classes[given[0]]!a}; use the same names"
        )
    if test.all() or (not labels.is_drawn and not test.any()):
        raise UserError(
            f"{path} has no images to {'train' if test.all() else 'test'} on: add some, or drop "
            "the split"
        )
    trained = np.bincount(given[~test], minlength=len(classes)) > 0
    tested = np.bincount(given[test], minlength=len(classes)) > 0
    alone = [classes[k] for k in np.flatnonzero(tested & ~trained)]
    if alone:
        remedy = "put some into the training set"
        if labels.is_drawn:
            remedy = "give a smaller --test_split, or more of them"
        raise UserError(f"{path}: all images of {listed(alone)} are in the test set: {remedy}")
    if trained.sum() < 2:
        raise UserError(
            f"{path} has labels of one class only, {classes[trained.argmax()]}: give images of two"
        )
    if not trained.all():
        unseen = [classes[k] for k in np.flatnonzero(~trained)]
        warnings.warn(
            f"{path}: y_true has {listed(unseen)}, but no image has this label", stacklevel=4
        )


def report_labels(
    path: Path,
    name: str,
    labels: Labels,
    unit: str,
    report: Callable[[str], None],
    trusted: bool = False,
) -> None:
    """Report the split and the classes, and warn of class names that are probably mistakes.

    `unit` is the word for samples, `report` receives the lines. The labels of a data set without
    y_true count as true if they are `trusted`.
    """
    classes, given, test = labels.classes, labels.given, labels.is_tested
    if labels.is_drawn and test.any():
        if labels.truth is not None:
            kind = "are those of y_true"
        else:
            kind = "count as true" if trusted else "are as noisy as the rest"
        report(
            f"{name}: no test set, so {test.sum():,} of {len(test):,} {unit} are set aside to "
            "test the final network, the same share of each class; their labels "
            f"{kind}; INCV judges all {unit}"
        )
    for doubt in doubts(classes):
        warnings.warn(f"{path}: {doubt}", stacklevel=3)
    trained = np.bincount(given[~test], minlength=len(classes))
    tested = np.bincount(given[test], minlength=len(classes)) if test.any() else None
    report(counts(name, classes, train=trained, test=tested, unit=unit))
