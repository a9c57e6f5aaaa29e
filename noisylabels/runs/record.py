"""The record of a run: what it depends on, the sessions that worked on it, its results."""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import Any

from noisylabels.recipes import RECORD_TYPES
from noisylabels.runs.atomic_io import disk
from noisylabels.system.hardware import processor

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pandas", "matplotlib")
OF_KIND = RECORD_TYPES | {
    "dataset": str,
    "noise_pattern": str,
    "recipe": (str, NoneType),
    "samples": int,
    "test_split": (float, int),
    "seed": int,
    "data": (str, NoneType),
    "computed_in": str,
}


def checkpoints_of(record_path: Path) -> Path:
    """Return the folder of a run's checkpoints."""
    return record_path.with_name(f"{record_path.stem}_checkpoints")


def successor_of(record_path: Path) -> Path:
    """Return the path of the record of a run that will replace a finished one."""
    return checkpoints_of(record_path) / record_path.name


def remove_checkpoints(record_path: Path) -> None:
    """Remove the checkpoints that a finished run has left, but not those of its successor."""
    if not successor_of(record_path).exists():
        clear_checkpoints(record_path)


def clear_checkpoints(record_path: Path) -> None:
    """Remove all checkpoints next to a record."""
    with disk(record_path):
        for path in checkpoints_of(record_path).glob("*.npz"):
            path.unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a run; None if the file is missing or not a record."""
    try:
        with disk(path), contextlib.suppress(FileNotFoundError):
            record = json.loads(path.read_bytes())
            return record if _is_record(record) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_record(record: Any) -> bool:
    """Return whether a JSON value is a record. May raise KeyError or TypeError."""
    arguments, sessions = record["arguments"], record["sessions"]
    parts = [record.get("results") or {}, record.get("files", {}), *sessions]
    if not (
        isinstance(arguments, dict)
        and isinstance(sessions, list)
        and "finished" in record
        and all(isinstance(part, dict) for part in parts)
    ):
        return False
    selection = arguments.get("selection") or {}  # a digest in old records
    settings = [arguments, selection] if isinstance(selection, dict) else [arguments]
    seconds = [session.get("seconds") for session in sessions]
    computing = [session.get(name, {}) for session in sessions for name in ("versions", "hardware")]
    return (
        isinstance(selection, (dict, str))
        and all(isinstance(part, dict) for part in computing)
        and all(isinstance(value, (float, int, NoneType)) for value in seconds)
        and all(
            isinstance(part[name], OF_KIND[name])
            for part in settings
            for name in part
            if name in OF_KIND
        )
    )


def versions() -> dict[str, str | None]:
    """Return the versions of the packages that results depend on; None if unknown."""
    found = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):  # TensorFlow has several package names
            found[name] = version(name)
    return found


def _revision() -> str | None:
    """Return the commit of this checkout, with "-dirty" if a file outside results/ has changed."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            text=True,
            capture_output=True,
            timeout=10,
        ).stdout.strip()

    try:
        changed = git(
            "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)results"
        )
        revision = git("describe", "--always", "--abbrev=12")
        return f"{revision}-dirty" if changed else revision or None
    except (OSError, subprocess.SubprocessError):
        return None


def environment(computing: dict[str, Any]) -> dict[str, Any]:
    """Return start, command, versions, git revision and hardware of a session."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": None,
        "command": sys.argv,
        "git": _revision(),
        "python": platform.python_version(),
        "versions": versions(),
        "hardware": {
            **computing,
            "machine": platform.machine(),
            "processor": processor(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
    }
