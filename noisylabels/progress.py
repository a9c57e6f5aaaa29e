"""How far a command is: one line on a terminal, else a line an epoch; with the time that all of it will still take.

It needs no TensorFlow, so that a process can show what its children train.
"""
import textwrap
import time
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from noisylabels.interrupt import able

SHOWN = ("heldout_", "test_", "acc_")           # how the columns begin that are shown at the end of an epoch


class Event(NamedTuple):
    """What a training tells of itself: where it begins, a few steps further, the end of an epoch."""

    training: str               # its name in the plan
    epochs: int
    epoch: int                  # the one it is in, from 0; `epochs` where all are done already
    step: int = 0               # steps of it that are done
    steps: int = 1
    loss: float | None = None   # the last step's
    row: dict | None = None     # the history's, at the end of an epoch

    @property
    def done(self):
        """The share of the training that is done."""
        return (self.epoch + (1 if self.row else self.step / self.steps)) / self.epochs


class Progress:
    """Shows the events of planned trainings.

    plan: {name: work} of all trainings of the command in their order; the unit is any, the same for all. As a context
    it leaves the terminal as it was.
    """

    def __init__(self, plan, quiet=False):
        self.plan, self.quiet = plan, quiet
        self.begun, self.done = {}, {}          # of each training the share that was done at its begin, and now
        self.start = time.perf_counter()
        self.first = self.last = None           # (time, work done) at the end of the first epoch, and of the last one
        self.console = terminal()
        self.live = None

    def __enter__(self):
        return self

    def begin(self):
        """From here on a terminal shows that something goes on: not before a fork, for it takes a thread."""
        if self.console.is_terminal and not self.quiet and not self.live:
            self.live = Live(Spinner("dots", "starting"), console=self.console, transient=True, refresh_per_second=8)
            self.live.start()

    def __exit__(self, *_):
        if self.live:
            self.live.stop()

    def show(self, event):
        """Shows what a training has just done."""
        self.begin()
        if not self.done:
            self.start = time.perf_counter()
        self.done[event.training] = event.done
        self.begun.setdefault(event.training, event.done)
        if event.row:
            self.last = time.perf_counter(), self._worked()
            self.first = self.first or self.last
        if self.live:
            self.live.update(Spinner("dots", self._line(event, self.console.width - 2)))
        elif event.row and not self.quiet:
            print(self._line(event), flush=True)

    def _line(self, event, width=None):
        """What is shown of an event: of a line of a width as much as fits, the most important first."""
        names = list(self.plan)
        number = f"({names.index(event.training) + 1}/{len(names)}) " if event.training in names and names[1:] else ""
        epoch = f"epoch {min(event.epoch + 1, event.epochs)}/{event.epochs}"
        row = event.row or {}
        values = [f"{name} {value:.4f}" for name, value in row.items()
                  if value is not None and (name in ("loss", "accuracy") or name.startswith(SHOWN))]
        if width is None:
            return "  ".join([f"{number}{event.training}", epoch, *values, f"{row['seconds']:.1f} s",
                              f"ETA {self._remaining()}"])
        parts = [f"{number}{event.training}", epoch, f"ETA {self._remaining()}"]
        parts[0] = parts[0][:max(0, width - len("  ".join(["", *parts[1:]])))]
        for part in values if row else [f"step {event.step}/{event.steps}", f"loss {event.loss or 0:.3f}"]:
            if len("  ".join([*parts, part])) <= width:
                parts.insert(-1, part)
        return "  ".join(parts)[:width]

    def _worked(self):
        """How much of the plan has been done here. A method may have trainings of its own that nobody planned."""
        return sum(self.plan.get(name, 0) * (share - self.begun[name]) for name, share in self.done.items())

    def _remaining(self):
        """The time that is left for the whole plan, at the pace since the first epoch, in which steps are compiled."""
        left = sum(work * (1 - self.done.get(name, 0)) for name, work in self.plan.items())
        if self.first and self.last[1] > self.first[1]:
            (begun, before), (now, done) = self.first, self.last
            return clock((now - begun) * left / (done - before))
        done = self._worked()
        return clock((time.perf_counter() - self.start) * left / done) if done else "?"


def terminal() -> Console:
    """Return the console of standard output, which is a terminal only where lines can be drawn anew.

    Some shells set COLUMNS=0 where the width is unknown: it is 80 then.
    """
    console = Console(highlight=False, force_terminal=able())
    if not console.width:
        console.width = 80
    return console


def say(*lines):
    """Prints what is known before a training begins; on a terminal a line that is too long goes on indented."""
    console = terminal()
    for line in "\n".join(map(str, lines)).split("\n"):
        print(textwrap.fill(line, console.width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
              if console.is_terminal else line, flush=True)


def clock(seconds):
    """Seconds as M:SS or H:MM:SS."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds_of(clock):
    """The seconds of M:SS or H:MM:SS."""
    return sum(int(part) * 60 ** k for k, part in enumerate(reversed(clock.split(":"))))
