"""INCV student: a new network that learns the labels of INCV's networks.

Selected samples keep their observed labels. All others get the label that the two networks of
`incv` predict together:

    label = y_noisy if selected, else argmax (f1 + f2) / 2,    L = CE(logits, label)

Unlike `incv`, the student learns from all samples.

Needs the selected set S, and the networks that `incv` trained on the same selection.

Differences from the paper: this is the method "noisy best teacher and student" (NTS), applied to
INCV. In NTS, the teacher is any network at the epoch of its best accuracy on a noisy validation
set, and the student learns its predictions for all samples. Here the teachers are the networks of
`incv` at their last epoch. No validation set chooses an epoch; --validation_split only reports the
accuracy at the epoch that it would choose.

Source: Chen, Ye, Chen, Zhao & Heng, "Robustness of accuracy metric and its inspirations in learning
with noisy labels", AAAI 2021.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method
from noisylabels.methods.inputs import PreparationContext
from noisylabels.training.steps import Batch


def teacher_labels(labels: np.ndarray, select: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the observed labels of the selected samples, and the predicted ones elsewhere.

    All arrays are (n,); `select` is a mask.
    """
    return np.where(select, labels, predicted)


class Student(Method):
    """Train one network with cross entropy on the labels of its teachers."""

    def prepare(self, context: PreparationContext) -> None:
        """Compute the labels to learn."""
        predicted = context.teacher_probabilities().argmax(axis=1)
        self.labels = teacher_labels(self.inputs.labels, self.inputs.select, predicted)

    def corrected_labels(self) -> np.ndarray:
        """Return the learned labels, -1 for held-out samples."""
        is_learned = np.isin(np.arange(len(self.labels)), self.samples)
        return np.where(is_learned, self.labels, -1)

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Update the network with one batch."""
        y = tf.gather(tf.constant(self.labels, tf.int32), batch.indices)
        return super().train_step(batch._replace(y=y))
