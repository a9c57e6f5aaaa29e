"""The lock of a run: one process at a time works on it."""

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from filelock import lock_descriptor

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import disk

POLL = 0.5  # seconds between two attempts to take a lock


@contextlib.contextmanager
def held(path: Path, record_path: Path, wait: bool) -> Iterator[None]:
    """Lock a run in the block. The system unlocks it when this process ends for any reason.

    The first byte of a file is locked. The name of the holder follows it, because on Windows no
    other process can read a locked byte. A killed holder leaves its name there.

    Parameters
    ----------
    path : Path
        The lock file.
    record_path : Path
        The record of the run, which messages name.
    wait : bool
        Wait for the process that holds the run. Otherwise raise a UserError that names it.
    """
    with contextlib.ExitStack() as stack:
        with disk(path):
            lock = stack.enter_context(open(path, "a+"))
            if not lock_descriptor(lock.fileno(), blocking=False):
                holder = _name_in(lock) or "another process"
                if not wait:
                    raise UserError(
                        f"{record_path} is in use by {holder}: wait for it, or give "
                        "another --results_dir"
                    )
                print(f"waiting for {holder}, which is at {record_path}", flush=True)
                lock_descriptor(lock.fileno(), poll_interval=POLL)
            left = _name_in(lock)
            if left and not left.endswith(f" on {platform.node()}"):
                print(
                    f"{record_path}: {left} left this run unfinished; if it is still at work, "
                    "these two machines share no locks, see docs/running.md",
                    file=sys.stderr,
                )
            lock.truncate(0)
            os.write(lock.fileno(), f"\nprocess {os.getpid()} on {platform.node()}\n".encode())
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.truncate(0)


def _name_in(lock: IO[str]) -> str:
    """Return who holds or held a lock, from its open file.

    The result is "" if that is unknown, or if SMB forbids reading.
    """
    with contextlib.suppress(OSError):
        lock.seek(1)
        return lock.read().strip()
    return ""
