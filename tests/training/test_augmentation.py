"""Augmentation: shifts, flips and their random streams."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import create_model
from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import (
    AUGMENTATIONS,
)
from noisylabels.training import augmentation
from noisylabels.training.trainer import Trainer

pytestmark = pytest.mark.runs
ROW = np.float32([0, 10, 20, 40]).reshape(1, 1, 4, 1)


@pytest.mark.parametrize(
    "fill, offset, expected",
    [
        ("nearest", 0, [0, 10, 20, 40]),
        ("nearest", 1, [10, 20, 40, 40]),
        ("nearest", -2, [0, 0, 0, 10]),
        ("nearest", 0.25, [2.5, 12.5, 25, 40]),
        ("nearest", -0.5, [0, 5, 15, 30]),
        ("reflect", 1, [10, 20, 40, 20]),
        ("reflect", -2, [20, 10, 0, 10]),
    ],
)
def test_shift(fill, offset, expected):
    along = augmentation.shift_along(ROW, tf.constant([float(offset)]), 2, fill)
    np.testing.assert_allclose(np.ravel(along), expected)
    down = augmentation.shift_along(
        ROW.transpose(0, 2, 1, 3), tf.constant([float(offset)]), 1, fill
    )
    np.testing.assert_allclose(np.ravel(down), expected)


def test_flips_only_where_requested():
    images = np.concatenate([ROW, ROW])
    flipped = augmentation.flip_where(images, tf.constant([True, False])).numpy()
    np.testing.assert_array_equal(flipped, [ROW[0, :, ::-1], ROW[0]])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_follow_their_seed_and_stay_in_range(name):
    augment = getattr(augmentation, name)
    images = np.random.default_rng(0).random((64, 9, 9, 3), np.float32)
    mask = np.arange(64) % 2 == 0
    first, again, other = (
        np.asarray(augment(images, tf.constant(seed), mask)) for seed in ([1, 2], [1, 2], [1, 3])
    )
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (name in ("none", "alternate"))
    assert first.min() >= 0 and first.max() <= 1


def test_shifts_of_2019_are_uniform_within_four_pixels():
    """A vertical ramp shows each shift; range, mean and variance within five errors."""
    ramp = np.tile(np.arange(32, dtype=np.float32)[None, :, None, None], (4000, 1, 32, 1))
    moved = augmentation.shift_flip(ramp, tf.constant([0, 0])).numpy()[:, 16, 16, 0] - 16
    assert np.abs(moved).max() <= 4
    assert abs(moved.mean()) < 5 * np.sqrt(64 / 12 / 4000)
    assert abs(moved.var() - 64 / 12) < 5 * np.sqrt((8**4 / 80 - (64 / 12) ** 2) / 4000)


MAP = np.stack(np.meshgrid(np.arange(32), np.arange(32), indexing="ij"), -1).astype(
    np.float32
)  # each pixel's place


def moved(name, n=4000, seed=(3, 4)):
    """Return shifts in rows and columns, and flips, that an augmentation makes of n images."""
    images = getattr(augmentation, name)(np.repeat(MAP[None], n, 0), tf.constant(seed)).numpy()
    flipped = images[:, 16, 17, 1] < images[:, 16, 16, 1]
    return images[:, 16, 16, 0] - 16, images[:, 16, 16, 1] - np.where(flipped, 15, 16), flipped


@pytest.mark.parametrize(
    "name, shifts", [("flip", [0]), ("translate_flip", [-2, -1, 0, 1, 2]), ("shift_flip", None)]
)
def test_shifts_and_flips_are_independent(name, shifts):
    """Means and correlations of 4,000 images within five standard errors."""
    rows, columns, flipped = moved(name)
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / 4000**0.5
    if shifts is None:
        assert 3.9 < max(rows.max(), -rows.min(), columns.max(), -columns.min()) <= 4
    else:
        for found in (rows, columns):
            assert sorted(set(found)) == shifts
            assert all(
                abs((found == shift).mean() - 1 / len(shifts)) < 5 * 0.4 / 4000**0.5
                for shift in shifts
            )
    if name != "flip":
        correlations = np.corrcoef([rows, columns, flipped])[np.triu_indices(3, 1)]
        assert np.abs(correlations).max() < 5 / 4000**0.5


@pytest.mark.parametrize(
    "name, rows, columns, flipped",
    [
        (
            "shift_flip",
            [-3.668, -1.738, -0.664, -1.55, 3.969, 3.077],
            [1.244, 3.392, -1.712, -3.211, 2.082, -3.303],
            [1, 0, 1, 1, 0, 1],
        ),
        ("translate_flip", [-2, -1, 0, -1, 2, 2], [1, 2, -1, -2, 1, -2], [1, 0, 1, 1, 0, 1]),
        ("flip", [0] * 6, [0] * 6, [1, 1, 1, 1, 0, 0]),
    ],
)
def test_augmentation_is_the_same_in_every_version(name, rows, columns, flipped):
    """A change would change every published run."""
    np.testing.assert_allclose(moved(name, 6, (7, 8)), [rows, columns, flipped], atol=1e-3)


class Flips(Method):
    """Log which images of a batch were flipped, as a binary number, and the seed; learn nothing."""

    logged = ("loss", "first", "second")
    seen = []

    def train_step(self, batch):
        mirrored = tf.cast(batch.x[:, 0, 0, 0] > batch.x[:, 0, -1, 0], tf.float32)
        code = tf.reduce_sum(mirrored * 2.0 ** tf.range(16, dtype=tf.float32))
        tf.py_function(
            lambda *values: self.seen.append([int(v) for v in values]),
            [code, *tf.unstack(batch.seed)],
            [],
        )
        return {"loss": code, "first": batch.seed[0], "second": batch.seed[1]}


def test_every_step_has_its_own_augmentation_seed(tmp_path):
    images = np.repeat(np.arange(8, dtype=np.uint8)[None, None, :, None], 640, 0).repeat(8, 1)
    method = Flips(
        MethodInputs(images, np.zeros(640, int), 2, 16, 2),
        [create_model("MLP", (8, 8, 1), 2)],
        [keras.optimizers.SGD()],
    )
    Flips.seen.clear()
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="PyFunc"
    ):  # of Python, which XLA cannot compile
        Trainer(method, None, "flip", lambda *_: 0.1, jit_compile=True).fit(
            1, 0, "b", tmp_path / "b.npz", None
        )
    Trainer(method, None, "flip", lambda time, epochs: 0.1).fit(
        2, 0, "a", tmp_path / "a.npz", lambda *_: {}
    )
    assert len(Flips.seen) == 80 and len({tuple(seed) for _, *seed in Flips.seen}) == 80
    assert 2**30 < max(part for _, *seed in Flips.seen for part in seed) < 2**31
    for code, *seed in Flips.seen:
        batch = augmentation.flip(
            images[:16].astype(np.float32), tf.constant(seed, tf.int32)
        ).numpy()
        assert code == sum(2**k for k in range(16) if batch[k, 0, 0, 0] > 0)
