"""All methods in the training loop: XLA, resuming, and degenerate data."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import N, fit, killed, toy

from noisylabels.methods import METHODS, d2l

pytestmark = pytest.mark.runs
SLOW = pytest.mark.slow
LIKE_STANDARD = ("f_correction", "gce", "sce")  # another loss, and nothing more to resume


def finite(method):
    return all(np.isfinite(array).all() for array in method.get_state())


@pytest.mark.parametrize(
    "name",
    [name if name in ("standard", "incv") else pytest.param(name, marks=SLOW) for name in METHODS],
)
def test_xla_compiles_the_step_without_changing_it(name, tmp_path):
    methods = toy(name), toy(name)
    for method, jit_compile in zip(methods, (False, True)):
        fit(method, tmp_path, 2, jit_compile)
        (tmp_path / "toy.npz").unlink()
    for plain, compiled in zip(*(method.get_state() for method in methods), strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)


def test_pd_curriculum_trains_through_all_parts(tmp_path):
    method = toy("mentornet", options={"curriculum": "pd"})
    kept = [row["kept"] for row in fit(method, tmp_path, 10)]
    assert (
        kept[0] == 0.5
        and kept[1] == 0.5
        and all(0 <= share <= 5 / 6 for share in kept[2:])
        and finite(method)
    )


@pytest.fixture
def eager():
    """Run steps without tracing them, which takes longer than a toy's training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    "name, options, kill_at",
    [
        *((name, {}, (3,)) for name in METHODS if name not in ("d2l", *LIKE_STANDARD)),
        *(pytest.param(name, {}, (3,), marks=SLOW) for name in LIKE_STANDARD),
        ("d2l", {}, (2, 3, 4)),
        ("co_teaching", {"variant": "2018"}, (5,)),
    ],
)
def test_resumed_training_equals_an_uninterrupted_one(
    name, options, kill_at, tmp_path, monkeypatch, eager
):
    """Kill D2L around epoch 3, where it turns back, and the 2018 variant in its decay."""
    monkeypatch.setattr(
        d2l, "turning_point", lambda lids, first, window: 3 if len(lids) > 3 else None
    )

    def build():
        return toy(name, optimizer=keras.optimizers.Adam, options=options)

    def train(folder):
        method = build()
        history = fit(method, folder, 6)
        return [{**row, "seconds": 0} for row in history], method.get_state()

    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    history, state = train(tmp_path / "whole")
    for epoch in kill_at:
        killed(build(), tmp_path / "killed", epoch)
    again, state_again = train(tmp_path / "killed")
    assert again == history
    for whole, resumed in zip(state, state_again, strict=True):
        np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize("kinds", [1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_no_data_leads_to_nan(name, kinds, tmp_path, eager):
    """Use equal images of one class, and six kinds of images with an absent class."""
    kind = np.arange(N) % kinds
    images = np.broadcast_to(np.uint8(20 * kind).reshape(N, 1, 1, 1), (N, 2, 2, 1)).copy()
    method = toy(name, images=images, labels=kind % 2)
    history = fit(method, tmp_path, 7)
    assert finite(method)
    assert np.isfinite([value for row in history for value in row.values()]).all()


@pytest.mark.parametrize(
    "told",
    [
        {"noise_ratio": 0.0, "eval_ratio": 0.0},
        {"noise_ratio": 1.0, "eval_ratio": 1.0, "assumed_pattern": None},
        {"candidate": np.zeros(N, bool), "assumed_pattern": "asym"},
        {"select": np.arange(N) == 3},
    ],
)
@pytest.mark.parametrize("name", ["incv", "co_teaching"])
def test_extreme_inputs_do_not_lead_to_nan(name, told, tmp_path, eager):
    method = toy(name, **told)
    history = fit(method, tmp_path, 5)  # the warm-up ends with epoch 2 or 4
    assert finite(method) and all(np.isfinite(row["loss"]) for row in history)
