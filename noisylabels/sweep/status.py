"""The progress of a sweep: tasks done, running, waiting and failed, and the time left."""

import contextlib
import math
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from noisylabels.sweep.tasks import Task, TaskResult
from noisylabels.system.progress import clock, seconds_of, terminal

SHOWN = 8  # running tasks that a terminal shows
SECONDS = 5.0  # between two estimates of the time left
TAIL = 500  # bytes at the end of a log that contain its last line


class Status:
    """The state of all tasks: live lines on a terminal, else one line per change.

    Parameters
    ----------
    tasks : iterable of Task
        All tasks of the sweep.
    executor : Executor
        Its `places` and `about` are shown.
    """

    def __init__(self, tasks: Iterable[Task], executor: Any) -> None:
        tasks = list(tasks)
        self.executor = executor
        self.done = [task for task in tasks if task.done]
        self.waiting = {task: None for task in tasks if not task.done}  # an ordered set
        self.running: dict[Task, tuple[float, str]] = {}  # start time and worker
        self.failed: dict[Task, TaskResult] = {}
        self.seconds = self.work = 0.0  # of the tasks that this sweep finished
        self.left: float | None = None  # seconds until all tasks are done
        self.estimated_at = -math.inf
        self.console = terminal()
        self.spinner = Spinner("dots")
        self.live = None
        if self.console.is_terminal:
            self.live = Live(
                get_renderable=self._picture,
                console=self.console,
                transient=True,
                refresh_per_second=4,
            )

    def __enter__(self) -> "Status":
        if self.live:
            self.live.start()
        elif self.waiting:
            print(self, self.executor.about, sep=", ", flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def __str__(self) -> str:
        now = time.monotonic()
        if now - self.estimated_at > SECONDS:
            self.left, self.estimated_at = self.remaining(), now
        left = "?" if self.left is None else clock(self.left)
        return (
            f"{len(self.done)} done, {len(self.running)} running, {len(self.waiting)} waiting, "
            f"{len(self.failed)} failed, ETA {left}"
        )

    def begin(self, task: Task) -> None:
        """Record that the executor accepted a task."""
        del self.waiting[task]
        self.running[task] = time.monotonic(), ""
        if not self.live:
            print(f"begin   {task.title}", flush=True)

    def where(self, task: Task, worker: str) -> None:
        """Record that a running task started, or started again, on a worker."""
        _, before = self.running[task]
        if before:
            self._print(f"again   {task.title} on {worker}; it was ended on {before}")
        self.running[task] = time.monotonic(), worker

    def end(self, task: Task, result: TaskResult) -> None:
        """Record that a task ended, or will never start."""
        self.waiting.pop(task, None)
        self.running.pop(task, None)
        self.estimated_at = -math.inf
        if result.problem:
            self.failed[task] = result
            line = f"failed  {task.title}: {result.problem}{on_worker(result)}"
        else:
            self.done.append(task)
            self.seconds += result.seconds
            self.work += task.work
            line = f"done    {task.title}{on_worker(result)}"
        if result.seconds:
            line += f", after {clock(result.seconds)}"
        self._print(line if self.live else f"{line}; {self}")

    def remaining(self) -> float | None:
        """Estimate the seconds until all tasks are done; None if nothing is known yet.

        Finished tasks and the logs of running ones give the pace.
        """
        now, seconds, work = time.monotonic(), self.seconds, self.work
        elapsed = {task: now - start for task, (start, _) in self.running.items()}
        known = {task: left for task in elapsed if (left := time_left(task.log)) is not None}
        seconds += sum(elapsed[task] + left for task, left in known.items())
        work += sum(task.work for task in known)
        if not work:
            return None
        pace = seconds / work
        running = [
            known.get(task, max(0.0, task.work * pace - passed)) for task, passed in elapsed.items()
        ]
        total = sum(running) + pace * sum(task.work for task in self.waiting)
        return max([total / max(1, self.executor.places), *running])

    def failures(self) -> Iterator[str]:
        """Yield a line per failed task: command, problem, worker, log and the log's last line."""
        for task, result in self.failed.items():
            line = f"failed: {task.command}: {result.problem}{on_worker(result)}, see {task.log}"
            last = end_of(task.log).strip().rpartition("\n")[-1]
            yield f"{line}: {last}" if last else line

    def _print(self, line: str) -> None:
        if self.live:
            self.console.print(line, soft_wrap=True, markup=False)
        else:
            print(line, flush=True)

    def _picture(self) -> Group:
        self.spinner.update(text=f"{self}, {self.executor.about}")
        now = time.monotonic()
        lines = [
            Text(
                f"  {clock(now - start)}  {task.title}  {where}", overflow="ellipsis", no_wrap=True
            )
            for task, (start, where) in self.running.items()
        ]
        shown = lines[:SHOWN]
        if len(lines) > SHOWN:
            shown.append(Text(f"  and {len(lines) - SHOWN} more"))
        return Group(self.spinner, *shown)


def on_worker(result: TaskResult) -> str:
    """Return " on <worker>", or "" where there is only one place."""
    return f" on {result.where}" if result.where else ""


def end_of(log: Path) -> str:
    """Return the last characters of a log; "" if it cannot be read."""
    with contextlib.suppress(OSError), open(log, "rb") as file:
        file.seek(-min(TAIL, file.seek(0, 2)), 2)
        return file.read().decode(errors="replace")
    return ""


def time_left(log: Path) -> float | None:
    """Return the seconds that a run still needs by the last ETA in its log; None without one."""
    found = re.findall(r"ETA ([\d:]+)$", end_of(log), re.MULTILINE)
    if not found:
        return None
    return max(0.0, seconds_of(found[-1]) - (time.time() - log.stat().st_mtime))
