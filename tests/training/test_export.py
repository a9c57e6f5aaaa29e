"""Saved networks: their requirements, and that they compute what the trained ones do."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import files_in

from models import ARCHITECTURES, create_model
from models.layers import BatchNorm, Whitening
from noisylabels.errors import UserError
from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.training.export import (
    inference_model,
    load_inference_model,
    mean_probabilities,
    save_inference_model,
)

pytestmark = pytest.mark.runs
QUICK = ("IdentityCNN16", "SmallCNN", "MLP")
SLOW = (
    "WRN-28-10",
    "ResNet110",
    "ResNet164",
    "ResNet110-2019",
    "ResNet164-2019",
    "CNN9",
    "IdentityCNN24",
    "IdentityCNN32",
    "IdentityCNN64",
)  # of layers that the other networks have
# What a person without this suite does: no current folder, no PYTHONPATH.
ELSEWHERE = """
import json, sys
import keras, numpy as np
for path in sys.argv[2:]:
    network, classes = keras.models.load_model(path), json.load(open("classes.json"))
    np.save(path + ".npy", network.predict(np.load(sys.argv[1]), verbose=0))
assert len(classes) == network.output_shape[1]
assert not {"models", "noisylabels"} & {name.split(".")[0] for name in sys.modules}
"""


def random_images(n, *shape):
    """Return smooth images uint8 (n, h, w, ch), so that whitening has an effect."""
    noise = np.random.default_rng(0).normal(size=(n, *shape))
    smooth = sum(np.roll(noise, (i, j), (1, 2)) for i in (0, 1) for j in (0, 1))
    return np.clip(smooth * 30 + 128, 0, 255).astype(np.uint8)


def network_for(name, images, precision="float32"):
    """Return a network with these images' statistics and weights away from their initial values."""
    keras.utils.set_random_seed(0)
    network = create_model(name, images.shape[1:], 7, precision=precision)
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if isinstance(layer, Whitening):
            layer.adapt(images)
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
        if isinstance(layer, keras.layers.Conv2D):  # no kernel stays the identity
            layer.kernel.assign_add(rng.normal(0, 0.05, layer.kernel.shape))
        if isinstance(layer, BatchNorm):
            layer.momentum = 0
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(0.7, 1.3, layer.gamma.shape))
    logits = network(images / np.float32(255), training=True)
    kernel = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)][-1].kernel
    kernel.assign(kernel / np.std(logits))
    return network


def predicted(network, images, mirror, shift_tta=False):
    """Return the class probabilities as the training method has them."""
    given = MethodInputs(images, np.zeros(len(images), int), 7, batch_size=1, epochs=1)
    method = Method(given, [network], [keras.optimizers.SGD()], mirror, shift_tta)
    return method.probabilities(tf.constant(images))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in ARCHITECTURES
    ],
)
def test_inference_model_computes_what_the_network_does(name):
    """Probabilities agree within 3e-5; test-time augmentation averages logits."""
    images = random_images(32, 8, 8, 1)
    network = network_for(name, images)
    x = images / np.float32(255)
    logits, mirrored = network(x), network(x[:, :, ::-1])
    assert np.std(tf.nn.softmax(logits), axis=0).mean() > 0.01  # there is something to compare
    for mirror, expected in ((False, logits), (True, (logits + mirrored) / 2)):
        made = inference_model(network, mirror)
        np.testing.assert_allclose(made(images), tf.nn.softmax(expected), atol=3e-5)
        assert made.output.dtype == "float32" and {weight.dtype for weight in made.weights} == {
            "float32"
        }
        assert {
            module.split(".")[0] for module in modules(keras.saving.serialize_keras_object(made))
        } == {"keras"}
    assert not np.allclose(tf.nn.softmax(logits), tf.nn.softmax(mirrored), atol=0.01)


def modules(config):
    """Return the modules of the classes in a configuration."""
    if isinstance(config, dict):
        own = {config["module"]} if config.get("module") else set()
        return own.union(*map(modules, config.values()))
    return set().union(*map(modules, config)) if isinstance(config, list | tuple) else set()


@pytest.mark.parametrize(
    "name, shape, precision, mirror, tolerance",
    [
        ("IdentityCNN16", (8, 8, 1), "float32", True, 1e-5),
        pytest.param("IdentityCNN16", (12, 9, 3), "float32", False, 1e-5, marks=pytest.mark.slow),
        pytest.param(  # the method's own are rounded to 1/256
            "IdentityCNN16", (12, 9, 3), "mixed_bfloat16", True, 0.03, marks=pytest.mark.slow
        ),
        ("SmallCNN", (8, 8, 1), "float32", False, 1e-5),
    ],
)
def test_probabilities_equal_those_of_the_method(
    name, shape, precision, mirror, tolerance, tmp_path
):
    images = random_images(64, *shape)
    network = network_for(name, images, precision=precision)
    save_inference_model(network, tmp_path / "a.keras", "abcdefg", mirror)
    loaded, expected = (
        load_inference_model(tmp_path / "a.keras"),
        predicted(network, images, mirror),
    )
    for x in (images, images.astype(np.float32), images.astype(np.int64)):
        found = loaded.predict(x, verbose=0)
        assert found.dtype == np.float32 and found.shape == (64, 7)
        np.testing.assert_allclose(found, expected, atol=tolerance)
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("flip_tta", [False, True])
def test_the_saved_model_averages_shifted_images(flip_tta, tmp_path):
    images = random_images(16, 12, 9, 3)
    network = network_for("IdentityCNN32", images)
    save_inference_model(network, tmp_path / "a.keras", "abcdefg", flip_tta, shift_tta=True)
    found = load_inference_model(tmp_path / "a.keras").predict(images, verbose=0)
    np.testing.assert_allclose(
        found, predicted(network, images, flip_tta, shift_tta=True), atol=1e-5
    )
    assert not np.allclose(found, predicted(network, images, flip_tta), atol=0.003)


def test_saved_network_is_always_in_inference_mode(tmp_path):
    images = random_images(8, 8, 8, 1)
    made = inference_model(network_for("IdentityCNN16", images), True)
    before = made.get_weights()
    np.testing.assert_array_equal(made(images, training=True), made(images))
    made.save(tmp_path / "a.keras")
    np.testing.assert_array_equal(
        load_inference_model(tmp_path / "a.keras")(images, training=True), made(images)
    )
    for a, b in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_trained_network_is_not_changed():
    network = network_for("IdentityCNN16", random_images(8, 8, 8, 1))
    before = network.get_weights()
    made = inference_model(network, True)
    made.set_weights([weight + 1 for weight in made.get_weights()])
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_constant_channel_is_harmless():
    """Its deviation is 0, which magnifies rounding errors a million times."""
    images = random_images(32, 8, 8, 3)
    images[..., 1] = 77
    network = network_for("IdentityCNN16", images)
    np.testing.assert_allclose(
        inference_model(network, True)(images), predicted(network, images, True), atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("names", [QUICK, sorted({*ARCHITECTURES} - {*QUICK})])
def test_saved_network_needs_only_keras(names, tmp_path):
    """Load it in another process and folder; probabilities agree within 1e-4."""
    images, expected = random_images(16, 8, 8, 1), {}
    for k, name in enumerate(names):
        network = network_for(name, images, precision="mixed_bfloat16" if k % 2 else "float32")
        save_inference_model(
            network, tmp_path / f"{name}.keras", "abcdefg", name == "IdentityCNN16"
        )
        expected[tmp_path / f"{name}.keras"] = inference_model(network, name == "IdentityCNN16")(
            images
        )
    assert json.loads((tmp_path / "classes.json").read_text()) == list("abcdefg")
    np.save(tmp_path / "images.npy", images)
    subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, tmp_path / "images.npy", *expected],
        cwd=tmp_path,
        env={"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        check=True,
    )
    for path, probabilities in expected.items():
        np.testing.assert_allclose(np.load(f"{path}.npy"), probabilities, atol=1e-4)


@pytest.mark.parametrize("name", ["another", "sequential"])
def test_network_of_other_origin_is_refused(name, tmp_path):
    keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()], name=name).save(
        tmp_path / "a.keras"
    )
    with pytest.raises(
        UserError,
        match="a.keras is not a model from images to probabilities: it was saved by an earl",
    ):
        load_inference_model(tmp_path / "a.keras")


def test_ensemble_predicts_the_mean_silently(tmp_path, capfd):
    images, paths, expected = random_images(16, 8, 8, 1), [], []
    for name in ("SmallCNN", "MLP"):
        network = network_for(name, images)
        paths.append(tmp_path / f"{name}.keras")
        save_inference_model(network, paths[-1], "abcdefg", False)
        expected.append(predicted(network, images, False))
    capfd.readouterr()
    np.testing.assert_allclose(
        mean_probabilities(paths, images), (expected[0] + expected[1]) / 2, atol=1e-5
    )
    assert capfd.readouterr() == ("", "")


def test_file_is_whole_or_absent(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(UserError, match="a.keras: No space left"):
        save_inference_model(
            network_for("MLP", random_images(8, 8, 8, 1)), tmp_path / "a.keras", "abcdefg", False
        )
    assert set(files_in(tmp_path)) == {"classes.json"}
