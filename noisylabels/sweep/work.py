"""What a worker does with a task: calls its script in a process that ends with the worker, however that ends.

A Dask worker is sent these functions themselves, and needs no module of ours for them.
"""
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from noisylabels.machine import die_with

RETRIES = 3                     # of a task whose process was killed, or whose worker was lost


def waiting(script):
    """The flag of a script for a run that another process is at; INCV.py waits without."""
    return ["--wait"] * (script == "INCV_main")


def call(root, script, flags, log, folder=None, wanted=lambda: True):
    """Calls a script of `root` in `folder`, its output in a log, and waits for it. Returns its exit code.

    wanted: asked every second; where it is false the process is killed, and None returned. Raises CalledProcessError
    where somebody else ended it by a signal, OSError where it or the log could not be begun.
    """
    at_birth = partial(die_with, os.getpid()) if os.name == "posix" else None
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as file:
        file.truncate(0)                        # and whoever else writes to it goes on behind what is there then
        process = subprocess.Popen([sys.executable, Path(root, f"{script}.py"), *flags], cwd=folder, stdout=file,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, preexec_fn=at_birth)
    try:
        while wanted():
            try:
                code = process.wait(1)
            except subprocess.TimeoutExpired:
                continue
            if code < 0 or code > 128:          # the scripts, ended by a signal, return 128 + its number
                raise subprocess.CalledProcessError(code if code < 0 else 128 - code, script)
            return code
    finally:
        process.kill()
        process.wait()
