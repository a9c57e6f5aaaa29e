"""How a script ends when it is interrupted: at once, whatever it is doing, with one line; and its standard streams."""
import contextlib
import functools
import os
import signal
import sys
import threading

LINES = []                          # what a signal prints: the last of them
LEAVING = []                        # functions that are called when a signal ends the process, and may take
TIDYING = 20                        # seconds each


def open_streams():
    """What a caller has closed of the standard streams (`>&-`) is the null device; what an encoding lacks is a "?"."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))
    if getattr(sys.stdout, "errors", None) == "strict":
        with contextlib.suppress(AttributeError):       # a notebook's is none of Python's own
            sys.stdout.reconfigure(errors="replace")


def able():
    """Whether standard output is a terminal on which lines can be drawn anew (FORCE_COLOR or not)."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def leave_on_signals(line: str) -> None:
    """End the process at once, with this line, on Ctrl-C, SIGTERM or SIGHUP. A later call changes the line.

    SIGHUP has no effect where it is ignored, as under nohup. Every finished epoch is on disk by then, and files that
    are being written are temporary ones.
    """
    LINES.append(line)
    _listen()


@functools.cache
def _listen() -> None:
    """Wait for signals in a thread of its own.

    Python runs signal handlers only between two of its own instructions, and an import or a step of TensorFlow may
    take half a minute.
    """
    stderr = os.dup(2)
    reader, writer = os.pipe()
    if hasattr(os, "set_blocking"):             # Windows does without, and has it since Python 3.12
        os.set_blocking(writer, False)

    def wait():
        signum = os.read(reader, 1)[0]
        for tidy in LEAVING:
            thread = threading.Thread(target=tidy, daemon=True)
            thread.start()
            thread.join(TIDYING)
        with contextlib.suppress(OSError):              # of a terminal or reader that has gone
            if able():
                os.write(1, b"\x1b[?25h\n")             # shows the cursor again, below the line of the progress
            os.write(stderr, LINES[-1].encode())
        os._exit(128 + signum)

    signal.set_wakeup_fd(writer)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and (name != "SIGHUP" or signal.getsignal(signal.SIGHUP) != signal.SIG_IGN):
            signal.signal(getattr(signal, name), lambda *_: None)
    threading.Thread(target=wait, daemon=True).start()
