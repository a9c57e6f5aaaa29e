"""One network of the selection: the selecting epoch, scripted and with real networks."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from experiments import selecting
from helpers import CPU

from noisylabels.selection.algorithm import FoldId, Scores
from noisylabels.selection.selection_csv import selection_run

EPOCHS, CLASSES = 4, 3
Y_NOISY = np.array([0, 1, 2, 0, 1, 2])
SAMPLES, HELD_OUT = np.array([4, 1]), np.array([0, 2, 3, 5])  # of observed labels 0, 2, 0, 2
BEST = [
    [1, 0, 0],
    [0.1, 0.2, 0.7],
    [0.9, 0.1, 0],
    [0.3, 0.5, 0.2],
]  # three of four are right: their labels come first
P = [
    [[0, 0.6, 0.4], [0.2, 0.7, 0.1], [0.9, 0.1, 0], [1, 0, 0]],  # the third alone
    BEST,
    [
        [0.1, 0.7, 0.2],
        [0, 0, 1],
        [0.8, 0.2, 0],
        [0, 0.4, 0.6],
    ],  # as many, but others: the later of two best epochs
    [
        [0.1, 0.9, 0],
        [0, 0.4, 0.6],
        [0.4, 0.6, 0],
        [0.1, 0.2, 0.7],
    ],  # two at the end, and four among two classes
]


class Script:
    """Record the calls of a standard method and its trainer."""

    images = "the images"

    def __init__(self):
        self.told, self.predicted, self.said = [], 0, P

    def build(self, method, inputs, settings, seed, stage, create):
        self.inputs, self.stage = inputs, (seed, stage)
        return self

    def trainer(self, method, is_clean, augmentation, rate, **rest):
        self.is_clean, self.augmentation, self.rate = is_clean, augmentation, rate
        return self

    def restart(self, samples):
        self.told.append(("restart", samples.tolist()))

    def probabilities(self, images, indices):
        assert images == self.images and (indices == HELD_OUT).all()
        self.predicted += 1
        return np.array(self.said[self.epoch])

    def fit(self, epochs, seed, stage, checkpoint, after_epoch, name, samples_digest):
        self.samples_digest = samples_digest
        self.told.append(("fit", epochs, seed, stage, checkpoint.name))
        memory, rows = {}, []
        for self.epoch in range(epochs):
            rows.append({"epoch": self.epoch, **after_epoch(self.epoch, memory)})
        assert all(
            isinstance(array, np.ndarray) for array in memory.values()
        )  # it goes into a checkpoint
        return rows, memory


def with_data(experiment, y_noisy=None, **changes):
    """Return the experiment with changes of its data set, and other observed labels."""
    y_noisy = experiment.y_noisy if y_noisy is None else y_noisy
    data = replace(experiment.data, dataset=replace(experiment.dataset, **changes), y_noisy=y_noisy)
    return replace(experiment, data=data)


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Return the script, and a function train(use_best, top_k) that trains a half with it."""
    from noisylabels.selection import fold_trainer

    script = Script()
    monkeypatch.setattr(fold_trainer, "build_method", script.build)
    monkeypatch.setattr(fold_trainer, "Trainer", script.trainer)
    experiment = selecting(tmp_path, "--INCV_epochs", EPOCHS, "--seed", 5, "--augmentation", "flip")
    truth = np.array([0, 0, 2, 0, 2, 2])
    small = with_data(
        experiment,
        Y_NOISY,
        x_train=experiment.dataset.x_train[:6],
        y_train=truth,
        classes=("a", "b", "c"),
    )

    def train(use_best, top_k=1, **changes):
        settings = replace(small.settings, **changes)
        chosen = replace(small, settings=settings, arguments=small.arguments | {"top_k": top_k})
        trainer = fold_trainer.FoldTrainer(chosen, selection_run(chosen), lambda event: None)
        return trainer.train(FoldId(2, "b"), SAMPLES, HELD_OUT, use_best)

    return script, train, experiment


def test_first_best_epoch_selects(script):
    """The best epoch agrees most with held-out observed labels; losses are from that epoch."""
    (hit, loss, predicted, label_score, probabilities), rows = script[1](use_best=True)
    assert hit.tolist() == [True, True, True, False]
    assert loss == pytest.approx(-np.log([1, 0.7, 0.9, 0.2]), abs=1e-6)
    assert (
        predicted.tolist() == [0, 2, 0, 1]
        and label_score.tolist() == [1, 0.7, 0.9, 0.2]
        and probabilities is None
    )
    assert [row["heldout_accuracy"] for row in rows] == [0.25, 0.75, 0.75, 0.5] and script[
        0
    ].predicted == EPOCHS
    assert {(row["iteration"], row["half"]) for row in rows} == {(2, "b")}


def test_best_of_the_last_epochs_selects_if_the_recipe_compares_only_them(script):
    """The network does not predict in the epochs before."""
    (hit, *_), rows = script[1](use_best=True, compared_epochs=2)
    assert hit.tolist() == [False, True, True, True]
    assert [row["heldout_accuracy"] for row in rows] == [None, None, 0.75, 0.5]
    assert script[0].predicted == 2


def test_last_epoch_selects_if_requested(script):
    """The network predicts in that epoch only."""
    (hit, loss, *_), rows = script[1](use_best=False)
    assert hit.tolist() == [False, True, False, True] and loss == pytest.approx(
        -np.log([0.1, 0.6, 0.4, 0.7]), abs=1e-6
    )
    assert [row["heldout_accuracy"] for row in rows] == [None, None, None, 0.5] and script[
        0
    ].predicted == 1


def test_first_epoch_selects_if_nothing_agrees(script):
    script[0].said = [[[0.3, 0.4, 0.3]] * 4, *[[[0.1, 0.8, 0.1]] * 4] * 3]
    (hit, loss, *_), rows = script[1](use_best=True)
    assert not hit.any() and loss == pytest.approx(-np.log([0.3] * 4), abs=1e-6)
    assert [row["heldout_accuracy"] for row in rows] == [0] * 4


def test_top_k_selects_among_the_k_most_likely(script):
    """The epoch is still that of the best accuracy."""
    assert script[1](use_best=False, top_k=2)[0].accepted.tolist() == [True, True, True, True]
    assert script[1](use_best=True, top_k=2)[0].accepted.tolist() == [True, True, True, False]


def test_half_starts_from_initial_weights_on_its_samples(script):
    script, train, experiment = script
    for _ in range(2):
        train(use_best=True)
    assert (
        script.told == [("restart", SAMPLES.tolist()), ("fit", EPOCHS, 5, "INCV 2b", "2b.npz")] * 2
    )
    content = np.int64([4, 1, 0, 2, 3, 5]).tobytes() + repr(Scores._fields).encode()
    assert script.samples_digest == hashlib.sha256(content).hexdigest()[:16]
    inputs = script.inputs
    assert (inputs.labels == Y_NOISY).all() and inputs.images.shape == (6, 8, 8, 1)
    assert (inputs.n_classes, inputs.batch_size, inputs.epochs) == (CLASSES, 128, EPOCHS)
    assert script.stage == (5, "INCV")
    assert script.is_clean.tolist() == [True, False, True, True, False, True]
    assert script.augmentation == "flip" and script.rate.__self__ == experiment.settings


# ------------------------------------------------------------------------------------ real networks


@pytest.fixture
def real(tmp_path):
    """Return a function real(folder, y_train) that makes a FoldTrainer on digits of two epochs."""
    from noisylabels.selection.fold_trainer import FoldTrainer

    def real(folder, truth=None):
        experiment = selecting(tmp_path / folder, "--INCV_epochs", 2)
        if truth is not None:
            experiment = with_data(experiment, y_train=truth)
        run = selection_run(experiment)
        run.checkpoints.mkdir(parents=True)
        return FoldTrainer(experiment, run, lambda event: None)

    return real


@pytest.mark.slow
@pytest.mark.runs
def test_halves_do_not_influence_each_other(real):
    """Give equal answers whether the other half was trained before or not."""
    a, b = np.split(np.random.default_rng(0).permutation(1436), 2)
    both, alone = real("both"), real("alone")
    probabilities = both.train(FoldId(1, "a"), a, b, True)[
        0
    ].probabilities  # kept in the first iteration alone
    assert probabilities.shape == (718, 10) and np.abs(probabilities.sum(axis=1) - 1).max() < 1e-6
    for found, expected in zip(
        both.train(FoldId(1, "b"), b, a, True)[0], alone.train(FoldId(1, "b"), b, a, True)[0]
    ):
        assert (found == expected).all()


@pytest.mark.runs
def test_selection_does_not_depend_on_true_labels(tmp_path, unstarted, monkeypatch):
    """Replace them by random labels."""
    from noisylabels.selection import processes
    from noisylabels.selection.selection_csv import csv_path, selection_run
    from noisylabels.system.progress import Progress

    frames, scores = [], []
    for folder in ("true", "garbage"):
        experiment = selecting(tmp_path / folder, "--INCV_epochs", 3, "--INCV_iter", 2)
        if folder == "garbage":
            garbage = np.random.default_rng(0).integers(0, 10, 1437)
            experiment = with_data(experiment, y_train=garbage)
        run = selection_run(experiment)
        processes.select(experiment, run, Progress(processes.expected_work(experiment), quiet=True))
        frames.append(
            np.genfromtxt(
                csv_path(experiment), delimiter=",", names=True, dtype=None, encoding=None
            )
        )
        scores.append(run.record["results"])
        assert run.record["sessions"][0]["hardware"].items() >= CPU.items()
    for column in ("y_noisy", "select", "candidate", "eval_ratio"):
        assert (frames[0][column] == frames[1][column]).all(), column
    assert scores[0]["LP"] > 0.6 > 0.2 > scores[1]["LP"] and scores[0]["eps"] == scores[1]["eps"]
