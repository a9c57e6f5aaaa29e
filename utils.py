"""Data sets, label noise and random streams: what every script needs before a network is built.

    data = load_dataset("cifar10", "data")  # images uint8 (n, height, width, channels), labels int64 (n,)
    y_noisy = corrupt_labels(data.y_train, "sym", 0.5, data.n_classes, seed=0)

NumPy is all it needs; scikit-learn comes in with `digits`, the network with a download. Data files are read by an
interpreter that can build containers and uint8 arrays and can neither import nor call anything.
"""

import hashlib
import json
import math
import mmap
import operator
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safe_pickle import Array, unpickle

PATTERNS = ("sym", "asym")
DATASETS = ("digits", "cifar10", "cifar100")


class UserError(Exception):
    """Something a user can cause and mend: the scripts show it as one line, without traceback, and exit with 2."""


def _entropy(seed, purpose):
    words = [word if isinstance(word, str) else int(operator.index(word)) for word in (seed, *purpose)]
    return int.from_bytes(hashlib.sha256(json.dumps(words).encode()).digest(), "little")


def stream(seed, *purpose):
    """An independent random generator for each (seed, purpose...), the same in every process and Python version.

    `seed` is an int, each purpose a str or an int: stream(0, "shuffle", epoch). Other types raise TypeError.
    """
    return np.random.Generator(np.random.PCG64(_entropy(seed, purpose)))


def stream_seed(seed, *purpose):
    """An int in [0, 2**31) for each (seed, purpose...), for libraries that want a seed instead of a generator."""
    return _entropy(seed, purpose) % 2**31


# --------------------------------------------------------------------------------------------------------- label noise


def corrupt_labels(y, pattern, ratio, n_classes, seed):
    """Flip each label of `y`, int (n,) in [0, n_classes), with probability `ratio`: y_noisy, a new array of its type.

    Labels flip independently: `sym` to one of the other classes, uniformly; `asym` to class (y + 1) mod n_classes, for
    every class, as in the paper's code (other papers' asymmetric noise is another). Both draw from
    stream(seed, "noise"), so that for one seed the flips of a smaller ratio are among those of a larger one.
    Raises UserError for an unknown pattern, a ratio outside [0, 1], fewer than two classes or labels out of range.
    """
    if pattern not in PATTERNS:
        raise UserError(f"unknown noise pattern {pattern!r}: choose {' or '.join(PATTERNS)}")
    if not 0 <= ratio <= 1:  # nan fails this, too
        raise UserError(f"the noise ratio must lie between 0 and 1, not {ratio}")
    if n_classes < 2:
        raise UserError(f"label noise needs at least two classes, not {n_classes}")
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise UserError(f"labels must be a list of integers, not {y.dtype} of shape {y.shape}")
    if y.size and not (y.min() >= 0 and y.max() < n_classes):
        raise UserError(f"labels must lie between 0 and {n_classes - 1}; these go from {y.min()} to {y.max()}")
    rng, clean = stream(seed, "noise"), y.astype(np.int64)
    flipped = rng.random(len(y)) < ratio
    step = rng.integers(1, n_classes, len(y)) if pattern == "sym" else 1
    return np.where(flipped, (clean + step) % n_classes, clean).astype(y.dtype)


# ----------------------------------------------------------------------------------------------------------- data sets


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (n, height, width, channels) in 0..255, true labels int64 (n,), the names of the classes."""

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple

    @property
    def n_classes(self):
        return len(self.classes)

    @property
    def input_shape(self):
        return self.x_train.shape[1:]


@dataclass(frozen=True)
class Layout:
    """How a data set is published: its folder, the rows in each file, the keys in the pickled dictionaries."""

    folder: str
    train: dict  # file name -> rows
    test: dict
    labels: bytes  # key of the labels
    meta: str  # file with the class names
    names: bytes  # their key in it
    classes: tuple  # the names to use where that file has none
    image: tuple = (3, 32, 32)  # channels, height, width: the order within a row

    @property
    def files(self):
        return (*self.train, *self.test, self.meta)


_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""

LAYOUTS = {
    "cifar10": Layout(
        folder="cifar-10-batches-py",
        train={f"data_batch_{k}": 10_000 for k in range(1, 6)},
        test={"test_batch": 10_000},
        labels=b"labels",
        meta="batches.meta",
        names=b"label_names",
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
    "cifar100": Layout(
        folder="cifar-100-python",
        train={"train": 50_000},
        test={"test": 10_000},
        labels=b"fine_labels",
        meta="meta",
        names=b"fine_label_names",
        classes=tuple(_CIFAR100_CLASSES.split()),
    ),
}


def load_dataset(name, data_dir):
    """The data set called `name`, one of DATASETS, as a Dataset.

    `digits` comes with scikit-learn. `cifar10` and `cifar100` (fine labels) are read from their folder in `data_dir`,
    in the published Python layout, and downloaded there first if it is missing. Memory: the images and one file.
    Raises UserError for an unknown name, a failed download, and a file that is missing, damaged or of another kind.
    """
    if name == "digits":
        return _load_digits()
    if name not in LAYOUTS:
        raise UserError(f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}")
    layout = LAYOUTS[name]
    folder = Path(data_dir) / layout.folder
    if not os.path.isdir(folder):
        from download import fetch

        fetch(name, data_dir)
    classes = _read_classes(folder, layout)
    return Dataset(name, *_read_split(folder, layout.train, layout), *_read_split(folder, layout.test, layout), classes)


def _load_digits():
    """1,797 digits of 8x8 pixels, values 0..16 scaled to 0..255; 1,437 to train and 360 to test, whatever the seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(labels)), test_size=360, random_state=0, stratify=labels)
    return Dataset("digits", images[train], labels[train], images[test], labels[test], tuple("0123456789"))


def _read_split(folder, files, layout):
    """Images uint8 (n, height, width, channels) and labels int64 (n,) of `files`: file name -> rows."""
    channels, height, width = layout.image
    n, end = sum(files.values()), 0
    memory = mmap.mmap(-1, n * height * width * channels)       # aligned to a page: a device can use it as it is
    x, y = np.frombuffer(memory, np.uint8).reshape(n, height, width, channels), np.empty(n, np.int64)
    for file, rows in files.items():
        start, end = end, end + rows
        x[start:end], y[start:end] = _read_batch(folder / file, rows, layout)
    return x, y


def _read_batch(path, rows, layout):
    """The images of one file, a view (rows, height, width, channels) into its bytes, and its labels, a list of ints."""
    content = _read_pickle(path, rows)
    pixels, labels = content.get(b"data"), content.get(layout.labels)
    row, n_classes = math.prod(layout.image), len(layout.classes)
    if type(pixels) is not Array or pixels.shape != (rows, row) or len(pixels.data) != rows * row:
        raise UserError(f"{path}: 'data' must be an array of {rows} x {row} bytes")
    if type(labels) is not list or len(labels) != rows:
        raise UserError(f"{path}: '{layout.labels.decode()}' must be a list of {rows} labels")
    if not all(type(label) is int and 0 <= label < n_classes for label in labels):
        raise UserError(f"{path}: each label must be a whole number between 0 and {n_classes - 1}")
    images = np.frombuffer(pixels.data, np.uint8).reshape(pixels.shape, order="F" if pixels.fortran else "C")
    return images.reshape(rows, *layout.image).transpose(0, 2, 3, 1), labels


def _read_classes(folder, layout):
    """The class names of the meta file, or the known ones where it is missing or names other than one a class."""
    path = folder / layout.meta
    if not os.path.exists(path):
        return layout.classes
    names = _read_pickle(path, 0).get(layout.names)
    if type(names) is not list or not all(type(name) is bytes and name.isascii() for name in names):
        return layout.classes
    classes = tuple(name.decode() for name in names)
    sane = len(set(classes)) == len(classes) == len(layout.classes) and all(map(str.isprintable, classes))
    return classes if sane else layout.classes


def _read_pickle(path, rows):
    """The dictionary in the file `path`, which should hold `rows` rows. Raises UserError if it cannot be had."""
    limit = rows * (3072 + 256) + 2**20  # bytes: the published files need 33 a row beside the pixels
    try:
        if not path.is_file():
            raise UserError(f"{path} is missing or no file: delete {path.parent} to have it downloaded anew")
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        if len(data) > limit:
            raise pickle.UnpicklingError(f"it is longer than {limit} bytes")
        content = unpickle(data, max_steps=16 * rows + 100_000)  # the published files need 6 a row
        if type(content) is not dict:
            raise pickle.UnpicklingError("it holds no dictionary")
    except (pickle.UnpicklingError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = error if type(error) is pickle.UnpicklingError else "its pickle makes no sense"
        raise UserError(f"{path} is damaged or not in the published layout: {reason}") from None
    return content
