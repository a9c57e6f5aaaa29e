"""Run a script in a subprocess that ends together with the process that started it.

Dask workers receive these functions by value, so they need no module of this project.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from noisylabels.system.child_processes import die_with

RETRIES = 3  # of a task whose process was killed or whose worker was lost


def wait_flags(script: str) -> list[str]:
    """Return the flags that make a script wait for a run in use; INCV.py waits without one."""
    return ["--wait"] if script == "INCV_main" else []


def call(
    root: Path | str,
    script: str,
    flags: list[str],
    log: Path | str,
    folder: Path | str | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int | None:
    """Run a script, write its output to a log and wait for its end.

    Parameters
    ----------
    root : Path
        Folder of the scripts.
    script : str
        Name of the script without suffix.
    flags : list of str
        Command-line flags.
    log : Path
        File for the output. Errors go there too.
    folder : Path, optional
        Working directory. By default that of this process.
    is_wanted : callable
        Called every second. The process is killed when it returns False.

    Returns
    -------
    int or None
        Exit code, or None if the process was no longer wanted.

    Raises
    ------
    subprocess.CalledProcessError
        Another process ended it by a signal.
    OSError
        The process or the log could not be started.
    """
    at_birth = partial(die_with, os.getpid()) if os.name == "posix" else None
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as file:
        file.truncate(0)  # other processes that write to the log continue after this point
        process = subprocess.Popen(
            [sys.executable, Path(root, f"{script}.py"), *flags],
            cwd=folder,
            stdout=file,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            preexec_fn=at_birth,
        )
    try:
        while is_wanted():
            try:
                code = process.wait(1)
            except subprocess.TimeoutExpired:
                continue
            if code < 0:
                raise subprocess.CalledProcessError(code, script)
            if code > 128:  # the scripts return 128 plus the number of the signal that ended them
                raise subprocess.CalledProcessError(128 - code, script)
            return code
        return None
    finally:
        process.kill()
        process.wait()
