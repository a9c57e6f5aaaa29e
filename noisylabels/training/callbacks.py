"""Callbacks that run after each epoch of a training."""

from collections.abc import Callable
from typing import Any

import numpy as np

# Function of an epoch, from 0, and the training's memory: arrays by name that are kept in its
# checkpoint. It may change the memory, and returns further columns of the log.
AfterEpoch = Callable[[int, dict[str, np.ndarray]], dict[str, Any]]


def every_n_epochs(n: int, epochs: int, callback: AfterEpoch) -> AfterEpoch:
    """Return a callback that runs another one after every n-th epoch and after the last."""

    def after_epoch(epoch: int, memory: dict[str, np.ndarray]) -> dict[str, Any]:
        due = (epoch + 1) % n == 0 or epoch == epochs - 1
        return callback(epoch, memory) if due else {}

    return after_epoch


def combine_callbacks(*callbacks: AfterEpoch) -> AfterEpoch:
    """Return a callback that runs several callbacks and joins their columns."""

    def after_epoch(epoch: int, memory: dict[str, np.ndarray]) -> dict[str, Any]:
        row = {}
        for callback in callbacks:
            row.update(callback(epoch, memory))
        return row

    return after_epoch
