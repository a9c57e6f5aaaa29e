"""The part of a Dask worker in a sweep: whether it may take part, and how it runs a task.

The plugin is sent by value: a worker needs Dask and the folders of the sweep, but imports nothing
from them.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from distributed import Status, Worker, WorkerPlugin

from noisylabels.sweep.subprocess_runner import call, wait_flags
from noisylabels.system.hardware import cores

# Proxies at a closed port: a worker reads its data set and downloads nothing.
NO_DOWNLOAD = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}


class SweepWorkerPlugin(WorkerPlugin):
    """A worker's part in a sweep. Its places for tasks are a Dask resource called `name`.

    Parameters
    ----------
    name : str
        Name of the sweep.
    root, folder : path
        Folder of the scripts, and their working directory.
    flags : sequence of str
        Flags with which sweep.py prints its fingerprint.
    fingerprint : dict, optional
        Required fingerprint. By default it is not compared.
    gpus : float
        GPUs per run, or a share of a GPU. By default none.
    threads : int, optional
        Threads per run. By default an equal share of the cores.
    numbered : bool
        Whether the worker has one place, and is named by its number among the machine's places.
    """

    def __init__(
        self,
        name: str,
        root: Path | str,
        folder: Path | str,
        flags: Sequence[str] = (),
        fingerprint: dict | None = None,
        gpus: float = 0.0,
        threads: int | None = None,
        numbered: bool = False,
    ) -> None:
        self.name, self.root, self.folder = name, str(root), str(folder)
        self.flags, self.fingerprint = list(flags), fingerprint
        self.gpus, self.threads, self.numbered = gpus, threads, numbered

    async def setup(self, worker: Worker) -> None:
        """Announce the number of places; 0 and the reason if the worker may not take part."""
        self.worker, self.lock = worker, threading.Lock()
        places = worker.state.nthreads
        if self.gpus:
            gpu_places = worker.state.total_resources.get("GPU", 0) / self.gpus
            places = min(places, int(gpu_places + 1e-6))
        problem = await asyncio.to_thread(self.problem)
        if not problem and not places:
            problem = f"it has no --resources GPU={max(1, self.gpus):g}"
        if problem:
            places = 0
            worker.log_event(self.name, {"refused": worker.address, "problem": problem})
        self.free = {int(worker.name)} if self.numbered else set(range(places))
        self.cores = max(1, cores() // max(1, places))
        await worker.set_resources(**{self.name: places})
        if places and worker.status == Status.running:
            # The scheduler assigns waiting tasks when a worker joins, not when resources change.
            worker.status = Status.paused
            worker.status = Status.running

    async def teardown(self, worker: Worker) -> None:
        """Withdraw the places; tasks that still run here are killed."""
        self.free = None
        await worker.set_resources(**{self.name: 0})

    def problem(self) -> str | None:
        """Return why this worker may not take part; None if it may."""
        if self.fingerprint is None:
            return None
        for folder in (self.root, self.folder):
            if not Path(folder).is_dir():
                return f"it has no folder {folder}"
        done = subprocess.run(
            [sys.executable, Path(self.root, "sweep.py"), *self.flags],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**os.environ, **NO_DOWNLOAD},
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[-1]
            return last or f"sweep.py ends with exit code {done.returncode}"
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return f"sweep.py prints {done.stdout[:80]!r} instead of its fingerprint"
        differ = [
            f"{what} differs (there {found.get(what)}, here {here})"
            for what, here in self.fingerprint.items()
            if found.get(what) != here
        ]
        return ", ".join(differ) or None

    def run_task(self, script: str, flags: list[str], log: str) -> tuple[str | None, float, str]:
        """Run a task; return its problem or None, its seconds and this worker's address.

        Raises subprocess.CalledProcessError if the process was killed: Dask then tries again.
        """
        key, where = self.worker.get_current_task(), self.worker.address
        start = time.perf_counter()
        with self.lock:
            place = min(self.free)
            self.free.remove(place)
        try:
            self.worker.log_event(self.name, {"begun": key, "worker": where})
            code = call(
                self.root,
                script,
                [*self.own_flags(script, place), *flags],
                log,
                self.folder,
                is_wanted=lambda: self.free is not None and self.is_wanted(key),
            )
            if code is None:
                raise subprocess.CalledProcessError(-signal.SIGKILL, script)
            problem = f"exit code {code}" if code else None
        except OSError as error:
            problem = str(error)
        finally:
            if self.free is not None:
                self.free.add(place)
        return problem, time.perf_counter() - start, where

    def own_flags(self, script: str, place: int) -> list[str]:
        """Return the flags for a place; the sweep's flags follow them and take precedence."""
        flags = ["--threads", str(self.threads or self.cores)]
        flags += wait_flags(script)  # a lost machine may hold its run for a while
        if self.gpus:
            share, first = max(1, round(self.gpus)), int(place * self.gpus + 1e-6)
            flags += ["--gpu_id", ",".join(map(str, range(first, first + share)))]
        elif script == "INCV":
            flags += ["--parallel_halves", "off"]
        return flags

    def is_wanted(self, key: str) -> bool:
        """Return whether the sweep still waits for a task; it does not after an interruption."""
        task = self.worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"
