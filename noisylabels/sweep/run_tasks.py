"""The loop of a sweep: start tasks on free places and record how they end."""

import contextlib
import time
from pathlib import Path
from subprocess import CalledProcessError
from typing import Protocol

from noisylabels.runs.atomic_io import disk
from noisylabels.sweep.status import Status
from noisylabels.sweep.subprocess_runner import RETRIES, call, wait_flags
from noisylabels.sweep.tasks import Task, TaskQueue, TaskResult, killed


class Executor(Protocol):
    """Runs tasks, in this process or on a cluster. `places` tasks run at a time."""

    places: int
    about: str

    def begin(self, task: Task) -> None:
        """Start a task."""

    def ended(self, status: Status) -> list[tuple[Task, TaskResult]]:
        """Wait a while; return the tasks that ended, with their results."""


class SerialExecutor(contextlib.AbstractContextManager):
    """Runs one task at a time in a subprocess and waits for it."""

    places, about = 1, "one at a time"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.task: Task | None = None

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, task: Task) -> None:
        """Accept a task."""
        self.task = task

    def ended(self, status: Status) -> list[tuple[Task, TaskResult]]:
        """Run the accepted task to its end."""
        task, start = self.task, time.perf_counter()
        for _ in range(1 + RETRIES):
            try:
                with disk(task.log):
                    flags = [*wait_flags(task.script), *task.flags]
                    code = call(self.root, task.script, flags, task.log)
                problem = f"exit code {code}" if code else None
                break
            except CalledProcessError as error:
                problem = killed(error)
        return [(task, TaskResult(problem, time.perf_counter() - start))]


def run_tasks(tasks: list[Task], executor: Executor, status: Status) -> None:
    """Run the tasks that are not done, each after the task it needs.

    The executor receives at most as many tasks as it has places. Otherwise Dask would assign all
    tasks to workers at once and, if a worker is lost, count the loss against all of its tasks.
    """
    pending = TaskQueue(tasks)
    while status.running or pending.heap:
        while len(status.running) < executor.places and pending.heap:
            task = pending.next()
            status.begin(task)
            executor.begin(task)
        for task, result in executor.ended(status):
            status.end(task, result)
            if not result.problem:
                pending.succeeded(task)
            else:
                for follower in pending.after(task):
                    status.end(follower, TaskResult("a task that it needs failed"))
