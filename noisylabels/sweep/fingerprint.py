"""The fingerprint of a machine: code, packages, data and results folder that runs use.

Only workers with the fingerprint of the sweep may take part in it.
"""

import contextlib
import hashlib
import tempfile
import uuid
from pathlib import Path

from noisylabels.data.dataset import Dataset, digest_of
from noisylabels.runs.atomic_io import disk
from noisylabels.runs.record import versions

MARK = ".sweep"  # a file that identifies a results folder


def mark(results_dir: Path | str) -> None:
    """Create a results folder and its mark if missing; UserError if that fails."""
    with disk(results_dir):
        Path(results_dir).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), open(Path(results_dir, MARK), "x") as file:
            file.write(f"{uuid.uuid4().hex}\n")


def check_writable(results_dir: Path | str) -> None:
    """Raise UserError if a results folder cannot be written or created."""
    folder = Path(results_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    with disk(folder), tempfile.TemporaryFile(dir=folder):
        pass


def fingerprint(root: Path, dataset: Dataset, results_dir: Path | str) -> dict[str, str | None]:
    """Return the states of the code in `root`, the packages, the data and the results folder."""
    return {
        "the code": digest_of_code(root),
        **versions(),
        "the data set": digest_of([dataset.fingerprint], dataset.given),
        "the results folder": state_of(results_dir),
    }


def digest_of_code(root: Path) -> str:
    """Return a digest of all modules that runs import, by name and content."""
    digest = hashlib.sha256()
    modules = [*root.glob("*.py"), *root.glob("models/**/*.py"), *root.glob("noisylabels/**/*.py")]
    for path in sorted(modules):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def state_of(results_dir: Path | str) -> str:
    """Return the mark of a results folder, or why nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=results_dir):
            return Path(results_dir, MARK).read_text().strip()
    except OSError as error:
        return error.strerror
