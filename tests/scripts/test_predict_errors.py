"""Errors of predict.py: one line, and no CSV."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest
from helpers import assert_is_one_line
from prediction import calls_of_predict, save_network

pytestmark = pytest.mark.runs
DIGITS = list("0123456789")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    return save_network(tmp_path_factory.mktemp("untrained"), epochs=0)


@pytest.fixture
def run(call, unstarted, untrained, tmp_path, monkeypatch):
    return calls_of_predict(call, untrained, tmp_path / "here", monkeypatch)


@pytest.mark.parametrize("images", ["empty", "floats.npz", "first.npz", "none.csv"])
def test_bad_images_are_refused_before_tensorflow_starts(
    images, call, untrained, tmp_path, monkeypatch
):
    monkeypatch.setattr("noisylabels.training.device.start_tensorflow", None)
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "floats.npz", x=np.zeros((2, 8, 8)))
    np.savez(tmp_path / "first.npz", x=np.zeros((2, 3, 8, 8), np.uint8))
    (tmp_path / "none.csv").write_text("a,b\n1,2\n")
    assert call("predict", untrained, tmp_path / images).code == 2


MODELS = {  # what is in the file, and what the line must say
    "missing": (None, "MODEL: .*model.keras is missing or not a Keras network: give a .keras"),
    "text": (
        b"a network",
        "MODEL: .*model.keras is missing or not a Keras network: give a .keras",
    ),
    "another zip": (b"zip", r"model.keras is damaged or not a Keras model \(\w+\): give a .keras"),
    "cut": (b"cut", r"model.keras is (damaged|missing) or not a Keras network"),
    "as it is trained": (
        b"raw",
        "model.keras is not a model from images to probabilities: .*; save it again with",
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_invalid_network_is_an_error(kind, run, untrained, tmp_path):
    content, pattern = MODELS[kind]
    path = tmp_path / "model.keras"
    (tmp_path / "classes.json").write_text(json.dumps(DIGITS))
    if content == b"raw":
        path.write_bytes(untrained.with_name("raw.keras").read_bytes())
    elif content == b"zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    elif content == b"cut":
        path.write_bytes(untrained.read_bytes()[:-2000])
    elif content:
        path.write_bytes(content)
    ended, frame = run("digits", model=path)
    assert_is_one_line(ended, pattern)
    assert frame is None


def test_network_with_code_is_not_loaded(run, tmp_path):
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(tmp_path / "a.keras")
    (tmp_path / "classes.json").write_text(json.dumps(DIGITS))
    assert_is_one_line(
        run("digits", model=tmp_path / "a.keras")[0], "a.keras is damaged or not a Keras model"
    )


@pytest.mark.parametrize(
    "content, pattern",
    [
        (None, "--classes: .*names.json is missing: give a JSON list"),
        ("[", "--classes: .*names.json is no JSON list of names: give one .*JSONDecodeError"),
        ("{}", "--classes: .*names.json is no JSON list of names"),
        ("[1, 2]", "--classes: .*names.json is no JSON list of names"),
        (
            '["a", "b"]',
            r"--classes: there are 2 names, but .*incv_1.keras has 10 classes: give its own",
        ),
    ],
)
def test_invalid_classes_are_an_error(content, pattern, run, tmp_path):
    if content:
        (tmp_path / "names.json").write_text(content)
    ended, frame = run("digits", "--classes", tmp_path / "names.json")
    assert_is_one_line(ended, pattern)
    assert frame is None


def test_network_without_classes_is_an_error(run, untrained, tmp_path):
    (tmp_path / "a.keras").write_bytes(untrained.read_bytes())
    assert_is_one_line(
        run("digits", model=tmp_path / "a.keras")[0],
        "--classes: .*/classes.json is missing: give a ",
    )


X = np.zeros((4, 8, 8, 1), np.uint8)

ARRAYS = {
    "none": ({"z": X}, r"holds the arrays z: give one of x_test, test_images, x, images"),
    "floats": ({"x": X / 255}, r"x is float64 of shape \(4, 8, 8, 1\): give uint8, 0 to 255"),
    "flat": (
        {"x": X.reshape(4, 64)},
        r"x is uint8 of shape \(4, 64\): give uint8, 0 to 255, of shape",
    ),
    "two channels": ({"x": np.repeat(X, 2, axis=3)}, r"x is uint8 of shape \(4, 8, 8, 2\): give"),
    "no image": ({"x": X[:0]}, r"x is uint8 of shape \(0, 8, 8, 1\): give"),
    "objects": ({"x": np.array([None, {}], object)}, r"x is object of shape \(2,\): give uint8"),
    "too few labels": ({"x": X, "y": np.arange(3)}, "y must hold .* one for each of 4 images"),
    "channels first": (
        {"x": np.zeros((4, 3, 8, 8), np.uint8)},
        r"channels come last: array.transpose\(0, 2, 3, 1\)",
    ),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_unusable_array_is_an_error(kind, run, tmp_path):
    arrays, pattern = ARRAYS[kind]
    np.savez(tmp_path / "images.npz", **arrays)
    ended, frame = run(tmp_path / "images.npz")
    assert_is_one_line(ended, pattern)
    assert frame is None


def test_damaged_npz_is_an_error(run, tmp_path):
    (tmp_path / "images.npz").write_bytes(b"PK and so on")
    assert_is_one_line(run(tmp_path / "images.npz")[0], "images.npz is damaged or not an npz")


def test_missing_images_are_an_error(run, tmp_path):
    (tmp_path / "empty/.hidden").mkdir(parents=True)
    (tmp_path / "empty/notes.txt").write_text("")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.png").write_text("no image")
    for images, pattern in (
        (tmp_path / "nothing", "IMAGES: .*nothing' is not an image file, folder, .npz, .npy, .csv"),
        (tmp_path / "empty/notes.txt", "IMAGES: .*notes.txt' is not an image file, folder, .npz"),
        (tmp_path / "empty", "IMAGES: .*empty holds no images: give a folder with some of .*png"),
        ("mnist", "IMAGES: 'mnist' is not .* or one of digits, cifar10, cifar100"),
        ("cifar10", "cannot download cifar10"),
    ):
        ended, frame = run(images)
        assert_is_one_line(ended, pattern)
        assert frame is None
    ended, frame = run(tmp_path / "bad")
    assert (
        ended.code == 2
        and frame is None
        and ended.err.splitlines()[1].endswith("can be read: give others")
    )


def test_unwritable_output_is_an_error(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for output in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere" / "a.csv"):
        assert_is_one_line(
            run("digits", "--output", output)[0],
            "--output: .* is not a file, or its folder does not exist",
        )
    assert (tmp_path / "pipe").is_fifo()
