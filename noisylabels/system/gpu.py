"""Choose the GPUs of a process, and explain why TensorFlow cannot use one.

Three causes are known. TensorFlow may lack kernels for the GPU (`tf.sysconfig.get_build_info`).
Kernels for compute capability 9.0, which newer cards compile themselves, fail on 12.0 (TensorFlow
issues 89272, 97387, 101746). The driver may be too old for CUDA 12 (NVIDIA's guide to CUDA
compatibility).
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noisylabels.errors import UserError
from noisylabels.system.hardware import gpus

VERSION = Path("/proc/driver/nvidia/version")
OLDEST_DRIVER = "525.60.13"
FAILING = 12, 0  # lowest compute capability that does not work
OTHERWISE = "give another one, or -1 for the CPU (docs/running.md)"


def choose(gpu_id: str | None, found: Sequence[Any], batch_size: int | None = None) -> list[Any]:
    """Return the GPUs to compute on; an empty list means the CPU.

    Parameters
    ----------
    gpu_id, batch_size
        See `training.device.start_tensorflow`.
    found : sequence
        GPUs that TensorFlow has found.

    Raises
    ------
    UserError
        A requested GPU does not exist, or TensorFlow cannot use it.
    """
    if gpu_id == "-1":
        return []
    wanted = sorted({int(part) for part in gpu_id.split(",")}) if gpu_id else [0]
    if not found and gpus():
        if gpu_id:
            raise UserError(
                f"argument --gpu_id: {why_none(gpus())}, or give -1 for the CPU (docs/running.md)"
            )
        warnings.warn(f"{why_none(gpus())}; the CPU is used (docs/running.md)", stacklevel=2)
    elif wanted[-1] >= len(found) and (found or wanted[-1] > 1):
        there = "this machine has none; leave it out to use the CPU"
        if found:
            there = f"ids 0 to {len(found) - 1}"
        raise UserError(f"argument --gpu_id: no GPU {wanted[-1]} ({there})")
    if not found:
        return []
    if len(wanted) == 1:
        return [found[wanted[0]]]
    if batch_size is None:
        warnings.warn(
            f"this training cannot share its batches: it uses only GPU {wanted[0]} of {gpu_id} "
            "(docs/running.md)",
            stacklevel=2,
        )
        return [found[wanted[0]]]
    if batch_size % len(wanted):
        raise UserError(
            f"argument --batch_size: {len(wanted)} GPUs cannot share {batch_size} samples equally; "
            f"give a multiple of {len(wanted)}"
        )
    return [found[k] for k in wanted]


def why_none(count: int) -> str:
    """Explain why TensorFlow finds none of the machine's GPUs, and what to do."""
    try:
        driver = re.search(r"\b\d+\.\d+(\.\d+)?\b", VERSION.read_text())[0]
    except (OSError, TypeError):
        driver = OLDEST_DRIVER
    if number(driver) < number(OLDEST_DRIVER):
        return (
            f"the NVIDIA driver {driver} is too old for CUDA 12: install {OLDEST_DRIVER} or a "
            "newer one"
        )
    return f"TensorFlow finds none of this machine's {count} GPUs: run `make gpu`"


def number(version: str) -> tuple[int, ...]:
    """Parse a version: (525, 60, 13) for "525.60.13"."""
    return tuple(int(part) for part in version.split("."))


def check_kernels(name: str, capability: tuple[int, int], built: Sequence[str]) -> None:
    """Raise UserError if a GPU cannot run the kernels of this TensorFlow.

    Parameters
    ----------
    name : str
        Name of the GPU.
    capability : (int, int)
        Its compute capability.
    built : sequence of str
        What the kernels were built for. "sm_80" runs on GPUs from 8.0 to 8.9; "compute_90" runs on
        all GPUs from 9.0 on, which compile it.
    """

    def runs(kernel: str) -> bool:
        kind, digits = kernel.split("_")
        least = int(digits[:-1]), int(digits[-1])
        return capability >= least and (kind == "compute" or capability[0] == least[0])

    if capability >= FAILING or not any(map(runs, built)):
        raise UserError(
            f"argument --gpu_id: {name} has compute capability {'.'.join(map(str, capability))}, "
            f"on which this TensorFlow, built for {' '.join(built)}, does not run; {OTHERWISE}"
        )


def failed(name: str, error: Exception) -> UserError:
    """Return the error for a GPU that does not compute, with TensorFlow's own message."""
    message = str(error).strip().splitlines() or [type(error).__name__]
    remedy = "run `make gpu`, which brings ptxas, or " if "ptxas" in str(error) else ""
    return UserError(
        f"argument --gpu_id: {name} does not compute: {message[0][:200]}; {remedy}{OTHERWISE}"
    )
