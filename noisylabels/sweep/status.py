"""How far a sweep is: done, running, waiting, failed, and when all of it will be done."""
import contextlib
import math
import re
import time

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from noisylabels.progress import clock, seconds_of, terminal

SHOWN = 8                   # running tasks that a terminal shows
SECONDS = 5.                # between two looks at the logs of what is running
TAIL = 500                  # bytes of a log in which its last line is


class Status:
    """The state of tasks, shown as it changes: on a terminal in lines that stay at its bottom, else a line a change.

    executor: has `places`, so many run at a time, and `about`, what else a person may want to know of it.
    """

    def __init__(self, tasks, executor):
        self.executor = executor
        self.done = [task for task in tasks if task.done]
        self.waiting = {task: None for task in tasks if not task.done}      # a set that keeps its order
        self.running, self.failed = {}, {}                                  # task: its begin, and where; its Outcome
        self.seconds = self.work = 0.                                       # of those that were done here
        self.left, self.asked = None, -math.inf                             # until all is done; when it was estimated
        self.console = terminal()
        self.spinner = Spinner("dots")
        self.live = self.console.is_terminal and Live(
            get_renderable=self._picture, console=self.console, transient=True, refresh_per_second=4)

    def __enter__(self):
        if self.live:
            self.live.start()
        elif self.waiting:
            print(self, self.executor.about, sep=", ", flush=True)
        return self

    def __exit__(self, *_):
        if self.live:
            self.live.stop()

    def __str__(self):
        now = time.monotonic()
        if now - self.asked > SECONDS:
            self.left, self.asked = self.remaining(), now
        left = "?" if self.left is None else clock(self.left)
        return (f"{len(self.done)} done, {len(self.running)} running, {len(self.waiting)} waiting, {len(self.failed)} "
                f"failed, ETA {left}")

    def begin(self, task):
        """A task has been given to the executor."""
        del self.waiting[task]
        self.running[task] = time.monotonic(), ""
        if not self.live:
            print(f"begin   {task.title}", flush=True)

    def where(self, task, worker):
        """A running task has begun, or begun again, on this worker."""
        begun, before = self.running[task]
        if before:
            self._say(f"again   {task.title} on {worker}; it was ended on {before}")
        self.running[task] = time.monotonic(), worker

    def end(self, task, outcome):
        """A task has ended, or will never begin."""
        self.waiting.pop(task, None), self.running.pop(task, None)
        if outcome.problem:
            self.failed[task] = outcome
        else:
            self.done.append(task)
            self.seconds, self.work = self.seconds + outcome.seconds, self.work + task.work
        self.asked = -math.inf
        word, problem = ("failed", f": {outcome.problem}") if outcome.problem else ("done", "")
        after = f", after {clock(outcome.seconds)}" * bool(outcome.seconds)
        self._say(f"{word:<8}{task.title}{problem}{on(outcome)}{after}" + f"; {self}" * (not self.live))

    def remaining(self):
        """Seconds until all will be done, from how long tasks took, and from what the running ones say; or None."""
        now, seconds, work = time.monotonic(), self.seconds, self.work
        begun = {task: now - since for task, (since, _) in self.running.items()}
        known = {task: left for task in begun if (left := announced(task.log)) is not None}
        seconds += sum(begun[task] + left for task, left in known.items())
        work += sum(task.work for task in known)
        if not work:
            return None
        pace = seconds / work
        running = [known.get(task, max(0., task.work * pace - passed)) for task, passed in begun.items()]
        together = sum(running) + pace * sum(task.work for task in self.waiting)
        return max([together / max(1, self.executor.places), *running])

    def failures(self):
        """A line for each task that failed: its command, what is wrong, where, its log and the end of it."""
        for task, outcome in self.failed.items():
            last = end_of(task.log).strip().rpartition("\n")[-1]
            yield f"failed: {task.command}: {outcome.problem}{on(outcome)}, see {task.log}" + f": {last}" * bool(last)

    def _say(self, line):
        if self.live:
            self.console.print(line, soft_wrap=True, markup=False)
        else:
            print(line, flush=True)

    def _picture(self):
        self.spinner.update(text=f"{self}, {self.executor.about}")
        now = time.monotonic()
        lines = [Text(f"  {clock(now - begun)}  {task.title}  {where}", overflow="ellipsis", no_wrap=True)
                 for task, (begun, where) in self.running.items()]
        more = len(lines) - SHOWN
        return Group(self.spinner, *lines[:SHOWN], *[Text(f"  and {more} more")] * (more > 0))


def on(outcome):
    """Where a task was, for a sentence; nothing where there is one place alone."""
    return f" on {outcome.where}" * bool(outcome.where)


def end_of(log):
    """The last characters of a log; none where it cannot be read."""
    with contextlib.suppress(OSError), open(log, "rb") as file:
        file.seek(-min(TAIL, file.seek(0, 2)), 2)
        return file.read().decode(errors="replace")
    return ""


def announced(log):
    """The seconds that a run still takes, by what its log said last; None where it has said nothing of it."""
    found = re.findall(r"ETA ([\d:]+)$", end_of(log), re.MULTILINE)
    return max(0., seconds_of(found[-1]) - (time.time() - log.stat().st_mtime)) if found else None
