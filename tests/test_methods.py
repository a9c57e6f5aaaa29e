"""The methods of the table: their formulas by hand, their steps against NumPy, and that nothing breaks them."""
import sys
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisylabels.methods import METHODS, OPTIONS, Entry, d2l, method_class
from noisylabels.methods.base import Given, batches_of, cross_entropy, masked_mean
from noisylabels.methods.co_teaching import remember_rate, smallest
from noisylabels.methods.decoupling import disagreement_loss
from noisylabels.methods.f_correction import estimate_T, forward_loss
from noisylabels.methods.incv import candidate_batch_size, keep_count, warm_up_epochs
from noisylabels.methods.mentornet import (
    ALL,
    LINEAR,
    SELF_PACED,
    curriculum,
    moving_average,
    percentile,
    surviving,
    weights,
)
from noisylabels.theory import transition_matrix
from noisylabels.training.trainer import Batch, Trainer

N, CLASSES, RATE = 12, 3, .5


# --------------------------------------------------------------------------------------------------- a toy of each


def given_for(name, images=None, labels=None, **changes):
    """12 images of 2x2 pixels in 3 classes, noise 0.3, half of them selected, a quarter candidates."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (N, 2, 2, 1), np.uint8) if images is None else images
    labels = rng.integers(0, CLASSES, N) if labels is None else labels
    options = {flag.removeprefix(f"{name}_"): choices[0] for flag, (choices, _) in OPTIONS.items()}
    told = {"noise_ratio": .3, "pattern": "sym", "options": options,
            "select": np.arange(N) < 6, "candidate": np.arange(N) >= 9, "eval_ratio": .3}
    return Given(images, labels, CLASSES, **{"batch_size": 6, "epochs": 10, **told, **changes})


def toy(name, penalty=None, optimizer=None, **changes):
    """A method whose networks are one layer: logits = x W + b."""
    cls, networks = method_class(name), []
    for k in range(cls.n_networks):
        keras.utils.set_random_seed(k)
        inputs = keras.Input((2, 2, 1))
        features = keras.layers.Flatten(name="features")(inputs)
        networks.append(keras.Model(inputs, keras.layers.Dense(CLASSES, kernel_regularizer=penalty)(features)))
    method = cls(given_for(name, **changes), networks,
                 [(optimizer or keras.optimizers.SGD)(learning_rate=RATE) for _ in networks])
    method.prepare(lambda: np.full((N, CLASSES), 1 / CLASSES) + .1 * np.eye(CLASSES)[method.given.labels])
    return method


def whole_batch(given, **schedule):
    """All samples as one Batch, the labels of every other one true."""
    return Batch(tf.constant(given.images / np.float32(255)), tf.constant(given.labels, tf.int32),
                 tf.constant(np.arange(N) % 2 == 0), tf.range(N), tf.constant([1, 2]), schedule)


def fit(method, folder, epochs, jit_compile=False, after_epoch=lambda epoch, memory: {}):
    """The history of a training of so many epochs, or of what is left of them since the checkpoint in the folder."""
    trainer = Trainer(method, np.arange(N) % 2 == 0, "none", lambda time, epochs: RATE, jit_compile)
    return trainer.fit(epochs, 0, "toy", folder / "toy.npz", after_epoch)[0]


def finite(method):
    return all(np.isfinite(array).all() for array in method.get_state())


# --------------------------------------------------------------------------------------------- steps against NumPy


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def reference(name, p, y):
    """Of each network the loss, and its gradient by the logits (n, c), from their probabilities p and the labels y."""
    one_hot = np.eye(CLASSES)
    losses = [-np.log(q[np.arange(N), y]) for q in p]
    slopes = [q - one_hot[y] for q in p]
    if name in ("incv", "co_teaching"):
        kept = [np.isin(np.arange(N), np.argsort(loss)[:5]) for loss in losses][::-1]
        return [(loss[keep].mean(), slope * keep[:, None] / 5) for loss, slope, keep in zip(losses, slopes, kept)]
    if name == "decoupling":
        differ = p[0].argmax(1) != p[1].argmax(1)
        assert 0 < differ.sum() < N
        count = max(differ.sum(), .1 * N)
        return [(loss[differ].sum() / count, slope * differ[:, None] / count) for loss, slope in zip(losses, slopes)]
    (loss,), (slope,), (p,) = losses, slopes, p
    if name == "mentornet":
        v = loss <= .5 * np.sort(loss)[8]                       # round(.7 * 11) = 8
        assert 0 < v.sum() < N
        return [((v * loss).mean(), slope * v[:, None] / N)]
    if name == "d2l":
        target = .6 * one_hot[y] + .4 * one_hot[p.argmax(1)]
        return [(-(target * np.log(p)).sum(1).mean(), (p - target) / N)]
    if name == "f_correction":
        T = np.array([.7, .2, .1, .3, .4, .3, 0, .1, .9]).reshape(3, 3)
        observed = (p @ T)[np.arange(N), y]
        return [(-np.log(observed).mean(), (p - p * T[:, y].T / observed[:, None]) / N)]
    return [(loss.mean(), slope / N)]


@pytest.mark.parametrize("name", METHODS)
def test_step_is_that_of_numpy(name):
    method = toy(name)
    if name == "f_correction":
        method.T = np.array([.7, .2, .1, .3, .4, .3, 0, .1, .9]).reshape(3, 3)
    if name == "mentornet":
        method.networks[0].layers[-1].kernel.assign(8 * method.networks[0].layers[-1].kernel)   # some losses are small
    x, y = method.given.images.reshape(N, -1) / 255., method.given.labels
    before = [[w.astype(np.float64) for w in network.get_weights()] for network in method.networks]
    expected = reference(name, [softmax(x @ W + b) for W, b in before], y)

    logs = method.train_step(whole_batch(method.given, keep=5, form=SELF_PACED, dropout=0., alpha=.6))
    assert set(logs) == set(method.logged)
    assert float(logs["loss"]) == pytest.approx(np.mean([loss for loss, _ in expected]), rel=1e-5)
    for network, (W, b), (_, slope) in zip(method.networks, before, expected):
        np.testing.assert_allclose(network.get_weights()[0], W - RATE * x.T @ slope, atol=1e-6)
        np.testing.assert_allclose(network.get_weights()[1], b - RATE * slope.sum(0), atol=1e-6)


def test_penalties_pull_at_the_weights_but_are_not_in_the_logged_loss():
    plain, penalised = toy("standard"), toy("standard", penalty=keras.regularizers.L2(.01))
    W = plain.networks[0].get_weights()[0]
    losses = [float(m.train_step(whole_batch(m.given))["loss"]) for m in (plain, penalised)]
    assert losses[0] == losses[1]
    difference = plain.networks[0].get_weights()[0] - penalised.networks[0].get_weights()[0]
    np.testing.assert_allclose(difference, RATE * .02 * W, atol=1e-6)


@pytest.mark.parametrize("name", ["incv", "co_teaching"])
def test_precision_of_the_kept_is_the_share_of_clean_samples_among_them(name):
    method = toy(name)
    x, y = method.given.images.reshape(N, -1) / 255., method.given.labels
    p = [softmax(x @ W + b) for W, b in (network.get_weights() for network in method.networks)]
    logs = method.train_step(whole_batch(method.given, keep=4))
    for k in (0, 1):
        kept = np.argsort(-np.log(p[k][np.arange(N), y]))[:4]
        assert float(logs[f"kept_precision_{k + 1}"]) == pytest.approx(np.mean(kept % 2 == 0))


def test_networks_that_never_disagree_never_move():
    method = toy("decoupling")
    method.networks[1].set_weights(method.networks[0].get_weights())
    before = method.networks[0].get_weights()
    logs = method.train_step(whole_batch(method.given))
    assert float(logs["loss"]) == float(logs["disagreement"]) == 0
    np.testing.assert_array_equal(method.networks[0].get_weights()[0], before[0])


# ------------------------------------------------------------------------------------------------- through the loop


@pytest.mark.parametrize("name", METHODS)
def test_xla_compiles_the_step_and_changes_nothing(name, tmp_path):
    methods = toy(name), toy(name)
    for method, jit_compile in zip(methods, (False, True)):
        fit(method, tmp_path, 2, jit_compile)
        (tmp_path / "toy.npz").unlink()
    for plain, compiled in zip(*(method.get_state() for method in methods), strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)


def test_pd_goes_through_all_of_its_parts(tmp_path):
    method = toy("mentornet", options={"curriculum": "pd"})
    kept = [row["kept"] for row in fit(method, tmp_path, 10)]
    assert kept[0] == .5 and kept[1] == .5 and all(0 <= share <= 5 / 6 for share in kept[2:]) and finite(method)


class Killed(Exception):
    pass


@pytest.mark.parametrize("name", METHODS)
def test_resumed_training_equals_an_uninterrupted_one(name, tmp_path, monkeypatch):
    """Killed before epoch 3 has its checkpoint; D2L, which turns back at epoch 3, also an epoch earlier and later."""
    monkeypatch.setattr(d2l, "turning_point", lambda lids, first: 3 if len(lids) > 3 else None)

    def train(folder, kill_at=None):
        def after_epoch(epoch, memory):
            if epoch == kill_at:
                raise Killed
            return {}

        method = toy(name, optimizer=keras.optimizers.Adam)
        history = fit(method, folder, 6, after_epoch=after_epoch)
        return [{**row, "seconds": 0} for row in history], method.get_state()

    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    history, state = train(tmp_path / "whole")
    for kill_at in (2, 3, 4) if name == "d2l" else (3,):
        with pytest.raises(Killed):
            train(tmp_path / "killed", kill_at)
    again, state_again = train(tmp_path / "killed")
    assert again == history
    for whole, resumed in zip(state, state_again, strict=True):
        np.testing.assert_array_equal(whole, resumed)


@pytest.mark.parametrize("kinds", [1, 6])
@pytest.mark.parametrize("name", METHODS)
def test_no_data_leads_to_nan(name, kinds, tmp_path):
    """All images alike and of one class; six kinds of images, two of each, and a class that never occurs."""
    kind = np.arange(N) % kinds
    images = np.broadcast_to(np.uint8(20 * kind).reshape(N, 1, 1, 1), (N, 2, 2, 1)).copy()
    method = toy(name, images=images, labels=kind % 2)
    history = fit(method, tmp_path, 7)
    assert finite(method)
    assert np.isfinite([value for row in history for value in row.values()]).all()


@pytest.mark.parametrize("told", [
    {"noise_ratio": 0., "eval_ratio": 0.}, {"noise_ratio": 1., "eval_ratio": 1., "pattern": None},
    {"candidate": np.zeros(N, bool), "pattern": "asym"}, {"select": np.arange(N) == 3},
])
@pytest.mark.parametrize("name", ["incv", "co_teaching"])
def test_nothing_a_method_may_be_told_leads_to_nan(name, told, tmp_path):
    method = toy(name, **told)
    history = fit(method, tmp_path, 5)                          # the warm-up ends with epoch 2 or 4
    assert finite(method) and all(np.isfinite(row["loss"]) for row in history)


# ------------------------------------------------------------------------------------------------------- what all share


def test_batches_hold_every_sample_and_are_all_full():
    rows = batches_of(np.arange(10, 20), 4, np.random.default_rng(0))
    assert rows.shape == (3, 4) and rows.dtype == np.int32
    assert set(rows.flat[:10]) == set(range(10, 20))
    np.testing.assert_array_equal(rows.flat[10:], rows.flat[:2])
    assert set(batches_of([7], 4, np.random.default_rng(0)).flat) == {7}


@pytest.mark.parametrize("condition, among, expected", [
    ([1, 0, 0, 1], None, .5), ([1, 0, 0, 1], [1, 1, 0, 0], .5), ([1, 0], [0, 0], 0), ([1, 0], [.25, .75], .25)])
def test_masked_mean(condition, among, expected):
    assert float(masked_mean(condition, among)) == expected


def test_cross_entropy():
    p = np.array([[.2, .5, .3], [.1, .1, .8]])
    np.testing.assert_allclose(cross_entropy(np.log(p), [1, 0]), -np.log([.5, .1]))


def test_two_networks_begin_with_different_weights_and_the_first_as_that_of_any_method():
    from noisylabels.recipes import RECIPES
    from noisylabels.training.trainer import build

    given = given_for("decoupling", images=np.zeros((N, 8, 8, 1), np.uint8))
    settings = RECIPES["digits"]["main"]
    two, one = (build(method_class(name), given, settings, seed=0) for name in ("decoupling", "standard"))
    first, second, alone = (network.get_weights()[0] for network in (*two.networks, *one.networks))
    np.testing.assert_array_equal(first, alone)
    assert not np.isclose(first, second).all()


# ---------------------------------------------------------------------------------------------------- co-teaching, INCV


def test_each_network_learns_from_what_the_other_keeps():
    first, second = np.array([.1, .5, .2, .9]), np.array([.3, .05, .8, .4])
    kept = smallest(first, 2).numpy(), smallest(second, 2).numpy()
    assert set(kept[0]) == {0, 2} and set(kept[1]) == {0, 1}
    assert first[kept[1]].mean() == pytest.approx(.30) and second[kept[0]].mean() == pytest.approx(.55)


def test_equal_losses_are_kept_in_the_order_of_the_batch():
    assert smallest(np.ones(5), 3).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("epoch, tau, expected", [
    (0, .5, 1), (5, .5, .75), (10, .5, .5), (199, .5, .5), (9, 0, 1), (50, 1, 0)])
def test_remember_rate(epoch, tau, expected):
    assert remember_rate(epoch, tau) == pytest.approx(expected)


@pytest.mark.parametrize("epochs, epoch, expected", [
    (200, 5, 96), (200, 10, 64), (40, 5, 96), (10, 2, 102), (10, 5, 64), (1, 0, 128)])
def test_co_teaching_keeps_by_the_true_ratio_and_shortens_its_ramp_only_in_short_trainings(epochs, epoch, expected):
    method = toy("co_teaching", noise_ratio=.5, epochs=epochs, batch_size=128)
    assert method.schedule(epoch) == {"keep": expected}


@pytest.mark.parametrize("epoch, eps_s, expected", [
    (0, .1, 128), (5, .1, 122), (10, .1, 115), (150, .1, 115), (10, 0, 128), (10, 1, 1), (0, 1, 128)])
def test_keep_count(epoch, eps_s, expected):
    assert keep_count(epoch, 128, eps_s) == expected


@pytest.mark.parametrize("eps, pattern, epochs, expected", [
    (.2, "sym", 200, 40), (.6, "sym", 200, 40), (.61, "sym", 200, 80), (.2, "asym", 200, 80), (.2, None, 200, 80),
    (.2, "sym", 100, 20), (.8, "sym", 30, 12)])
def test_warm_up(eps, pattern, epochs, expected):
    assert warm_up_epochs(eps, pattern, epochs) == expected


@pytest.mark.parametrize("selected, candidates, expected", [
    (25600, 12800, 64), (25600, 5000, 25), (25600, 0, 0), (25600, 199, 0), (25600, 200, 1), (1, 1000, 64)])
def test_candidate_batch_size(selected, candidates, expected):
    assert candidate_batch_size(selected, candidates) == expected


def test_candidates_join_the_batches_after_the_warm_up():
    method, rng = toy("incv"), np.random.default_rng(0)             # e0 = 2 of 10
    early, late = (method.batches(epoch, rng) for epoch in (2, 3))
    assert early.shape == (1, 6) and set(early.flat) == set(range(6))
    assert late.shape == (1, 9) and set(late[0, :6]) == set(range(6)) and set(late[0, 6:]) == {9, 10, 11}


def test_candidates_are_begun_anew_where_they_run_out():
    method = toy("incv", select=np.arange(N) < 8, candidate=np.arange(N) >= 8)
    late = method.batches(9, np.random.default_rng(0))              # two rows of three, but four candidates
    assert late.shape == (2, 9) and set(late[:, :6].flat) == set(range(8)) and set(late[:, 6:].flat) == {8, 9, 10, 11}


# ---------------------------------------------------------------------------------------------------------- decoupling


@pytest.mark.parametrize("differ, floor, expected", [
    ([0, 1, 0, 1], .1, 3), ([0, 1, 0, 1], 1, 1.5), ([0, 0, 0, 0], .1, 0), ([1, 1, 1, 1], .1, 2.5)])
def test_disagreement_loss(differ, floor, expected):
    assert float(disagreement_loss(tf.constant([1., 2, 3, 4]), np.array(differ, bool), floor)) == expected


# ----------------------------------------------------------------------------------------------------------- MentorNet


def test_moving_percentile_and_what_it_keeps():
    losses, ema, seen = tf.range(1., 11), 0., []
    for _ in range(3):
        ema = moving_average(ema, percentile(losses, .7))
        seen.append((float(ema), int(tf.reduce_sum(weights(losses - ema, SELF_PACED)))))
    assert seen == [(3.5, 3), (5.25, 5), (6.125, 6)]


@pytest.mark.parametrize("form, expected", [
    (ALL, [1, 1, 1, 1, 1]), (SELF_PACED, [1, 1, 0, 0, 0]), (LINEAR, [1, 1, .75, 0, 0])])
def test_forms_of_the_weights(form, expected):
    assert weights(tf.constant([-3., 0, .25, 1, 9]), form).numpy().tolist() == expected


@pytest.mark.parametrize("percent, expected", [
    (0, (ALL, .5)), (16, (ALL, .5)), (17, (ALL, .05)), (18, (ALL, .05)), (19, (SELF_PACED, .05)),
    (89, (SELF_PACED, .05)), (90, (LINEAR, .05)), (99, (LINEAR, .05))])
def test_curricula(percent, expected):
    assert curriculum("pd", 2 * percent, 200) == expected
    assert curriculum("self_paced", 2 * percent, 200) == (SELF_PACED, 0)


@pytest.mark.parametrize("dropout, expected", [(0., 128), (.05, 121), (.5, 64), (1., 0)])
def test_example_dropout_keeps_so_many_and_others_each_time(dropout, expected):
    draws = [surviving(128, dropout, [0, seed]).numpy() for seed in range(20)]
    assert all(set(draw) <= {0, 1} and draw.sum() == expected for draw in draws)
    if 0 < dropout < 1:
        assert (np.sum(draws, axis=0) > 0).all() and len({draw.tobytes() for draw in draws}) == 20


@pytest.mark.parametrize("name, ratio, expected", [
    ("self_paced", .2, .7), ("self_paced", .8, .7), ("pd", .2, .75), ("pd", .4, .75), ("pd", .8, .5)])
def test_percentile_by_curriculum(name, ratio, expected):
    assert toy("mentornet", noise_ratio=ratio, options={"curriculum": name}).p == expected


# ----------------------------------------------------------------------------------------------------------------- D2L


def test_lid_by_hand():
    assert d2l.lid([[0], [1], [2], [4]], k=3)[0] == pytest.approx(1.442695)


def test_lid_of_a_ball_has_the_expectation_of_the_estimator():
    """k d / (k - 2) for points uniform in a d-ball around the query, the 20 nearest of 2,000."""
    rng = np.random.default_rng(0)
    for d in (2, 8):
        estimates = []
        for _ in range(300):
            direction = rng.normal(size=(400, d))
            points = direction / np.linalg.norm(direction, axis=1, keepdims=True) * rng.random((400, 1)) ** (1 / d)
            r = np.sort(np.linalg.norm(points, axis=1))[:20]
            estimates.append(d2l.lid(np.vstack([np.zeros((1, 1)), r[:, None]]))[0])
        assert np.mean(estimates) == pytest.approx(20 * d / 18, rel=.05)


def test_lid_of_duplicates_is_zero_or_undefined_and_left_out():
    assert d2l.lid([[0], [0], [1], [3]], k=3)[0] == 0
    assert not np.isfinite(d2l.lid(np.zeros((5, 2)), k=3)).any()
    assert not np.isfinite(d2l.lid([[1.]])).any()
    good, bad = np.array([[0], [1], [2], [4]]), np.zeros((5, 1))
    assert d2l.mean_lid([good, bad]) == d2l.mean_lid([good]) == pytest.approx(d2l.lid(good).mean())
    assert d2l.mean_lid([bad], 7.) == 7


@pytest.mark.parametrize("lids, expected", [
    ([3, 2, 3, 2, 3, 3.5], None),               # 2.6 + 2 std = 3.58
    ([3, 2, 3, 2, 3, 3.6], 5),
    ([3, 2, 3, 2, 3, 3.5, 9, 1, 20], 6),        # the first one, for good
    ([2, 2, 2, 2, 2, 2], None),                 # a rise of nothing over a std of nothing
    ([2, 9, 2, 2, 2], None), ([], None)])
def test_turning_point(lids, expected):
    assert d2l.turning_point(lids, first=5) == expected


def test_turning_point_is_not_looked_for_before_its_time():
    assert d2l.turning_point([2, 2, 2, 2, 2, 9, 2, 2, 2, 2, 20], first=6) == 10


@pytest.mark.parametrize("epochs, expected", [(120, 45), (200, 75), (100, 38), (30, 11), (5, 5)])
def test_first_epoch_that_may_turn(epochs, expected):
    assert d2l.first_turn(epochs) == expected


def test_trust():
    assert d2l.trust([1.] * 60 + [1.2], 120) == pytest.approx(.548812)


def test_paced_loss_with_full_trust_is_cross_entropy():
    logits, y = tf.constant([[1., 2, 3], [0, 5, 1]]), tf.constant([0, 1])
    np.testing.assert_array_equal(d2l.paced_loss(logits, y, 1.), cross_entropy(logits, y))
    np.testing.assert_array_equal(d2l.paced_loss(logits, y, 0.), cross_entropy(logits, [2, 1]))


def test_d2l_goes_back_once_to_before_the_epoch_that_made_the_lid_rise():
    method = toy("d2l", optimizer=keras.optimizers.Adam)            # first_turn(10) = 5
    lids, history, starts = [3., 2, 3, 2, 3, 3, 9, 9.5, 50], [], []
    for epoch, value in enumerate(lids):
        method.measure = lambda rng, *previous, value=value: value
        at_start = method.get_state()
        history.append(method.begin_epoch(epoch, history, 0))
        starts.append(method.get_state()[:len(method.state) // 2])
        if epoch == 6:
            for back, earlier, here in zip(starts[6], starts[5], at_start):
                np.testing.assert_array_equal(back, earlier)
                assert (here != earlier).any()
        for variable in method.state[:len(method.state) // 2]:      # an epoch: weights, moments and iterations move
            variable.assign(variable + tf.ones_like(variable))
    for later in (7, 8):
        for start, previous in zip(starts[later], starts[later - 1]):
            np.testing.assert_array_equal(start, previous + np.ones_like(previous))
    assert [row["lid"] for row in history] == lids
    expected = [1] * 6 + [np.exp(-epoch / 10 * lids[epoch] / 2) for epoch in (6, 7, 8)]
    np.testing.assert_allclose([row["alpha"] for row in history], expected)


# -------------------------------------------------------------------------------------------------------- F-correction


@pytest.mark.parametrize("T, p, y, expected", [
    (np.eye(2), [.25, .75], 0, -np.log(.25)),
    ([[1, 0], [.4, .6]], [.25, .75], 0, .597837),
    (transition_matrix("sym", .3, 3), [.7, .2, .1], 1, 1.347074),
    ([[0, 1], [0, 1]], [.25, .75], 0, -np.log(1e-30))])             # a class that is never observed
def test_forward_loss(T, p, y, expected):
    assert float(forward_loss(tf.constant(np.log([p])), [y], np.array(T))[0]) == pytest.approx(expected, abs=1e-5)


def test_forward_loss_with_the_identity_is_cross_entropy():
    logits, y = tf.constant(np.random.default_rng(0).normal(size=(50, 4)) * 5), np.arange(50) % 4
    np.testing.assert_allclose(forward_loss(logits, y, np.eye(4)), cross_entropy(logits, y), rtol=1e-6)


def test_forward_loss_and_its_gradient_stay_finite_at_certain_and_wrong_predictions():
    logits = tf.Variable([[1000., 0, -1000]])
    with tf.GradientTape() as tape:
        loss = forward_loss(logits, [2], np.eye(3))
    assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, logits)).all()


def test_anchor_is_the_largest_below_the_97th_percentile():
    eta = np.tile(np.arange(100) / 100, (3, 1)).T * [1, .5, .25] + .001
    kept = eta.copy()
    T = estimate_T(eta)
    np.testing.assert_allclose(T, np.tile(eta[96] / eta[96].sum(), (3, 1)))
    np.testing.assert_array_equal(eta, kept)                        # a copy was cut, not eta


def test_estimate_is_the_matrix_that_made_the_probabilities():
    T = transition_matrix("asym", .3, 4)
    posterior = np.random.default_rng(0).dirichlet([.05] * 4, 5000)
    np.testing.assert_allclose(estimate_T(posterior @ T), T, atol=.05)


@pytest.mark.parametrize("eta", [
    np.full((50, 3), 1 / 3), np.eye(3)[np.zeros(50, int)], np.eye(3)[:1], np.eye(3)[[0, 1]]])
def test_estimate_has_rows_of_shares_whatever_the_predictions(eta):
    T = estimate_T(eta)
    assert (T >= 0).all()
    np.testing.assert_allclose(T.sum(axis=1), 1)


def test_true_matrix_on_demand():
    method = toy("f_correction", options={"T": "true"}, pattern="asym")
    np.testing.assert_array_equal(method.T, transition_matrix("asym", .3, CLASSES))


# ----------------------------------------------------------------------------------------------- a method of one's own


def test_the_method_in_the_readme_learns(monkeypatch, tmp_path):
    """The README's example, as it stands there, registered in the one line it takes."""
    code = (Path(__file__).parent.parent / "README.md").read_text().split("```python\n")[1].split("```")[0]
    module = ModuleType("noisylabels.methods.half")
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "noisylabels.methods.half", module)
    monkeypatch.setitem(METHODS, "half", Entry("Half", "Half"))
    history = fit(toy("half"), tmp_path, 10)
    assert history[-1]["loss"] < history[0]["loss"]
