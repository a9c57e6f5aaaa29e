"""Run a script without Python's POSIX modules and functions, as on Windows.

python tests/as_on_windows.py INCV_main --noise_ratio 0.5
"""

import builtins
import ctypes
import importlib
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
ATTRIBUTES = ("fork", "getuid", "killpg", "sched_getaffinity", "set_blocking", "setsid")


def import_as_on_windows(name, globals=None, *rest, import_anyhow=builtins.__import__, **keywords):
    """Hide the modules of POSIX from our code; libraries ask for the system, and find them."""
    path = Path((globals or {}).get("__file__") or "/")
    if name in MODULES and path.is_relative_to(ROOT) and "site-packages" not in path.parts:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return import_anyhow(name, globals, *rest, **keywords)


class CDLL(ctypes.CDLL):
    """Fail for the name None, as on Windows."""

    def __init__(self, name, *rest, **keywords):
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        super().__init__(name, *rest, **keywords)


class Popen(subprocess.Popen):
    """Fail for preexec_fn, since Windows has no fork."""

    def __init__(self, *arguments, preexec_fn=None, **keywords):
        if preexec_fn is not None:
            raise ValueError("preexec_fn is not supported on Windows platforms")
        super().__init__(*arguments, **keywords)


def set_wakeup_fd(fd, told=signal.set_wakeup_fd, set_blocking=os.set_blocking):
    """Accept blocking descriptors, as on Windows."""
    if fd >= 0:
        set_blocking(fd, False)
    told(fd)


sys.path.insert(0, str(ROOT))
builtins.__import__, signal.set_wakeup_fd = import_as_on_windows, set_wakeup_fd
ctypes.CDLL, subprocess.Popen = CDLL, Popen
for attribute in ATTRIBUTES:
    if hasattr(os, attribute):
        delattr(os, attribute)
scripts = {path.stem: importlib.import_module(path.stem) for path in sorted(ROOT.glob("*.py"))}
sys.modules["noisylabels.selection.processes"].sys = types.SimpleNamespace(
    **{**vars(sys), "platform": "win32"}
)

if __name__ == "__main__":
    scripts[sys.argv[1]].main(sys.argv[2:])
