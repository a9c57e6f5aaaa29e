"""What is logged of a training beside its loss, and the test accuracies that are reported at its end."""
import numpy as np
import pandas as pd

from noisylabels.streams import stream
from noisylabels.theory import label_loss
from noisylabels.training.trainer import as_tensor

TRACKED = 1000                  # training samples whose loss and accuracy are logged
MEASURED = ("test_accuracy_", "loss_", "accuracy_")     # how the columns of `Evaluation` begin


def by_truth(values, clean, names=("all", "clean", "noisy")):
    """The means of values (n,) over all samples, those of a true label and those of a wrong one, {name: mean}.

    None where there are no such samples. clean: bool (n,), or None where that is not known: then over all alone.
    """
    masks = [np.ones(len(values), bool)] + ([] if clean is None else [clean, ~clean])
    return {name: float(values[mask].mean()) if mask.any() else None for name, mask in zip(names, masks)}


class Evaluation:
    """After each epoch: test accuracy, and loss and accuracy on tracked training samples, of each network."""

    def __init__(self, method, images, experiment):
        self.method, self.images, self.y_test = method, images, experiment.dataset.y_test
        self.test_images = as_tensor(experiment.dataset.x_test)
        pool = method.samples
        rng = stream(experiment.seed, "tracked")
        self.tracked = np.sort(rng.choice(pool, min(TRACKED, len(pool)), replace=False))
        self.y = experiment.y_noisy[self.tracked]
        self.clean = None if experiment.clean is None else experiment.clean[self.tracked]

    def __call__(self, epoch, memory):
        row = {}
        for k in range(self.method.n_networks):
            test = self.method.probabilities(self.test_images, k=k)
            p = self.method.probabilities(self.images, self.tracked, k)
            loss, accuracy = (by_truth(values, self.clean) for values in (label_loss(p, self.y), p.argmax(1) == self.y))
            row[f"test_accuracy_{k + 1}"] = float(np.mean(test.argmax(axis=1) == self.y_test))
            for part in loss:
                row[f"loss_{part}_{k + 1}"], row[f"accuracy_{part}_{k + 1}"] = loss[part], accuracy[part]
        return row


def training_log(history):
    """The history as a frame: what all methods have, network by network, then what a method has of its own."""
    frame = pd.DataFrame(history)
    measured = [name for name in frame if name.startswith(MEASURED)]
    first = ["epoch", "learning_rate", "loss", "accuracy", *measured, "seconds"]
    return frame[first + [name for name in frame if name not in first]]


def test_accuracies(history, n_networks):
    """Test accuracy of each network and of their mean: at the last epoch, the mean of the last ten, and the best.

    history: frame, a row an epoch. Returns a frame with the columns network, last, last10, best.
    """
    curves = {str(k + 1): history[f"test_accuracy_{k + 1}"] for k in range(n_networks)}
    curves["mean"] = pd.DataFrame(curves).mean(axis=1)
    rows = [(name, curve.iloc[-1], curve.iloc[-10:].mean(), curve.max()) for name, curve in curves.items()]
    return pd.DataFrame(rows, columns=["network", "last", "last10", "best"])
