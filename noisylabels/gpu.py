"""Which GPUs a process computes on, and in one line each what is known to keep TensorFlow from one.

Known is: what kernels this TensorFlow was built with (`tf.sysconfig.get_build_info`); that those of compute capability
9.0, which newer cards compile for themselves, fail on 12.0 (tensorflow issues 89272, 97387, 101746); and the oldest
driver for CUDA 12 (NVIDIA's guide on CUDA compatibility). All else is tried.
"""
import re
import warnings
from pathlib import Path

from noisylabels.errors import UserError
from noisylabels.machine import gpus

VERSION = Path("/proc/driver/nvidia/version")
OLDEST_DRIVER = "525.60.13"
FAILING = 12, 0             # the compute capability from which on nothing works
OTHERWISE = "give another one, or -1 for the CPU (docs/running.md)"


def choose(gpu_id, found, batch_size=None):
    """The GPUs to compute on, of those that TensorFlow has found; none is the CPU.

    gpu_id, batch_size: as for device.start_tensorflow. Raises UserError for a GPU that does not exist, or that
    TensorFlow cannot use; where none is asked for and the machine has some, it warns.
    """
    if gpu_id == "-1":
        return []
    wanted = sorted({int(part) for part in gpu_id.split(",")}) if gpu_id else [0]
    if not found and gpus():
        if gpu_id:
            raise UserError(f"argument --gpu_id: {why_none(gpus())}, or give -1 for the CPU (docs/running.md)")
        warnings.warn(f"{why_none(gpus())}; the CPU computes (docs/running.md)", stacklevel=2)
    elif wanted[-1] >= len(found) and (found or wanted[-1] > 1):
        there = f"ids 0 to {len(found) - 1}" if found else "this machine has none; leave it out to use the CPU"
        raise UserError(f"argument --gpu_id: no GPU {wanted[-1]} ({there})")
    if not found or len(wanted) == 1:
        return [found[k] for k in wanted] if found else []
    if batch_size is None:
        warnings.warn(f"this training cannot share its batches: of the GPUs {gpu_id} it uses {wanted[0]} "
                      "(docs/running.md)",
                      stacklevel=2)
        return [found[wanted[0]]]
    if batch_size % len(wanted):
        raise UserError(f"argument --batch_size: {len(wanted)} GPUs cannot share {batch_size} samples equally; give a "
                        f"multiple of {len(wanted)}")
    return [found[k] for k in wanted]


def why_none(count):
    """Why TensorFlow finds none of the machine's GPUs, and what to do."""
    try:
        driver = re.search(r"\b\d+\.\d+(\.\d+)?\b", VERSION.read_text())[0]
    except (OSError, TypeError):
        driver = OLDEST_DRIVER
    if number(driver) < number(OLDEST_DRIVER):
        return f"the NVIDIA driver {driver} is too old for CUDA 12: install {OLDEST_DRIVER} or a newer one"
    return f"TensorFlow finds none of this machine's {count} GPUs: run `make gpu`"


def number(version):
    """(525, 60, 13) of "525.60.13"."""
    return tuple(int(part) for part in version.split("."))


def check_kernels(name, capability, built):
    """Raises UserError where a card cannot run the kernels of this TensorFlow.

    capability: (major, minor). built: for what, such as ["sm_80", "compute_90"]: sm_80 runs on cards from 8.0 to 8.9,
    compute_90 on all from 9.0 on, which compile it.
    """
    def runs(kernel):
        kind, digits = kernel.split("_")
        least = int(digits[:-1]), int(digits[-1])
        return capability >= least and (kind == "compute" or capability[0] == least[0])

    if capability >= FAILING or not any(map(runs, built)):
        raise UserError(f"argument --gpu_id: {name} has compute capability {'.'.join(map(str, capability))}, on which "
                        f"this TensorFlow, built for {' '.join(built)}, does not run; {OTHERWISE}")


def failed(name, error):
    """The error of a card that does not compute. error: TensorFlow's."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    remedy = "run `make gpu`, which brings ptxas, or " if "ptxas" in str(error) else ""
    return UserError(f"argument --gpu_id: {name} does not compute: {said[0][:200]}; {remedy}{OTHERWISE}")
