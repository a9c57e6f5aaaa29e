"""The training loop: schedules, tracing, XLA, optimizers."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import create_model
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.recipes import (
    ADAM_INCV,
    ADAM_MAIN,
    ADAM_VERIFY,
    RECIPES,
    Triangular,
)
from noisylabels.training import device
from noisylabels.training.optimizers import Adam
from noisylabels.training.sampling import random_batches
from noisylabels.training.trainer import Trainer, build_method
from utils import load_dataset

pytestmark = pytest.mark.runs
# ---------------------------------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    "factor, epochs, table",
    [
        (ADAM_INCV, 50, {0: 1, 20: 1, 21: 0.5, 30: 0.5, 31: 0.25, 40: 0.25, 41: 0.1, 49: 0.1}),
        (
            ADAM_MAIN,
            200,
            {0: 1, 79: 1, 80: 0.1, 119: 0.1, 120: 0.01, 160: 0.001, 179: 0.001, 180: 0.0005},
        ),
        (
            ADAM_VERIFY,
            200,
            {80: 1, 81: 0.1, 120: 0.1, 121: 0.01, 161: 0.001, 180: 0.001, 181: 0.0005},
        ),
        (ADAM_MAIN, 20, {7: 1, 8: 0.1, 12: 0.01, 16: 0.001, 18: 0.0005}),
        (Triangular(0.2, 0.25, 0.07), 8, {0: 0.2, 1: 0.6, 2: 1, 5: 0.535, 8: 0.07}),
    ],
)
def test_schedules(factor, epochs, table):
    assert {time: pytest.approx(factor(time, epochs)) for time in table} == table


def test_schedule_changes_within_an_epoch():
    assert ADAM_INCV(20.99, 50) == 1 and ADAM_INCV(21.01, 50) == 0.5


# --------------------------------------------------------------------------------------------- loop


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", "data")


def trainer_of(digits, name="standard", jit_compile=False, **changes):
    settings = RECIPES["digits"]["INCV"]
    inputs = MethodInputs(digits.x_train[:256], digits.y_train[:256], 10, 32, 4, **changes)
    method = build_method(method_class(name), inputs, settings, 0, "main")
    return method, Trainer(
        method, np.ones(256, bool), "none", settings.learning_rate_at, jit_compile
    )


@pytest.mark.parametrize("decay, left", [(0.0, 1.0), (0.2, 0.9)])
def test_weight_decay_is_scaled_by_the_learning_rate(digits, decay, left):
    settings = replace(RECIPES["digits"]["INCV"], weight_decay=decay, learning_rate=0.5)
    inputs = MethodInputs(digits.x_train[:64], digits.y_train[:64], 10, 32, 4)
    method = build_method(method_class("standard"), inputs, settings, 0, "main")
    variables = method.networks[0].trainable_variables
    before = [variable.numpy() for variable in variables]
    method.optimizers[0].apply([tf.zeros_like(variable) for variable in variables], variables)
    for variable, old in zip(variables, before, strict=True):
        np.testing.assert_allclose(variable.numpy(), left * old, rtol=1e-6)


@pytest.mark.parametrize(
    "precision, able, expected",
    [
        ("float32", True, "float32"),
        ("mixed", True, "mixed_bfloat16"),
        ("mixed", False, "float32"),
        ("bfloat16", False, "mixed_bfloat16"),
    ],
)
def test_mixed_precision_needs_support_of_the_machine(
    digits, monkeypatch, precision, able, expected
):
    monkeypatch.setattr(device, "computes_bfloat16", lambda: able)
    settings = replace(RECIPES["digits"]["INCV"], precision=precision)
    inputs = MethodInputs(digits.x_train[:64], digits.y_train[:64], 10, 32, 4)
    method = build_method(method_class("standard"), inputs, settings, 0, "main")
    (convolution, *_) = [
        layer for layer in method.networks[0].layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert convolution.dtype_policy.name == expected


def no_more(epoch, memory):
    return {}


@pytest.mark.parametrize("n, size, rows", [(100, 32, 4), (96, 32, 3), (5, 32, 1), (1, 4, 1)])
def test_batches_hold_all_samples_in_one_shape(n, size, rows):
    batches = random_batches(np.arange(n) + 7, size, np.random.default_rng(0))
    assert batches.shape == (rows, size)
    counts = np.bincount(batches.ravel() - 7, minlength=n)
    assert counts.min() >= 1 and counts.max() - counts.min() <= 1


def test_one_trace_serves_all_trainings(digits, tmp_path):
    method, trainer = trainer_of(digits)
    trainer.fit(4, 0, "a", tmp_path / "a.npz", no_more)  # the rate is cut at 42, 62 and 82 per cent
    method.restart(np.arange(100))
    trainer.relabel(np.zeros(256, int), np.zeros(256, bool))
    trainer.fit(2, 0, "b", tmp_path / "b.npz", no_more)
    assert trainer.run_steps.experimental_get_tracing_count() == 1


@pytest.mark.slow
def test_one_graph_trains_both_networks(digits, tmp_path):
    method, trainer = trainer_of(
        digits, "co_teaching", options={"variant": "harness", "noise_ratio": 0.4}
    )
    before = [network.get_weights()[0] for network in method.networks]
    history, _ = trainer.fit(4, 0, "a", tmp_path / "a.npz", no_more)
    assert trainer.run_steps.experimental_get_tracing_count() == 1
    for network, old in zip(method.networks, before):
        assert np.abs(network.get_weights()[0] - old).max() > 0
    assert history[-1]["accuracy"] > history[0]["accuracy"]


def test_restart_resets_weights_and_optimizer(digits, tmp_path):
    method, trainer = trainer_of(digits)
    method.restart(np.arange(256))
    initial = method.get_state()
    first, _ = trainer.fit(2, 0, "a", tmp_path / "a.npz", no_more)
    moments = [
        v for v in method.optimizers[0].variables if "momentum" in v.path or "velocity" in v.path
    ]
    assert moments and all(np.abs(v.numpy()).max() > 0 for v in moments)
    method.restart(np.arange(256))
    for a, b in zip(initial, method.get_state(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (
        all(np.abs(v.numpy()).max() == 0 for v in moments) and method.optimizers[0].iterations == 0
    )
    again, _ = trainer.fit(2, 0, "a", tmp_path / "b.npz", no_more)
    assert [row["loss"] for row in first] == [row["loss"] for row in again]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_adam_equals_that_of_keras(jit_compile):
    """Ten steps with a cut of the rate, gradients from 1e-9 to 1: equal within rounding."""

    def trained(kind):
        variables = [
            keras.Variable(np.ones((3, 2), np.float32)),
            keras.Variable(np.arange(4, dtype=np.float32)),
        ]
        optimizer = kind(1e-2, epsilon=1e-8)
        optimizer.build(variables)

        @tf.function(jit_compile=jit_compile, autograph=False)
        def step(i, rate):
            optimizer.learning_rate.assign(rate)
            optimizer.apply(
                [tf.sin(i) * tf.ones((3, 2)), (i + 1) * tf.constant([0.1, -0.2, 1e-9, 0])],
                variables,
            )

        for i in range(10):
            step(tf.constant(float(i)), tf.constant(1e-2 if i < 5 else 1e-3))
        return [v.numpy() for v in [*variables, *optimizer.variables]]

    for stock, ours in zip(trained(keras.optimizers.Adam), trained(Adam), strict=True):
        np.testing.assert_allclose(ours, stock, rtol=1e-4, atol=1e-12)


def test_moments_survive_a_cut_of_the_learning_rate(digits, tmp_path):
    method, trainer = trainer_of(digits)
    rates = []

    def after_epoch(epoch, memory):
        rates.append(
            (
                int(method.optimizers[0].iterations.numpy()),
                float(method.optimizers[0].learning_rate.numpy()),
            )
        )
        return {}

    trainer.fit(4, 0, "a", tmp_path / "a.npz", after_epoch)
    assert [steps for steps, _ in rates] == [8, 16, 24, 32]  # Adam's count goes on
    assert [rate for _, rate in rates] == pytest.approx([3e-3, 1.5e-3, 7.5e-4, 3e-4])


def test_network_learns_the_digits(digits, tmp_path):
    _, trainer = trainer_of(digits)
    history, _ = trainer.fit(4, 0, "a", tmp_path / "a.npz", no_more)
    assert history[-1]["loss"] < 0.7 * history[0]["loss"] and history[-1]["accuracy"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture, precision, tolerance",
    [
        ("SmallCNN", "float32", 1e-3),
        ("SmallCNN", "mixed", 1e-2),
        ("ResNet32", "float32", 1e-3),
    ],
)
def test_xla_step_equals_the_plain_step(architecture, precision, tolerance, monkeypatch, tmp_path):
    """Compare the loss of the first steps with the augmentation of 2019."""
    monkeypatch.setattr(device, "computes_bfloat16", lambda: True)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (64, 16, 16, 3), np.uint8), rng.integers(0, 10, 64)
    losses = []
    for jit_compile in (False, True):
        settings = replace(RECIPES["paper"]["INCV"], architecture=architecture, precision=precision)
        method = build_method(
            method_class("standard"), MethodInputs(images, labels, 10, 32, 1), settings, 0, "main"
        )
        trainer = Trainer(
            method, labels == labels, settings.augmentation, settings.learning_rate_at, jit_compile
        )
        history, _ = trainer.fit(1, 0, "a", tmp_path / f"{jit_compile}.npz", no_more)
        losses.append(history[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)


@pytest.mark.parametrize("options", [{"flip_tta": True}, {}])
def test_flip_tta_is_the_mean_of_both(options, digits):
    network = create_model("SmallCNN", digits.input_shape, 10)
    inputs = MethodInputs(digits.x_train, digits.y_train, 10, 32, 1)
    method = method_class("standard")(inputs, [network], [keras.optimizers.SGD()], **options)
    x = digits.x_train[:300] / np.float32(255)
    expected = tf.nn.softmax((network(x) + network(x[:, :, ::-1])) / 2 if options else network(x))
    found = method.probabilities(tf.constant(digits.x_train), np.arange(300))
    np.testing.assert_allclose(found, expected, atol=1e-5)
