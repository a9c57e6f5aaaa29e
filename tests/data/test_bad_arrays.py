"""Errors of images in an .npz."""

import io
import warnings
import zipfile

import numpy as np
import pytest
from image_sets import complaint

from noisylabels.data import image_files, images
from noisylabels.errors import UserError

X, Y = np.zeros((8, 5, 5, 3), np.uint8), np.arange(8) % 2
OBJECTS = np.array([{}] * 8)
BAD_ARRAYS = {
    "objects for labels": ({"x": X, "y": OBJECTS}, "y holds Python objects, which are not read"),
    "objects for images": ({"x": OBJECTS, "y": Y}, "x is object of shape (8,): give uint8"),
    "objects for truth": ({"x": X, "y": Y, "y_true": OBJECTS}, "y_true holds Python objects"),
    "nothing": ({}, "(there is none)"),
    "other names": (
        {"images": X, "labels": Y},
        "holds the arrays images, labels: give x, y; or x_train",
    ),
    "two forms": (
        {"x": X, "y": Y, "x_train": X, "y_train": Y},
        "holds the arrays x, y, x_train, y_train: give",
    ),
    "no labels": ({"x": X, "z": Y}, "has x, z, but lacks y"),
    "no test images": ({"x_train": X, "y_train": Y, "y_test": Y}, "lacks x_test"),
    "labels of two rows": (
        {"x": X, "y": np.zeros((8, 2), int)},
        "y must hold whole numbers or text, one for each",
    ),
    "images of truth": ({"x": X > 0, "y": Y}, "x is bool of shape (8, 5, 5, 3): give uint8"),
    "signed images": (
        {"x": X.astype(np.int8), "y": Y},
        "x is int8 of shape (8, 5, 5, 3): give uint8",
    ),
    "videos": ({"x": X[..., None], "y": Y}, "of shape (8, 5, 5, 3, 1): give uint8"),
    "two channels": ({"x": X[..., :2], "y": Y}, "of shape (8, 5, 5, 2): give uint8"),
    "float images": ({"x": X / 255, "y": Y}, "x is float64 of shape (8, 5, 5, 3): give uint8"),
    "channels first": ({"x": X.transpose(0, 3, 1, 2), "y": Y}, "of shape (8, 3, 5, 5): give uint8"),
    "flat images": ({"x": X.reshape(8, -1), "y": Y}, "of shape (8, 75): give"),
    "no image": ({"x": X[:0], "y": Y[:0]}, "of shape (0, 5, 5, 3): give"),
    "fewer labels": (
        {"x": X, "y": Y[:7]},
        "y must hold whole numbers or text, one for each of 8 images; it is int64",
    ),
    "several labels each": (
        {"x": X, "y": np.zeros((8, 14), int)},
        "y must hold whole numbers or text, one for each",
    ),
    "a number": ({"x": X, "y": 3}, "y must hold whole numbers or text"),
    "float labels": ({"x": X, "y": Y / 1}, "it is float64"),
    "long labels": ({"x": X, "y": np.array(["a" * 999, "b"] * 4)}, "texts of 3,996 bytes"),
    "empty label": ({"x": X, "y": np.array(["", "b"] * 4)}, "is empty, or contains"),
    "text not in UTF-8": ({"x": X, "y": np.array([b"\xff", b"a"] * 4)}, "not encoded in UTF-8"),
    "one class": ({"x": X, "y": Y * 0}, "one class only, 0"),
    "other size to test on": (
        {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
        "training samples are (5, 5, 3), test samples (4, 5, 3): give them the same shape",
    ),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_unusable_array_is_an_error(case, tmp_path):
    arrays, expected = BAD_ARRAYS[case]
    np.savez(tmp_path / "own.npz", **arrays)
    assert expected in complaint(tmp_path / "own.npz")


def test_damaged_npz_is_an_error_or_loads_unchanged(tmp_path):
    path, rng = tmp_path / "own.npz", np.random.default_rng(0)
    np.savez_compressed(path, x=rng.integers(0, 256, (8, 5, 5), dtype=np.uint8), y=Y)
    whole, images_before = path.read_bytes(), images.load(path, report=str).x_train
    refused = 0
    for position in range(0, len(whole), 3):
        for content in (whole[:position], whole[:position] + b"\xff" + whole[position + 1 :]):
            path.write_bytes(content)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    data = images.load(path, report=str)
                assert np.array_equal(data.x_train, images_before)
            except UserError as error:
                refused += 1
                assert str(path) in str(error) and len(str(error).splitlines()) == 1
    assert refused > len(whole) / 2


def test_npz_header_larger_than_file_is_refused(tmp_path, monkeypatch):
    """Refuse it by its header, without reading data."""
    monkeypatch.setattr(image_files, "available_memory", lambda: 10**9)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (8, 99999, 99999), }\n"
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        archive.writestr("y.npy", (np.save(content := io.BytesIO(), Y), content.getvalue())[1])
    assert "need up to 80.0 GB of memory, 1.0 GB are free" in complaint(
        tmp_path / "own.npz", test_split=0.5
    )
