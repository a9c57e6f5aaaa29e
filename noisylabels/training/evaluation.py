"""What is logged of a training beside its loss, held-out labels that choose an epoch, and the accuracies reported."""
import numpy as np
import pandas as pd

from noisylabels.streams import stream
from noisylabels.theory import label_loss
from noisylabels.training.trainer import as_tensor

TRACKED = 1000                  # training samples whose loss and accuracy are logged
DEAD = .05                      # recall on the test set below which a class counts as never learned
OF_THE_TEST = ("test_accuracy", "test_agreement")       # what a column is called: against true labels, noisy ones
MEASURED = (*OF_THE_TEST, "dead_classes_", "loss_", "accuracy_", "heldout_")        # how the columns below begin


def by_truth(values, clean, names=("all", "clean", "noisy")):
    """The means of values (n,) over all samples, those of a true label and those of a wrong one, {name: mean}.

    None where there are no such samples. clean: bool (n,), or None where that is not known: then over all alone.
    """
    masks = [np.ones(len(values), bool)] + ([] if clean is None else [clean, ~clean])
    return {name: float(values[mask].mean()) if mask.any() else None for name, mask in zip(names, masks)}


def dead_classes(predicted, y):
    """How many of the classes in y (n,) have a recall below DEAD in the predictions (n,)."""
    return sum(float(np.mean(predicted[y == c] == c)) < DEAD for c in np.unique(y))


class Evaluation:
    """After each epoch: test accuracy, dead classes, loss and accuracy on tracked training samples, of each network.

    Where the test labels are not known to be true the first is called what it is, agreement with them.
    """

    def __init__(self, method, images, experiment):
        self.measure = OF_THE_TEST[not experiment.dataset.clean_test]
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
            test = self.method.probabilities(self.test_images, k=k).argmax(axis=1)
            p = self.method.probabilities(self.images, self.tracked, k)
            loss, accuracy = (by_truth(values, self.clean) for values in (label_loss(p, self.y), p.argmax(1) == self.y))
            row[f"{self.measure}_{k + 1}"] = float(np.mean(test == self.y_test))
            row[f"dead_classes_{k + 1}"] = dead_classes(test, self.y_test)
            for part in loss:
                row[f"loss_{part}_{k + 1}"], row[f"accuracy_{part}_{k + 1}"] = loss[part], accuracy[part]
        return row


def held_out(samples, labels, share, rng):
    """A random share of the samples, of each observed label alike: indices, sorted. At least one, of a share of 0 none.

    samples: indices into labels (n,).
    """
    order = rng.permutation(samples)
    order = order[np.argsort(labels[order], kind="stable")]
    count = max(int(share > 0), round(share * len(order)))
    return np.sort(order[((np.arange(count) + .5) * len(order) / count).astype(int)])


class Validation:
    """After each epoch: how well each network predicts the observed labels of samples that it does not train on.

    samples: their indices, perhaps none. score: accuracy, the share of labels predicted; or loss, whose lowest value
    chooses an epoch, the first of equals: its weights are kept in the training's memory.
    """

    def __init__(self, method, images, samples, score):
        self.method, self.images, self.samples, self.score = method, images, samples, score
        self.y = method.given.labels[samples]
        self.variables = [variable for network in method.networks for variable in network.variables]

    def __call__(self, epoch, memory):
        row = {}
        for k in range(self.method.n_networks if len(self.samples) else 0):
            p = self.method.probabilities(self.images, self.samples, k)
            values = p.argmax(1) == self.y if self.score == "accuracy" else label_loss(self.method.observed(p), self.y)
            row[f"heldout_{self.score}_{k + 1}"] = float(np.mean(values))
        if row and self.score == "loss" and (loss := np.mean([*row.values()])) < memory.get("lowest_loss", np.inf):
            weights = {f"weights{i}": variable.numpy() for i, variable in enumerate(self.variables)}
            memory.update(lowest_loss=loss, **weights)
        return row

    def restore(self, memory):
        """Puts the weights of the chosen epoch back; without held-out samples the last ones stay."""
        for i, variable in enumerate(self.variables if len(self.samples) else []):
            variable.assign(memory[f"weights{i}"])


def every(n, epochs, evaluation):
    """An `after_epoch` that is called at each n-th of the epochs, and at each of the last ten."""
    def after_epoch(epoch, memory):
        return evaluation(epoch, memory) if (epoch + 1) % n == 0 or epoch >= epochs - 10 else {}
    return after_epoch


def together(*evaluations):
    """An `after_epoch` of several: the columns of all in one row."""
    def after_epoch(epoch, memory):
        return {name: value for part in evaluations for name, value in part(epoch, memory).items()}
    return after_epoch


def training_log(history):
    """The history as a frame: what all methods have, network by network, then what a method has of its own."""
    frame = pd.DataFrame(history)
    frame = frame.astype({name: "Int64" for name in frame if name.startswith("dead_classes_")})      # whole, or blank
    measured = [name for name in frame if name.startswith(MEASURED)]
    first = ["epoch", "learning_rate", "loss", "accuracy", "steps", *measured, "seconds"]
    first = [name for name in first if name in frame]
    return frame[first + [name for name in frame if name not in first]]


def by_network(history, name, n_networks):
    """A column of each network and the mean of both: a frame with the columns 1, ... and mean; None without them."""
    if f"{name}_1" in history:
        curves = pd.DataFrame({str(k + 1): history[f"{name}_{k + 1}"] for k in range(n_networks)})
        return curves.assign(mean=curves.mean(axis=1))


def test_accuracies(history, n_networks):
    """Test accuracy of each network and of their mean, or agreement, where the test labels are not known to be true.

    history: frame, a row an epoch. Returns a frame with the columns network; final, of the networks as they are left
    (the last epoch's, or that of the lowest held-out loss); last; last10, the mean of so many last epochs as
    last10_epochs says, ten or all; best, chosen by this very accuracy; validated, at the epoch of most agreement with
    held-out labels, nan without; steps of its optimizer.
    """
    test = next(name for name in OF_THE_TEST if f"{name}_1" in history)
    curves, losses, agreements = (by_network(history, name, n_networks)
                                  for name in (test, "heldout_loss", "heldout_accuracy"))
    rows = []
    for name, curve in curves.items():
        rows.append({
            "network": name,
            "final": curve.iloc[-1] if losses is None else curve[losses["mean"].idxmin()],
            "last": curve.iloc[-1],
            "last10": curve.iloc[-10:].mean(),
            "last10_epochs": len(curve.iloc[-10:]),
            "best": curve.max(),
            "validated": np.nan if agreements is None else curve[agreements[name].idxmax()],
            "steps": history.steps.sum(),
        })
    return pd.DataFrame(rows)
