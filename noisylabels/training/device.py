"""Start TensorFlow without log messages, on the requested device, with deterministic kernels.

Importing this module imports TensorFlow. The package imports it before any other module can.
"""

import contextlib
import ctypes
import functools
import gc
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from noisylabels.errors import UserError
from noisylabels.precision import bfloat16_is_faster
from noisylabels.system import gpu
from noisylabels.system.hardware import cores

if sys.flags.optimize > 1:
    raise UserError(
        "Keras needs the docstrings that python -OO (PYTHONOPTIMIZE=2) removes: leave that out"
    )

CPUINFO = Path("/proc/cpuinfo")
M_ARENA_MAX = -8  # from glibc's malloc.h; with one arena, threads reuse each other's freed memory


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Suppress what native libraries write to standard error, unless the block fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as spool:
        os.dup2(spool.fileno(), 2)
        try:
            yield
        except BaseException:
            spool.seek(0)
            os.write(saved, spool.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@contextlib.contextmanager
def hidden_modules(*names: str) -> Iterator[None]:
    """Make imports of these modules fail in the block, as if they were not installed.

    Modules that are already imported remain visible.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Without this, TensorFlow uses the kernels of oneDNN on some processors only, mainly Intel's. Its
# convolutions take two thirds of the time on an AMD EPYC without AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Number GPUs as nvidia-smi does. CUDA's default starts with the fastest.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
# Other systems and C libraries have no mallopt.
with contextlib.suppress(AttributeError, OSError, TypeError):
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
# Imports create no garbage, but looking for it takes a second, now and at exit.
gc.disable()
# Keras imports these optional packages, which costs a second and 50 MB per process.
with quiet_stderr(), hidden_modules("matplotlib", "sklearn"):
    import tensorflow as tf
gc.freeze()
gc.enable()


@functools.cache
def start_tensorflow(
    gpu_id: str | None,
    jit_compile: bool = False,
    threads: int | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
) -> dict[str, Any]:
    """Configure TensorFlow. Call this once, before the first operation.

    Parameters
    ----------
    gpu_id : str or None
        Comma-separated ids of GPUs, as in nvidia-smi. None is the first GPU, or the CPU if there is
        none; "-1" is the CPU. Without a GPU, the ids 0 and 1, which the commands of the 2019 code
        contain, mean the CPU.
    jit_compile : bool
        Use XLA. It has no deterministic kernel for the gradient of max pooling. Otherwise all
        kernels are deterministic.
    threads : int, optional
        Threads of an operation on the CPU. By default one per core. The last digits of results
        depend on it.
    batch_size : int, optional
        Batch size of a training that can be split across several GPUs. Without it, only the first
        of several GPUs is used.
    precision : str
        One of `recipes.PRECISIONS`.

    Returns
    -------
    dict
        What results depend on, for the run's record: "device", its name; "threads"; and
        "computed_in", see `number_format`.

    Raises
    ------
    UserError
        If a GPU does not exist or does not work.
    """
    with quiet_stderr():
        found = tf.config.list_physical_devices("GPU")
    chosen = gpu.choose(gpu_id, found, None if jit_compile else batch_size)
    built = tf.sysconfig.get_build_info().get("cuda_compute_capabilities")
    names = []
    for device in chosen:
        details = tf.config.experimental.get_device_details(device)
        names.append(details.get("device_name", "GPU"))
        if built and "compute_capability" in details:
            gpu.check_kernels(names[-1], details["compute_capability"], built)
    threads = threads or cores()
    with quiet_stderr():
        tf.config.set_visible_devices(chosen, "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for device in chosen:
            tf.config.experimental.set_memory_growth(device, True)
        if not jit_compile:
            tf.config.experimental.enable_op_determinism()
        # The first operations print native start-up messages.
        problem = try_out(chosen, jit_compile)
        if len(chosen) > 1 and not problem:
            tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())
    name = device_name(names)
    if problem:
        raise gpu.failed(name, problem)
    return {"device": name, "threads": threads, "computed_in": number_format(precision)}


def device_name(gpu_names: Sequence[str]) -> str:
    """Return the names of GPUs, such as "2 × NVIDIA A100", or "CPU" if there are none."""
    parts = []
    for name, count in Counter(gpu_names).items():
        parts.append(f"{count} × {name}" if count > 1 else name)
    return " and ".join(parts) or "CPU"


def try_out(gpus: Sequence[Any], jit_compile: bool) -> Exception | None:
    """Run first operations on the CPU and on each GPU, and return the error of one that fails."""

    @tf.function(jit_compile=jit_compile, autograph=False)
    def compute(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, tf.ones([3, 3, 1, 1]), 1, "SAME") + x

    try:
        for device in tf.config.list_logical_devices("GPU") if gpus else []:
            with tf.device(device.name):
                compute(tf.ones([1, 8, 8, 1])).numpy()
        tf.zeros(1).numpy()
    except tf.errors.OpError as error:
        return error
    return None


@functools.cache
def computes_bfloat16() -> bool:
    """Return whether the device computes faster in bfloat16. Call after `start_tensorflow`.

    GPUs since Ampere do. A CPU is measured if its flags list instructions for bfloat16.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        return all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    with contextlib.suppress(OSError):
        has_instructions = re.search(r"\b(amx_bf16|avx512_bf16)\b", CPUINFO.read_text())
        return bool(has_instructions) and bfloat16_is_faster()
    return False


def dtype_policy(precision: str) -> str:
    """Return Keras's dtype policy for one of `recipes.PRECISIONS` on this device."""
    uses_bfloat16 = precision == "bfloat16" or (precision == "mixed" and computes_bfloat16())
    return "mixed_bfloat16" if uses_bfloat16 else "float32"


def number_format(precision: str) -> str:
    """Return the format in which the device multiplies. Call after `start_tensorflow`.

    It is bfloat16, float32, or TF32 on GPUs since Ampere.
    """
    if dtype_policy(precision) == "mixed_bfloat16":
        return "bfloat16"
    has_tensor_cores = tf.config.get_visible_devices("GPU") and computes_bfloat16()
    uses_tf32 = has_tensor_cores and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"
    return "TF32" if uses_tf32 else "float32"


def image_type() -> tf.DType:
    """Return the type in which the device stores images. Call after `start_tensorflow`.

    It is uint8 on a CPU. GPUs cannot gather rows of uint8, so it is float16 there, which represents
    0 to 255 exactly.
    """
    return tf.float16 if tf.config.get_visible_devices("GPU") else tf.uint8


def stored_type(shape: Sequence[int]) -> tf.DType:
    """Return the type in which the device stores inputs of a shape: images, or embeddings (d,)."""
    return tf.float32 if len(shape) == 1 else image_type()


def as_tensor(images: np.ndarray) -> tf.Tensor:
    """Copy images or embeddings to the device. On a CPU the tensor shares their memory if possible.

    Raises
    ------
    UserError
        If a GPU has too little memory.
    """
    # TensorFlow shares aligned memory only, and DLPack takes no other layout and nothing read-only.
    can_share = (
        images.ctypes.data % 64 == 0 and images.flags.c_contiguous and images.flags.writeable
    )
    try:
        if can_share:
            tensor = tf.experimental.dlpack.from_dlpack(images.__dlpack__())
        else:
            tensor = tf.constant(images)
        return tf.cast(tf.identity(tensor), stored_type(images.shape[1:]))
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError):
        # A failed copy to a GPU raises InternalError.
        raise UserError(
            f"argument --gpu_id: the device has too little memory for {len(images):,} images of "
            f"{images[0].nbytes:,} bytes; give smaller images, or -1 for the CPU"
        ) from None
