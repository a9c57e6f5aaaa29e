"""The loop of a sweep: begins tasks wherever there is room, and takes note of how they end."""
import contextlib
import time
from subprocess import CalledProcessError

from noisylabels.runs.files import disk
from noisylabels.sweep.tasks import Order, Outcome, killed
from noisylabels.sweep.work import RETRIES, call, waiting


class Here(contextlib.AbstractContextManager):
    """Does one task at a time, in a process that this one waits for."""

    places, about = 1, "one at a time"

    def __init__(self, root):
        self.root, self.task = root, None

    def __exit__(self, *_):
        pass

    def begin(self, task):
        """Takes a task."""
        self.task = task

    def ended(self, status):
        """Waits for it. Returns [(task, Outcome)] of what has ended meanwhile."""
        task, start = self.task, time.perf_counter()
        for _ in range(1 + RETRIES):
            try:
                with disk(task.log):
                    code = call(self.root, task.script, [*waiting(task.script), *task.flags], task.log)
                problem = f"exit code {code}" if code else None
                break
            except CalledProcessError as error:
                problem = killed(error)
        return [(task, Outcome(problem, time.perf_counter() - start))]


def carry_out(tasks, executor, status):
    """Does what is not done of the tasks: as many at a time as the executor has places, each after what it needs.

    Hands to it only what it has a place for. Dask would place all at once, and when a worker is lost it counts that
    against every task that was to go there, not only against the one that it was at.
    """
    order = Order(tasks)
    while status.running or order.heap:
        while len(status.running) < executor.places and order.heap:
            task = order.next()
            status.begin(task)
            executor.begin(task)
        for task, outcome in executor.ended(status):
            status.end(task, outcome)
            if not outcome.problem:
                order.succeeded(task)
            else:
                for follower in order.after(task):
                    status.end(follower, Outcome("it needs what failed"))
