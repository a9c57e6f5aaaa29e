"""What the scripts share: data sets and label noise.

    data = load_dataset("cifar10", "data")  # images uint8 (n, height, width, channels), labels int64 (n,)
    y_noisy = corrupt_labels(data.y_train, "sym", 0.5, data.n_classes, seed=0)
    data = load_dataset("photos/")          # own images: a folder for each class, a CSV or an npz
    y_noisy = observed_labels(data, Noise("given"))

NumPy is all it needs; scikit-learn comes in with `digits`, the network with a download.
"""
import numpy as np

from noisylabels import data
from noisylabels.errors import UserError
from noisylabels.streams import stream
from noisylabels.theory import GIVEN, check_noise, flipped_classes


def load_dataset(name, data_dir="data", **options):
    """The data set called `name`, one of noisylabels.data.DATASETS, or at that path, as a data.dataset.Dataset.

    `digits` comes with scikit-learn. `cifar10` and `cifar100` (fine labels) are read from their folder in `data_dir`,
    in the published Python layout, and downloaded there first if it is missing. Memory: the images and one file.
    What has a separator in it, or is there and has no such name, is a path of own images, see data.images.load.
    options: noisy_labels and trust_labels, see data.load; of own images the arguments of data.images.load.
    Raises UserError for an unknown name, a failed download, and a file that is missing, damaged or of another kind.
    """
    return data.load(name, data_dir, **options)


def observed_labels(dataset, noise, seed=0):
    """What a data set's training labels are seen to be, int64 (n,): as given, or the true ones after `corrupt_labels`.

    noise: a theory.Noise that the data set allows, see data_flags.noise_of.
    """
    if noise.pattern == GIVEN:
        return dataset.given
    return corrupt_labels(dataset.y_train, *noise, dataset.n_classes, seed)


def corrupt_labels(y, pattern, ratio, n_classes, seed):
    """Flip each label of `y`, int (n,) in [0, n_classes), with probability `ratio`: y_noisy, a new array of its type.

    Labels flip independently: `sym` to one of the other classes, uniformly; `asym` to class (y + 1) mod n_classes, for
    every class, as in the paper's code; `asym5` as other papers' asymmetric noise, of CIFAR-10's truck to automobile,
    bird to airplane, deer to horse, cat to dog and dog to cat, and of no other class. All draw from
    stream(seed, "noise"), so that for one seed the flips of a smaller ratio are among those of a larger one.
    Raises UserError for an unknown pattern, a ratio outside [0, 1], fewer than two classes or labels out of range.
    """
    check_noise(pattern, ratio, n_classes)
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise UserError(f"labels must be a list of integers, not {y.dtype} of shape {y.shape}")
    if y.size and not (y.min() >= 0 and y.max() < n_classes):
        raise UserError(f"labels must lie between 0 and {n_classes - 1}; these go from {y.min()} to {y.max()}")
    rng, clean = stream(seed, "noise"), y.astype(np.int64)
    flipped = rng.random(len(y)) < ratio
    if pattern == "sym":
        others = (clean + rng.integers(1, n_classes, len(y))) % n_classes
    else:
        others = flipped_classes(pattern, n_classes)[clean]
    return np.where(flipped, others, clean).astype(y.dtype)
