"""What the machine has, found out without TensorFlow: cores, GPUs, memory; and how trainings share them."""
import contextlib
import ctypes
import os
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1        # of Linux' prctl.h: the signal that a process gets when its parent dies
TWO_TRAININGS = 3e9         # bytes of memory that two trainings side by side should find free


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus():
    """How many NVIDIA GPUs the machine has, or the environment lets this process see."""
    found, visible = len(list(Path("/proc/driver/nvidia/gpus").glob("*"))), os.environ.get("CUDA_VISIBLE_DEVICES")
    return found if visible is None else min(found, sum(part not in ("", "-1") for part in visible.split(",")))


def free_memory():
    """Bytes that can be had without swapping; infinite where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    except (OSError, StopIteration, ValueError):
        return float("inf")


def die_with(parent):
    """From here on, where the system can do it (Linux), this process ends when its parent, of that id, does, or did."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:                          # which has ended in the meantime
            os.kill(os.getpid(), signal.SIGKILL)


def shares(parallel, gpu_id, threads):
    """How the two halves of a selection share the machine: a GPU id for each process, and the threads of a training.

    parallel: "on", "off", or "auto": side by side where there are two GPUs, or no GPU but two cores, and the memory.
    gpu_id: as for training.device.start_tensorflow; threads: as given, or None for an equal share of the cores.
    """
    ids = gpu_id.split(",") if gpu_id else [str(k) for k in range(min(2, gpus()))]
    on_cpu = gpu_id == "-1" or not gpus()
    enough = (cores() > 1 if on_cpu else len(ids) > 1) and free_memory() > TWO_TRAININGS
    if parallel == "off" or parallel == "auto" and not enough:
        return (gpu_id,), threads or cores()
    half = len(ids) // 2
    pair = (gpu_id, gpu_id) if on_cpu or not half else (",".join(ids[:half]), ",".join(ids[half:2 * half]))
    return pair, threads or max(1, cores() // 2)
