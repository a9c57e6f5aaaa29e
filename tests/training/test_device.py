"""Number formats that a machine supports, and images on the device."""

import mmap
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from noisylabels.training import device
from noisylabels.training.device import as_tensor


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


def test_a_training_in_float32_starts_without_the_measurement(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda n: None)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda n: None)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    monkeypatch.setattr(device, "computes_bfloat16", lambda: pytest.fail("it measures"))
    started = device.start_tensorflow.__wrapped__("-1", threads=2)
    assert started == {"device": "CPU", "threads": 2, "computed_in": "float32"}


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


@pytest.mark.parametrize("change", ["transposed", "strided", "read-only"])
def test_images_of_any_layout_become_a_tensor(change):
    memory = np.frombuffer(mmap.mmap(-1, 4096), np.uint8)  # aligned to a page
    memory[:] = np.arange(4096) % 251
    images = memory[:192].reshape(4, 3, 4, 4)
    if change == "transposed":  # from channels first
        images = images.transpose(0, 2, 3, 1)
    if change == "strided":
        images = images[::2]
    images.flags.writeable = change != "read-only"
    np.testing.assert_array_equal(as_tensor(images), images)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN is measured on x86 only")
def test_convolutions_use_onednn_on_every_processor():
    code = """
import noisylabels.training.device
from tensorflow.python.framework.test_util import IsMklEnabled
print(IsMklEnabled())
"""
    command, clean = [sys.executable, "-c", code], dict(os.environ)
    clean.pop("TF_ENABLE_ONEDNN_OPTS", None)
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
