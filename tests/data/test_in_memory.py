"""Arrays in memory as a data set: labels of several types, and arrays that do not fit."""

import numpy as np
import pytest

from noisylabels.data.in_memory import dataset_of
from noisylabels.errors import UserError

N = 60
LABELS = np.arange(N) % 3
IMAGES = np.zeros((N, 8, 8), np.uint8)
FEATURES = np.random.default_rng(0).normal(size=(N, 5))


def made(labels=LABELS, images=IMAGES, features=None, classes=None):
    return dataset_of(labels, images, features=features, classes=classes, may_be_mirrored=True)


@pytest.mark.parametrize(
    "labels, classes, expected",
    [
        (LABELS, None, ("0", "1", "2")),
        (LABELS.astype(np.uint8), ["a", "b", "c"], ("a", "b", "c")),
        (np.array(["dog", "cat", "emu"])[LABELS].tolist(), None, ("cat", "dog", "emu")),
        (np.array(["dog", "cat", "emu"])[LABELS], ["dog", "cat", "emu"], ("dog", "cat", "emu")),
        (np.array([b"dog", b"cat", b"emu"])[LABELS], None, ("cat", "dog", "emu")),
    ],
)
def test_labels_are_indices_or_names(labels, classes, expected):
    dataset = made(labels, classes=classes)
    assert dataset.classes == expected
    names = [expected[code] for code in dataset.given]
    indices = [classes[label] for label in LABELS] if classes else None
    assert names == (indices or np.asarray(labels).astype(str).tolist())


BAD = {
    "no images": ({"images": None}, "there are no images and no features: give an array"),
    "floats": ({"images": IMAGES / 255}, "images are float64 of shape .*: give uint8"),
    "channels first": (
        {"images": np.zeros((N, 3, 8, 8), np.uint8)},
        "images are .* give uint8, 0 to 255, of",
    ),
    "tiny": ({"images": IMAGES[:, :3]}, "images have .* give at least 4 pixels"),
    "lengths": ({"labels": LABELS[1:]}, r"labels are int64 of shape \(59,\): .* each of 60"),
    "float labels": ({"labels": LABELS / 2}, "labels are float64"),
    "no label": ({"labels": [None, *"abc" * 20][:N]}, "labels are object .* give whole"),
    "nan label": ({"labels": np.array([np.nan, *"abc" * 20][:N], object)}, "labels are object"),
    "unknown label": ({"classes": "ab"}, "the label '2' is not among the classes"),
    "few": (
        {"labels": LABELS[:5], "images": IMAGES[:5]},
        "there are 5 samples for 3 classes: give more",
    ),
    "whole numbers": (
        {"features": FEATURES.astype(int)},
        r"features are int64 of shape \(60, 5\): give",
    ),
    "one dimension": (
        {"features": FEATURES[:, 0]},
        r"features are float64 of shape \(60,\): give floats",
    ),
    "nan": (
        {"features": np.where(np.arange(N)[:, None] == 7, np.nan, FEATURES)},
        "features are nan, infinite or too large",
    ),
    "equal": ({"features": np.ones((N, 2))}, "all samples have the same features"),
    "length": ({"features": FEATURES[1:]}, "labels are int64 of shape .* each of 59 samples"),
}


@pytest.mark.parametrize("kind", BAD)
def test_arrays_that_do_not_fit(kind):
    arrays, message = BAD[kind]
    with pytest.raises(ValueError, match=f"^{message}") as error:
        made(**arrays)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("classes", [None, "ab"])
def test_labels_of_one_class_are_an_error(classes):
    with pytest.raises(UserError, match="labels has one class only, 1: give"):
        made(np.ones(N, int), classes=classes)
