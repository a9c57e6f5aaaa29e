"""Write files atomically, and read checkpoints safely."""

import contextlib
import glob
import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from noisylabels.csv_files import quoting
from noisylabels.errors import UserError

DISK_REMEDY = "fix that or write elsewhere, then repeat the command; all files on disk are complete"
ABANDONED = 3600  # seconds after which a temporary file counts as left by a killed process


@contextlib.contextmanager
def disk(path: Path | str) -> Iterator[None]:
    """Convert errors of the disk in the block to a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; {DISK_REMEDY}") from None


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder, and rename it to `path` when the block succeeds.

    A reader sees the whole old file or the whole new one. Temporary files of killed processes are
    removed.

    Raises
    ------
    UserError
        The file cannot be written, or the path is a device or a folder.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is a device or a folder, not a file; {DISK_REMEDY}")
    temporary = path.with_name(
        f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.part{path.suffix}"
    )
    with disk(path):
        for left in path.parent.glob(f".{glob.escape(path.stem)}.*.part{path.suffix}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()
        try:
            yield temporary
            with open(temporary, "r+b") as file:  # Windows flushes only writable files
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_csv(path: Path, frame: pd.DataFrame, index: bool = False) -> None:
    """Write a frame as CSV, with enough digits to restore floats exactly."""
    texts = frame.select_dtypes("object")
    with atomic(path) as temporary:
        frame.to_csv(
            temporary,
            index=index,
            lineterminator="\n",
            quoting=quoting(chain.from_iterable(texts[name] for name in texts)),
        )


def write_json(path: Path, content: Any) -> None:
    """Write a value as JSON."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy."""
    with atomic(path) as temporary:
        np.save(temporary, array)


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name as an uncompressed npz, whose checksums reveal damage."""
    with atomic(path) as temporary:
        np.savez(temporary, **arrays)


def load_arrays(path: Path | str) -> dict[str, np.ndarray] | None:
    """Read a file of `save_arrays`; None if it is missing. A damaged file is renamed, also None.

    No code in the file is executed: members are read as plain arrays, never unpickled. A compressed
    file, which may expand beyond its size, is not read.
    """
    path = Path(path)
    if not path.exists():
        return None
    with disk(path):
        file = open(path, "rb")
    try:
        with file, np.load(file, allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > path.stat().st_size:
                raise ValueError("compressed")
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile and NumPy raise many kinds for damage
        return move_aside(path, f"it is damaged or no checkpoint ({type(error).__name__})")


def move_aside(path: Path, why: str, lost: str = "this training") -> None:
    """Rename a file that cannot be used to `<name>.unusable`; print why and what starts again."""
    aside = path.with_name(path.name + ".unusable")
    with disk(path):
        path.replace(aside)
    print(f"{path}: {why}; renamed to {aside.name}; {lost} starts again", file=sys.stderr)
