"""What the machine has, found out without TensorFlow: cores, GPUs, memory; and how trainings share them."""
import contextlib
import ctypes
import os
import platform
import re
import signal
import subprocess
from pathlib import Path

import joblib

PR_SET_PDEATHSIG = 1        # of Linux' prctl.h: the signal that a process gets when its parent dies
GROUPS = (("/sys/fs/cgroup/memory", "max", "current", "inactive_file"),         # of control groups, version 2 and 1
          ("/sys/fs/cgroup/memory/memory", "limit_in_bytes", "usage_in_bytes", "total_inactive_file"))
TWO_TRAININGS = 3e9         # bytes of memory that two trainings side by side should find free


def cores():
    """How many cores this process may use, by its affinity and by the quota of its container."""
    return joblib.cpu_count()


def processor():
    """What the processor is called, or else of what kind it is."""
    with contextlib.suppress(OSError):
        if found := re.search(r"^model name\s*: (.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return found[1]
    return platform.processor() or platform.machine()       # the former is empty on many an ARM


def gpus():
    """How many NVIDIA GPUs the machine has, or the environment lets this process see."""
    found, visible = len(list(Path("/proc/driver/nvidia/gpus").glob("*"))), os.environ.get("CUDA_VISIBLE_DEVICES")
    if not found and Path("/dev/dxg").exists():             # Windows' GPUs in WSL2, of which /proc says nothing
        with contextlib.suppress(OSError):
            listed = subprocess.run([Path("/usr/lib/wsl/lib/nvidia-smi"), "-L"], capture_output=True, text=True).stdout
            found = sum(line.startswith("GPU ") for line in listed.splitlines())
    return found if visible is None else min(found, sum(part not in ("", "-1") for part in visible.split(",")))


def free_memory():
    """Bytes that can be had without swapping, on the machine and in its container; infinite where nothing says that."""
    found = float("inf")
    with contextlib.suppress(OSError, KeyError, ValueError):
        found = 1024 * int(_fields("/proc/meminfo")["MemAvailable:"].split()[0])
    for group, *sizes, given_up in GROUPS:
        with contextlib.suppress(OSError, KeyError, ValueError):    # a limit of "max" is no number
            limit, used = (int(Path(f"{group}.{size}").read_text()) for size in sizes)
            found = min(found, limit - used + int(_fields(f"{group}.stat")[given_up]))
    return found


def _fields(path):
    """{first word: the rest} of the lines of a file."""
    return dict(line.split(None, 1) for line in Path(path).read_text().splitlines())


def die_with(parent):
    """From here on, where the system can do it (Linux), this process ends when its parent, of that id, does, or did."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:                          # which has ended in the meantime
            os.kill(os.getpid(), signal.SIGKILL)


def shares(parallel, gpu_id, threads):
    """How the two halves of a selection share the machine: a GPU id for each process, and the threads of a training.

    parallel: "on", "off", or "auto": side by side where there are two GPUs, or no GPU but two cores, and the memory.
    gpu_id: as for training.device.start_tensorflow; threads: as given, or None for an equal share of the cores. A half
    has as many GPUs one after the other as side by side, for its batches are shared among them.
    """
    found = gpus()
    ids = gpu_id.split(",") if gpu_id else [str(k) for k in range(min(2, found))]
    half = len(ids) // 2
    on_cpu = gpu_id == "-1" or not found
    enough = (cores() > 1 if on_cpu else len(ids) > 1) and free_memory() > TWO_TRAININGS
    if parallel == "off" or parallel == "auto" and not enough:
        return (gpu_id and ",".join(ids[:max(1, half)]),), threads or cores()
    pair = (gpu_id, gpu_id) if on_cpu or not half else (",".join(ids[:half]), ",".join(ids[half:2 * half]))
    return pair, threads or max(1, cores() // 2)
