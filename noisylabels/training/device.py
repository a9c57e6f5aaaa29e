"""Starts TensorFlow: quietly, on the device asked for, with memory taken as needed and deterministic kernels.

To import this module is to import TensorFlow; the package's `__init__` does so before anything else can.
"""
import contextlib
import ctypes
import functools
import os
import re
import sys
import tempfile
from pathlib import Path

from noisylabels.errors import UserError

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


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
with quiet_stderr():
    import tensorflow as tf


@functools.cache
def start_tensorflow(gpu_id, deterministic=True):
    """Sets TensorFlow up, once; call it before anything computes.

    gpu_id: None for the first GPU if there is one, "-1" for the CPU, or ids as nvidia-smi numbers them; of a list the
    first is used. 0 and 1, which the commands of 2019 name, mean the CPU where there is no GPU at all.
    deterministic: bit-equal results from run to run; XLA has no such kernel for the gradient of a max pooling.
    Returns the name of the device, and whether it has bfloat16. Raises UserError for a GPU that does not exist.
    """
    with quiet_stderr():
        gpus = tf.config.list_physical_devices("GPU")
    wanted = 0 if gpu_id is None else int(gpu_id.split(",")[0])
    if wanted >= len(gpus) and (gpus or wanted > 1):
        found = f"ids 0 to {len(gpus) - 1}" if gpus else "this machine has none; leave it out to use the CPU"
        raise UserError(f"argument --gpu_id: no GPU {wanted} ({found})")
    chosen = gpus[wanted] if wanted >= 0 and gpus else None
    with quiet_stderr():
        tf.config.set_visible_devices(chosen or [], "GPU")
        if chosen:
            tf.config.experimental.set_memory_growth(chosen, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        tf.zeros(1).numpy()                                 # native start-up messages come with the first operation
    name = tf.config.experimental.get_device_details(chosen).get("device_name", "GPU") if chosen else "CPU"
    return f"{name} with bfloat16" if computes_bfloat16() else name


@functools.cache
def computes_bfloat16():
    """Whether the device multiplies in bfloat16 by instructions of its own: GPUs since Ampere, CPUs by their flags.

    Call it after `start_tensorflow`.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0)) >= (8, 0)
    with contextlib.suppress(OSError):
        return bool(re.search(r"\b(amx_bf16|avx512_bf16)\b", CPUINFO.read_text()))
    return False


def dtype_policy(precision):
    """Keras' dtype policy for one of recipes.PRECISIONS on this device: mixed_bfloat16 or float32."""
    return "mixed_bfloat16" if precision == "mixed" and computes_bfloat16() else "float32"
