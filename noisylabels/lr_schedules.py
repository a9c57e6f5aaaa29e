"""Learning rate schedules: multipliers of a recipe's learning rate."""

from collections.abc import Callable
from dataclasses import dataclass

# Multiplier of the learning rate, a function of the time in epochs and the number of epochs.
LRSchedule = Callable[[float, int], float]


@dataclass(frozen=True)
class PiecewiseConstant:
    """Learning rate schedule with a constant multiplier between cuts, 1 before the first.

    Parameters
    ----------
    epochs : int
        Length of the training that the cuts refer to. They scale with the actual length.
    cuts : tuple of (int, float)
        Epoch at which each cut begins, counted from 0, and the multiplier from there on.
    """

    epochs: int
    cuts: tuple[tuple[int, float], ...]

    def __call__(self, time: float, epochs: int) -> float:
        """Return the multiplier at a time in epochs."""
        multiplier = 1.0
        for epoch, value in self.cuts:
            if time >= epoch * epochs / self.epochs:
                multiplier = value
        return multiplier


@dataclass(frozen=True)
class Triangular:
    """Learning rate schedule that rises linearly to 1 and then falls linearly.

    Parameters
    ----------
    start, end : float
        Multiplier at the beginning and at the end of the training.
    peak : float
        Share of the training, in [0, 1), at which the multiplier is 1.
    """

    start: float
    peak: float
    end: float

    def __call__(self, time: float, epochs: int) -> float:
        """Return the multiplier at a time in epochs."""
        progress = time / epochs
        if progress < self.peak:
            return self.start + (1 - self.start) * progress / self.peak
        return 1 - (1 - self.end) * (progress - self.peak) / (1 - self.peak)


# The 2019 code counts epochs from 0 and cuts at "epoch > 20", which is epoch 21 here.
ADAM_INCV = PiecewiseConstant(50, ((21, 0.5), (31, 0.25), (41, 0.1)))
ADAM_MAIN = PiecewiseConstant(200, ((80, 0.1), (120, 0.01), (160, 0.001), (180, 0.0005)))
ADAM_VERIFY = PiecewiseConstant(200, ((81, 0.1), (121, 0.01), (161, 0.001), (181, 0.0005)))
