"""End a script with one line on a signal; open standard streams that a caller closed."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable

LINES: list[str] = []  # the last one is printed on a signal
LEAVING: list[Callable[[], None]] = []  # called before the process ends
SECONDS_TO_LEAVE = 20  # for each of them


def open_streams() -> None:
    """Open closed standard streams on the null device; print "?" for what an encoding lacks."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    if getattr(sys.stdout, "errors", None) == "strict":
        with contextlib.suppress(AttributeError):  # the stream of a notebook
            sys.stdout.reconfigure(errors="replace")


def is_live_terminal() -> bool:
    """Return whether standard output is a terminal that can redraw lines. Ignore FORCE_COLOR."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def leave_on_signals(line: str) -> None:
    """End the process with a line on Ctrl-C, SIGTERM or SIGHUP. A later call changes the line.

    SIGHUP has no effect where it is ignored, as under nohup. Every finished epoch is on disk by
    then, and files that are being written are temporary ones.
    """
    LINES.append(line)
    _listen()


@functools.cache
def _listen() -> None:
    """Wait for signals in a thread of its own.

    Python runs signal handlers only between two of its own instructions, and an import or a step of
    TensorFlow may take half a minute.
    """
    stderr = os.dup(2)
    reader, writer = os.pipe()
    if hasattr(os, "set_blocking"):  # not on Windows before Python 3.12
        os.set_blocking(writer, False)

    def wait() -> None:
        while (signum := os.read(reader, 1)[0]) not in signums:
            pass  # Python reports all signals that have a handler
        for leave in LEAVING:
            thread = threading.Thread(target=leave, daemon=True)
            thread.start()
            thread.join(SECONDS_TO_LEAVE)
        with contextlib.suppress(OSError):  # the terminal is gone
            if is_live_terminal():
                os.write(1, b"\x1b[?25h\n")  # show the cursor again, below the progress
            os.write(stderr, LINES[-1].encode())
        os._exit(128 + signum)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    signums = [getattr(signal, name) for name in names]
    if "SIGHUP" in names and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signums.remove(signal.SIGHUP)
    signal.set_wakeup_fd(writer)
    if hasattr(os, "register_at_fork"):  # a signal to a forked process would end this one too
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    for signum in signums:
        signal.signal(signum, lambda *_: None)
    threading.Thread(target=wait, daemon=True).start()
