"""What a sweep does: tasks, each a call of a script that may be made again wherever it was stopped; and their order."""
import heapq
import shlex
import signal
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import NamedTuple

from noisylabels.sweep.work import RETRIES


@dataclass(eq=False)
class Task:
    """A call of a script, where its record will lie, and the task that has to be done before it."""

    title: str
    script: str
    flags: list
    record: Path
    done: bool = False
    work: float = 1.                        # samples that a standard network would be trained on in the same time
    needs: "Task | None" = None

    @property
    def command(self):
        return f"{self.script}.py {shlex.join(self.flags)}"

    @cached_property
    def log(self):
        return self.record.with_suffix(".log").absolute()


class Outcome(NamedTuple):
    """How a task ended."""

    problem: str | None                     # None where it is done
    seconds: float = 0.
    where: str = ""                         # the worker, where there are several


def killed(error):
    """The problem of a process that was killed, a CalledProcessError."""
    return f"killed by {signal.Signals(-error.returncode).name}, {1 + RETRIES} times"


class Order:
    """The tasks that are not done, in the order in which they may begin: those that others need, then the longest."""

    def __init__(self, tasks):
        self.followers = {task: [] for task in tasks if not task.done}
        for task in self.followers:
            if task.needs in self.followers:
                self.followers[task.needs].append(task)
        self.heap, self.number = [], count()
        self._put(task for task in self.followers if task.needs not in self.followers)

    def next(self):
        """The next one; None where all that is left waits for others, or nothing is left."""
        return heapq.heappop(self.heap)[-1] if self.heap else None

    def succeeded(self, task):
        """Lets begin what waits for it."""
        self._put(self.followers[task])

    def after(self, task):
        """All that waits for it, in its turn too, and so is never begun if it fails."""
        return [late for follower in self.followers[task] for late in (follower, *self.after(follower))]

    def _put(self, tasks):
        for task in tasks:
            heapq.heappush(self.heap, (not self.followers[task], -task.work, next(self.number), task))
