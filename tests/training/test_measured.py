"""Logged measurements of a training, by hand from the predictions of two networks."""

from types import SimpleNamespace

import numpy as np
import pytest

from noisylabels.training import evaluation

Y_TEST = np.array([0, 1, 2, 2])
Y = np.array([0, 1, 2, 0, 1, 2, 0, 1])
Y_NOISY = np.array([0, 1, 2, 1, 2, 0, 0, 2])  # clean: 0, 1, 2, 6
POOL = np.array([1, 2, 3, 5, 7])  # the samples of the training
RIGHT = [[1, 1, 1, 0], [1, 0, 0, 0]]  # of the test images, by network
SURE = np.array(
    [[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], [0.1, 0.25, 0.5, 0.8, 0.1, 0.4, 0.1, 0.6]]
)  # of the observed labels


def row_of(p, label, n_classes=3):
    """Return probabilities p of the label, and the rest for the next class."""
    return p * np.eye(n_classes)[label] + (1 - p) * np.eye(n_classes)[(label + 1) % n_classes]


class TwoNetworks:
    n_networks = 2

    def __init__(self, samples):
        self.samples = samples

    def probabilities(self, images, indices=None, k=0):
        if images == "test":
            return np.array(
                [
                    np.eye(3)[label if right else (label + 1) % 3]
                    for right, label in zip(RIGHT[k], Y_TEST)
                ]
            )
        assert images == "training"
        return np.array([row_of(SURE[k][i], Y_NOISY[i]) for i in indices])


@pytest.fixture
def evaluate(monkeypatch):
    """Return evaluate(tracked, samples, clean_known), which returns the row of an epoch."""
    monkeypatch.setattr(evaluation, "as_tensor", lambda images: images)

    def evaluate(tracked=1000, samples=POOL, known=True, seed=0):
        monkeypatch.setattr(evaluation, "N_TRACKED", tracked)
        experiment = SimpleNamespace(
            dataset=SimpleNamespace(x_test="test", y_test=Y_TEST, clean_test=True),
            seed=seed,
            y_noisy=Y_NOISY,
            is_clean=Y == Y_NOISY if known else None,
        )
        made = evaluation.Evaluation(TwoNetworks(samples), "training", experiment)
        return made(0, {}), made.tracked

    return evaluate


def test_measurements_of_each_network_by_hand(evaluate):
    """Of the samples 1, 2, 3, 5, 7 those of a true label are 1 and 2."""
    row, tracked = evaluate()
    assert tracked.tolist() == POOL.tolist()
    losses = -np.log(SURE + 1e-8)
    expected = {
        "test_accuracy_1": 0.75,
        "dead_classes_1": 0,
        "test_accuracy_2": 0.25,
        "dead_classes_2": 2,
        "accuracy_all_1": 0.6,
        "accuracy_clean_1": 1,
        "accuracy_noisy_1": 1 / 3,
        "accuracy_all_2": 0.4,
        "accuracy_clean_2": 0,
        "accuracy_noisy_2": 2 / 3,
        "loss_all_1": losses[0, POOL].mean(),
        "loss_clean_1": losses[0, [1, 2]].mean(),
        "loss_noisy_1": losses[0, [3, 5, 7]].mean(),
        "loss_all_2": losses[1, POOL].mean(),
        "loss_clean_2": losses[1, [1, 2]].mean(),
        "loss_noisy_2": losses[1, [3, 5, 7]].mean(),
    }
    assert row == pytest.approx(expected)


def test_unknown_true_labels_measure_all_samples_only(evaluate):
    row, _ = evaluate(known=False)
    assert [name for name in row if "clean" in name or "noisy" in name] == []
    assert row["accuracy_all_1"] == pytest.approx(0.6) and row["test_accuracy_2"] == 0.25


@pytest.mark.parametrize(
    "samples, blank", [(np.array([1, 2]), "noisy"), (np.array([3, 5]), "clean")]
)
def test_measurements_without_samples_are_blank(samples, blank, evaluate):
    row, _ = evaluate(samples=samples)
    assert [name for name, value in row.items() if value is None] == [
        f"{name}_{blank}_{k}" for k in (1, 2) for name in ("loss", "accuracy")
    ]


def test_at_most_a_thousand_samples_are_tracked(monkeypatch):
    monkeypatch.setattr(evaluation, "as_tensor", lambda images: images)
    dataset = SimpleNamespace(x_test=None, y_test=None, clean_test=True)
    experiment = SimpleNamespace(
        dataset=dataset, seed=0, y_noisy=np.zeros(1200, int), is_clean=None
    )
    made = evaluation.Evaluation(SimpleNamespace(samples=np.arange(1200)), None, experiment)
    assert len({*made.tracked}) == len(made.y) == 1000


def test_tracked_training_samples_depend_on_the_seed(evaluate):
    drawn = {seed: evaluate(tracked=3, seed=seed)[1].tolist() for seed in range(6)}
    assert drawn[0] == evaluate(tracked=3, seed=0)[1].tolist()
    assert len({*map(tuple, drawn.values())}) > 2
    for tracked in drawn.values():
        assert len(set(tracked)) == 3 and {*tracked} <= {*POOL} and tracked == sorted(tracked)
