"""Standard training: cross entropy on the observed labels, the baseline of all methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import MethodInputs
from noisylabels.methods.losses import cross_entropy
from noisylabels.recipes import Settings
from noisylabels.training.epoch_choice import fit_best_epoch
from noisylabels.training.steps import Batch
from noisylabels.training.trainer import Trainer, build_method


class Standard(Method):
    """Train one network with cross entropy, and with the recipe's label smoothing.

    It needs no knowledge of the noise.
    """

    shares_batches = True

    def sample_losses(self, logits: tf.Tensor, batch: Batch) -> tf.Tensor:
        """Return the smoothed cross entropy of each sample, (n,)."""
        return cross_entropy(logits, batch.y, self.label_smoothing)


def standard_probabilities(
    samples: np.ndarray,
    held_out: np.ndarray,
    inputs: MethodInputs,
    settings: Settings,
    seed: int,
    checkpoint: Path,
    create_trainer: Callable[[Method], Trainer],
) -> np.ndarray:
    """Train a standard network as a step of another method, and predict all training images.

    Parameters
    ----------
    samples, held_out : np.ndarray
        Indices of the training samples and of the samples that choose the epoch.
    inputs, settings, seed
        As for `training.trainer.build_method`. The initial weights differ from those of other
        networks.
    checkpoint : Path
        File to resume from. A finished training is not repeated.
    create_trainer : callable
        Function from a method to its `Trainer`.

    Returns
    -------
    np.ndarray
        Class probabilities, float32 (n, c), at the epoch of the lowest held-out loss.
    """
    # Smoothed predictions would add label_smoothing / c to every entry of an estimated T.
    settings = replace(settings, label_smoothing=0.0)
    method = build_method(Standard, inputs, settings, seed=seed, stage="standard")
    method.samples = samples
    trainer = create_trainer(method)
    fit_best_epoch(
        trainer,
        held_out,
        settings.epochs,
        seed,
        stage="standard",
        checkpoint=checkpoint,
        name="standard network",
    )
    return method.probabilities(trainer.images)
