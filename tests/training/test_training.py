"""The training loop: augmentation by hand, schedules, tracing, XLA, optimizers."""

import mmap
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
    AUGMENTATIONS,
    RECIPES,
    Triangular,
)
from noisylabels.training import augmentation, device
from noisylabels.training.device import as_tensor
from noisylabels.training.optimizers import Adam
from noisylabels.training.sampling import random_batches
from noisylabels.training.trainer import Trainer, build
from utils import load_dataset

# ------------------------------------------------------------------------------------- augmentation

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
    method = build(method_class(name), inputs, settings, 0, "main")
    return method, Trainer(
        method, np.ones(256, bool), "none", settings.learning_rate_at, jit_compile
    )


@pytest.mark.parametrize("optimizer", ["adam", "nesterov"])
@pytest.mark.parametrize("decay, left", [(0.0, 1.0), (0.2, 0.9)])
def test_weight_decay_is_scaled_by_the_learning_rate(digits, optimizer, decay, left):
    settings = replace(
        RECIPES["digits"]["INCV"], optimizer=optimizer, weight_decay=decay, learning_rate=0.5
    )
    inputs = MethodInputs(digits.x_train[:64], digits.y_train[:64], 10, 32, 4)
    method = build(method_class("standard"), inputs, settings, 0, "main")
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
    method = build(method_class("standard"), inputs, settings, 0, "main")
    (convolution, *_) = [
        layer for layer in method.networks[0].layers if isinstance(layer, keras.layers.Conv2D)
    ]
    assert convolution.dtype_policy.name == expected


@pytest.mark.parametrize(
    "precision, able, gpus, override, expected",
    [
        ("mixed", True, [], None, "bfloat16"),
        ("mixed", False, [], None, "float32"),
        ("bfloat16", False, [], None, "bfloat16"),
        ("float32", True, [], None, "float32"),
        ("mixed", True, ["a card"], None, "bfloat16"),
        ("float32", True, ["a card"], None, "TF32"),
        ("float32", True, ["a card"], "0", "float32"),
        ("float32", False, ["a card"], None, "float32"),
    ],
)
def test_number_format_of_a_precision(precision, able, gpus, override, expected, monkeypatch):
    monkeypatch.setattr(device, "computes_bfloat16", lambda: able)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    if override:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    assert device.number_format(precision) == expected


@pytest.mark.parametrize(
    "flags, faster, able",
    [
        ("fpu avx512f avx512_bf16 amx_tile", True, True),
        ("amx_bf16", True, True),
        ("avx512_bf16", False, False),
        ("fpu avx2 avx512f amx_int8", True, False),
        (None, True, False),
    ],
)
def test_a_measurement_decides_where_the_processor_has_bfloat16(
    monkeypatch, tmp_path, flags, faster, able
):
    monkeypatch.setattr(device, "bfloat16_is_faster", lambda: faster)
    cpuinfo = tmp_path / "cpuinfo"
    if flags:
        cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(device, "CPUINFO", cpuinfo)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    assert device.computes_bfloat16.__wrapped__() == able


@pytest.mark.parametrize(
    "capability, able", [((7, 5), False), ((8, 0), True), ((9, 0), True), (None, False)]
)
def test_gpu_support_of_bfloat16(monkeypatch, capability, able):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": capability} if capability else {},
    )
    assert device.computes_bfloat16.__wrapped__() == able


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
    assert trainer.steps.experimental_get_tracing_count() == 1


def test_one_graph_trains_both_networks(digits, tmp_path):
    method, trainer = trainer_of(
        digits, "co_teaching", options={"variant": "harness", "noise_ratio": 0.4}
    )
    before = [network.get_weights()[0] for network in method.networks]
    history, _ = trainer.fit(4, 0, "a", tmp_path / "a.npz", no_more)
    assert trainer.steps.experimental_get_tracing_count() == 1
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


@pytest.mark.parametrize(
    "architecture, precision, tolerance",
    [
        ("SmallCNN", "float32", 1e-3),
        pytest.param("SmallCNN", "mixed", 1e-2, marks=pytest.mark.slow),
        pytest.param("ResNet32", "float32", 1e-3, marks=pytest.mark.slow),
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
        method = build(
            method_class("standard"), MethodInputs(images, labels, 10, 32, 1), settings, 0, "main"
        )
        trainer = Trainer(
            method, labels == labels, settings.augmentation, settings.learning_rate_at, jit_compile
        )
        history, _ = trainer.fit(1, 0, "a", tmp_path / f"{jit_compile}.npz", no_more)
        losses.append(history[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)


@pytest.mark.parametrize("offset", [0, 1])
def test_images_become_a_tensor_at_any_address(offset):
    memory = np.frombuffer(mmap.mmap(-1, 4096), np.uint8)
    memory[:] = np.arange(4096) % 251
    images = memory[offset : offset + 3 * 4 * 4 * 1].reshape(3, 4, 4, 1)
    tensor = as_tensor(images)
    np.testing.assert_array_equal(tensor, images)
    assert tensor.dtype == tf.uint8
    images[0, 0, 0, 0] = 99
    assert (tensor.numpy()[0, 0, 0, 0] == 99) == (offset == 0)  # one memory, or a copy


@pytest.mark.parametrize("options", [{"flip_tta": True}, {}])
def test_flip_tta_is_the_mean_of_both(options, digits):
    network = create_model("SmallCNN", digits.input_shape, 10)
    inputs = MethodInputs(digits.x_train, digits.y_train, 10, 32, 1)
    method = method_class("standard")(inputs, [network], [keras.optimizers.SGD()], **options)
    x = digits.x_train[:300] / np.float32(255)
    expected = tf.nn.softmax((network(x) + network(x[:, :, ::-1])) / 2 if options else network(x))
    found = method.probabilities(tf.constant(digits.x_train), np.arange(300))
    np.testing.assert_allclose(found, expected, atol=1e-5)
