"""The trainer on toys: events, checkpoints and predictions."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import tensorflow as tf
from toys import N, fit, inputs_for, toy

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import load_arrays, save_arrays
from noisylabels.system.progress import Event
from noisylabels.training import trainer
from noisylabels.training.trainer import Trainer

pytestmark = pytest.mark.runs


def trainer_of_forty_steps(loss, on_event=lambda event: None):
    """Return a trainer whose loss at step i of an epoch is loss(i)."""
    method = toy("standard", images=np.zeros((40, 2, 2, 1), np.uint8), labels=np.zeros(40, int))
    method.batches = lambda epoch, rng: np.arange(40, dtype=np.int32)[:, None]
    method.train_step = lambda batch: {
        "loss": loss(tf.cast(batch.indices[0], tf.float32)),
        "accuracy": 0.25,
    }
    return Trainer(method, np.ones(40, bool), "none", lambda time, epochs: 0.5, on_event=on_event)


def test_events_of_a_training(tmp_path, monkeypatch):
    """Begin, the last loss every few steps, and an epoch's row. An epoch takes 2.34567 s."""
    now, told = [0.0], []
    monkeypatch.setattr(trainer.time, "perf_counter", lambda: now[0])

    def after_epoch(epoch, memory):
        now[0] += 2.34567
        return {"own": epoch}

    made = trainer_of_forty_steps(lambda step: step, told.append)
    history, _ = made.fit(2, 0, "a", tmp_path / "a.npz", after_epoch, "it")
    rows = [
        {
            "epoch": epoch + 1,
            "learning_rate": 0.5,
            "loss": 19.5,
            "accuracy": 0.25,
            "steps": 40,
            "own": epoch,
            "seconds": 2.346,
        }
        for epoch in (0, 1)
    ]
    assert history == rows and told == [
        Event("it", 2, 0),
        *(
            event
            for epoch in (0, 1)
            for event in (
                Event("it", 2, epoch, 16, 40, 15.0),
                Event("it", 2, epoch, 32, 40, 31.0),
                Event("it", 2, epoch, 40, 40, 39.0),
                Event("it", 2, epoch, row=rows[epoch]),
            )
        ),
    ]
    told.clear()
    assert made.fit(2, 0, "a", tmp_path / "a.npz", after_epoch, "it")[0] == rows and told == [
        Event("it", 2, 2)
    ]


def test_first_step_with_infinite_loss_is_named(tmp_path):
    with pytest.raises(UserError, match="^the loss is no longer finite in epoch 1, step 19: "):
        trainer_of_forty_steps(lambda step: 1 / tf.nn.relu(18 - step)).fit(
            1, 0, "a", tmp_path / "a.npz", None
        )


def test_relabelled_samples_are_learned(tmp_path):
    method = toy("standard")
    method.logged = ("loss", "kept_precision")
    method.train_step = lambda batch: {
        "loss": tf.reduce_mean(tf.cast(batch.y, tf.float32)),
        "kept_precision": tf.reduce_mean(tf.cast(batch.is_clean, tf.float32)),
    }
    made = Trainer(method, None, "none", lambda time, epochs: 0.5)
    for label, clean in ((0, False), (2, True)):
        made.relabel(np.full(N, label), np.full(N, clean))
        (row,), _ = made.fit(1, 0, "a", tmp_path / f"{label}.npz", lambda *_: {})
        assert (row["loss"], row["kept_precision"]) == (label, clean)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Return the arrays in the checkpoint of a toy's first epoch."""
    folder = tmp_path_factory.mktemp("trained")
    fit(toy("standard"), folder, 1)
    return load_arrays(folder / "toy.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"training": None},
        {"training": np.array("no JSON")},
        {"training": np.array("3")},
        {"training": np.array("[]")},
        {"training": np.array('[1, "toy", []]')},
        {"training": np.array('[-1, "toy", []]')},
        {"state1": None},
        {"state1": np.zeros(2)},
        {"state1": np.zeros(4)},
    ],
    ids=str,
)
def test_checkpoint_of_another_training_is_set_aside(change, checkpoint, tmp_path, capsys):
    """It lacks something, or is of another seed or network."""
    save_arrays(tmp_path / "toy.npz", checkpoint)
    assert [row["epoch"] for row in fit(toy("standard"), tmp_path, 0)] == [
        1
    ] and capsys.readouterr().err == ""
    changed = {name: array for name, array in (checkpoint | change).items() if array is not None}
    save_arrays(tmp_path / "toy.npz", changed)
    method = toy("standard")
    before = method.get_state()
    assert fit(method, tmp_path, 0) == [] and not (tmp_path / "toy.npz").exists()
    assert capsys.readouterr().err == (
        f"{tmp_path / 'toy.npz'}: it belongs to another training; renamed to "
        "toy.npz.unusable; this training starts again\n"
    )
    for now, then in zip(method.get_state(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_checkpoint_on_other_samples_is_set_aside(tmp_path, capsys):
    """An earlier stage may have been repeated with another result."""
    made, trained = Trainer(toy("standard"), None, "none", lambda time, epochs: 0.5), []
    for samples in ("a", "a", "b"):
        made.fit(
            1,
            0,
            "toy",
            tmp_path / "toy.npz",
            lambda *_: trained.append(1) or {},
            samples_digest=samples,
        )
    assert len(trained) == 2 and (tmp_path / "toy.npz.unusable").exists()
    assert "it belongs to another training" in capsys.readouterr().err


# ----------------------------------------------------------------------------------- of all methods


def test_probabilities_are_of_the_first_network_by_default():
    """Use 150 shuffled samples, more than one prediction batch."""
    method = toy("decoupling")
    images, chosen = tf.constant(method.inputs.images), np.random.default_rng(0).integers(0, N, 150)
    first, second = (
        tf.nn.softmax(network(method.inputs.images / np.float32(255))).numpy()
        for network in method.networks
    )
    np.testing.assert_allclose(method.probabilities(images, chosen), first[chosen], atol=1e-6)
    np.testing.assert_allclose(method.probabilities(images, k=1), second, atol=1e-6)
    assert np.abs(first - second).max() > 0.01


def test_method_inputs_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        inputs_for("standard").noise_ratio = 0.5
