"""Child processes that end together with their parent."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from noisylabels.errors import UserError

PR_SET_PDEATHSIG = 1  # Linux, prctl.h: the signal that a process gets when its parent ends


def start_method() -> str:
    """Return how to start a child process: a fork shares memory, and is safe without TensorFlow."""
    return "fork" if sys.platform == "linux" and "tensorflow" not in sys.modules else "spawn"


def begin_child() -> None:
    """Prepare a child process: its parent handles Ctrl-C, and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with(multiprocessing.parent_process().pid)


def call_in_child(
    module: str, function: str, *arguments: Any, report: Callable[[str], None]
) -> None:
    """Call a function of a module in a child process, which keeps its imports out of this one.

    Parameters
    ----------
    module, function
        Names. The module is imported in the child only.
    *arguments
        Arguments of the function. It also receives `report`.
    report
        Receives the lines that the function reports.

    Raises
    ------
    UserError
        The function raises one, or the process dies.
    """
    context = multiprocessing.get_context(start_method())
    here, there = context.Pipe()
    sys.stdout.flush()
    process = context.Process(target=_call, args=(there, module, function, arguments), daemon=True)
    process.start()
    there.close()
    try:
        while (answer := here.recv()) is not None:
            if isinstance(answer, UserError):
                raise answer
            report(answer)
    except (EOFError, ConnectionError):
        process.join()
        error = UserError(
            "a child process has died, perhaps because the memory ran out: what it finished is "
            "saved, the same command continues"
        )
        if process.exitcode < 0:
            error.code = 128 - process.exitcode
        raise error from None
    finally:
        process.kill()
        process.join()


def _call(connection: Connection, module: str, function: str, arguments: tuple) -> None:
    """Call the function in the child; send its lines, and None or a UserError at the end."""
    begin_child()
    try:
        getattr(import_module(module), function)(*arguments, connection.send)
        connection.send(None)
    except UserError as error:
        connection.send(error)
    except ConnectionError:
        pass  # the parent is gone
    except Exception:
        traceback.print_exc()


def die_with(parent: int) -> None:
    """End this process when its parent, of this id, ends or has ended. Works on Linux only."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended in the meantime
            os.kill(os.getpid(), signal.SIGKILL)
