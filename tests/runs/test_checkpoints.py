"""Checkpoints of a training: the last good one is kept, a wrong one is set aside."""

import re

import numpy as np
import pytest
from helpers import (
    QUICK,
)

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import load_arrays

pytestmark = pytest.mark.runs


def test_infinite_loss_is_one_error(tmp_path, call, unstarted):
    ended = call("INCV", *QUICK["INCV"], "--learning_rate", "1e30", "--results_dir", tmp_path)
    assert ended.code == 2 and ended.err.count("\n") == 1
    message = (
        r"the (loss is|weights are) no longer finite in epoch 1, step \d: "
        r".* try a smaller --learning_rate"
    )
    assert re.search(message, ended.err)
    assert not list(tmp_path.rglob("*.csv"))


@pytest.fixture
def fit(tmp_path):
    """Return a function that trains a small network for four epochs of two steps."""
    from noisylabels.methods import method_class
    from noisylabels.methods.inputs import MethodInputs
    from noisylabels.recipes import Settings
    from noisylabels.training.trainer import Trainer, build_method

    rng = np.random.default_rng(0)
    given = MethodInputs(
        rng.integers(0, 256, (12, 2, 2, 1), np.uint8), rng.integers(0, 3, 12), 3, 6, 4
    )

    def fit(rate=lambda epoch, epochs: 0.01, stage="1a", change=lambda trainer: None):
        method = build_method(
            method_class("standard"), given, Settings("MLP", 4, None, augmentation="none"), 0, ""
        )
        trainer = Trainer(method, np.ones(12, bool), "none", rate)
        change(trainer)
        history, _ = trainer.fit(4, 0, stage, tmp_path / "1a.npz", lambda epoch, memory: {})
        return [row["loss"] for row in history], method.get_state()

    return fit


def epochs_in(path):
    return str(load_arrays(path)["training"]).count('"epoch"')


@pytest.mark.parametrize(
    "diverges, message",
    [
        (
            lambda time: 1e30 if time == 3 else 0.01,
            "the loss is no longer finite in epoch 4, step 2",
        ),
        pytest.param(
            lambda time: float("inf") if time == 3.5 else 0.01,
            "the weights are no longer finite in epoch 4, step 2",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_last_good_checkpoint_is_kept(diverges, message, fit, tmp_path):
    """Each loss is computed before its step, so the weights show the effect of the last one."""
    with pytest.raises(UserError, match=message):
        fit(lambda time, epochs: diverges(time))
    assert epochs_in(tmp_path / "1a.npz") == 3
    losses, state = fit()
    (tmp_path / "1a.npz").unlink()
    expected_losses, expected = fit()
    assert losses == expected_losses and all((a == b).all() for a, b in zip(state, expected))


def test_too_little_memory_is_one_clear_error(fit):
    import tensorflow as tf

    def steps(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nwith shape")

    with pytest.raises(
        UserError, match="--batch_size: the device has too little memory, give a smaller one"
    ):
        fit(change=lambda trainer: setattr(trainer, "run_steps", steps))


@pytest.mark.slow
def test_checkpoint_of_another_stage_is_set_aside(fit, tmp_path, capsys):
    expected, _ = fit(stage="1b")
    (tmp_path / "1a.npz").unlink()
    assert fit(stage="1a")[0] != expected
    capsys.readouterr()
    assert fit(stage="1b")[0] == expected
    assert capsys.readouterr().err == (
        f"{tmp_path / '1a.npz'}: it belongs to another training; renamed to "
        "1a.npz.unusable; this training starts again\n"
    )
