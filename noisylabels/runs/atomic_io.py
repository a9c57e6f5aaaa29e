"""Files that appear whole or not at all, and checkpoints that are read without trusting them."""
import contextlib
import glob
import json
import os
import sys
import time
from itertools import chain
from pathlib import Path

import numpy as np

from noisylabels.csv_files import quoting
from noisylabels.errors import UserError

DISK_REMEDY = "fix that or write elsewhere, and give the command again: what is on disk is whole"
ABANDONED = 3600        # seconds after which a temporary file is taken for that of a process that was killed


@contextlib.contextmanager
def disk(path):
    """Turns what the disk does not allow within the block into a UserError of one line."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; {DISK_REMEDY}") from None


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`, of the same suffix; renames it to `path` when the block ends well.

    A reader sees the old file or the new one, whole, whatever happens in between. What killed processes have left of it
    is removed. Raises UserError for a full disk and the like, and where the path is no file: a device, which is not to
    be replaced by one, or a folder.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: a device or a folder is there, not a file; {DISK_REMEDY}")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.part{path.suffix}")
    with disk(path):
        for left in path.parent.glob(f".{glob.escape(path.stem)}.*.part{path.suffix}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()
        try:
            yield temporary
            with open(temporary, "r+b") as file:         # Windows flushes only what one may write
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_csv(path, frame, index=False):
    """A pandas frame as CSV, floats with the digits that bring them back exactly."""
    texts = frame.select_dtypes("object")
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=index, lineterminator="\n",
                     quoting=quoting(chain.from_iterable(texts[name] for name in texts)))


def write_json(path, content):
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def write_array(path, array):
    """An array as .npy."""
    with atomic(path) as temporary:
        np.save(temporary, array)


def save_arrays(path, arrays):
    """Arrays by name, as an uncompressed npz: its checksums tell a damaged file from a good one."""
    with atomic(path) as temporary:
        np.savez(temporary, **arrays)


def load_arrays(path):
    """What `save_arrays` wrote; None where the file is missing, or is damaged or foreign and so set aside.

    Nothing in the file can run: npz members are read as plain arrays, never unpickled; and what claims to hold more
    than its size, a compressed file, is not read.
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
    except Exception as error:                              # zipfile and NumPy raise a dozen kinds, all of damage
        return set_aside(path, f"it is damaged or no checkpoint ({type(error).__name__})")


def set_aside(path, why):
    """Renames a file that cannot be used to `<name>.unusable`, and says so; returns None."""
    aside = path.with_name(path.name + ".unusable")
    with disk(path):
        path.replace(aside)
    print(f"{path}: {why}; kept as {aside.name}, and what it was for starts again", file=sys.stderr)
