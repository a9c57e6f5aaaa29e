"""The data set class: images, labels and class names."""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from noisylabels.backbones import Backbone
    from noisylabels.data.image_source import ImageSource

TEST_SPLIT = 0.2  # share of a custom data set without a test set that tests the final network


class Whole(NamedTuple):
    """All images that a file of observed labels refers to, including unreadable ones."""

    labels: np.ndarray  # true labels, or the provided ones, int64 (m,)
    places: np.ndarray | slice  # positions of the n training images among them, int (n,)
    files: tuple | None  # file names, (m,)
    test_files: tuple  # file names of a separate test set


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with a training and a test set.

    Noise is added to the true labels `y_train`, unless observed labels are provided in `given`.
    """

    name: str
    x_train: np.ndarray  # uint8 images (n, height, width, channels), or float32 embeddings (n, d)
    y_train: np.ndarray | None  # true labels, int64 (n,); None if unknown
    x_test: np.ndarray  # (m, ...), as x_train
    y_test: np.ndarray  # int64 (m,)
    classes: tuple  # class names
    may_be_mirrored: bool = True  # whether a flipped image belongs to the same class
    default_recipe: str = "paper"
    given: np.ndarray | None = None  # observed labels as provided, int64 (n,)
    clean_test: bool = True  # whether y_test is known to be true
    files: tuple | None = None  # names of the training images, for messages and tables
    are_files: bool = False  # whether these are names of files, not positions in an array
    whole: Whole | None = None  # for custom images
    is_custom: bool = False  # whether the images are custom, not one of data.DATASETS
    # Training samples that test the final network, int (m,); None for a test set of its own.
    test_rows: np.ndarray | None = None
    loaded: "Dataset | None" = None  # before --noisy_labels or --trust_labels changed the labels
    pictures: "ImageSource | None" = None  # the original images of the training samples
    backbone: "Backbone | None" = None  # the network that computed the embeddings
    image_recipe: str | None = None  # default recipe of the images that embeddings replace

    @property
    def is_embedded(self) -> bool:
        """Return whether the inputs are embeddings, not images."""
        return self.x_train.ndim == 2

    @property
    def may_be_shifted(self) -> bool:
        """Return whether a shift keeps the class: images have at least 16 pixels per side."""
        return not self.is_embedded and min(self.input_shape[:2]) >= 16

    @property
    def train_rows(self) -> np.ndarray:
        """Indices of the training samples that the final network may train on, int (k,)."""
        rows = np.arange(len(self.x_train))
        return rows if self.test_rows is None else np.setdiff1d(rows, self.test_rows)

    def set_aside(self, rows: np.ndarray) -> "Dataset":
        """Return the data set with some training samples, int (m,), as the test set.

        They stay in the training set, so that a selection judges them too.
        """
        labels = self.given if self.y_train is None else self.y_train
        return replace(self, test_rows=rows, x_test=self.x_train[rows], y_test=labels[rows])

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Height, width and channels of an image, or the number of features."""
        return self.x_train.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """Identify the images, labels, class names and file names as loaded, by 16 hexadecimal
        digits.
        """
        if self.loaded:
            return self.loaded.fingerprint
        arrays = [self.x_train, self.given, self.y_train]
        if self.test_rows is None:
            arrays += [self.x_test, self.y_test]
        return digest_of([self.name, self.classes, self.files], *arrays)


def digest_of(names: Any, *arrays: np.ndarray | None) -> str:
    """Return 16 hexadecimal digits that identify names (any JSON value) and arrays."""
    digest = hashlib.sha256(json.dumps(names).encode())
    for array in arrays:
        digest.update(
            b"unknown" if array is None else repr((array.shape, array.dtype.str)).encode()
        )
        digest.update(b"" if array is None else np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
