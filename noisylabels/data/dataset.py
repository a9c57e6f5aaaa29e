"""What a data set is, whichever it is."""
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np


class Whole(NamedTuple):
    """All images of a person's own data that other labels are for, unreadable and set aside, too."""

    labels: np.ndarray          # y_train, or given, int64 (m,)
    places: np.ndarray | slice  # of the training images among them, (n,)
    files: tuple | None         # their names, (m,)
    test_files: tuple           # those of a test set of its own


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (n, height, width, channels) in 0..255, labels int64 (n,), and what the suite must know of them.

    A data set of known truth has y_train, and noise is added to it; one of labels as they came has `given`, and y_train
    only where the truth is known beside them.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray | None          # true labels; None where they are not known
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple                      # their names
    may_be_mirrored: bool = True        # whether an image's mirror image is of the same class
    default_recipe: str = "paper"
    given: np.ndarray | None = None     # observed labels as they came; None where noise is to be added to the true ones
    clean_test: bool = True             # whether y_test is known to be true, or as noisy as the rest
    files: tuple | None = None          # of the training images, for a person to find them by
    are_files: bool = False             # whether these are names of files, not places in an array
    whole: Whole | None = None          # of own images
    is_custom: bool = False             # a user's own images, not one of data.DATASETS
    loaded: "Dataset | None" = None     # before --noisy_labels or --trust_labels changed what its labels are

    @property
    def may_be_shifted(self):
        """Whether the images are large enough to lose pixels at their borders and be of the same class."""
        return min(self.input_shape[:2]) >= 16

    @property
    def n_classes(self):
        return len(self.classes)

    @property
    def input_shape(self):
        return self.x_train.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """Identify the images, labels, class names and file names as loaded, by 16 hexadecimal digits."""
        if self.loaded:
            return self.loaded.fingerprint
        return digest_of([self.name, self.classes, self.files], self.x_train, self.given, self.y_train, self.x_test,
                         self.y_test)


def digest_of(names, *arrays):
    """16 hexadecimal digits that tell these names (anything of JSON) and arrays, None among them, from others."""
    digest = hashlib.sha256(json.dumps(names).encode())
    for array in arrays:
        digest.update(b"unknown" if array is None else repr((array.shape, array.dtype.str)).encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
