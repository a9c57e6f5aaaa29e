"""Progress of a command and its remaining time: live on a terminal, else one line per epoch.

This module needs no TensorFlow, so a process can show what its child processes train.
"""

import textwrap
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from noisylabels.system.signals import is_live_terminal

SHOWN = ("heldout_", "test_", "acc_")  # prefixes of the columns shown after an epoch


class Event(NamedTuple):
    """A report of a training: its start, some steps, or the end of an epoch."""

    training: str  # its name in the plan
    epochs: int
    epoch: int  # current epoch, from 0; `epochs` if all are finished
    step: int = 0  # finished steps of the epoch
    steps: int = 1
    loss: float | None = None  # of the last step
    row: dict[str, Any] | None = None  # row of the log, at the end of an epoch

    @property
    def done(self) -> float:
        """Return the finished share of the training."""
        epochs = self.epoch + (1 if self.row else self.step / self.steps)
        return epochs / self.epochs


class Progress:
    """Show the events of planned trainings. As a context manager it restores the terminal.

    Parameters
    ----------
    plan : dict
        Work of all trainings of the command by their names, in their order, in any unit.
    quiet : bool
        Show nothing.
    """

    def __init__(self, plan: dict[str, float], quiet: bool = False) -> None:
        self.plan, self.quiet = plan, quiet
        self.begun: dict[str, float] = {}  # finished share of each training at its start
        self.done: dict[str, float] = {}  # and now
        self.start = time.perf_counter()
        self.first: tuple[float, float] | None = None  # time and work at the end of the first epoch
        self.last: tuple[float, float] | None = None  # and of the last one
        self.console = terminal()
        self.live: Live | None = None

    def __enter__(self) -> "Progress":
        return self

    def begin(self) -> None:
        """Start the live display. It uses a thread, so call it after all forks."""
        if self.console.is_terminal and not self.quiet and not self.live:
            self.live = Live(
                Spinner("dots", "starting"),
                console=self.console,
                transient=True,
                refresh_per_second=8,
            )
            self.live.start()

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def show(self, event: Event) -> None:
        """Show an event."""
        self.begin()
        if not self.done:
            self.start = time.perf_counter()
        self.done[event.training] = event.done
        self.begun.setdefault(event.training, event.done)
        if event.row:
            self.last = time.perf_counter(), self._worked()
            self.first = self.first or self.last
        if self.live:
            self.live.update(Spinner("dots", self._live_line(event, self.console.width - 2)))
        elif event.row and not self.quiet:
            print(self._line(event), flush=True)

    def _line(self, event: Event) -> str:
        """Return the line of a finished epoch."""
        seconds = f"{event.row['seconds']:.1f} s"
        parts = [*self._title(event), *self._values(event), seconds, f"ETA {self._remaining()}"]
        return "  ".join(parts)

    def _live_line(self, event: Event, width: int) -> str:
        """Return the live line of an event: as much as fits, the most important parts first."""
        title, epoch = self._title(event)
        parts = [title, epoch, f"ETA {self._remaining()}"]
        parts[0] = title[: max(0, width - len("  ".join(["", *parts[1:]])))]
        values = self._values(event)
        if not event.row:
            values = [f"step {event.step}/{event.steps}", f"loss {event.loss or 0:.3f}"]
        for value in values:
            if len("  ".join([*parts, value])) <= width:
                parts.insert(-1, value)
        return "  ".join(parts)[:width]

    def _title(self, event: Event) -> list[str]:
        names = list(self.plan)
        number = ""
        if len(names) > 1 and event.training in names:
            number = f"({names.index(event.training) + 1}/{len(names)}) "
        epoch = min(event.epoch + 1, event.epochs)
        return [f"{number}{event.training}", f"epoch {epoch}/{event.epochs}"]

    def _values(self, event: Event) -> list[str]:
        return [
            f"{name} {value:.4f}"
            for name, value in (event.row or {}).items()
            if value is not None and (name in ("loss", "accuracy") or name.startswith(SHOWN))
        ]

    def _worked(self) -> float:
        """Return the work done by this process. Trainings outside the plan count nothing."""
        return sum(
            self.plan.get(name, 0) * (share - self.begun[name]) for name, share in self.done.items()
        )

    def _remaining(self) -> str:
        """Return the time left, by the pace since the end of the first epoch, which compiles."""
        left = sum(work * (1 - self.done.get(name, 0)) for name, work in self.plan.items())
        if self.first and self.last[1] > self.first[1]:
            (begun, before), (now, done) = self.first, self.last
            return clock((now - begun) * left / (done - before))
        done = self._worked()
        return clock((time.perf_counter() - self.start) * left / done) if done else "?"


def terminal() -> Console:
    """Return the console of standard output. It is 80 columns wide if its width is unknown.

    Some shells set COLUMNS=0 in that case.
    """
    console = Console(highlight=False, force_terminal=is_live_terminal())
    if not console.width:
        console.width = 80
    return console


def print_wrapped(*lines: object) -> None:
    """Print lines; on a terminal, wrap and indent those that are too long."""
    console = terminal()
    for line in "\n".join(map(str, lines)).split("\n"):
        if console.is_terminal:
            line = textwrap.fill(
                line,
                console.width,
                subsequent_indent="  ",
                break_on_hyphens=False,
                break_long_words=False,
            )
        print(line, flush=True)


def clock(seconds: float) -> str:
    """Format seconds as M:SS or H:MM:SS."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds_of(clock: str) -> int:
    """Parse M:SS or H:MM:SS as seconds."""
    return sum(int(part) * 60**k for k, part in enumerate(reversed(clock.split(":"))))
