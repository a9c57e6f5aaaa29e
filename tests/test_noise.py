"""Label noise against its transition matrix and seed, and the random streams."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT

from noisylabels.data.cifar import LAYOUTS
from noisylabels.errors import UserError
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise, resolve_noise
from noisylabels.pipeline.resolve import selection_experiment
from noisylabels.seeding import derived_seed, generator
from utils import corrupt_labels, load_dataset

pytestmark = pytest.mark.runs
LIKE = {
    9: 1,
    2: 0,
    4: 7,
    3: 5,
    5: 3,
}  # truck to automobile, bird to airplane, deer to horse, cat to dog and back


def transition_matrix(pattern, ratio, c):
    """Return T[i, j] = P(y_noisy = j | y = i) by the definitions in the paper's code."""
    if pattern == "asym":
        return (1 - ratio) * np.eye(c) + ratio * np.roll(np.eye(c), 1, axis=1)
    if pattern == "asym5":
        T = np.eye(c)
        for of, to in LIKE.items():
            T[of, of], T[of, to] = 1 - ratio, ratio
        return T
    return np.where(np.eye(c, dtype=bool), 1 - ratio, ratio / (c - 1))


@pytest.mark.parametrize("ratio", [0, 0.1, 0.5, 0.8, 1])
@pytest.mark.parametrize(
    "pattern, c",
    [*((pattern, c) for pattern in ("sym", "asym") for c in (2, 10, 100)), ("asym5", 10)],
)
def test_frequencies_follow_the_transition_matrix(pattern, ratio, c):
    """Each entry within five standard deviations, with 10,000 labels per class."""
    rows = 10_000
    y = np.arange(rows * c) % c
    noisy = corrupt_labels(y, pattern, ratio, c, seed=0)
    counts = np.zeros((c, c))
    np.add.at(counts, (y, noisy), 1)
    T = transition_matrix(pattern, ratio, c)
    sigma = np.sqrt(rows * T * (1 - T))  # zero where T is 0 or 1: there the count must be exact
    assert np.all(np.abs(counts - rows * T) <= 5 * sigma + 1e-9)


def test_ratio_zero_keeps_and_one_flips_all_labels():
    y = np.arange(1000) % 10
    for pattern in ("sym", "asym"):
        assert np.array_equal(corrupt_labels(y, pattern, 0, 10, seed=3), y)
        assert np.all(corrupt_labels(y, pattern, 1, 10, seed=3) != y)
    assert np.array_equal(corrupt_labels(y, "asym", 1.0, 10, seed=3), (y + 1) % 10)
    assert np.array_equal(corrupt_labels(y, "asym5", 0, 10, seed=3), y)
    assert np.array_equal(
        corrupt_labels(y, "asym5", 1.0, 10, seed=3), [LIKE.get(label, label) for label in y]
    )


def test_asym5_needs_the_ten_classes_by_name():
    classes = LAYOUTS["cifar10"].classes
    assert {classes[of]: classes[to] for of, to in LIKE.items()} == {
        "truck": "automobile",
        "bird": "airplane",
        "deer": "horse",
        "cat": "dog",
        "dog": "cat",
    }
    for c in (5, 100):
        with pytest.raises(
            UserError,
            match=f"asym5 flips five of the ten classes of CIFAR-10; this data set has {c}",
        ):
            corrupt_labels(np.arange(5), "asym5", 0.4, c, seed=0)


@pytest.mark.parametrize("pattern", ["sym", "asym", "asym5"])
def test_smaller_ratio_flips_a_subset(pattern):
    y = np.arange(5000) % 10
    smaller, larger = (corrupt_labels(y, pattern, ratio, 10, seed=1) for ratio in (0.3, 0.6))
    flipped = smaller != y
    assert np.array_equal(smaller[flipped], larger[flipped])
    assert np.sum(larger != y) > np.sum(flipped)


@pytest.mark.parametrize("pattern", ["sym", "asym"])
def test_seed_decides(pattern):
    y = np.arange(1000) % 10
    first, again, other = (corrupt_labels(y, pattern, 0.5, 10, seed) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint64])
def test_result_is_a_new_array_of_the_same_type(dtype):
    y = np.full(50, 254, dtype)  # 254 + a step exceeds what uint8 holds
    noisy = corrupt_labels(y, "sym", 1.0, 255, seed=0)
    assert noisy.dtype == dtype and noisy.shape == y.shape
    assert np.all(y == 254) and np.all(noisy < 254)


def test_empty_labels_stay_empty():
    assert corrupt_labels(np.zeros(0, int), "sym", 0.5, 10, seed=0).shape == (0,)


@pytest.mark.parametrize(
    "change",
    [
        {"ratio": -0.1},
        {"ratio": 1.5},
        {"ratio": float("nan")},
        {"pattern": "symmetric"},
        {"pattern": None},
        {"n_classes": 1},
        {"n_classes": 4},  # a label is too large
        {"y": np.array([0, -1])},
        {"y": np.array([0.0, 1.0])},
        {"y": np.array([True, False])},
        {"y": np.zeros((2, 2), int)},
    ],
    ids=str,
)
def test_invalid_arguments_are_named(change):
    arguments = {
        "y": np.arange(5),
        "pattern": "sym",
        "ratio": 0.5,
        "n_classes": 5,
        "seed": 0,
    } | change
    with pytest.raises(UserError) as error:
        corrupt_labels(**arguments)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("script", ["INCV", "INCV_main"])
def test_asym5_of_cifar10_from_the_flags(script, tiny, tmp_path):
    args = (
        __import__(script)
        .build_parser()
        .parse_args(["--noise_pattern", "asym5", "--noise_ratio", "0.4"])
    )
    noise = resolve_noise(args, load_dataset("cifar10", tmp_path))
    assert noise == Noise("asym5", 0.4)
    data = add_noise(load_dataset("digits", ""), Noise("asym", 0.4), 0)
    made = selection_experiment(args, replace(data, noise=noise), overwrite=False)
    assert made.assumed_pattern == "asym"
    with pytest.raises(SystemExit):
        __import__(script).build_parser().parse_args(["--assumed_pattern", "asym5"])


def test_streams_differ_by_seed_and_purpose():
    keys = [
        (0,),
        (1,),
        (0, "a"),
        (0, "b"),
        (0, "a", 1),
        (0, "a", 2),
        (0, "a", "1"),
        (0, "a1"),
        (0, 1, "a"),
        (-1, "a"),
    ]
    assert len({derived_seed(*key) for key in keys}) == len(keys)
    assert len({generator(*key).integers(2**62) for key in keys}) == len(keys)


def test_seeds_for_libraries_have_31_bits():
    seeds = [derived_seed(0, "a", k) for k in range(50)]
    assert 0 <= min(seeds) and 2**30 < max(seeds) < 2**31


def test_stream_begins_anew_each_time():
    assert np.array_equal(
        generator(5, "shuffle", 3).random(8),
        generator(np.int64(5), "shuffle", np.int32(3)).random(8),
    )
    with pytest.raises(TypeError):
        generator(0.5, "shuffle")


def test_streams_are_the_same_in_every_version():
    """A change would change every published run."""
    assert derived_seed(0, "noise") == 787490473
    assert generator(0, "noise").integers(1000, size=4).tolist() == [362, 72, 310, 644]
    code = "from noisylabels.seeding import derived_seed; print(derived_seed(0, 'noise'))"
    env = os.environ | {"PYTHONHASHSEED": "7"}
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True)
    assert int(out.stdout) == 787490473
