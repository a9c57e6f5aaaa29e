"""Muon and the other parts of its recipe: network, flips, label smoothing and predictions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import create_model
from models.cnn import identity_cnn
from models.layers import Layers
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import cross_entropy
from noisylabels.methods.standard import Standard
from noisylabels.training.augmentation import (
    alternate,
    diagonal_shifts,
    translate,
    translate_alternate,
)
from noisylabels.training.muon import Muon
from noisylabels.training.steps import Batch
from noisylabels.training.trainer import Trainer

pytestmark = pytest.mark.runs
PEAK, BATCH, DECAY = 0.24, 20, 0.08
SHAPES = {
    "conv/kernel": (3, 3, 2, 5),
    "wide/kernel": (1, 1, 3, 7),
    "norm/beta": (5,),
    "dense/kernel": (5, 4),
    "whitening/bias": (6,),
}
RATES = [0.24, 0.21, 0.16, 0.15, 0.12, 0.02]  # the whitening bias stops at 0.15, 5/8 of the peak


def newton_schulz(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix (out, in) after three Newton-Schulz steps."""
    x = matrix / (np.linalg.norm(matrix) + 1e-7)
    for _ in range(3):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def reference(weights: dict, gradients: list[dict]) -> dict:
    """Return the weights after one update per rate, by the definition of airbench94 with Muon."""
    weights, buffers = dict(weights), {name: 0.0 for name in weights}
    for rate, gradient in zip(RATES, gradients):
        share = rate / PEAK
        for name, w in weights.items():
            if w.ndim == 4:
                buffers[name] = 0.6 * buffers[name] + gradient[name]
                direction = gradient[name] + 0.6 * buffers[name]
                flat = newton_schulz(direction.transpose(3, 2, 0, 1).reshape(w.shape[3], -1))
                update = flat.reshape(w.shape[3], w.shape[2], *w.shape[:2]).transpose(2, 3, 1, 0)
                weights[name] = w * w.shape[3] ** 0.5 / np.linalg.norm(w) - rate * update
                continue
            peak = 0.67 if w.ndim == 2 else 0.053  # for the sum of the losses of a batch
            now = peak * share
            if name == "whitening/bias":
                now = peak * max(0, 1 - (1 - share) * 8 / 3)
            summed = gradient[name] * BATCH + DECAY * PEAK / peak * w
            buffers[name] = 0.85 * buffers[name] + summed
            weights[name] = w - now * (summed + 0.85 * buffers[name])
    return weights


def variables_of(weights: dict) -> list[keras.Variable]:
    variables = []
    for path, value in weights.items():
        layer, name = path.split("/")
        with keras.name_scope(layer):
            variables.append(keras.Variable(value, name=name))
    return variables


@pytest.mark.parametrize("accumulate, jit_compile", [(1, False), (3, False), (3, True)])
def test_updates_equal_a_numpy_reference(accumulate, jit_compile):
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    parts = [
        [
            {name: rng.normal(size=shape) / 10 for name, shape in SHAPES.items()}
            for _ in range(accumulate)
        ]
        for _ in RATES
    ]
    expected = reference(
        weights,
        [
            {name: np.mean([part[name] for part in update], axis=0) for name in SHAPES}
            for update in parts
        ],
    )
    variables = variables_of(weights)
    optimizer = Muon(PEAK, DECAY, BATCH, accumulate)
    optimizer.build(variables)
    apply = tf.function(
        lambda *gradients: optimizer.apply(list(gradients), variables), jit_compile=jit_compile
    )
    for rate, update in zip(RATES, parts):
        optimizer.learning_rate.assign(rate)
        for gradients in update:
            apply(*(tf.constant(gradient, tf.float32) for gradient in gradients.values()))
    for variable, (name, value) in zip(variables, expected.items()):
        assert variable.path == name
        np.testing.assert_allclose(variable.numpy(), value, rtol=2e-4, atol=2e-5, err_msg=name)


def test_weights_change_once_the_accumulation_is_complete():
    variables = variables_of({"conv/kernel": np.ones((1, 1, 2, 2), np.float32)})
    optimizer = Muon(accumulate=2)
    optimizer.build(variables)
    gradient = tf.constant([[[[1.0, 2.0], [3.0, 4.0]]]])
    optimizer.apply([gradient], variables)
    np.testing.assert_array_equal(variables[0], np.ones((1, 1, 2, 2)))
    optimizer.apply([gradient], variables)
    assert (variables[0].numpy() != 1).all()


# --- training ---


def method(**options) -> Standard:
    """Return a small network for 60 images in batches of 8, three of which make an update."""
    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    inputs = MethodInputs(
        rng.integers(0, 256, (60, 8, 8, 1), np.uint8), rng.integers(0, 4, 60), 4, 8, 4
    )
    network = identity_cnn(Layers(), (8, 8, 1), 4, widths=(8, 12))
    network.layers[1].adapt(inputs.images)
    return Standard(
        inputs, [network], [Muon(batch=24, accumulate=3)], label_smoothing=0.2, **options
    )


def trained(folder, stop_after: int | None = None, jit_compile: bool = False) -> list[np.ndarray]:
    """Train four epochs of 8 steps and return the state. An update spans two epochs."""

    def after_epoch(epoch, memory):
        if epoch == stop_after:
            raise InterruptedError
        return {}

    made = method()
    trainer = Trainer(
        made,
        np.ones(60, bool),
        "translate_alternate",
        lambda time, epochs: 0.24 * (1 - time / epochs),
        jit_compile,
    )
    trainer.fit(4, 0, "muon", folder / "checkpoint.npz", after_epoch)
    return made.get_state()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("muon"))


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(uninterrupted, tmp_path):
    with pytest.raises(InterruptedError):
        trained(tmp_path, stop_after=2)
    for resumed, expected in zip(trained(tmp_path), uninterrupted, strict=True):
        np.testing.assert_array_equal(resumed, expected)


@pytest.mark.slow
def test_xla_trains_the_same_network(uninterrupted, tmp_path):
    for compiled, expected in zip(trained(tmp_path, jit_compile=True), uninterrupted, strict=True):
        np.testing.assert_allclose(compiled, expected, rtol=0.05, atol=0.02)


# --- network, loss, flips and predictions ---


def test_identity_kernels_pass_their_input():
    keras.utils.set_random_seed(0)
    network = create_model("IdentityCNN32", (32, 32, 3), 10)
    kernels = [
        layer.kernel.numpy() for layer in network.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert [kernel.shape[2:] for kernel in kernels] == [
        (24, 32),
        (32, 32),
        (32, 128),
        *[(128, 128)] * 3,
    ]
    for kernel in kernels:
        channels, filters = kernel.shape[2:]
        n = min(channels, filters)
        x = np.random.default_rng(0).normal(size=(1, 5, 5, channels)).astype(np.float32)
        y = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
        np.testing.assert_array_equal(y[..., :n], x[..., :n])
        assert n == filters or kernel[..., n:].std() > 0
    head = network.layers[-2].kernel.numpy()
    assert abs(head.std() - 1) < 0.1


def test_smoothed_cross_entropy_has_a_smoothed_target():
    logits, y = np.float32([[1, 2, 4], [0, -1, 3]]), np.array([2, 0])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = 0.8 * np.eye(3)[y] + 0.2 / 3
    np.testing.assert_allclose(
        cross_entropy(logits, y, 0.2), -(target * log_p).sum(axis=1), rtol=1e-5
    )


def test_standard_trains_on_the_smoothed_target():
    made = method()
    x = tf.constant(made.inputs.images[:8] / np.float32(255))
    y = tf.constant(made.inputs.labels[:8], tf.int32)
    expected = tf.reduce_mean(cross_entropy(made.networks[0](x, training=True), y, 0.2))
    logs = made.train_step(Batch(x, y, y == y, y, tf.constant([0, 0]), {}))
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_diagonal_shifts_reflect_at_the_border():
    image = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    down, up = (view.numpy()[0, :, :, 0] for view in diagonal_shifts(tf.constant(image)))
    np.testing.assert_array_equal(down, [[4, 3, 4], [1, 0, 1], [4, 3, 4]])
    np.testing.assert_array_equal(up, [[4, 5, 4], [7, 8, 7], [4, 5, 4]])


def test_six_views_weigh_the_unshifted_ones_by_half():
    made = method(flip_tta=True, shift_tta=True)
    x = made.inputs.images[:5] / np.float32(255)
    views = [x, *(view.numpy() for view in diagonal_shifts(tf.constant(x)))]
    logits = [(made.networks[0](view) + made.networks[0](view[:, :, ::-1])) / 2 for view in views]
    expected = tf.nn.softmax(logits[0] / 2 + (logits[1] + logits[2]) / 4)
    found = made.probabilities(tf.constant(made.inputs.images), np.arange(5))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_alternating_flips_flip_the_images_of_the_mask():
    images, flip_mask, seed = (
        tf.random.stateless_uniform((4, 6, 6, 1), [0, 1]),
        np.array([1, 0, 0, 1], bool),
        [3, 4],
    )
    for augmented, base in (
        (alternate(images, seed, flip_mask), images),
        (translate_alternate(images, seed, flip_mask), translate(images, seed)),
    ):
        for image, expected, flipped in zip(augmented, base.numpy(), flip_mask):
            np.testing.assert_array_equal(image, expected[:, ::-1] if flipped else expected)


def test_each_image_is_flipped_in_every_second_epoch(tmp_path, monkeypatch):
    shown = []
    made = method()
    trainer = Trainer(made, None, "alternate", lambda time, epochs: 0.0)
    train_epoch = trainer._train_epoch

    def recorded(epoch, epochs, rng, flip_mask, name):
        shown.append(flip_mask)
        return train_epoch(epoch, epochs, rng, flip_mask, name)

    monkeypatch.setattr(trainer, "_train_epoch", recorded)
    trainer.fit(3, 0, "muon", tmp_path / "checkpoint.npz", lambda epoch, memory: {})
    first, second, third = shown
    assert (first != second).all() and (first == third).all() and 15 < first.sum() < 45
