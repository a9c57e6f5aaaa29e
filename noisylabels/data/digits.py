"""The embedded data set: scikit-learn's handwritten digits."""
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from noisylabels.data.dataset import Dataset


def load(name="digits", data_dir=None):
    """1,797 digits of 8x8 pixels, values 0..16 scaled to 0..255; 1,437 to train and 360 to test, whatever the seed."""
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(labels)), test_size=360, random_state=0, stratify=labels)
    return Dataset(name, images[train], labels[train], images[test], labels[test], tuple("0123456789"),
                   may_be_mirrored=False, default_recipe="digits")
