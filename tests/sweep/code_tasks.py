"""Tasks of a sweep that run code of a test in place of a script."""

import contextlib
import re
import threading
from pathlib import Path

from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task

FAIL = "import sys; print('before'); sys.exit('no such thing')"
STEPS = """
import os, time
path = {path!r}
for step in range(4):
    while step == 2 and not os.path.exists({gate!r}):
        time.sleep(.05)
    if not os.path.exists(path) or os.path.getsize(path) <= step:
        time.sleep(.2)
        with open(path, "a") as file:
            file.write(str(step))
"""
MEETING = """
import os, time
print({shown}, flush=True)
open(f"{folder}/{{os.getpid()}}.here", "w")
while len([name for name in os.listdir("{folder}") if name.endswith(".here")]) < {n}:
    time.sleep(.01)
"""


def coded(folder, title, code="", work=1.0, needs=None):
    """Return a task that runs Python code as a script; its record would be in the folder."""
    return Task(title, "code", [code], folder / f"{title}.json", work=work, needs=needs)


def steps(folder, k, needs=None, gate="."):
    """Return a task that writes a file in four steps, the third after `gate`, and resumes."""
    code = STEPS.format(path=str(folder / f"{k}.txt"), gate=str(gate))
    return coded(folder, f"steps{k}", code, needs=needs)


def meeting(folder, n, shown):
    """Return n tasks that print an expression and end when all of them are running."""
    code = MEETING.format(folder=folder, n=n, shown=shown)
    return [coded(folder, f"t{k}", code) for k in range(n)]


def carried_out(tasks, executor, meanwhile=None):
    """Return the Status of tasks that an executor has done; call meanwhile(status) in a thread."""
    with executor as runs, Status(tasks, runs) as status:
        if meanwhile:
            threading.Thread(target=meanwhile, args=[status], daemon=True).start()
        run_tasks(tasks, runs, status)
    return status


def done(tasks, root):
    """Return the Status of tasks that were carried out, one at a time."""
    return carried_out(tasks, SerialExecutor(root))


def at_work(folder):
    """Return {title: process id} of the running tasks of `steps` in a folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if title := re.search(
                re.escape(f"{folder}/").encode() + rb"(\w+)\.txt", path.read_bytes()
            ):
                found[f"steps{title[1].decode()}"] = int(path.parent.name)
    return found
