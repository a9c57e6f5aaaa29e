"""Tasks of a sweep that run code of a test in place of a script."""

from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status

FAIL = "import sys; print('before'); sys.exit('no such thing')"


def done(tasks, root):
    """Return the Status of tasks that were carried out, one at a time."""
    status = Status(tasks, SerialExecutor(root))
    with status:
        run_tasks(tasks, status.executor, status)
    return status
