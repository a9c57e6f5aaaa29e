"""All methods: steps against NumPy, and what all methods share."""

import sys
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import ROOT
from toys import CLASSES, RATE, N, fit, inputs_for, toy, whole_batch

from noisylabels.methods import METHODS, PAPER_METHODS, MethodEntry, method_class
from noisylabels.methods.losses import cross_entropy, masked_mean
from noisylabels.methods.mentornet import SELF_PACED
from noisylabels.training.sampling import random_batches

pytestmark = pytest.mark.runs
LATER = ("gce", "sce", "elr", "incv_student")


# ------------------------------------------------------------------------------ steps against NumPy


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def reference(name, p, y):
    """Return each network's loss and its gradient by the logits (n, c), from p and y."""
    one_hot = np.eye(CLASSES)
    if name == "incv_student":  # six are selected, the others labelled anew
        y = np.where(np.arange(N) < 6, y, np.arange(N) % CLASSES)
    losses = [-np.log(q[np.arange(N), y]) for q in p]
    slopes = [q - one_hot[y] for q in p]
    if name in ("incv", "co_teaching"):
        kept = [np.isin(np.arange(N), np.argsort(loss)[:5]) for loss in losses][::-1]
        return [
            (loss[keep].mean(), slope * keep[:, None] / 5)
            for loss, slope, keep in zip(losses, slopes, kept)
        ]
    if name == "decoupling":
        differ = p[0].argmax(1) != p[1].argmax(1)
        assert 0 < differ.sum() < N
        count = max(differ.sum(), 0.1 * N)
        return [
            (loss[differ].sum() / count, slope * differ[:, None] / count)
            for loss, slope in zip(losses, slopes)
        ]
    (loss,), (slope,), (p,) = losses, slopes, p
    if name == "mentornet":
        v = loss <= 0.5 * np.sort(loss)[8]  # round(.7 * 11) = 8
        assert 0 < v.sum() < N
        return [((v * loss).mean(), slope * v[:, None] / N)]
    if name == "d2l":
        target = 0.6 * one_hot[y] + 0.4 * one_hot[p.argmax(1)]
        return [(-(target * np.log(p)).sum(1).mean(), (p - target) / N)]
    likely = p[np.arange(N), y][:, None]
    if name == "gce":
        return [((1 - likely**0.7).mean() / 0.7, likely**0.7 * slope / N)]
    if name == "sce":
        A = np.log(1e-4)
        return [((0.1 * loss - A * (1 - likely[:, 0])).mean(), (0.1 - A * likely) * slope / N)]
    if name == "elr":  # whose targets were 0
        t = 0.3 * p
        agreement = (p * t).sum(1, keepdims=True)
        return [
            (
                (loss + 3 * np.log(1 - agreement[:, 0])).mean(),
                (slope - 3 * p * (t - agreement) / (1 - agreement)) / N,
            )
        ]
    if name == "f_correction":
        T = np.array([0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0, 0.1, 0.9]).reshape(3, 3)
        observed = (p @ T)[np.arange(N), y]
        return [(-np.log(observed).mean(), (p - p * T[:, y].T / observed[:, None]) / N)]
    return [(loss.mean(), slope / N)]


def reference_logs(name, p, y):
    """Return the other logged values, where every other label is true."""
    if name == "incv_student":
        y = np.where(np.arange(N) < 6, y, np.arange(N) % CLASSES)
    hits, losses = [q.argmax(1) == y for q in p], [-np.log(q[np.arange(N), y]) for q in p]
    clean = np.arange(N) % 2 == 0
    if name in ("incv", "co_teaching"):
        kept = [np.argsort(loss)[:5] for loss in losses]
        return {
            "accuracy": np.mean([hit[chosen] for hit, chosen in zip(hits, kept[::-1])]),
            "kept_precision_1": clean[kept[0]].mean(),
            "kept_precision_2": clean[kept[1]].mean(),
        }
    if name == "decoupling":
        return {
            "accuracy": np.mean(hits),
            "disagreement": np.mean(p[0].argmax(1) != p[1].argmax(1)),
        }
    v = losses[0] <= 0.5 * np.sort(losses[0])[8]
    return {"accuracy": np.mean(hits)} | (
        {"kept": v.mean(), "kept_precision": clean[v].mean()} if name == "mentornet" else {}
    )


@pytest.mark.parametrize("name", [*PAPER_METHODS, *LATER])
def test_step_equals_numpy(name):
    method = toy(name)
    if name == "f_correction":
        method.T = np.array([0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0, 0.1, 0.9]).reshape(3, 3)
    if name == "mentornet":
        method.networks[0].layers[-1].kernel.assign(
            8 * method.networks[0].layers[-1].kernel
        )  # some losses are small
    x, y = method.inputs.images.reshape(N, -1) / 255.0, method.inputs.labels
    before = [[w.astype(np.float64) for w in network.get_weights()] for network in method.networks]
    p = [softmax(x @ W + b) for W, b in before]
    expected = reference(name, p, y)

    logs = method.train_step(
        whole_batch(method.inputs, keep=5, form=SELF_PACED, dropout=0.0, alpha=0.6)
    )
    assert set(logs) == set(method.logged)
    assert {name: float(value) for name, value in logs.items()} == pytest.approx(
        {"loss": np.mean([loss for loss, _ in expected]), **reference_logs(name, p, y)}, rel=1e-5
    )
    for network, (W, b), (_, slope) in zip(method.networks, before, expected):
        np.testing.assert_allclose(network.get_weights()[0], W - RATE * x.T @ slope, atol=1e-6)
        np.testing.assert_allclose(network.get_weights()[1], b - RATE * slope.sum(0), atol=1e-6)


def test_penalties_act_but_are_not_in_the_logged_loss():
    plain, penalised = toy("standard"), toy("standard", penalty=keras.regularizers.L2(0.01))
    W = plain.networks[0].get_weights()[0]
    losses = [float(m.train_step(whole_batch(m.inputs))["loss"]) for m in (plain, penalised)]
    assert losses[0] == losses[1]
    difference = plain.networks[0].get_weights()[0] - penalised.networks[0].get_weights()[0]
    np.testing.assert_allclose(difference, RATE * 0.02 * W, atol=1e-6)


@pytest.mark.parametrize("name", ["incv", "co_teaching"])
def test_kept_precision_is_the_clean_share(name):
    method = toy(name)
    x, y = method.inputs.images.reshape(N, -1) / 255.0, method.inputs.labels
    p = [softmax(x @ W + b) for W, b in (network.get_weights() for network in method.networks)]
    logs = method.train_step(whole_batch(method.inputs, keep=4))
    for k in (0, 1):
        kept = np.argsort(-np.log(p[k][np.arange(N), y]))[:4]
        assert float(logs[f"kept_precision_{k + 1}"]) == pytest.approx(np.mean(kept % 2 == 0))


def test_networks_that_never_disagree_never_move():
    method = toy("decoupling")
    method.networks[1].set_weights(method.networks[0].get_weights())
    before = method.networks[0].get_weights()
    logs = method.train_step(whole_batch(method.inputs))
    assert float(logs["loss"]) == float(logs["disagreement"]) == 0
    np.testing.assert_array_equal(method.networks[0].get_weights()[0], before[0])


# ----------------------------------------------------------------------------------- what all share


def test_batches_are_full_and_hold_every_sample():
    rng = np.random.default_rng(0)
    rows, others = (
        random_batches(np.arange(10, 20), 4, rng),
        random_batches(np.arange(10, 20), 4, rng),
    )
    assert (rows != others).any() and (rows.flat[:10] != np.arange(10, 20)).any()
    assert rows.shape == (3, 4) and rows.dtype == np.int32
    assert set(rows.flat[:10]) == set(range(10, 20))
    np.testing.assert_array_equal(rows.flat[10:], rows.flat[:2])
    assert set(random_batches([7], 4, np.random.default_rng(0)).flat) == {7}


@pytest.mark.parametrize(
    "condition, among, expected",
    [
        ([1, 0, 0, 1], None, 0.5),
        ([1, 0, 0, 1], [1, 1, 0, 0], 0.5),
        ([1, 0], [0, 0], 0),
        ([1, 0], [0.25, 0.75], 0.25),
    ],
)
def test_masked_mean(condition, among, expected):
    assert float(masked_mean(condition, among)) == expected


def test_cross_entropy():
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(cross_entropy(np.log(p), [1, 0]), -np.log([0.5, 0.1]))


def test_very_unlikely_label_has_its_gradient():
    """p = e^-40, which 2019 clipped at 1e-7: loss 40, and a gradient of 1 at its logit."""
    logits = tf.Variable([[40.0, 0, 0]])
    with tf.GradientTape() as tape:
        loss = cross_entropy(logits, [1])
    np.testing.assert_allclose(loss, [40], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, logits), [[1, -1, 0]], atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "co_teaching"])
def test_only_co_teaching_needs_to_know_the_noise(name, tmp_path):
    method = toy(name, noise_ratio=None, T=None)
    states = [method.get_state()]
    fit(method, tmp_path, 2)
    states.append(method.get_state())
    assert any((a != b).any() for a, b in zip(*states))


def test_steps_of_an_epoch_are_logged(tmp_path):
    """12 samples in batches of 6, 5 in one of 6."""
    method = toy("standard")
    assert [row["steps"] for row in fit(method, tmp_path, 2)] == [2, 2]
    method.restart(range(5))
    (tmp_path / "toy.npz").unlink()
    assert [row["steps"] for row in fit(method, tmp_path, 1)] == [1]


def test_first_network_starts_like_that_of_any_method():
    from noisylabels.recipes import RECIPES
    from noisylabels.training.trainer import build_method

    inputs = inputs_for("decoupling", images=np.zeros((N, 8, 8, 1), np.uint8))
    settings = RECIPES["digits"]["main"]
    two, one = (
        build_method(method_class(name), inputs, settings, 0, "main")
        for name in ("decoupling", "standard")
    )
    other = build_method(method_class("standard"), inputs, settings, 0, "INCV")
    first, second, alone, selecting = (
        network.get_weights()[0] for method in (two, one, other) for network in method.networks
    )
    np.testing.assert_array_equal(first, alone)
    assert not np.isclose(first, second).all() and not np.isclose(first, selecting).all()


# ---------------------------------------------------------------------------- a method of one's own


def test_example_method_of_the_docs_learns(monkeypatch, tmp_path):
    """Run the example of docs/development.md, registered by its one line."""
    page = (ROOT / "docs/development.md").read_text()
    code = page.split('```python\n"""Half')[1].split("```")[0]
    module = ModuleType("noisylabels.methods.half")
    exec(f'"""Half{code}', module.__dict__)
    monkeypatch.setitem(sys.modules, "noisylabels.methods.half", module)
    monkeypatch.setitem(METHODS, "half", MethodEntry("Half", "Half"))
    history = fit(toy("half"), tmp_path, 10)
    assert history[-1]["loss"] < history[0]["loss"]
