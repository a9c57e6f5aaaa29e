"""Cores, processor, GPUs and free memory of the machine, without TensorFlow."""

import contextlib
import os
import platform
import re
import subprocess
from pathlib import Path

import joblib

# Control groups of version 2 and 1: folder, limit, usage and reclaimable memory.
GROUPS = (
    ("/sys/fs/cgroup/memory", "max", "current", "inactive_file"),
    ("/sys/fs/cgroup/memory/memory", "limit_in_bytes", "usage_in_bytes", "total_inactive_file"),
)


def cores() -> int:
    """Return the number of cores that this process may use, by affinity and container quota."""
    return joblib.cpu_count()


def processor() -> str:
    """Return the name of the processor, or its kind if it has no name."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        if found := re.search(r"^model name\s*: (.+)", text, re.MULTILINE):
            return found[1]
    return platform.processor() or platform.machine()  # the former is empty on many ARM machines


def gpus() -> int:
    """Return the number of NVIDIA GPUs that this process may see."""
    found = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if not found and Path("/dev/dxg").exists():  # GPUs of Windows in WSL2, missing in /proc
        with contextlib.suppress(OSError):
            command = [Path("/usr/lib/wsl/lib/nvidia-smi"), "-L"]
            listed = subprocess.run(command, capture_output=True, text=True).stdout
            found = sum(line.startswith("GPU ") for line in listed.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    return min(found, sum(part not in ("", "-1") for part in visible.split(",")))


def free_memory() -> float:
    """Return the bytes available without swapping, in the container too; infinite if unknown."""
    found = float("inf")
    with contextlib.suppress(OSError, KeyError, ValueError):
        found = 1024 * int(_fields("/proc/meminfo")["MemAvailable:"].split()[0])
    for group, *sizes, reclaimable in GROUPS:
        with contextlib.suppress(OSError, KeyError, ValueError):  # a limit of "max" is no number
            limit, used = (int(Path(f"{group}.{size}").read_text()) for size in sizes)
            found = min(found, limit - used + int(_fields(f"{group}.stat")[reclaimable]))
    return found


def _fields(path: str) -> dict[str, str]:
    """Return {first word: rest} of the lines of a file."""
    return dict(line.split(None, 1) for line in Path(path).read_text().splitlines())
