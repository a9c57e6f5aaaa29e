"""The 2018 variant of co-teaching: ramp, learning rate and Adam's beta."""

from functools import partial

import keras
import numpy as np
import pytest
from toys import fit, toy, whole_batch

from noisylabels.methods.co_teaching import linear_decay
from noisylabels.training import optimizers


def test_2018_variant_has_an_earlier_ramp_and_a_lower_beta(tmp_path):
    method = toy(
        "co_teaching",
        optimizer=keras.optimizers.Adam,
        noise_ratio=0.5,
        epochs=200,
        batch_size=128,
        options={"variant": "2018"},
    )
    assert [method.schedule(epoch)["keep"] for epoch in (0, 3, 9, 10)] == [128, 106, 64, 64]
    betas = []
    for epoch in (0, 79, 80, 199):
        method.begin_epoch(epoch, [], 0)
        betas.append([float(optimizer.beta_1) for optimizer in method.optimizers])
    assert betas == pytest.approx(np.float32([[0.9] * 2, [0.9] * 2, [0.1] * 2, [0.1] * 2]))
    assert [method.lr_schedule(time, 200) for time in (0, 80, 80.9, 140, 199.9)] == [
        1,
        1,
        1,
        0.5,
        1 / 120,
    ]
    assert [toy("co_teaching").lr_schedule, toy("incv").lr_schedule] == [None, None]


@pytest.mark.parametrize(
    "time, expected", [(0, 1), (6.9, 1), (7, 9 / 9.6), (12, 4 / 9.6), (15.9, 1 / 9.6)]
)
def test_linear_decay_in_a_shorter_training(time, expected):
    assert linear_decay(time, 16) == pytest.approx(expected)


@pytest.mark.parametrize("epochs, keep", [(1, [6, 3]), (4, [6, 3]), (10, [6, 5, 4, 3, 3])])
def test_2018_variant_in_a_short_training(epochs, keep):
    method = toy(
        "co_teaching",
        optimizer=keras.optimizers.Adam,
        noise_ratio=0.5,
        epochs=epochs,
        options={"variant": "2018"},
    )
    assert [method.schedule(epoch)["keep"] for epoch in range(len(keep))] == keep


@pytest.mark.parametrize("variant, keep", [("harness", 26), ("2018", 25)])
def test_only_the_2018_variant_rounds_down(variant, keep):
    """0.2 of 128 samples are 25.6."""
    method = toy(
        "co_teaching",
        optimizer=keras.optimizers.Adam,
        noise_ratio=0.8,
        batch_size=128,
        options={"variant": variant},
    )
    assert method.schedule(10)["keep"] == keep


@pytest.mark.slow
@pytest.mark.runs
def test_beta_of_2018_is_applied_in_its_steps(tmp_path):
    """Adam's first moment is (1 - beta1) times the first gradient; beta1 is 0.1 in epoch 2."""

    def build(epochs):
        return toy(
            "co_teaching",
            optimizer=partial(optimizers.Adam, epsilon=1e-8),
            options={"variant": "2018"},
            epochs=epochs,
        )

    moments = []
    for epoch in (0, 199):
        method = build(200)
        method.begin_epoch(epoch, [], 0)
        method.train_step(whole_batch(method.inputs, keep=4))
        moments.append([v.numpy() for v in method.optimizers[0].variables if "momentum" in v.path])
    for first, last in zip(*moments, strict=True):
        np.testing.assert_allclose(last, 9 * first, rtol=1e-4, atol=1e-9)

    states = []
    for jit_compile in (False, True):
        method = build(2)
        fit(method, tmp_path, 2, jit_compile)
        (tmp_path / "toy.npz").unlink()
        states.append(method.get_state())
    for plain, compiled in zip(*states, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)
