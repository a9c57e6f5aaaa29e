"""Training on several devices equals that on one; TensorFlow's start with fake GPUs."""

import functools
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from helpers import ROOT

from noisylabels.errors import UserError
from noisylabels.methods import METHODS, method_class
from noisylabels.system import gpu
from noisylabels.training import device

pytestmark = pytest.mark.runs
QUICK = ("standard",)
NORMALISED = ("normalised", "muon")
LATER = ("d2l", "f_correction", "gce", "sce")  # as standard but for loss and measurements


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return what on_two_devices.py saved, by name."""

    @functools.cache
    def run(*methods):
        folder = tmp_path_factory.mktemp("two_devices")
        command = [sys.executable, ROOT / "tests/training/on_two_devices.py", folder, *methods]
        subprocess.run(command, check=True, capture_output=True)
        return folder

    def trained(name):
        together = next(group for group in (QUICK, NORMALISED, LATER) if name.startswith(group))
        return dict(np.load(run(*together) / f"{name}.npz"))

    return trained


def assert_close(first, second, tolerance=1e-5):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], atol=tolerance, err_msg=name)


def test_methods_that_share_batches():
    """The other methods rank the samples of a batch, or store values per sample."""
    assert {name for name in METHODS if method_class(name).shares_batches} == {*QUICK, *LATER}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["standard", *LATER])
def test_two_devices_equal_one(method, trained):
    """Losses, weights, optimizer and predictions, without batch normalisation."""
    assert_close(trained(f"{method}_1"), trained(f"{method}_2"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALISED)
def test_two_devices_normalise_halves_of_a_batch(name, trained):
    """Penalties and weight decay count once; moving statistics are the first device's."""
    one, halves, two = (trained(f"{name}_{end}") for end in ("1", "halves_1", "2"))
    learned = [name for name in two if name.startswith(("state", "loss"))]
    assert_close(
        {name: halves[name] for name in learned}, {name: two[name] for name in learned}, 1e-6
    )
    assert np.abs(one["loss"] - two["loss"]).max() > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALISED)
def test_resumed_training_on_two_devices_is_equal(name, trained):
    assert_close(trained(f"{name}_resumed_2"), trained(f"{name}_2"), 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMALISED)
def test_copies_of_the_weights_stay_equal(name, trained):
    copies = trained(f"{name}_copies")
    assert len(copies) == 2 * 8
    for i in range(8):
        np.testing.assert_array_equal(copies[f"0_{i}"], copies[f"1_{i}"])


# ------------------------------------------------------------------------------- TensorFlow's start


@pytest.fixture
def start(monkeypatch):
    """Return start(cards, ...), which starts TensorFlow with fake cards and returns what it set."""

    def start(cards, *arguments, problem=None):
        done = SimpleNamespace(visible=None, growth=[], strategies=0, deterministic=False)
        details = {
            f"GPU:{k}": {"device_name": name}
            | ({"compute_capability": capability} if capability else {})
            for k, (name, capability) in enumerate(cards)
        }
        for place, replacement in {
            "list_physical_devices": lambda kind: list(details),
            "set_visible_devices": lambda devices, kind: setattr(done, "visible", devices),
            "get_visible_devices": lambda kind: done.visible,
            "experimental.get_device_details": details.get,
            "experimental.set_memory_growth": lambda device, on: done.growth.append((device, on)),
            "experimental.enable_op_determinism": lambda: setattr(done, "deterministic", True),
            "threading.set_intra_op_parallelism_threads": lambda threads: None,
            "threading.set_inter_op_parallelism_threads": lambda threads: None,
        }.items():
            monkeypatch.setattr(f"tensorflow.config.{place}", replacement)
        monkeypatch.setattr(device, "try_out", lambda gpus, jit_compile: problem)
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
        monkeypatch.setattr(
            tf.distribute,
            "experimental_set_strategy",
            lambda strategy: setattr(done, "strategies", done.strategies + 1),
        )
        monkeypatch.setattr(gpu, "gpus", lambda: len(cards))
        device.computes_bfloat16.cache_clear()
        return device.start_tensorflow.__wrapped__(*arguments), done

    yield start
    device.computes_bfloat16.cache_clear()


A100, V100 = ("NVIDIA A100", (8, 0)), ("NVIDIA V100", (7, 0))


@pytest.mark.parametrize(
    "cards, arguments, visible, shared, name",
    [
        ([A100, A100], ("0,1", False, 1, 128), ["GPU:0", "GPU:1"], True, "2 × NVIDIA A100"),
        (
            [A100, V100],
            ("0,1", False, 1, 128),
            ["GPU:0", "GPU:1"],
            True,
            "NVIDIA A100 and NVIDIA V100",
        ),
        ([A100, V100], ("1", False, 1, 128), ["GPU:1"], False, "NVIDIA V100"),
        ([A100, A100], (None, False, 1, 128), ["GPU:0"], False, "NVIDIA A100"),
        ([A100, A100], ("0", True, 1, 128), ["GPU:0"], False, "NVIDIA A100"),
        ([A100, A100], ("-1", False, 1, 128), [], False, "CPU"),
        ([("Another Maker's", None)], ("0", False, 1, 128), ["GPU:0"], False, "Another Maker's"),
    ],
)
def test_start_chooses_devices_and_determinism(
    cards, arguments, visible, shared, name, start, monkeypatch, tmp_path
):
    """Memory grows on demand; several GPUs share batches; XLA alone is not deterministic."""
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "none")
    found, done = start(cards, *arguments)
    assert found == {
        "device": name,
        "threads": 1,
        "computed_in": "TF32" if name.endswith("A100") else "float32",
    }
    assert done.growth == [(device, True) for device in done.visible] and done.visible == visible
    assert done.strategies == shared and done.deterministic != arguments[1]


def test_determinism_is_the_default(start):
    assert start([A100], "0")[1].deterministic


@pytest.mark.parametrize("arguments", [("0,1", True, 1, 128), ("0,1", False, 1, None)])
def test_xla_and_whole_batches_use_one_gpu(arguments, start):
    with pytest.warns(UserWarning, match="cannot share its batches"):
        _, done = start([A100, A100], *arguments)
    assert done.visible == ["GPU:0"] and not done.strategies


@pytest.mark.parametrize(
    "cards, problem, message",
    [
        (
            [("NVIDIA RTX 5090", (12, 0))],
            None,
            "NVIDIA RTX 5090 has compute capability 12.0, on which this TensorFlow, ",
        ),
        (
            [A100, ("Tesla M40", (5, 2))],
            None,
            "Tesla M40 has compute capability 5.2, on which this TensorFlow, built for ",
        ),
        (
            [A100, A100],
            RuntimeError("it broke"),
            "2 × NVIDIA A100 does not compute: it broke; give another one, or -1 ",
        ),
    ],
)
def test_unusable_gpu_is_one_error_before_training(cards, problem, message, start, capfd):
    with pytest.raises(UserError) as error:
        start(cards, "0,1" if len(cards) > 1 else "0", False, 1, 128, problem=problem)
    assert str(error.value).startswith(f"argument --gpu_id: {message}") and "\n" not in str(
        error.value
    )
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("jit_compile", [False, True])
def test_first_operations_test_the_device(jit_compile, monkeypatch):
    """Compile them as in training."""
    compiled = []
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [SimpleNamespace(name="CPU:0")]
    )
    assert device.try_out(["a card"], jit_compile) is None

    def broken(*_):
        compiled.append(not tf.executing_eagerly())
        raise tf.errors.InternalError(None, None, "CUDA_ERROR_INVALID_PTX")

    monkeypatch.setattr(tf.nn, "conv2d", broken)
    assert "CUDA_ERROR_INVALID_PTX" in str(device.try_out(["a card"], jit_compile))
    assert device.try_out([], jit_compile) is None and compiled == [True]


def test_native_output_is_hidden_unless_something_fails(capfd):
    with device.quiet_stderr():
        os.write(2, b"chatter\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    with pytest.raises(KeyboardInterrupt), device.quiet_stderr():
        os.write(2, b"what led to it\n")
        raise KeyboardInterrupt
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "what led to it\nafter\n"
