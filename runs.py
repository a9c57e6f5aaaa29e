"""Run folders: files that appear whole or not at all, one process a folder, and a record of every run.

A run is one script (and method) at one setting and seed. Its folder is `results/<dataset>/<pattern>/<ratio>/` for
seed 0, the path of 2019, and `seed<k>/` beneath it for the others.
"""
import contextlib
import fcntl
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from utils import UserError

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pandas", "matplotlib")


def setting_folder(results_dir, dataset, pattern, ratio):
    """`results/<dataset>/<pattern>/<ratio>`: where a setting's runs are."""
    return Path(results_dir) / dataset / pattern / str(float(ratio))


def run_folder(results_dir, dataset, pattern, ratio, seed):
    """The folder of one seed of a setting."""
    folder = setting_folder(results_dir, dataset, pattern, ratio)
    return folder / f"seed{seed}" if seed else folder


# --------------------------------------------------------------------------------------------------------------- files


@contextlib.contextmanager
def _disk(path):
    """Turns what the disk does not allow within the block into a UserError of one line."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; mend that or give another --results_dir: what is on disk "
                        "is whole, and the same command goes on from it") from None


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`, of the same suffix; renames it to `path` when the block ends well.

    A reader sees the old file or the new one, whole, whatever happens in between. Raises UserError for a full disk and
    the like.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    with _disk(path):
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_csv(path, frame, index=False):
    """A pandas frame as CSV, floats with the digits that bring them back exactly."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=index, lineterminator="\n")


def write_json(path, content):
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


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
    with _disk(path):
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
    with _disk(path):
        path.replace(aside)
    print(f"{path}: {why}; kept as {aside.name}, and what it was for starts again", file=sys.stderr)


# ---------------------------------------------------------------------------------------------------------------- runs


class Run:
    """One run, as far as its folder knows: made, it writes nothing; its work is done `with run.session(device)`.

    folder: where it writes. name: of its record, `<name>.json`. arguments: what its result depends on; a run found
    there with others is an error that names them. overwrite: a finished run, or one with other arguments, is forgotten.
    outputs: the files without which it is not finished.
    Raises UserError if the arguments differ, or the disk does not allow something.
    """

    def __init__(self, folder, name, arguments, overwrite=False, outputs=()):
        self.folder, self.name, self.overwrite = Path(folder), name, overwrite
        self.arguments = json.loads(json.dumps(arguments))
        self.outputs = [self.folder / output for output in outputs]
        self.record_path = self.folder / f"{name}.json"
        self.checkpoints = self.folder / "checkpoints"
        found = read_record(self.record_path)
        if found and not overwrite:
            compare(self.record_path, found["arguments"], self.arguments)
        self.finished = bool(found and not overwrite and self._is_finished(found))

    @contextlib.contextmanager
    def session(self, device):
        """Holds the folder for this process while the block works on the run, from what an earlier session left.

        device: where it computes, for the record. Raises UserError if another process holds the folder.
        """
        with _disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock():
            self._prepare(device)
            yield

    def checkpoint(self, stage):
        """The path of a stage's checkpoint."""
        return self.checkpoints / f"{self.name}_{stage}.npz"

    def finish(self, **results):
        """Records the end of the run with what is worth knowing of it, and removes its checkpoints."""
        self.record["finished"] = True
        self.record["sessions"][-1]["seconds"] = round(time.time() - self.started, 1)
        self.record["results"] = {name: None if value != value else value for name, value in results.items()}   # no nan
        write_json(self.record_path, self.record)
        for path in self.checkpoints.glob(f"{self.name}_*.npz"):
            path.unlink()
        with contextlib.suppress(OSError):
            self.checkpoints.rmdir()

    def _is_finished(self, record):
        return record["finished"] and all(path.exists() for path in self.outputs)

    @contextlib.contextmanager
    def _lock(self):
        """Takes the folder; the kernel gives it back when this process ends, however it ends."""
        with contextlib.ExitStack() as stack:
            with _disk(self.folder):
                lock = stack.enter_context(open(self.folder / ".lock", "a+"))
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.seek(0)
                    holder = lock.read().strip() or "another process"
                    raise UserError(f"{self.folder} is in use by {holder}: wait for it, or give another "
                                    "--results_dir") from None
                lock.truncate(0)
                lock.write(f"process {os.getpid()} on {platform.node()} ({self.name})\n")
                lock.flush()
            yield

    def _prepare(self, device):
        """Reads the record, forgets what must be forgotten, and begins a session."""
        found = read_record(self.record_path)
        if found is None and self.record_path.exists():
            set_aside(self.record_path, "it is not the record of a run")
        elif found and not self.overwrite:
            compare(self.record_path, found["arguments"], self.arguments)
        with _disk(self.folder):
            self.checkpoints.mkdir(exist_ok=True)
            # What a killed process was writing. Pictures are drawn without the lock: another may be at it now.
            for path in [*self.folder.glob(".*.part.*"), *self.checkpoints.glob(".*.part.*")]:
                if path.suffix != ".png":
                    path.unlink(missing_ok=True)
            forget = found and self.overwrite and (found["arguments"] != self.arguments or self._is_finished(found))
            if not found or forget:                         # a checkpoint without a record is of unknown arguments
                for path in self.checkpoints.glob(f"{self.name}_*.npz"):
                    path.unlink()
            if forget:                                      # the record last: killed before, this begins again
                for path in [*self.outputs, self.record_path]:
                    path.unlink(missing_ok=True)
                found = None
        self.record = found or {"name": self.name, "arguments": self.arguments, "sessions": []}
        self.record["finished"] = False
        self.record["sessions"].append(_environment(device))
        write_json(self.record_path, self.record)
        self.started = time.time()


def read_record(path):
    """The record of a run, a dict; None where there is none, or something else."""
    try:
        with _disk(path), contextlib.suppress(FileNotFoundError):
            record = json.loads(path.read_bytes())
            if isinstance(record["arguments"], dict) and isinstance(record["sessions"], list) and "finished" in record:
                return record
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def compare(path, found, given):
    """Raises UserError, which names what differs, unless the arguments found in the record `path` are those given."""
    differ = [f"{key} (found {found.get(key)}, given {given.get(key)})"
              for key in sorted({*found, *given}) if found.get(key) != given.get(key)]
    if differ:
        raise UserError(f"{path} is of a run with other arguments: {', '.join(differ)}; give those, another "
                        "--results_dir, or --overwrite")


def _environment(device):
    """A session's begin, command, versions, git revision and hardware, as far as they can be found out."""
    versions = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):     # TensorFlow, for one, comes under several names
            versions[name] = version(name)
    try:
        git = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=Path(__file__).parent,
                             text=True, capture_output=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        git = None
    return {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": None, "command": sys.argv,
            "git": git, "python": platform.python_version(), "versions": versions,
            "hardware": {"device": device, "machine": platform.machine(), "system": platform.platform(),
                         "cores": os.cpu_count()}}
