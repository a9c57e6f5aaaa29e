"""Real runs of INCV.py, and whether they say that the model cannot judge the labels."""

import json

import numpy as np
import pytest
from helpers import shell

pytestmark = pytest.mark.slow


def reliability(tmp_path, *flags):
    """Run INCV.py; return the content of reliability.json and the output."""
    ended = shell("INCV", *flags, "--results_dir", tmp_path / "results", "--quiet", timeout=1200)
    assert ended.code == 0, ended.err
    (path,) = (tmp_path / "results").rglob("reliability.json")
    return json.loads(path.read_text()), ended.out


def write_images(path, n, n_classes, signal):
    """Write an npz of grey noise plus `signal` times a pattern of the class."""
    rng = np.random.default_rng(0)
    patterns, y = rng.normal(size=(n_classes, 16, 16)), np.arange(n) % n_classes
    x = np.clip(128 + 40 * (rng.normal(size=(n, 16, 16)) + signal * patterns[y]), 0, 255)
    given = np.where(rng.random(n) < 0.2, (y + rng.integers(1, n_classes, n)) % n_classes, y)
    np.savez(path, x=x.astype(np.uint8), y=given)
    return "--dataset", path


@pytest.mark.parametrize("ratio", [0.5, 0.8])
def test_digits_can_be_judged(ratio, tmp_path):
    found, out = reliability(tmp_path, "--noise_pattern", "sym", "--noise_ratio", ratio)
    assert found["can_judge"] and "cannot judge" not in out


@pytest.mark.parametrize(
    "n, n_classes, signal", [(200, 10, 0), (1600, 40, 0.1)], ids=["200 grey", "40 classes of 40"]
)
def test_few_hard_images_cannot_be_judged(n, n_classes, signal, tmp_path):
    flags = write_images(tmp_path / "own.npz", n, n_classes, signal)
    found, out = reliability(tmp_path, *flags, "--architecture", "MLP", "--precision", "float32")
    assert not found["can_judge"] and "This model cannot judge these labels:" in out
