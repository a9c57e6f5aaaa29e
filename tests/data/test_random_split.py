"""The random split of custom images: seeded, stratified, and at its limits."""

import numpy as np
import pytest
from image_sets import class_folders, complaint, load

from utils import load_dataset


def test_split_is_seeded_and_stratified(tmp_path):
    class_folders(tmp_path, a=50, b=20, c=5)
    first, again, other = (load(tmp_path, seed=seed)[0] for seed in (0, 0, 1))
    assert first.files == again.files == other.files
    assert np.array_equal(first.test_rows, again.test_rows)
    assert not np.array_equal(first.test_rows, other.test_rows)
    assert first.fingerprint == other.fingerprint
    for data in (first, other):
        assert np.bincount(data.y_test).tolist() == [10, 4, 1]
    assert len(load(tmp_path, test_split=0.4)[0].y_test) == 30


def test_only_image_of_a_class_is_in_training(tmp_path):
    data, _ = load(class_folders(tmp_path, a=10, b=10, rare=1))
    assert np.bincount(data.given[data.train_rows]).tolist() == [8, 8, 1]
    assert np.bincount(data.y_test).tolist() == [
        2,
        2,
    ]


def test_no_image_is_set_aside_if_not_asked_for(tmp_path):
    class_folders(tmp_path / "pets", a=5, b=1)
    whole, lines = load(tmp_path / "pets", set_aside=False)
    untested, same = load(tmp_path / "pets", test_split=0)
    assert lines[0] == same[0] == "pets: 2 classes, images: a 5, b 1"
    for data in (whole, untested):
        assert len(data.x_train) == 6 and len(data.x_test) == len(data.y_test) == 0
        assert data.x_test.shape[1:] == data.input_shape and len(data.train_rows) == 6
    assert whole.fingerprint == untested.fingerprint == load(tmp_path / "pets")[0].fingerprint


@pytest.mark.parametrize(
    "classes, share, tested",
    [
        ({"a": 2, "b": 2}, 0.5, 2),
        ({"a": 5, "b": 1}, None, 1),
        ({"a": 6, "b": 6, "c": 6}, 0.01, None),
        ({"a": 6, "b": 6, "c": 6}, 0.16, 3),
        ({"a": 6, "b": 6, "c": 6}, 0.83, 15),
        ({"a": 6, "b": 6, "c": 6}, 0.84, None),
        ({"a": 1, "b": 1, "c": 1}, None, None),
    ],
)
def test_smallest_and_largest_test_split(classes, share, tested, tmp_path):
    """Each class with several images keeps at least one on each side."""
    class_folders(tmp_path / "own", **classes)
    if tested:
        assert len(load(tmp_path / "own", test_split=share)[0].y_test) == tested
    else:
        assert "argument --test_split: " in complaint(tmp_path / "own", test_split=share)


def test_single_images_of_all_classes_cannot_be_set_aside(tmp_path):
    class_folders(tmp_path / "own", a=1, b=1, c=1)
    assert complaint(tmp_path / "own") == (
        "argument --test_split: each class has only one image, so none can be set aside: give more "
        "images, or 0"
    )


@pytest.mark.parametrize("share, tested, trained", [(0.01, 1, 18), (0.9, 17, 2)])
def test_impossible_test_split_is_explained_with_counts(share, tested, trained, tmp_path):
    """Use 18 images of three classes, and the only one of a fourth."""
    class_folders(tmp_path / "own", a=6, b=6, c=6, rare=1)
    assert complaint(tmp_path / "own", test_split=share) == (
        f"argument --test_split: {share} of the images are {tested}, and {trained} are left to "
        "train on, too few on one side for 3 classes: give another share, or more images"
    )


def test_default_split_uses_seed_0(tmp_path):
    class_folders(tmp_path, a=20, b=20)
    assert load(tmp_path)[0].files == load(tmp_path, seed=0)[0].files


def test_data_with_a_test_set_is_not_split(tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / "own" / part, a=3, b=3)
    assert complaint(tmp_path / "own", test_split=0.2).endswith(
        "has a test set of its own: leave it out"
    )


def test_class_used_up_by_the_split_is_explained(tmp_path):
    class_folders(tmp_path / "own", a=20, b=20, c=2)
    message = complaint(tmp_path / "own", test_split=0.75)
    assert "are in the test set: give a smaller --test_split, or more of them" in message


@pytest.mark.parametrize("known", ["trust_labels", "noisy_labels"])
def test_labels_of_the_test_set_that_count_as_true(known, tmp_path):
    np.save(tmp_path / "labels.npy", np.arange(10) % 2)
    how = {"trust_labels": True, "noisy_labels": str(tmp_path / "labels.npy")}
    lines = []
    path = str(class_folders(tmp_path / "pets", a=5, b=5))
    assert load_dataset(path, report=lines.append, **{known: how[known]}).clean_test
    assert "their labels count as true; INCV judges" in lines[0]
