"""Runs: one process a run, a record of each, and what is left to do of one that was stopped.

A run is one script (and method) at one noise setting, recipe and seed. Several of them share a folder.
"""
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType

from filelock import lock_descriptor

from noisylabels.errors import UserError
from noisylabels.machine import processor
from noisylabels.recipes import RECORD_TYPES
from noisylabels.runs.comparison import compare, computed_in, file_digest
from noisylabels.runs.files import disk, set_aside, write_json

PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "pandas", "matplotlib")
OF_KIND = RECORD_TYPES | {"dataset": str, "noise_pattern": str, "recipe": (str, NoneType), "samples": int, "seed": int,
                   "data": (str, NoneType)}
POLL = .5           # seconds between two looks at a lock that one waits for


class Run:
    """One run, as far as its folder knows: made, it writes nothing; its work is done `with run.session(device)`.

    Where it is finished, checkpoints are removed that it left, being killed as it ended.

    folder: where it writes. name: of its record, `<name>.json`. arguments: what its result depends on; a run found
    there with others is an error that names them. overwrite: a finished run, or one with other arguments, is forgotten.
    outputs: the files without which it is not finished. more: patterns of what else it writes.
    remedy: what else to give where the arguments are others, in the words of the error.
    Raises UserError if the arguments differ, or the disk does not allow something.
    """

    def __init__(self, folder, name, arguments, overwrite=False, outputs=(), more=(),
                 remedy="another --name or --results_dir, or --overwrite"):
        self.remedy = remedy
        self.folder, self.name, self.overwrite = Path(folder), name, overwrite
        self.arguments = json.loads(json.dumps(arguments))
        self.outputs, self.more = [self.folder / output for output in outputs], more
        self.record_path = self.folder / f"{name}.json"
        self.checkpoints = checkpoints_of(self.record_path)
        found = read_record(self.record_path)
        if found and not overwrite:
            compare(self.record_path, found["arguments"], self.arguments, self.remedy)
        self.finished = bool(found and not overwrite and self._is_finished(found))
        if self.finished:
            remove_checkpoints(self.record_path)

    @contextlib.contextmanager
    def session(self, start, wait=False):
        """Holds the run for this process while the block works on it, from what an earlier session left.

        start(): called when there is work to do; returns on what it is computed, a dict for the record. wait: for a
        process that holds the run, with a line that says so; without, UserError names the holder. What another process
        has finished since this one looked is not done again: `finished` says so within the block.
        """
        with disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock(wait) as waited:
            found = read_record(self.record_path)
            meant = waited or not self.overwrite
            if meant and found and found["arguments"] == self.arguments and self._is_finished(found):
                self.finished = True
            else:
                self._prepare(found, start)
            yield

    @property
    def place(self):
        """On what a session computes, and where it writes, in words."""
        hardware = self.record["sessions"][-1]["hardware"]
        return f"on {hardware['device']}, threads a training: {hardware['threads']}; to {self.folder}"

    def checkpoint(self, stage):
        """The path of a stage's checkpoint."""
        return self.checkpoints / f"{stage}.npz"

    def finish(self, files: Iterable[Path] = (), **results) -> None:
        """Record the end of the run, its results, and digests of the files that other runs read.

        Its checkpoints are removed.
        """
        self.record["files"] = {path.name: file_digest(path) for path in files}
        self.record["finished"] = True
        self.record["sessions"][-1]["seconds"] = round(time.time() - self.started, 1)
        self.record["results"] = {name: None if value != value else value for name, value in results.items()}   # no nan
        write_json(self.record_path, self.record)
        self.finished = True
        remove_checkpoints(self.record_path)
        with contextlib.suppress(OSError):
            self.checkpoints.rmdir()

    def _is_finished(self, record):
        return record["finished"] and all(path.exists() for path in self.outputs)

    @contextlib.contextmanager
    def _lock(self, wait):
        """Takes the run; the system gives it back when this process ends, however it ends. Yields whether it waited.

        Locked is the first byte of a file. Behind it stands who holds it, for Windows lets nobody read a locked byte;
        and who held it, where that process was ended before it could take its name away.
        """
        path, waited = self.folder / f".{self.name}.lock", False
        with contextlib.ExitStack() as stack:
            with disk(path):
                lock = stack.enter_context(open(path, "a+"))
                if not lock_descriptor(lock.fileno(), blocking=False):
                    holder = _name_in(lock) or "another process"
                    if not wait:
                        raise UserError(f"{self.record_path} is in use by {holder}: wait for it, or give another "
                                        "--results_dir")
                    print(f"waiting for {holder}, which is at {self.record_path}", flush=True)
                    lock_descriptor(lock.fileno(), poll_interval=POLL)
                    waited = True
                left = _name_in(lock)
                if left and not left.endswith(f" on {platform.node()}"):
                    print(f"{self.record_path}: {left} left this run unfinished; if it is still at work, these two "
                          "machines share no locks, see docs/running.md", file=sys.stderr)
                lock.truncate(0)
                os.write(lock.fileno(), f"\nprocess {os.getpid()} on {platform.node()}\n".encode())
            try:
                yield waited
            finally:
                with contextlib.suppress(OSError):
                    lock.truncate(0)

    def _prepare(self, found, start):
        """Forgets what must be forgotten of the record that was found, and begins a session."""
        if found is None and self.record_path.exists():
            set_aside(self.record_path, "it is not the record of a run")
        elif found and not self.overwrite:
            compare(self.record_path, found["arguments"], self.arguments, self.remedy)
        computing = start()                                 # before anything is forgotten: it may be an error
        other = bool(found and self._computed_otherwise(found, computing))
        with disk(self.folder):
            self.checkpoints.mkdir(exist_ok=True)
            self._remove_leftovers()
            forget = found and self.overwrite and (found["arguments"] != self.arguments or self._is_finished(found)
                                                   or other)
            if not found or forget:                         # a checkpoint without a record is of unknown arguments
                remove_checkpoints(self.record_path)
            if forget:                                      # the record last: killed before, this begins again
                for path in [*self.outputs, self.record_path]:
                    path.unlink(missing_ok=True)
                found = None
        self.record = found or {"name": self.name, "arguments": self.arguments, "sessions": []}
        self.record["finished"] = False
        self.record["sessions"].append(_environment(computing))
        write_json(self.record_path, self.record)
        self.started = time.time()

    def _computed_otherwise(self, found: dict, computing: dict) -> bool:
        """Whether checkpoints are of another number format than this session's.

        Raises UserError where the run would continue from them.
        """
        before, now = computed_in(found), computing.get("computed_in")
        if before in (None, now) or now is None or not any(self.checkpoints.glob("*.npz")):
            return False
        if not self.overwrite:
            raise UserError(f"{self.record_path} was begun in {before}, and this machine computes in {now}: continue "
                            f"it on a machine like the first, or give {self.remedy}")
        return True

    def _remove_leftovers(self):
        """What a killed process was writing of this run. Pictures are drawn without the lock: one may be drawn now."""
        names = [self.record_path.name, *(path.name for path in self.outputs), *self.more]
        parts = [f".{Path(name).stem}.*.part{Path(name).suffix}" for name in names]
        for path in [*(path for part in parts for path in self.folder.glob(part)), *self.checkpoints.glob(".*.part.*")]:
            path.unlink(missing_ok=True)


def _name_in(lock):
    """Who holds a lock, or held it, from its open file; empty where that is not known, or SMB lets nobody read it."""
    with contextlib.suppress(OSError):
        lock.seek(1)
        return lock.read().strip()
    return ""


def checkpoints_of(record_path):
    """The folder of a run's checkpoints."""
    return record_path.with_name(f"{record_path.stem}_checkpoints")


def remove_checkpoints(record_path):
    """Removes those of a run that does not need them any more."""
    with disk(record_path):
        for path in checkpoints_of(record_path).glob("*.npz"):
            path.unlink(missing_ok=True)


def read_record(path):
    """The record of a run, a dict; None where there is none, or something else."""
    try:
        with disk(path), contextlib.suppress(FileNotFoundError):
            record = json.loads(path.read_bytes())
            return record if _is_record(record) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_record(record):
    """Whether this, of JSON, has the form of a record. Raises KeyError or TypeError where it has not at all."""
    arguments, sessions = record["arguments"], record["sessions"]
    if not (isinstance(arguments, dict) and isinstance(sessions, list) and "finished" in record
            and all(isinstance(part, dict) for part in
                    [record.get("results") or {}, record.get("files", {}), *sessions])
            and all(isinstance(digest, str) for digest in record.get("files", {}).values())):
        return False
    selection = arguments.get("selection") or {}            # of runs of before a digest
    settings = [arguments, selection] if isinstance(selection, dict) else [arguments]
    seconds = [session.get("seconds") for session in sessions]
    computing = [session.get(name, {}) for session in sessions for name in ("versions", "hardware")]
    return (isinstance(selection, (dict, str)) and all(isinstance(part, dict) for part in computing)
            and all(isinstance(value, (float, int, NoneType)) for value in seconds)
            and all(isinstance(part[name], OF_KIND[name]) for part in settings for name in part if name in OF_KIND))


def versions():
    """{package: its version, or None} of those that results depend on."""
    found = dict.fromkeys(PACKAGES)
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):     # TensorFlow, for one, comes under several names
            found[name] = version(name)
    return found


def _revision():
    """This checkout's commit, and "-dirty" where a file of it has changed since: not of results, as runs do that."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=Path(__file__).parent, text=True, capture_output=True,
                              timeout=10).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude)results")
        return git("describe", "--always", "--abbrev=12") + "-dirty" * bool(changed) or None
    except (OSError, subprocess.SubprocessError):
        return None


def _environment(computing):
    """A session's begin, command, versions, git revision and hardware, as far as they can be found out."""
    return {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seconds": None, "command": sys.argv,
            "git": _revision(), "python": platform.python_version(), "versions": versions(),
            "hardware": {**computing, "machine": platform.machine(), "processor": processor(),
                         "system": platform.platform(), "cores": os.cpu_count()}}
