"""The choice of an epoch by held-out samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tensorflow as tf

from noisylabels.metrics import label_loss
from noisylabels.training.callbacks import AfterEpoch, combine_callbacks

if TYPE_CHECKING:
    from noisylabels.methods.base import Method
    from noisylabels.training.trainer import Trainer


class HeldOutEvaluation:
    """Evaluate each network after each epoch on samples that it does not train on.

    With the score "loss", the weights of the epoch of the lowest mean loss are kept in the
    training's memory. `restore` returns to them. Of equal epochs the first one is chosen.

    Parameters
    ----------
    method : Method
        The method to evaluate.
    images : tf.Tensor
        Training images on the device, see `training.device.as_tensor`.
    samples : np.ndarray
        Indices of the held-out samples, int (m,). Without samples nothing is evaluated or chosen.
    score : {"accuracy", "loss"}
        The share of samples whose observed label is predicted, or the method's mean loss on the
        observed labels.
    """

    def __init__(
        self,
        method: Method,
        images: tf.Tensor,
        samples: np.ndarray,
        score: Literal["accuracy", "loss"],
    ) -> None:
        self.method = method
        self.images = images
        self.samples = samples
        self.score = score
        self.y = method.inputs.labels[samples]
        self.variables = [v for network in method.networks for v in network.variables]

    def __call__(self, epoch: int, memory: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return the columns of the log. Keep the weights if the loss is the lowest so far."""
        if not len(self.samples):
            return {}
        row = {}
        for k in range(self.method.n_networks):
            p = self.method.probabilities(self.images, self.samples, k)
            if self.score == "accuracy":
                values = p.argmax(axis=1) == self.y
            else:
                values = label_loss(self.method.observed_probabilities(p), self.y)
            row[f"heldout_{self.score}_{k + 1}"] = float(np.mean(values))
        if self.score == "loss":
            loss = np.mean([*row.values()])
            if loss < memory.get("lowest_loss", np.inf):
                weights = {f"weights{i}": v.numpy() for i, v in enumerate(self.variables)}
                memory.update(lowest_loss=loss, **weights)
        return row

    def restore(self, memory: dict[str, np.ndarray]) -> None:
        """Restore the weights of the chosen epoch. Without samples, keep the last ones."""
        if len(self.samples):
            for i, variable in enumerate(self.variables):
                variable.assign(memory[f"weights{i}"])


def fit_best_epoch(
    trainer: Trainer,
    held_out: np.ndarray,
    epochs: int,
    seed: int,
    stage: str,
    checkpoint: Path,
    name: str,
    evaluation: AfterEpoch | None = None,
) -> list[dict[str, Any]]:
    """Train a method, and return to the epoch of its lowest loss on held-out samples.

    Parameters
    ----------
    trainer : Trainer
        Trainer of the method.
    held_out : np.ndarray
        Indices of the held-out samples, int (m,). Without samples the last epoch is kept.
    epochs, seed, stage, checkpoint, name
        As for `Trainer.fit`.
    evaluation : callable, optional
        Further columns of the log, see `callbacks.AfterEpoch`.

    Returns
    -------
    list of dict
        The training log, one row per epoch.
    """
    choice = HeldOutEvaluation(trainer.method, trainer.images, held_out, "loss")
    after_epoch = combine_callbacks(evaluation, choice) if evaluation else choice
    history, memory = trainer.fit(
        epochs, seed, stage, checkpoint, after_epoch=after_epoch, name=name
    )
    choice.restore(memory)
    return history
