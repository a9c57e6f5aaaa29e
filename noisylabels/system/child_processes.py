"""Child processes that end together with their parent."""

import contextlib
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # Linux, prctl.h: the signal that a process gets when its parent ends


def die_with(parent: int) -> None:
    """End this process when its parent, of this id, ends or has ended. Works on Linux only."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended in the meantime
            os.kill(os.getpid(), signal.SIGKILL)
