"""ELR, early-learning regularization (Liu et al., NeurIPS 2020): what a network believed early on, it shall not forget.

Each training sample has a target, the moving average of what the network has predicted for it, 0 at first. A step on a
batch of predictions p, clipped to [1e-4, 1 - 1e-4], first moves the targets of its samples, and then descends:

    t <- beta t + (1 - beta) p / sum(p),    L = mean CE(logits, y) + lambda mean log(1 - <p, t>)

without a gradient through t. The second part is least where p agrees with t: there it outweighs a label that does not.
It is negative, down to lambda log 1e-4, so that the loss goes below zero.

beta = .7, lambda = 3 where sym is assumed, else beta = .9, lambda = 1, the authors' for CIFAR-10 and its asym; by
options others, as their .9 and 7 for CIFAR-100. Told nothing else of the noise. The targets also say which labels are
wrong: those that are not argmax t.

Chosen here: the settings of every other method, where the authors have ResNet-34, momentum and restarts of its rate.
Their ELR+, with two networks and mixup, is left out.
"""
import numpy as np
import tensorflow as tf

from noisylabels.methods.base import Method, accuracy, cross_entropy
from noisylabels.theory import label_scores

CLIP = 1e-4
CONSTANTS = {"sym": (.7, 3.), "asym": (.9, 1.)}         # beta, lambda


def moved_target(target, p, beta):
    """beta t + (1 - beta) p / sum(p), (n, c); constant for the gradient. target, p: (n, c)."""
    return tf.stop_gradient(beta * target + (1 - beta) * p / tf.reduce_sum(p, axis=1, keepdims=True))


def regularizer(p, target):
    """log(1 - <p, t>), (n,). p, target: (n, c), p clipped and t of sum 1 at most, so that it is finite."""
    return tf.math.log(1 - tf.reduce_sum(p * target, axis=1))


class ELR(Method):
    """One network held to its early predictions; options beta, lambda, None for those of the assumed pattern."""

    def __init__(self, given, networks, optimizers, **options):
        super().__init__(given, networks, optimizers, **options)
        usual = CONSTANTS["sym" if given.assumed_pattern == "sym" else "asym"]
        chosen = given.options["beta"], given.options["lambda"]
        self.beta, self.weight = (other if own is None else own for own, other in zip(chosen, usual))
        self.targets = tf.Variable(tf.zeros([len(given.labels), given.n_classes]), trainable=False)
        self.extra_state = [self.targets]

    def believed(self):
        targets = self.targets.numpy()
        return np.where(targets.any(axis=1), targets.argmax(axis=1), -1)

    def end_epoch(self, clean):
        agree = (self.believed() == self.given.labels)[self.samples]
        scores = {} if clean is None else label_scores(agree, clean[self.samples])
        return {"selected": int(agree.sum()), **{name: float(value) for name, value in scores.items()}}

    def train_step(self, batch):
        def loss(logits):
            p = tf.clip_by_value(tf.nn.softmax(logits), CLIP, 1 - CLIP)
            target = moved_target(tf.gather(self.targets, batch.indices), p, self.beta)
            self.targets.scatter_update(tf.IndexedSlices(target, batch.indices))
            return tf.reduce_mean(cross_entropy(logits, batch.y) + self.weight * regularizer(p, target))

        value, logits = self.descend(0, batch.x, loss)
        return {"loss": value, "accuracy": accuracy(logits, batch.y)}
