"""What a Dask worker is sent: whether it may take part in a sweep, and how it does a task.

It is sent whole, so that a worker needs Dask, and the folders of the sweep, but no way to import from them.
"""
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from distributed import Status, WorkerPlugin

from noisylabels.machine import cores
from noisylabels.sweep.work import call, waiting

NO_DOWNLOAD = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}     # nobody listens there


class Runs(WorkerPlugin):
    """A worker's part in a sweep. It has places for tasks, which it tells the scheduler as a resource, `name`.

    name: of the sweep. root: folder of the scripts. folder: that in which they are called. flags: with which sweep.py
    says what it sees there; sight: what it is to see, or None not to look. gpus: what share of a GPU, or how many, a
    run has; 0 for none. threads: of a run; None for a fair share of the cores. numbered: the worker's name is the
    number of its one place among all of the machine.
    """

    def __init__(self, name, root, folder, flags=(), sight=None, gpus=0., threads=None, numbered=False):
        self.name, self.root, self.folder = name, str(root), str(folder)
        self.flags, self.sight = list(flags), sight
        self.gpus, self.threads, self.numbered = gpus, threads, numbered

    async def setup(self, worker):
        """Looks whether the worker may take part, and tells how many tasks at a time; 0 with the reason, if not."""
        self.worker, self.lock = worker, threading.Lock()
        places = worker.state.nthreads
        if self.gpus:
            places = min(places, int(worker.state.total_resources.get("GPU", 0) / self.gpus + 1e-6))
        problem = await asyncio.to_thread(self.problem)
        if not problem and not places:
            problem = f"it has no --resources GPU={max(1, self.gpus):g}"
        if problem:
            places = 0
            worker.log_event(self.name, {"refused": worker.address, "problem": problem})
        self.free = {int(worker.name)} if self.numbered else set(range(places))
        self.cores = max(1, cores() // max(1, places))
        await worker.set_resources(**{self.name: places})
        if places and worker.status == Status.running:      # has the scheduler look at what waits for such a place:
            worker.status = Status.paused                   # it does so for a worker that comes, not for new resources
            worker.status = Status.running

    async def teardown(self, worker):
        """Takes the places back: what is still at work here ends."""
        self.free = None
        await worker.set_resources(**{self.name: 0})

    def problem(self):
        """In a few words why this worker may not take part; None if it may."""
        if self.sight is None:
            return None
        for folder in (self.root, self.folder):
            if not Path(folder).is_dir():
                return f"it has no folder {folder}"
        looked = subprocess.run([sys.executable, Path(self.root, "sweep.py"), *self.flags], cwd=self.folder,
                                capture_output=True, text=True, env={**os.environ, **NO_DOWNLOAD})
        if looked.returncode:
            return looked.stderr.strip().rpartition("\n")[-1] or f"sweep.py ends with exit code {looked.returncode}"
        try:
            seen = json.loads(looked.stdout)
        except ValueError:
            return f"sweep.py says {looked.stdout[:80]!r}, not what it sees"
        return ", ".join(f"{what} differs (there {seen.get(what)}, here {here})" for what, here in self.sight.items()
                         if seen.get(what) != here) or None

    def carry_out(self, script, flags, log):
        """Does a task. Returns its problem or None, the seconds it took, and this worker's address.

        Raises subprocess.CalledProcessError where it was killed, which has Dask try it again.
        """
        key, where, start = self.worker.get_current_task(), self.worker.address, time.perf_counter()
        with self.lock:
            place = min(self.free)
            self.free.remove(place)
        try:
            self.worker.log_event(self.name, {"begun": key, "worker": where})
            code = call(self.root, script, [*self.own_flags(script, place), *flags], log, self.folder,
                        lambda: self.free is not None and self.is_wanted(key))
            if code is None:
                raise subprocess.CalledProcessError(-signal.SIGKILL, script)
            problem = f"exit code {code}" if code else None
        except OSError as error:
            problem = str(error)
        finally:
            if self.free is not None:
                self.free.add(place)
        return problem, time.perf_counter() - start, where

    def own_flags(self, script, place):
        """What a run is told of its place; flags of the sweep come after these, and count."""
        share, first = max(1, round(self.gpus)), int(place * self.gpus + 1e-6)
        device = ["--gpu_id", ",".join(map(str, range(first, first + share)))]
        halves = ["--parallel_halves", "off"] * (script == "INCV")
        wait = waiting(script)                              # a machine that is lost may hold its run a while longer
        return ["--threads", str(self.threads or self.cores), *wait, *(device if self.gpus else halves)]

    def is_wanted(self, key):
        """Whether the sweep still waits for a task: it does not when it was interrupted."""
        task = self.worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"
