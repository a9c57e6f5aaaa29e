"""Co-teaching, INCV and decoupling: kept samples and disagreement by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toys import N, toy, whole_batch

from noisylabels.errors import UserError
from noisylabels.methods.co_teaching import remember_rate, small_loss_indices
from noisylabels.methods.decoupling import disagreement_loss
from noisylabels.methods.incv import candidate_batch_size, keep_count, warm_up_epochs
from noisylabels.noise import Noise

pytestmark = pytest.mark.runs
# -------------------------------------------------------------------------------- co-teaching, INCV


def test_each_network_learns_from_the_samples_the_other_keeps():
    first, second = np.array([0.1, 0.5, 0.2, 0.9]), np.array([0.3, 0.05, 0.8, 0.4])
    kept = small_loss_indices(first, 2).numpy(), small_loss_indices(second, 2).numpy()
    assert set(kept[0]) == {0, 2} and set(kept[1]) == {0, 1}
    assert first[kept[1]].mean() == pytest.approx(0.30) and second[kept[0]].mean() == pytest.approx(
        0.55
    )


def test_ties_are_kept_in_batch_order():
    assert small_loss_indices(np.ones(5), 3).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "epoch, tau, expected",
    [(0, 0.5, 1), (5, 0.5, 0.75), (10, 0.5, 0.5), (199, 0.5, 0.5), (9, 0, 1), (50, 1, 0)],
)
def test_remember_rate(epoch, tau, expected):
    assert remember_rate(epoch, tau) == pytest.approx(expected)


@pytest.mark.parametrize(
    "epochs, epoch, expected",
    [(200, 5, 96), (200, 10, 64), (40, 5, 96), (10, 2, 102), (10, 5, 64), (1, 0, 128)],
)
def test_co_teaching_ramp_is_shortened_only_in_short_trainings(epochs, epoch, expected):
    method = toy("co_teaching", noise_ratio=0.5, epochs=epochs, batch_size=128)
    assert method.schedule(epoch) == {"keep": expected}


def test_at_least_one_sample_of_a_batch_is_kept():
    assert toy("co_teaching", noise_ratio=1.0, epochs=200, batch_size=128).schedule(199) == {
        "keep": 1
    }


@pytest.mark.parametrize(
    "pattern, epochs, epoch, keep",
    [
        ("sym", 200, 0, 128),
        ("sym", 200, 10, 85),
        ("asym", 200, 10, 64),
        (None, 200, 10, 64),
        ("asym", 200, 5, 96),
        ("asym", 10, 5, 64),
    ],
)
def test_incv_discards_the_estimated_mislabelled_share(pattern, epochs, epoch, keep):
    """With e = 1/2 and three classes, the share is 1/3 for sym and 1/2 otherwise."""
    method = toy("incv", eval_ratio=0.5, assumed_pattern=pattern, epochs=epochs, batch_size=128)
    assert method.schedule(epoch) == {"keep": keep}


def test_co_teaching_uses_the_noise_rate_of_all_labels():
    """The rate of asym5 at 0.4 is 0.2, since half of the classes keep their labels."""
    method = toy(
        "co_teaching", noise_ratio=Noise("asym5", 0.4).noise_rate, epochs=200, batch_size=128
    )
    assert method.schedule(10) == {"keep": 102}


@pytest.mark.parametrize(
    "epoch, eps_s, expected",
    [
        (0, 0.1, 128),
        (5, 0.1, 122),
        (10, 0.1, 115),
        (150, 0.1, 115),
        (10, 0, 128),
        (10, 1, 1),
        (0, 1, 128),
    ],
)
def test_keep_count(epoch, eps_s, expected):
    assert keep_count(epoch, 128, eps_s) == expected


@pytest.mark.parametrize(
    "eps, pattern, epochs, expected",
    [
        (0.2, "sym", 200, 40),
        (0.6, "sym", 200, 40),
        (0.61, "sym", 200, 80),
        (0.2, "asym", 200, 80),
        (0.2, None, 200, 80),
        (0.2, "sym", 100, 20),
        (0.8, "sym", 30, 12),
    ],
)
def test_warm_up(eps, pattern, epochs, expected):
    assert warm_up_epochs(eps, pattern, epochs) == expected
    assert warm_up_epochs(eps, pattern) == expected * 200 / epochs


@pytest.mark.parametrize(
    "selected, candidates, expected",
    [
        (25600, 12800, 64),
        (25600, 5000, 25),
        (25600, 0, 0),
        (25600, 199, 0),
        (25600, 200, 1),
        (1, 1000, 64),
    ],
)
def test_candidate_batch_size(selected, candidates, expected):
    assert candidate_batch_size(selected, candidates) == expected


@pytest.mark.parametrize("pattern, e0", [("sym", 2), ("asym", 4)])
def test_candidates_join_the_batches_after_the_warm_up(pattern, e0):
    method, rng = toy("incv", assumed_pattern=pattern), np.random.default_rng(0)
    early, late = (method.batches(epoch, rng) for epoch in (e0, e0 + 1))
    assert early.shape == (1, 6) and set(early.flat) == set(range(6))
    assert (
        late.shape == (1, 9)
        and set(late[0, :6]) == set(range(6))
        and set(late[0, 6:]) == {9, 10, 11}
    )


def test_candidates_start_again_when_exhausted():
    method = toy("incv", select=np.arange(N) < 8, candidate=np.arange(N) >= 8)
    late = method.batches(9, np.random.default_rng(0))  # two rows of three, but four candidates
    assert (
        late.shape == (2, 9)
        and set(late[:, :6].flat) == set(range(8))
        and set(late[:, 6:].flat) == {8, 9, 10, 11}
    )


def test_candidates_are_shuffled_in_each_epoch():
    method, rng = toy("incv"), np.random.default_rng(0)
    assert (
        len({tuple(method.batches(9, rng)[0, 6:]) for _ in range(20)}) == 6
    )  # all orders of three


def test_held_out_samples_are_neither_selected_nor_candidates():
    method = toy("incv")
    method.exclude([0, 5, 7, 9, 10])
    assert method.samples.tolist() == [1, 2, 3, 4] and method.candidates.tolist() == [11]
    with pytest.raises(UserError, match="nothing is left to train on"):
        method.exclude(range(6))


# ----------------------------------------------------------------------- batch statistics, and 2018


def in_training_mode(x, W, b):
    """Return logits of normalised pixels x (n, d), with the batch statistics."""
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) @ W + b


def in_inference_mode(x, W, b):
    """Return logits with mean 0 and variance 1, as before the first step."""
    return x / np.sqrt(1 + 1e-3) @ W + b


def cross_entropies(z, y):
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]


@pytest.mark.parametrize(
    "name, options", [("incv", {}), ("co_teaching", {}), ("co_teaching", {"variant": "2018"})]
)
def test_ranking_and_learning_use_the_documented_statistics(name, options):
    """Rank in inference mode and learn with the kept samples' statistics; 2018 uses the batch's."""
    method = toy(name, norm=True, optimizer=keras.optimizers.Adam, options=options)
    x, y = method.inputs.images.reshape(N, -1) / 255.0, method.inputs.labels
    layers = [network.layers[-1].get_weights() for network in method.networks]
    ranked = [
        [np.argsort(cross_entropies(logits(x, W, b), y))[:4] for W, b in layers]
        for logits in (in_inference_mode, in_training_mode)
    ]
    assert all(set(harness) != set(of_2018) for harness, of_2018 in zip(*ranked))
    kept = ranked[bool(options)]
    losses = []
    for (W, b), chosen in zip(layers, kept[::-1]):
        z = in_training_mode(x, W, b)[chosen] if options else in_training_mode(x[chosen], W, b)
        losses.append(cross_entropies(z, y[chosen]).mean())

    logs = method.train_step(whole_batch(method.inputs, keep=4))
    assert float(logs["loss"]) == pytest.approx(np.mean(losses), rel=1e-5)
    assert [float(logs[f"kept_precision_{k}"]) for k in (1, 2)] == [
        np.mean(chosen % 2 == 0) for chosen in kept
    ]
    for network in method.networks:
        mean = network.layers[-2].moving_mean.numpy()
        assert np.allclose(mean, 0.01 * x.mean(0), rtol=1e-4) == bool(options)


# --------------------------------------------------------------------------------------- decoupling


@pytest.mark.parametrize(
    "differ, floor, expected",
    [
        ([0, 1, 0, 1], 0.1, 3),
        ([0, 1, 0, 1], 1, 1.5),
        ([0, 0, 0, 0], 0.1, 0),
        ([1, 1, 1, 1], 0.1, 2.5),
    ],
)
def test_disagreement_loss(differ, floor, expected):
    assert (
        float(disagreement_loss(tf.constant([1.0, 2, 3, 4]), np.array(differ, bool), floor))
        == expected
    )


def test_few_disagreements_count_as_a_tenth_of_the_batch():
    assert float(disagreement_loss(tf.ones(20), np.arange(20) == 3)) == 0.5
