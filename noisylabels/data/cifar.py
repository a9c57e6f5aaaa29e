"""CIFAR-10 and CIFAR-100 in their published Python layout, downloaded where they are missing.

The reader of the files builds containers and uint8 arrays. It cannot import or call anything.
"""

import math
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.data.dataset import Dataset
from noisylabels.data.image_files import pages
from noisylabels.data.label_arrays import damage
from noisylabels.data.pickles import Array, unpickle
from noisylabels.errors import UserError


class Archive(NamedTuple):
    """A file to download, with its size and checksum."""

    url: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Layout:
    """The published layout of a data set: its folder, files, and keys of the dictionaries."""

    folder: str
    train: dict  # file name -> rows
    test: dict
    labels: bytes  # key of the labels
    meta: str  # file with the class names
    names: bytes  # their key in it
    classes: tuple  # the names to use if that file has none
    image: tuple = (3, 32, 32)  # channels, height, width: the order within a row

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all files."""
        return (*self.train, *self.test, self.meta)


_CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

LAYOUTS = {
    "cifar10": Layout(
        folder="cifar-10-batches-py",
        train={f"data_batch_{k}": 10_000 for k in range(1, 6)},
        test={"test_batch": 10_000},
        labels=b"labels",
        meta="batches.meta",
        names=b"label_names",
        classes=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
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
ARCHIVES = {  # sizes and sums as Keras, torchvision and others have recorded them
    "cifar10": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        bytes=170_498_071,
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "cifar100": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        bytes=169_001_437,
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
}


def load(name: str, data_dir: str) -> Dataset:
    """Load CIFAR-10, or CIFAR-100 with its fine labels, and download it if it is missing.

    Parameters
    ----------
    name : {"cifar10", "cifar100"}
        The data set.
    data_dir : str
        Folder that contains its published folder.

    Returns
    -------
    Dataset
        Loading needs memory for the images and one file.

    Raises
    ------
    UserError
        The download fails, or a file is missing, damaged or of another kind.
    """
    layout = LAYOUTS[name]
    folder = Path(data_dir) / layout.folder
    if not os.path.isdir(folder):
        from noisylabels.data.download import fetch  # its packages take half a second to import

        fetch(name, ARCHIVES[name], folder, layout.files)
    classes = _read_classes(folder, layout)
    return Dataset(
        name,
        *_read_split(folder, layout.train, layout),
        *_read_split(folder, layout.test, layout),
        classes,
    )


def _read_split(
    folder: Path, files: dict[str, int], layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (n, height, width, channels) and labels int64 (n,) of {file: rows}."""
    channels, height, width = layout.image
    n, end = sum(files.values()), 0
    x, y = pages(n, height, width, channels), np.empty(n, np.int64)
    for file, rows in files.items():
        start, end = end, end + rows
        x[start:end], y[start:end] = _read_batch(folder / file, rows, layout)
    return x, y


def _read_batch(path: Path, rows: int, layout: Layout) -> tuple[np.ndarray, list[int]]:
    """Return the images of a file, a view (rows, height, width, channels), and its labels."""
    content = _read_pickle(path, rows)
    pixels, labels = content.get(b"data"), content.get(layout.labels)
    row, n_classes = math.prod(layout.image), len(layout.classes)
    if type(pixels) is not Array or pixels.shape != (rows, row) or len(pixels.data) != rows * row:
        raise UserError(f"{path}: 'data' must be an array of {rows} x {row} bytes")
    if type(labels) is not list or len(labels) != rows:
        raise UserError(f"{path}: '{layout.labels.decode()}' must be a list of {rows} labels")
    if not all(type(label) is int and 0 <= label < n_classes for label in labels):
        raise UserError(f"{path}: each label must be a whole number between 0 and {n_classes - 1}")
    images = np.frombuffer(pixels.data, np.uint8).reshape(
        pixels.shape, order="F" if pixels.fortran else "C"
    )
    return images.reshape(rows, *layout.image).transpose(0, 2, 3, 1), labels


def _read_classes(folder: Path, layout: Layout) -> tuple[str, ...]:
    """Return the class names of the meta file, or the known ones if it lacks one name per class."""
    path = folder / layout.meta
    if not os.path.exists(path):
        return layout.classes
    names = _read_pickle(path, 0).get(layout.names)
    if type(names) is not list or not all(type(name) is bytes and name.isascii() for name in names):
        return layout.classes
    classes = tuple(name.decode() for name in names)
    sane = len(set(classes)) == len(classes) == len(layout.classes) and all(
        map(str.isprintable, classes)
    )
    return classes if sane else layout.classes


def _read_pickle(path: Path, rows: int) -> dict:
    """Return the dictionary in a file with this number of rows; UserError if it is damaged."""
    # In bytes. The published files need 33 bytes per row in addition to the pixels.
    limit = rows * (3072 + 256) + 2**20
    try:
        if not path.is_file():
            raise UserError(
                f"{path} is missing or not a file: delete {path.parent} to have it downloaded again"
            )
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    with damage(
        f"{path} is damaged or not in the published layout: delete {path.parent} to have it "
        "downloaded again"
    ):
        if len(data) > limit:
            raise pickle.UnpicklingError(f"it is longer than {limit} bytes")
        # The published files need 6 steps per row.
        content = unpickle(data, max_steps=16 * rows + 100_000)
        if type(content) is not dict:
            raise pickle.UnpicklingError("it holds no dictionary")
    return content
