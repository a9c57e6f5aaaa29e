"""INCV's student, after NTS (Chen, Ye, Chen, Zhao & Heng, AAAI 2021): a fresh network on labels mended by a teacher.

NTS, the noisy best teacher and student, is what the author of INCV did next: "Robustness of Accuracy Metric and its
Inspirations in Learning with Noisy Labels". The teacher there is any network, at its epoch of the best accuracy on a
noisy validation set; the student, a network like it, learns what the teacher predicts for the training images. Here the
teachers are the two networks of INCV's Co-teaching, and what INCV selected keeps its label, which they were chosen by:

    label = y_noisy where selected, else argmax of the mean of f1 and f2,    L = CE(logits, label), on all samples.

So the samples that INCV leaves out are learned from, too. Told: S, and the predictions of the networks trained on it.
No validation set chooses an epoch of teachers or student: --validation_split reports what it would choose.
"""
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy


def mended_labels(labels, select, predicted):
    """The observed labels where selected, elsewhere the predicted ones. All of them (n,), select bool."""
    return np.where(select, labels, predicted)


class Student(Method):
    """One network, trained with cross entropy on labels that INCV and its networks have mended."""

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        self.labels = mended_labels(given.labels, given.select, given.predicted)

    def believed(self):
        return np.where(np.isin(np.arange(len(self.labels)), self.samples), self.labels, -1)

    def train_step(self, batch):
        y = tf.gather(tf.constant(self.labels, tf.int32), batch.indices)
        loss, logits = self.descend(0, batch.x, lambda logits: tf.reduce_mean(cross_entropy(logits, y)))
        return {"loss": loss, "accuracy": accuracy(logits, y)}
