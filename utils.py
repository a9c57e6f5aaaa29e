"""Data sets and label noise, for the scripts and for notebooks.

data = load_dataset("cifar10", "data")  # images uint8 (n, height, width, channels)
y_noisy = corrupt_labels(data.y_train, "sym", 0.5, data.n_classes, seed=0)

data = load_dataset("photos/")  # a folder with one subfolder per class, a CSV or an npz
y_noisy = observed_labels(data, Noise("given"))
"""

from typing import Any

import numpy as np

from noisylabels import data
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError
from noisylabels.noise import PROVIDED, Noise, check_noise, flipped_classes
from noisylabels.seeding import generator


def load_dataset(name: str, data_dir: str = "data", **options: Any) -> Dataset:
    """Load a data set by its name, or custom images by their path.

    Parameters
    ----------
    name : str
        `digits` is part of scikit-learn. `cifar10` and `cifar100` (fine labels) are read from their
        folder in `data_dir`, in the published Python layout, and downloaded if they are missing. A
        name with a separator, or of an existing file or folder, is a path.
    data_dir : str
        Folder of CIFAR.
    **options
        Arguments of `noisylabels.data.load`. For custom images also those of
        `noisylabels.data.images.load`.

    Returns
    -------
    Dataset
        Images, labels and class names.

    Raises
    ------
    UserError
        The name is unknown, the download fails, or a file is missing, damaged or of another kind.
    """
    return data.load(name, data_dir, **options)


def observed_labels(dataset: Dataset, noise: Noise, seed: int = 0) -> np.ndarray:
    """Return the observed training labels, int64 (n,): as provided, or corrupted true labels."""
    if noise.pattern == PROVIDED:
        return dataset.given
    return corrupt_labels(dataset.y_train, *noise, dataset.n_classes, seed)


def corrupt_labels(
    y: np.ndarray, pattern: str, ratio: float, n_classes: int, seed: int
) -> np.ndarray:
    """Flip each label independently with probability `ratio`.

    Parameters
    ----------
    y : np.ndarray
        Labels, int (n,) in [0, n_classes).
    pattern : {"sym", "asym", "asym5"}
        See `noisylabels.noise.transition_matrix`.
    ratio : float
        Probability of a flip, in [0, 1]. For one seed, the flips of a smaller ratio are among those
        of a larger one.
    n_classes : int
        Number of classes.
    seed : int
        Random seed.

    Returns
    -------
    np.ndarray
        New labels, of the type of `y`.

    Raises
    ------
    UserError
        The labels are not a list of integers or out of range, or `noisylabels.noise.check_noise`
        refuses the noise.
    """
    check_noise(pattern, ratio, n_classes)
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise UserError(f"labels must be a list of integers, not {y.dtype} of shape {y.shape}")
    if y.size and not (y.min() >= 0 and y.max() < n_classes):
        raise UserError(
            f"labels must lie between 0 and {n_classes - 1}; these go from {y.min()} to {y.max()}"
        )
    rng, true = generator(seed, "noise"), y.astype(np.int64)
    flipped = rng.random(len(y)) < ratio
    if pattern == "sym":
        others = (true + rng.integers(1, n_classes, len(y))) % n_classes
    else:
        others = flipped_classes(pattern, n_classes)[true]
    return np.where(flipped, others, true).astype(y.dtype)
