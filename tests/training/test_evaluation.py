"""Measurements after each epoch, held-out labels, and the reported accuracies."""

import keras
import numpy as np
import pandas as pd
import pytest
from helpers import EPOCH_COLUMNS, RESULT_COLUMNS
from toys import N, fit, killed, toy

from noisylabels.training import result_table
from noisylabels.training.callbacks import combine_callbacks, every_n_epochs
from noisylabels.training.epoch_choice import HeldOutEvaluation
from noisylabels.training.evaluation import dead_classes
from noisylabels.training.result_table import curves_of
from noisylabels.training.sampling import stratified_holdout
from noisylabels.training.training_log import training_log

pytestmark = pytest.mark.runs


def test_dead_classes_have_recall_below_a_twentieth():
    """Recalls: 0 of 20, 1 of 20, 20 of 20, and 1 of 21; class 3 does not occur."""
    y = np.repeat([0, 1, 2, 4], [20, 20, 20, 21])
    predicted = np.where(y == 2, 2, 3)
    predicted[[20, 60]] = [1, 4]
    assert dead_classes(predicted, y) == 2
    assert dead_classes(y, y) == 0


# ----------------------------------------------------------------------------------------- held out


@pytest.mark.parametrize(
    "share, expected", [(0.1, [6, 3, 1]), (0.5, [30, 15, 5]), (0.004, [0, 1, 0]), (0, [0, 0, 0])]
)
def test_share_of_each_observed_class_is_held_out(share, expected):
    """Of 100 samples, 60, 30 and 10 of the classes 0, 2 and 1; odd indices of a data set."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 2, 1], [60, 30, 10])).repeat(2)
    drawn = [
        stratified_holdout(np.arange(1, 200, 2), labels, share, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    for samples in drawn:
        assert (samples % 2 == 1).all() and (np.diff(samples) > 0).all()
        found = np.bincount(labels[samples], minlength=3)[[0, 2, 1]]
        assert found.tolist() == expected if share != 0.004 else found.sum() == 1
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert share == 0 or drawn[0].tolist() != drawn[2].tolist()


def test_samples_are_held_out_equally_often():
    """Half of 8 samples of two classes in 400 draws: each 200 times, within five deviations."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    counts = sum(
        np.bincount(
            stratified_holdout(np.arange(8), labels, 0.5, np.random.default_rng(seed)), minlength=8
        )
        for seed in range(400)
    )
    assert np.abs(counts - 200).max() <= 50


def scripted(method, p):
    """Return a method that predicts p[epoch][k]; its weights are the epoch's number."""

    def predict(images, samples, k):
        np.testing.assert_array_equal(samples, [2, 5])
        return np.float32(p[int(method.networks[0].weights[0].numpy().flat[0])][k])

    def evaluate(epoch, memory):
        for network in method.networks:
            network.set_weights([np.full(w.shape, epoch) for w in network.get_weights()])
        return validation(epoch, memory)

    method.probabilities = predict
    validation = HeldOutEvaluation(method, None, np.array([2, 5]), "loss")
    return validation, evaluate


def test_first_epoch_of_lowest_held_out_loss_is_chosen():
    """Labels 1 and 0 with probabilities 0.5 and 0.2, 0.8 and 0.5, 0.5 and 0.8, 0.4 and 0.9."""
    method = toy("standard", labels=np.where(np.arange(N) == 2, 1, 0))
    p = [
        [[[0.5, 0.5, 0], [0.2, 0.8, 0]]],
        [[[0.2, 0.8, 0], [0.5, 0.3, 0.2]]],
        [[[0.1, 0.5, 0.4], [0.8, 0.1, 0.1]]],
        [[[0.6, 0.4, 0], [0.9, 0.1, 0]]],
    ]
    validation, evaluate = scripted(method, p)
    memory, rows = {}, []
    for epoch in range(4):
        rows.append(evaluate(epoch, memory))
        assert memory["weights0"].flat[0] == [0, 1, 1, 1][epoch]
    expected = [-np.log(product) / 2 for product in (0.1, 0.4, 0.4, 0.36)]
    assert [row["heldout_loss_1"] for row in rows] == pytest.approx(expected, rel=1e-5)
    validation.restore(memory)
    assert all((weights == 1).all() for weights in method.networks[0].get_weights())


def test_choosing_loss_is_the_method_s_mean_over_networks():
    method = toy("decoupling", labels=np.zeros(N, int))
    method.observed_probabilities = lambda p: p @ np.array([[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]])
    p = [
        [[[0.8, 0.2, 0], [0.8, 0.2, 0]], [[0.2, 0.8, 0], [0.2, 0.8, 0]]],
        [[[0.4, 0.6, 0]] * 2, [[0, 0.6, 0.4]] * 2],
    ]
    _, evaluate = scripted(method, p)
    memory = {}
    rows = [evaluate(epoch, memory) for epoch in (0, 1)]
    losses = [[row[f"heldout_loss_{k}"] for k in (1, 2)] for row in rows]
    np.testing.assert_allclose(losses, -np.log([[0.4, 0.1], [0.2, 0.4]]), rtol=1e-5)
    assert (
        memory["weights0"].flat[0] == 1 and memory["weights2"].flat[0] == 1
    )  # -log .08 is below -log .04


def test_held_out_agreement_is_logged_only():
    method, memory = toy("co_teaching", labels=np.array([0, 1, 2] * 4)), {}
    method.probabilities = lambda images, samples, k: np.eye(3)[[[0, 1, 1, 1], [1, 1, 1, 2]][k]]
    row = HeldOutEvaluation(method, None, np.array([0, 3, 4, 7]), "accuracy")(0, memory)
    assert row == {"heldout_accuracy_1": 0.75, "heldout_accuracy_2": 0.25} and memory == {}


def test_without_held_out_samples_the_last_weights_stay():
    method, memory = toy("standard"), {}
    validation = HeldOutEvaluation(method, None, method.held_out, "loss")
    before = method.get_state()
    assert validation(0, memory) == memory == {}
    validation.restore(memory)
    for now, then in zip(method.get_state(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_killed_training_keeps_its_best_epoch(tmp_path):
    """The weights of the best epoch are in the checkpoint."""

    def build():
        method = toy("standard", optimizer=keras.optimizers.Adam)
        validation = HeldOutEvaluation(method, None, np.array([2, 5]), "loss")
        losses = iter([[0.4], [0.9], [0.3], [0.2], [0.1]])
        method.probabilities = lambda *_: np.full((2, 3), next(losses))
        return method, validation

    states = []
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
        method, validation = build()
        if folder == "killed":
            killed(method, tmp_path / folder, 3, validation)
            method, validation = build()
            method.probabilities = lambda *_: np.full((2, 3), 0.2)
        memories = []
        fit(
            method,
            tmp_path / folder,
            5,
            after_epoch=lambda epoch, memory: memories.append(memory) or validation(epoch, memory),  # noqa: B023
        )
        at_the_end = method.networks[0].get_weights()[0]
        validation.restore(memories[-1])
        states.append(method.networks[0].get_weights())
        assert np.abs(states[-1][0] - at_the_end).max() > 0.1
    for whole, resumed in zip(*states, strict=True):
        np.testing.assert_array_equal(whole, resumed)


def test_several_evaluations_make_one_row():
    seen = []
    both = combine_callbacks(
        lambda *a: seen.append(a) or {"a": 1}, lambda *a: seen.append(a) or {"b": 2}
    )
    assert both(3, {"m": 0}) == {"a": 1, "b": 2} and seen == [(3, {"m": 0})] * 2


def test_every_n_epochs_and_the_last_are_evaluated():
    seen = []
    callback = every_n_epochs(4, 10, lambda epoch, memory: seen.append(epoch) or {"a": epoch})
    rows = [callback(epoch, {}) for epoch in range(10)]
    assert seen == [3, 7, 9] and rows[3] == {"a": 3} and rows[4] == {}


# ----------------------------------------------------------------------------------------- reported


def history_of(**columns):
    return pd.DataFrame({"epoch": range(12), "steps": [2] * 6 + [3] * 6, **columns})


FIRST, SECOND = [0.1, 0.2, 0.9, 0.4, 0.5, 0.6, 0.7, 0.3, 0.2, 0.8, 0.6, 0.5], [0.5] * 11 + [0.9]


def test_test_accuracies_by_hand():
    history = history_of(test_accuracy_1=FIRST, test_accuracy_2=SECOND)
    result = result_table.test_accuracies(history, 2).set_index("network")
    assert list(result) == [*RESULT_COLUMNS]
    expected = {
        "1": [0.5, 0.5, 0.55, 10, 0.9, np.nan, 30],
        "2": [0.9, 0.9, 0.54, 10, 0.9, np.nan, 30],
        "mean": [0.7, 0.7, 0.545, 10, 0.7, np.nan, 30],
    }
    assert list(result.index) == list(expected)
    for network, values in expected.items():
        assert result.loc[network].tolist() == pytest.approx(values, nan_ok=True)


def test_last10_of_a_short_training_states_its_epochs():
    history = history_of(test_accuracy_1=FIRST).head(4)
    (row, _) = result_table.test_accuracies(history, 1).itertuples()
    assert (row.last10, row.last10_epochs, row.steps) == (pytest.approx(0.4), 4, 8)


def test_last10_averages_the_evaluated_epochs():
    sparse = [value if epoch % 4 == 3 else np.nan for epoch, value in enumerate(FIRST)]
    (row, _) = result_table.test_accuracies(history_of(test_accuracy_1=sparse), 1).itertuples()
    assert (row.last, row.last10, row.last10_epochs) == (0.5, pytest.approx(0.4), 3)


def test_validated_is_at_the_first_epoch_of_most_agreement():
    agreement = (
        [0.1, 0.3, 0.2, 0.3, 0.2] + [0.1] * 7,
        [0.2, 0.1, 0.4, 0.3, 0.3] + [0.1] * 7,
    )  # mean: .15 .2 .3 .3 .25
    history = history_of(
        test_accuracy_1=FIRST,
        test_accuracy_2=SECOND[::-1],
        heldout_accuracy_1=agreement[0],
        heldout_accuracy_2=agreement[1],
    )
    result = result_table.test_accuracies(history, 2).set_index("network")
    assert result.validated.tolist() == pytest.approx(
        [0.2, 0.5, 0.7]
    ) and result.final.tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_final_is_at_the_epoch_of_lowest_held_out_loss():
    history = history_of(test_accuracy_1=FIRST, heldout_loss_1=[3, 2, 2.5, 1, 1, 2] + [4] * 6)
    result = result_table.test_accuracies(history, 1)
    assert result[["final", "last", "best"]].to_numpy().tolist() == [[0.4, 0.5, 0.9]] * 2


def test_log_begins_with_the_common_columns():
    row = {
        "epoch": 0,
        "learning_rate": 0.1,
        "loss": 1,
        "accuracy": 0,
        "kept": 1,
        "steps": 4,
        "lid": 2,
        "test_accuracy_1": 0,
        "dead_classes_1": 1,
        "loss_all_1": 1,
        "heldout_accuracy_1": 1,
        "heldout_loss_1": 1,
        "seconds": 1,
    }
    assert list(training_log([row])) == [
        *EPOCH_COLUMNS,
        "test_accuracy_1",
        "dead_classes_1",
        "loss_all_1",
        "heldout_accuracy_1",
        "heldout_loss_1",
        "seconds",
        "kept",
        "lid",
    ]
    del row["accuracy"]  # a method of one's own need not log it
    assert list(training_log([row]))[:4] == ["epoch", "learning_rate", "loss", "steps"]
    assert curves_of(pd.DataFrame([row]), "heldout_accuracy", 1).to_dict("records") == [
        {"1": 1, "mean": 1}
    ]
