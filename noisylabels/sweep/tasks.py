"""The tasks of a sweep, calls of scripts that can be repeated, and their order."""

import heapq
import shlex
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

from noisylabels.sweep.subprocess_runner import RETRIES


@dataclass(eq=False)
class Task:
    """A call of a script, the record it leaves and the task that has to finish before it.

    `work` is the number of samples that a standard network would be trained on in the same time.
    """

    title: str
    script: str
    flags: list[str]
    record: Path
    done: bool = False
    work: float = 1.0
    needs: "Task | None" = None

    @property
    def command(self) -> str:
        """Return the command line, for the user."""
        return f"{self.script}.py {shlex.join(self.flags)}"

    @cached_property
    def log(self) -> Path:
        """Return the file for the output of the script."""
        return self.record.with_suffix(".log").absolute()


class TaskResult(NamedTuple):
    """The end of a task."""

    problem: str | None  # None if the task succeeded
    seconds: float = 0.0
    where: str = ""  # the worker


def killed(error: CalledProcessError) -> str:
    """Describe the end of a process that a signal killed."""
    return f"killed by {signal.Signals(-error.returncode).name}, {1 + RETRIES} times"


class TaskQueue:
    """The tasks that are not done, ordered: those that others need first, then the longest."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.followers: dict[Task, list[Task]] = {task: [] for task in tasks if not task.done}
        for task in self.followers:
            if task.needs in self.followers:
                self.followers[task.needs].append(task)
        self.heap: list[tuple] = []
        self.number = count()
        self._put(task for task in self.followers if task.needs not in self.followers)

    def next(self) -> Task | None:
        """Remove and return the next task; None if all tasks left wait for others."""
        return heapq.heappop(self.heap)[-1] if self.heap else None

    def succeeded(self, task: Task) -> None:
        """Release the tasks that waited for this one."""
        self._put(self.followers[task])

    def after(self, task: Task) -> list[Task]:
        """Return all tasks that wait for this one, directly or not."""
        found = []
        for follower in self.followers[task]:
            found += [follower, *self.after(follower)]
        return found

    def _put(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            entry = (not self.followers[task], -task.work, next(self.number), task)
            heapq.heappush(self.heap, entry)
