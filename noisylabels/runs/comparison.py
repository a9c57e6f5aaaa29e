"""Compare a recorded run with the requested one, and its files with those that it wrote."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

from noisylabels.errors import UserError
from noisylabels.recipes import RECORD_DEFAULTS
from noisylabels.runs.atomic_io import disk

DIGESTS = {  # arguments that are or have digests, and their content
    "data": "the images or labels",
    "labels": "the observed labels",
    "backbone_weights": "the weights of the backbone",
    "selection": "the selection's rows",
    "decisions": "the decisions",
    "teacher": "the networks of incv",
}
# Arguments that differ as a consequence. Errors name only the cause.
FOLLOWS = {
    "data": ("labels", "noise_ratio", "samples", "selection", "teacher"),
    "labels": ("noise_ratio", "selection", "teacher"),
    "decisions": ("selection", "teacher"),
    "selection": ("teacher",),
}
OF_ITS_ROWS = ("digest", "LP", "LR")  # of a selection in arguments


def file_digest(path: Path) -> str:
    """Identify the content of a file by 16 hexadecimal digits; UserError if it cannot be read.

    Line endings of Windows count as those of other systems, because git may convert them.
    """
    with disk(path):
        return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]


def has_changed(record: dict, path: Path) -> bool:
    """Return whether a file differs from the one that the finished run wrote; False if unknown."""
    known = record.get("files", {}).get(path.name)
    return known is not None and known != file_digest(path)


def warn_if_unchecked(record: dict, path: Path) -> None:
    """Warn if the record of a finished run, at `path`, has no digests to check its files by."""
    if "files" not in record:
        warnings.warn(
            f"{path} was written by an earlier version without digests of its files, so it is "
            "unknown whether they have changed",
            stacklevel=2,
        )


def computed_in(record: dict) -> str | None:
    """Return the number format of a run's last session; None if it is unknown.

    In older records it is part of the device's name.
    """
    hardware = record["sessions"][-1].get("hardware", {}) if record["sessions"] else {}
    device = str(hardware.get("device", ""))
    if "computed_in" in hardware or not device:
        known = hardware.get("computed_in")
        return known and str(known)
    if not device.endswith(" with bfloat16"):
        return "float32"
    if record["arguments"].get("precision") == "mixed":
        return "bfloat16"
    return "float32" if device.startswith("CPU") else "TF32"


def compare(path: Path, found: dict, given: dict, remedy: str) -> None:
    """Check that a recorded run has the requested arguments.

    Parameters
    ----------
    path : Path
        The record.
    found, given : dict
        The arguments in the record and the requested ones. A setting that an older record lacks
        had its default.
    remedy : str
        What the error suggests to give instead.

    Raises
    ------
    UserError
        They differ, or the record does not identify its data. The error names the differences.
    """
    if found.get("data") is None and given.get("data") is not None:
        raise UserError(
            f"{path} was written by an earlier version that did not record the images and labels "
            f"of a run; give {remedy}"
        )
    changed, settings = _differences(found, given)
    if changed:
        settings = f", and it had other arguments: {', '.join(settings)}" if settings else ""
        raise UserError(
            f"{path}: {' and '.join(changed)} have changed since this run{settings}; give the "
            f"original ones, {remedy}"
        )
    if settings:
        raise UserError(
            f"{path} records a run with other arguments: {', '.join(settings)}; give those, "
            f"{remedy}"
        )


def agree(found: dict, given: dict) -> bool:
    """Return whether two runs have the same arguments."""
    return not any(_differences(found, given))


def _differences(found: dict, given: dict) -> tuple[list[str], list[str]]:
    """Return the inputs that have changed by their digests, and the settings that differ."""

    def value(arguments: dict, key: str) -> Any:
        return arguments.get(key, RECORD_DEFAULTS.get(key))

    changed, settings = [], []
    keys = [key for key in sorted({*found, *given}) if value(found, key) != value(given, key)]
    for key in keys:
        before, now = value(found, key), value(given, key)
        if any(key in FOLLOWS.get(other, ()) for other in keys):
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            same = [name for name in before if name in now and name not in OF_ITS_ROWS]
            names = [name for name in same if before[name] != now[name]]
            settings += [
                f"{key}: {name} (found {before[name]}, given {now[name]})" for name in names
            ]
            rows = any(before.get(name) != now.get(name) for name in OF_ITS_ROWS)
            changed += [DIGESTS[key]] if rows and not names else []
        elif key in DIGESTS and before and now:
            changed.append(DIGESTS[key])
        elif key in DIGESTS:
            settings.append(
                f"{key} (found {'some' if before else 'none'}, given {'some' if now else 'none'})"
            )
        else:
            settings.append(f"{key} (found {before}, given {now})")
    return changed, settings
