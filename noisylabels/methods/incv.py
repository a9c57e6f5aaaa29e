"""INCV: modified Co-teaching on the samples that iterative noisy cross-validation selected.

The method trains two networks f1 and f2. An epoch passes once through the selected set S. After a
warm-up, a batch B_C of candidates is added to each batch B_S of S. Each network ranks the batch by
its own loss, and the n(e) samples with the smallest loss train the *other* network:

    n(e) = round(|B_S| (1 - eps_S min(1, e / r))),    r = min(10, E / 2),    in epoch e of E,
    |B_C| = min(floor(|C| |B_S| / |S|), |B_S| / 2),

where eps_S is the expected noise ratio of S, see `theory.selected_noise_ratio`.

Needs S, the candidates C and the estimated noise ratio, all from INCV, and the assumed pattern.

Source: Chen et al. 2019, modified Co-teaching, and its published code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.co_teaching import ramp_epochs, small_loss_step
from noisylabels.methods.inputs import MethodInputs
from noisylabels.theory import selected_noise_ratio
from noisylabels.training.steps import Batch


def warm_up_epochs(eps: float, pattern: str | None, epochs: int = 200) -> float:
    """Return the last epoch, from 0, that trains on S alone.

    It is 40 of 200 for symmetric noise with a ratio of at most 0.6, else 80, scaled to `epochs`.

    Source: Chen et al. 2019, published code.
    """
    last_of_200 = 80 if pattern != "sym" or eps > 0.6 else 40
    return last_of_200 * epochs / 200


def candidate_batch_size(n_selected: int, n_candidates: int, batch_size: int = 128) -> int:
    """Return |B_C|."""
    return min(n_candidates * batch_size // n_selected, batch_size // 2)


def keep_count(epoch: int, batch_size: int, eps_s: float, ramp: float = 10) -> int:
    """Return n(e), at least 1, with a ramp of `ramp` epochs."""
    return max(1, round(batch_size * (1 - eps_s * min(1, epoch / ramp))))


class ModifiedCoTeaching(Method):
    """Train two networks on the selected samples and, after a warm-up, on candidates."""

    n_networks = 2
    logged = ("loss", "accuracy", "kept_precision_1", "kept_precision_2")

    def __init__(
        self,
        inputs: MethodInputs,
        networks: list[keras.Model],
        optimizers: list[keras.optimizers.Optimizer],
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, networks, optimizers, **kwargs)
        self.samples = np.flatnonzero(inputs.select)
        self.candidates = np.flatnonzero(inputs.candidate)
        pattern = "sym" if inputs.assumed_pattern == "sym" else "asym"
        self.eps_s = selected_noise_ratio(inputs.eval_ratio, pattern, inputs.n_classes)
        self.warm_up = warm_up_epochs(inputs.eval_ratio, pattern, inputs.epochs)
        self.ramp = ramp_epochs(inputs.epochs)

    def exclude(self, samples: Iterable[int]) -> None:
        """Remove samples from the selected set and from the candidates."""
        super().exclude(samples)
        self.candidates = np.setdiff1d(self.candidates, samples)

    def batches(self, epoch: int, rng: np.random.Generator) -> np.ndarray:
        """Return B_S and, after the warm-up, B_C of each step."""
        selected = super().batches(epoch, rng)
        n_steps, batch_size = selected.shape
        width = candidate_batch_size(len(self.samples), len(self.candidates), batch_size)
        if epoch <= self.warm_up or width == 0:
            return selected
        # The candidates are used in random order. When they are used up, a new order begins.
        rounds = -(-n_steps * width // len(self.candidates))
        order = np.concatenate([rng.permutation(self.candidates) for _ in range(rounds)])
        joined = order[: n_steps * width].reshape(n_steps, width)
        return np.hstack([selected, joined.astype(np.int32)])

    def schedule(self, epoch: int) -> dict[str, Any]:
        """Return the number of samples that each network keeps of a batch."""
        return {"keep": keep_count(epoch, self.inputs.batch_size, self.eps_s, self.ramp)}

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update both networks with one batch."""
        return small_loss_step(self, batch, batch.schedule["keep"])
