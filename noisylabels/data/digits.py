"""Handwritten digits, which scikit-learn includes."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from noisylabels.data.dataset import Dataset


def load(name: str = "digits", data_dir: str | None = None) -> Dataset:
    """Load 1,437 training and 360 test images of 8x8 pixels, with values scaled to 0 to 255.

    The split does not depend on the seed of a run.
    """
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=360, random_state=0, stratify=labels
    )
    return Dataset(
        name,
        images[train],
        y_train=labels[train],
        x_test=images[test],
        y_test=labels[test],
        classes=tuple("0123456789"),
        may_be_mirrored=False,
        default_recipe="digits",
    )
