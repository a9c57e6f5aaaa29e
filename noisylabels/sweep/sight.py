"""What a run here would see, so that machines can be compared before they take part in one sweep."""
import contextlib
import hashlib
import tempfile
import uuid
from pathlib import Path

from noisylabels.data.dataset import digest_of
from noisylabels.runs.files import disk
from noisylabels.runs.record import versions

MARK = ".sweep"             # a file of a results folder, by which it is known again


def mark(results_dir):
    """Makes sure that a results folder is there, and bears its mark. Raises UserError where the disk does not allow."""
    with disk(results_dir):
        Path(results_dir).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), open(Path(results_dir, MARK), "x") as file:
            file.write(f"{uuid.uuid4().hex}\n")


def sight(root, dataset, results_dir):
    """{what: its state} of the scripts in `root`, of what they import, the data set, and the results folder."""
    return {"the code": digest_of_code(root), **versions(),
            "the data set": digest_of([dataset.fingerprint], dataset.given),
            "the results folder": state_of(results_dir)}


def digest_of_code(root):
    """Of all that runs import, by name and content."""
    digest = hashlib.sha256()
    for path in sorted([*root.glob("*.py"), *root.glob("models/**/*.py"), *root.glob("noisylabels/**/*.py")]):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def state_of(results_dir):
    """The mark of a results folder; or why nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=results_dir):
            return Path(results_dir, MARK).read_text().strip()
    except OSError as error:
        return error.strerror
