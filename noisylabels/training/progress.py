"""How far a training is: Keras' bar on a terminal, else a line an epoch with the time that is left."""
import sys
import time

from keras.utils import Progbar


class Progress:
    """The progress of one training of so many epochs, `done` of which were done by an earlier call."""

    def __init__(self, title, epochs, done):
        self.title, self.epochs, self.done = title, epochs, done
        self.start = time.perf_counter()
        self.on_terminal, self.bar = sys.stdout.isatty(), None
        if self.on_terminal and done < epochs:
            print(title + (f", from epoch {done + 1} on" if done else ""))

    def step(self, epoch, step, steps):
        """After a few of an epoch's steps."""
        if self.on_terminal:
            self.bar = self.bar or Progbar(steps * (self.epochs - self.done))
            self.steps = steps
            if step < steps:
                self.bar.update((epoch - self.done) * steps + step)

    def end_epoch(self, row):
        """After an epoch. row: its line of the history."""
        epoch = row["epoch"] + 1
        shown = [(name, value) for name, value in row.items() if value is not None
                 and (name in ("loss", "accuracy") or name.startswith(("heldout_", "test_", "acc_")))]
        if self.bar:
            self.bar.stateful_metrics.update(name for name, _ in shown)         # shown as they are, not averaged
            self.bar.update((epoch - self.done) * self.steps, shown)
        else:
            values = "  ".join(f"{name} {value:.4f}" for name, value in shown)
            left = (time.perf_counter() - self.start) / (epoch - self.done) * (self.epochs - epoch)
            minutes, seconds = divmod(round(left), 60)
            print(f"{self.title}  epoch {epoch}/{self.epochs}  {values}  {row['seconds']:.1f} s"
                  f"  ETA {minutes}:{seconds:02}", flush=True)
