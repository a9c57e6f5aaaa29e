"""Runs: their locks, their records, and how they resume.

A run is one script (and method) at one noise setting, recipe and seed. Several of them share a
folder.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import disk, move_aside, write_json
from noisylabels.runs.comparison import (
    agree,
    compare,
    computed_in,
    file_digest,
    has_changed,
    warn_if_unchecked,
)
from noisylabels.runs.locks import held
from noisylabels.runs.record import (
    checkpoints_of,
    clear_checkpoints,
    environment,
    read_record,
    remove_checkpoints,
    successor_of,
)


class Run:
    """A run and its state in its folder.

    On disk, the constructor only removes stale checkpoints. The work happens within a `session`. A
    run that replaces a finished one (`overwrite`) keeps the finished result until its training is
    complete:

    1. It trains. The old record and outputs stay. The new record is in the folder of its
       checkpoints.
    2. `begin_outputs` removes the old outputs, then replaces the old record by the new one, which
       is unfinished.
    3. It writes its outputs and calls `finish`.

    If it is killed in step 1, the old run is still finished. If it is killed later, the new run is
    unfinished. In both cases the same command resumes from the checkpoints.

    Attributes
    ----------
    finished : bool
        Whether there is nothing left to do.

    Parameters
    ----------
    folder : Path
        Where the run writes.
    name : str
        The record is `<name>.json`.
    arguments : dict
        Everything that the result depends on. The values are those of JSON.
    overwrite : bool
        Repeat a finished run, or replace one with other arguments.
    outputs : sequence of str
        Files of a finished run. They must exist and be unchanged.
    other_patterns : sequence of str
        Patterns of files other than outputs.
    editable : sequence of str
        Outputs that people may edit.
    remedy : str
        Advice in error messages, after "give".

    Raises
    ------
    UserError
        `overwrite` is False, and the folder has a run with other arguments or changed outputs. Or
        the folder cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        arguments: dict,
        overwrite: bool = False,
        outputs: Sequence[str] = (),
        other_patterns: Sequence[str] = (),
        editable: Sequence[str] = (),
        remedy: str = "another --name or --results_dir, or --overwrite",
    ) -> None:
        self.remedy = remedy
        self.folder, self.name, self.overwrite = Path(folder), name, overwrite
        self.arguments = json.loads(json.dumps(arguments))
        self.outputs = [self.folder / output for output in outputs]
        self.other_patterns = other_patterns
        self.editable = editable
        self.record_path = self.folder / f"{name}.json"
        self.successor_path = successor_of(self.record_path)
        self.checkpoints = checkpoints_of(self.record_path)
        self.seen = read_record(self.record_path)
        if self.seen and not overwrite:
            compare(self.record_path, self.seen["arguments"], self.arguments, self.remedy)
        self.finished = bool(self.seen and not overwrite and self._is_finished(self.seen))
        if self.finished:
            self._check_outputs(self.seen)
            remove_checkpoints(self.record_path)
        else:
            self._check_paths()

    @contextlib.contextmanager
    def session(self, start: Callable[[], dict], wait: bool = False) -> Iterator[None]:
        """Lock the run while the block works on it, and resume an earlier session.

        If another process has finished the run in the meantime, `finished` is True in the block.

        Parameters
        ----------
        start : callable
            Called if there is work to do. Returns the hardware of the session, for the record. It
            may raise, because nothing has been removed yet.
        wait : bool
            Wait for a process that holds the run. Otherwise raise a UserError that names it.
        """
        with disk(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with held(self.folder / f".{self.name}.lock", self.record_path, wait):
            found = read_record(self.record_path)
            was_replaced = found != self.seen  # by another process
            if (
                (was_replaced or not self.overwrite)
                and found
                and agree(found["arguments"], self.arguments)
                and self._is_finished(found)
            ):
                self.finished = True
            else:
                self._prepare(found, start)
            yield

    @property
    def replaces_finished(self) -> bool:
        """Return whether this session replaces a finished run, whose outputs still exist."""
        return self.written_path == self.successor_path

    @property
    def location(self) -> str:
        """Hardware and folder of the session, in words."""
        hardware = self.record["sessions"][-1]["hardware"]
        threads = f"threads per training: {hardware['threads']}"
        return f"on {hardware['device']}, {threads}; to {self.folder}"

    def checkpoint(self, stage: str) -> Path:
        """Return the path of a stage's checkpoint."""
        return self.checkpoints / f"{stage}.npz"

    def problems(self, paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
        """Yield each missing or changed file of a finished run, and the problem."""
        for path in paths:
            if not path.exists():
                yield path, "missing"
            elif has_changed(self.seen, path):
                yield path, f"not the file that {self.name.removesuffix('_training')} saved"

    def begin_outputs(self) -> None:
        """Remove the result that this run replaces, if there is one.

        Call this when only the outputs remain to be written. The old outputs are removed before the
        old record, so that no old output is next to the new record.
        """
        if self.replaces_finished:
            with disk(self.folder):
                self._remove_outputs()
                self.successor_path.replace(self.record_path)
            self.written_path = self.record_path

    def finish(self, files: Iterable[Path] = (), **results: float | int | str) -> None:
        """Record the end of the run, its results, and digests of its outputs and other files.

        The checkpoints are removed.
        """
        paths = [*(path for path in self.outputs if path.exists()), *files]
        self.record["files"] = {path.name: file_digest(path) for path in paths}
        self.record["finished"] = True
        self.record["sessions"][-1]["seconds"] = round(time.time() - self.started, 1)
        self.record["results"] = {
            name: None if pd.isna(value) else value for name, value in results.items()
        }  # JSON has no nan
        write_json(self.record_path, self.record)
        self.finished = True
        clear_checkpoints(self.record_path)
        with contextlib.suppress(OSError):
            self.successor_path.unlink(missing_ok=True)
            self.checkpoints.rmdir()

    def _is_finished(self, record: dict) -> bool:
        return record["finished"] and all(path.exists() for path in self.outputs)

    def _check_outputs(self, record: dict) -> None:
        """Raise UserError if an output has changed since the run of this record wrote it."""
        warn_if_unchecked(record, self.record_path)
        for path in self.outputs:
            if path.name not in self.editable and has_changed(record, path):
                raise UserError(
                    f"{path} is damaged, or was edited since the run wrote it: restore it, or move "
                    "it away to repeat the whole run"
                )

    def _check_paths(self) -> None:
        """Raise UserError if something other than a file is where the run will write one."""
        others = [path for pattern in self.other_patterns for path in self.folder.glob(pattern)]
        for path in [*self.outputs, *others]:
            if path.exists() and not path.is_file():
                raise UserError(
                    f"{path} is not a file: move it away, or give another --name or --results_dir"
                )

    def _prepare(self, found: dict | None, start: Callable[[], dict]) -> None:
        """Choose the record to continue, remove files that belong to no run, begin the session."""
        if found is None and self.record_path.exists():
            move_aside(self.record_path, "it is not the record of a run", lost="the run")
        elif found and not self.overwrite:
            compare(self.record_path, found["arguments"], self.arguments, self.remedy)
        hardware = start()
        was_finished = bool(found and found["finished"])
        successor = read_record(self.successor_path)
        if successor is None and self.successor_path.exists():
            move_aside(self.successor_path, "it is not the record of a run", lost="the run")
        with disk(self.folder):
            self.checkpoints.mkdir(exist_ok=True)
            self._remove_leftovers()
            base = successor
            if not successor and not was_finished:
                base = found
            if (
                base
                and agree(base["arguments"], self.arguments)
                and self._can_resume(base, hardware)
            ):
                self.record = base
            else:  # the checkpoints cannot be resumed
                clear_checkpoints(self.record_path)
                self.record = {"name": self.name, "arguments": self.arguments, "sessions": []}
            if found and not was_finished and self.record is not found:
                self._remove_outputs()
        self.record["finished"] = False
        self.record["sessions"].append(environment(hardware))
        self.written_path = self.successor_path if was_finished else self.record_path
        write_json(self.written_path, self.record)
        if not was_finished:
            with disk(self.folder):
                self.successor_path.unlink(missing_ok=True)
        self.started = time.time()

    def _can_resume(self, record: dict, hardware: dict) -> bool:
        """Return whether this session computes in the number format of the checkpoints.

        Raises UserError if it does not and `overwrite` is False.
        """
        before, now = computed_in(record), hardware.get("computed_in")
        if before in (None, now) or now is None or not any(self.checkpoints.glob("*.npz")):
            return True
        if not self.overwrite:
            raise UserError(
                f"{self.record_path} began in {before}, but this machine computes in {now}: "
                f"continue it on a machine like the first one, or give {self.remedy}"
            )
        return False

    def _remove_outputs(self) -> None:
        for path in self.outputs:
            path.unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        """Remove temporary files of killed processes, except those of figures."""
        names = [self.record_path.name, *(path.name for path in self.outputs), *self.other_patterns]
        parts = [f".{Path(name).stem}.*.part{Path(name).suffix}" for name in names]
        for path in [
            *(path for part in parts for path in self.folder.glob(part)),
            *self.checkpoints.glob(".*.part.*"),
        ]:
            path.unlink(missing_ok=True)
