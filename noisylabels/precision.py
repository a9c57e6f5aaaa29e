"""Measure whether bfloat16 trains faster than float32 on this CPU.

The processor's flags do not decide. With avx512_bf16 and without AMX, bfloat16 can be slower, and
some machines announce instructions that crash. A subprocess therefore measures both, once per
machine.
"""

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import filelock

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import write_json

CPUINFO = Path("/proc/cpuinfo")
TIMEOUT = 60  # seconds
COMMAND = (sys.executable, "-m", "noisylabels.training.measure_precision")


def bfloat16_is_faster() -> bool:
    """Return whether a training step takes less time in bfloat16 than in float32.

    The first call on a machine measures. Later calls read the result from the user's cache folder.
    A failed measurement means float32. If it takes too long, nothing is stored, because the machine
    may only be busy.
    """
    path, seconds = cache_folder() / f"precision_{machine_key()}.json", None
    try:
        # The folder may be impossible to create or to write to.
        with contextlib.suppress(OSError, UserError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # The two halves of a selection start at the same time.
            with filelock.FileLock(path.with_suffix(".lock")):
                seconds = _read(path)
                if seconds is None:
                    seconds = measure_in_subprocess()
                    write_json(path, seconds)
        seconds = seconds or measure_in_subprocess()
    except subprocess.TimeoutExpired:
        return False
    return seconds["bfloat16"] < seconds["float32"]


def cache_folder() -> Path:
    """Return the user's folder for what this package remembers about a machine."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(folder or Path.home() / ".cache") / "noisylabels"


def machine_key() -> str:
    """Return a short digest of the processor, its flags and TensorFlow's version."""
    text = platform.processor() + platform.machine()
    with contextlib.suppress(OSError):
        lines = CPUINFO.read_text().splitlines()
        text = "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))
    return hashlib.sha256(f"{text}\n{version('tensorflow')}".encode()).hexdigest()[:16]


def measure_in_subprocess() -> dict[str, float]:
    """Return the seconds of a step by name of the type. If that fails, bfloat16 is the slower.

    Raises
    ------
    subprocess.TimeoutExpired
        The measurement takes longer than TIMEOUT.
    """
    folders = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with contextlib.suppress(OSError, subprocess.CalledProcessError, ValueError):
        finished = subprocess.run(
            COMMAND, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=environment
        )
        return json.loads(finished.stdout)
    return {"float32": 0.0, "bfloat16": 1.0}


def _read(path: Path) -> dict[str, float] | None:
    """Return the measured seconds in a file, or None if it has none."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text())
        return {name: float(found[name]) for name in ("float32", "bfloat16")}
