"""Unreadable files of custom images: a list of them, or an error if there are too many."""

import contextlib
import csv
import os
import warnings
from itertools import chain
from pathlib import Path

from noisylabels.csv_files import quoting
from noisylabels.errors import UserError

MAX_UNREADABLE = 0.05  # share of all files


def check_readable(n: int, unreadable: list[tuple[str, str]], path: Path | None, lost: str) -> None:
    """List unreadable files in a CSV.

    Parameters
    ----------
    n : int
        Number of all files.
    unreadable : list of (str, str)
        File and reason.
    path : Path, optional
        The CSV. It is deleted if all files are readable.
    lost : str
        The use that no image is left for, such as "test on"; "" if there is none.

    Raises
    ------
    UserError
        More than 5 % of the files are unreadable, or there is a use that no image is left for.
    """
    if path is not None:
        _write_list(Path(path), unreadable)
    if not unreadable:
        return
    first = "; ".join(f"{file!a} ({reason})" for file, reason in unreadable[:3])
    which = f"{len(unreadable):,} of {n:,} images cannot be read, such as {first}"
    which += "" if path is None else f"; all are in {path}"
    if lost:
        raise UserError(f"{which}; no image would be left to {lost}: repair or replace these files")
    if len(unreadable) > MAX_UNREADABLE * n:
        raise UserError(
            f"{which}; more than {100 * MAX_UNREADABLE:.0f} %: repair or remove these files"
        )
    warnings.warn(f"{which}; they are left out", stacklevel=4)


def _write_list(path: Path, unreadable: list[tuple[str, str]]) -> None:
    """Write a CSV (file, reason) atomically; delete it if the list is empty."""
    part = path.with_name(f".{path.stem}.{os.urandom(6).hex()}.part{path.suffix}")
    try:
        if not unreadable:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file, lineterminator="\n", quoting=quoting(chain(*unreadable))).writerows(
                [("file", "reason"), *unreadable]
            )
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(
            f"{path}: {error.strerror or error}; fix that, or give another --results_dir"
        ) from None
