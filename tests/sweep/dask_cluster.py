"""A Dask scheduler with workers in subprocesses on loopback addresses, like several machines."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PYTHON = [sys.executable, "-m"]
FAKE = "import sys; exec(sys.argv[-1])"  # a script that runs its last argument as code
SEES = """
import json, os, sys
if "WRONG" in os.environ:
    sys.exit("sweep.py: error: " + os.environ["WRONG"])
print(json.dumps({"the code": os.environ.get("CODE", "1"), "the data set": "2"}))
"""  # in the place of sweep.py: what a worker sees, or what is wrong


def write_scripts(root):
    """Write code.py and sweep.py; return the arguments of executors.at_scheduler for them."""
    (root / "code.py").write_text(FAKE)
    (root / "sweep.py").write_text(SEES)
    return {"root": root, "flags": [], "fingerprint": {"the code": "1", "the data set": "2"}}


def soon(question):
    """Return the answer of a function as soon as it is true."""
    deadline = time.monotonic() + 60
    while not (answer := question()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def line_with(stream, pattern):
    """Return the match in the first line of a stream that has one."""
    for line in stream:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"no {pattern}")


class Scheduler(contextlib.ExitStack):
    """Start the processes, and end them with the block."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.workers = Path(folder), {}

    def __enter__(self):
        self.scheduler = self._process(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        self.address = line_with(self.scheduler.stderr, r"Scheduler at: +(tcp://\S+)")[1]
        return self

    def add(self, host, *flags, **environment):
        """Add a worker at a loopback address; return its process."""
        worker = self._process(
            "distributed.cli.dask_worker",
            self.address,
            "--host",
            host,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--no-nanny",
            "--local-directory",
            str(self.folder),
            *flags,
            **environment,
        )
        self.workers[line_with(worker.stderr, r"Start worker at: +(tcp://\S+)")[1]] = worker
        line_with(worker.stderr, "Starting established connection")
        return worker

    def _process(self, module, *flags, **environment):
        process = subprocess.Popen(
            [*PYTHON, module, *flags],
            cwd=self.folder,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.callback(process.communicate)
        self.callback(process.kill)
        return process
