"""Starts TensorFlow: quietly, on the device asked for, with memory taken as needed and deterministic kernels.

To import this module is to import TensorFlow; the package's `__init__` does so before anything else can.
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
from pathlib import Path

import numpy as np

from noisylabels.errors import UserError
from noisylabels.system import gpu
from noisylabels.system.hardware import cores

if sys.flags.optimize > 1:
    raise UserError("Keras needs the docstrings that python -OO (PYTHONOPTIMIZE=2) removes: leave that out")

CPUINFO = Path("/proc/cpuinfo")
M_ARENA_MAX = -8        # of glibc's malloc.h: with one arena, memory freed by one thread serves the others


@contextlib.contextmanager
def quiet_stderr():
    """Keeps what native libraries write to standard error off the terminal, unless the block fails."""
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
def without(*names):
    """To whoever tries to import these modules in the block they are not installed, unless they are loaded already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")             # that of nvidia-smi; CUDA's has the fastest first
with contextlib.suppress(AttributeError, OSError, TypeError):        # another system, or another C library
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
gc.disable()            # nothing that an import makes is garbage: to look for it, then and at the end, takes a second
with quiet_stderr(), without("matplotlib", "sklearn"):  # which Keras loads where it can: 50 MB a process, and a second
    import tensorflow as tf
gc.freeze()
gc.enable()


@functools.cache
def start_tensorflow(gpu_id, jit_compile=False, threads=None, batch_size=None, precision="float32"):
    """Sets TensorFlow up, once; call it before anything computes.

    gpu_id: None for the first GPU if there is one, "-1" for the CPU, or ids as nvidia-smi numbers them; 0 and 1, which
    the commands of 2019 name, mean the CPU where there is no GPU at all.
    jit_compile: with XLA, which has no deterministic kernel for the gradient of a max pooling; else all kernels are.
    threads: of an operation on the CPU, on whose number the last digits of a result depend; by default a core each.
    batch_size: of a training whose batches several GPUs may share, equally; without, the first of several is used.
    precision: one of recipes.PRECISIONS.
    Returns what results depend on of it: the device's name, whether it has instructions for bfloat16, the threads,
    and the number format that the precision comes to, see `number_format`; for a run's record.
    Raises UserError for a GPU that does not exist, or does not work.
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
    with quiet_stderr():
        tf.config.set_visible_devices(chosen, "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads or cores())
        tf.config.threading.set_inter_op_parallelism_threads(threads or cores())
        for device in chosen:
            tf.config.experimental.set_memory_growth(device, True)
        if not jit_compile:
            tf.config.experimental.enable_op_determinism()
        problem = try_out(chosen, jit_compile)              # native start-up messages come with the first operation
        if len(chosen) > 1 and not problem:
            tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy())
    name = " and ".join(f"{count} × {name}" if count > 1 else name for name, count in Counter(names).items()) or "CPU"
    if problem:
        raise gpu.failed(name, problem)
    return {"device": f"{name} with bfloat16" if computes_bfloat16() else name, "threads": threads or cores(),
            "computed_in": number_format(precision)}


def try_out(gpus, jit_compile):
    """The first operations on each device, by XLA if that is to be used; the error that comes of it, or None."""
    @tf.function(jit_compile=jit_compile, autograph=False)
    def compute(x):
        return tf.nn.conv2d(x, tf.ones([3, 3, 1, 1]), 1, "SAME") + x

    try:
        for device in tf.config.list_logical_devices("GPU") if gpus else []:
            with tf.device(device.name):
                compute(tf.ones([1, 8, 8, 1])).numpy()
        tf.zeros(1).numpy()
    except tf.errors.OpError as error:
        return error


@functools.cache
def computes_bfloat16():
    """Whether the device multiplies in bfloat16 by instructions of its own: GPUs since Ampere, CPUs by their flags.

    Call it after `start_tensorflow`.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = map(tf.config.experimental.get_device_details, gpus)
        return all(detail.get("compute_capability", (0, 0)) >= (8, 0) for detail in details)
    with contextlib.suppress(OSError):
        return bool(re.search(r"\b(amx_bf16|avx512_bf16)\b", CPUINFO.read_text()))
    return False


def dtype_policy(precision):
    """Keras' dtype policy for one of recipes.PRECISIONS on this device: mixed_bfloat16 or float32."""
    return "mixed_bfloat16" if precision == "mixed" and computes_bfloat16() else "float32"


def number_format(precision: str) -> str:
    """Name the format in which the device multiplies: bfloat16, float32, or TF32 of GPUs since Ampere.

    Call it after `start_tensorflow`.
    """
    if dtype_policy(precision) == "mixed_bfloat16":
        return "bfloat16"
    tensor_cores = tf.config.get_visible_devices("GPU") and computes_bfloat16()
    return "TF32" if tensor_cores and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0" else "float32"


def image_type():
    """As what the device holds images: as bytes, but a GPU, which cannot take rows out of bytes, as float16.

    That is exact for 0 to 255. Call it after `start_tensorflow`.
    """
    return tf.float16 if tf.config.get_visible_devices("GPU") else tf.uint8


def as_tensor(images: np.ndarray) -> tf.Tensor:
    """Copy images to the device. On a CPU the tensor shares the array's memory if possible.

    Raises
    ------
    UserError
        If a GPU has too little memory.
    """
    aligned = images.ctypes.data % 64 == 0  # TensorFlow shares aligned memory only
    try:
        if aligned:
            tensor = tf.experimental.dlpack.from_dlpack(images.__dlpack__())
        else:
            tensor = tf.constant(images)
        return tf.cast(tf.identity(tensor), image_type())
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError):
        # A failed copy to a GPU raises InternalError.
        raise UserError(
            f"argument --gpu_id: the device has too little memory for {len(images):,} images of "
            f"{images[0].nbytes:,} bytes; smaller images, or -1 for the CPU"
        ) from None
