"""Embeddings through all scripts, in this process."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import assert_is_one_line

import INCV  # noqa: F401
import INCV_main  # noqa: F401
from noisylabels.methods import METHODS

pytestmark = pytest.mark.runs
SHORT = ["--threads", "1", "--epochs", "2", "--quiet"]
RNG = np.random.default_rng(0)
Y = np.arange(240) % 3
X = (RNG.normal(size=(240, 6)) + 3 * np.eye(3, 6)[Y]).astype(np.float32)
Y_NOISY = np.where(np.arange(240) % 5 == 0, (Y + 1) % 3, Y)


@pytest.fixture
def texts(tmp_path):
    """Return an npz of embeddings, a fifth of them mislabelled."""
    np.savez(tmp_path / "texts.npz", x=X, y=Y_NOISY, y_true=Y)
    return tmp_path / "texts.npz"


@pytest.fixture
def run(call, texts, tmp_path):
    """Call a script on the embeddings: run(script, *flags)."""

    def run(script, *flags):
        results = ["--results_dir", tmp_path / "results"]
        return call(script, "--dataset", texts, *results, *flags)

    return run


@pytest.fixture
def no_network(monkeypatch):
    """Fail if TensorFlow or Keras is imported, after the scripts, which look for their packages."""
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)


def test_ridge_selects_without_tensorflow(run, undrawn, no_network, tmp_path):
    ended = run("INCV")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("ETA 0:0") == 8 and "INCV 1a  epoch 1/1" in ended.out
    folder = tmp_path / "results/texts/given"
    frame = pd.read_csv(folder / "texts_given_INCV_results.csv")
    clean = frame.y == frame.y_noisy
    assert len(frame) == 240 and (frame.select == clean).mean() > 0.9
    assert frame.eval_ratio[0] == pytest.approx((~clean).mean(), abs=0.08)
    record = json.loads((folder / "INCV.json").read_text())
    assert record["arguments"]["architecture"] == "ridge"
    assert record["arguments"]["recipe"] == "features"
    history = pd.read_csv(folder / "INCV_history.csv")
    assert list(history) == ["iteration", "half", "epoch", "penalty", "heldout_accuracy", "seconds"]
    before = (folder / "label_issues.csv").read_bytes()
    assert run("INCV", "--quiet", "--overwrite").code == 0
    assert (folder / "label_issues.csv").read_bytes() == before


def test_other_features_are_another_run(call, undrawn, no_network, tmp_path):
    flags = ["--quiet", "--INCV_iter", "1", "--results_dir", tmp_path / "results"]
    for seed, code in ((1, 0), (2, 2)):
        x = np.random.default_rng(seed).normal(size=(1797, 4))
        np.save(tmp_path / "x.npy", x)
        ended = call("INCV", "--features", tmp_path / "x.npy", *flags)
        assert ended.code == code, ended.err
    assert (tmp_path / "results/digits/sym/0.5/features/INCV.json").exists()
    assert "the images or labels" in ended.err


def test_ridge_is_not_helped_by_epochs(call, undrawn, no_network, tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(1797, 4)))
    flags = ["--quiet", "--INCV_iter", "1", "--results_dir", tmp_path / "results"]
    ended = call("INCV", "--features", tmp_path / "x.npy", *flags)
    assert "\nWhat would help: more images of each class, or better features.\n" in ended.out


def test_a_wrong_number_of_rows_ends_before_the_work(call, no_network, tmp_path):
    np.save(tmp_path / "x.npy", X)
    ended = call("INCV", "--features", tmp_path / "x.npy", "--results_dir", tmp_path)
    assert_is_one_line(ended, r"x\.npy has 240 rows, but digits has 1,437 training and 360 test")


@pytest.mark.parametrize(
    "script, flags, message",
    [
        ("INCV", ["--recipe", "fast"], "--recipe: fast is for images, but texts has embeddings"),
        ("INCV", ["--architecture", "CNN9"], "CNN9 is for images.*one of ridge, linear, mlp"),
        ("INCV", ["--augmentation", "flip"], "--augmentation: flip changes images"),
        ("INCV", ["--learning_rate", "1"], "--learning_rate: it has no effect on ridge"),
        ("INCV", ["--epochs", "3"], "--INCV_epochs: it has no effect on ridge"),
        ("INCV", ["--image_size", "8"], "--image_size: it applies to images"),
        ("INCV_main", ["--architecture", "ridge"], "ridge is for INCV.py only"),
        ("INCV_main", ["--INCV_epochs", "3"], "--INCV_epochs: it has no effect on ridge"),
        ("INCV_main", ["--method", "d2l", "--architecture", "linear"], "linear learns none: give"),
    ],
)
def test_flags_that_do_not_fit_embeddings_end_in_one_line(run, no_network, script, flags, message):
    ended = run(script, *flags)
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert re.search(message, ended.err), ended.err


@pytest.mark.parametrize("flags", [["--architecture", "linear"], ["--recipe", "features"]])
def test_heads_need_embeddings(call, no_network, tmp_path, flags):
    ended = call("INCV", *flags, "--results_dir", tmp_path)
    assert ended.code == 2 and "--features" in ended.err


def test_a_sweep_trains_heads_on_the_selection_of_ridge(run):
    ended = run("sweep", "--methods", "incv", "--seeds", 0, "--architecture", "linear", "--dry_run")
    assert ended.code == 0, ended.err
    selection, training = [line for line in ended.out.splitlines() if line.startswith("to do")]
    assert "INCV.py" in selection and "--architecture" not in selection
    assert "INCV_main.py" in training and "--architecture linear" in training


def accuracy(tmp_path, method):
    """Return the mean test accuracy of a finished training."""
    path = tmp_path / f"results/texts/given/{method}_result.csv"
    return pd.read_csv(path, index_col="network").final["mean"]


@pytest.mark.parametrize("network", [pytest.param("linear", marks=pytest.mark.slow), "mlp"])
def test_heads_select_and_train_on_the_selection(run, undrawn, unstarted, tmp_path, network):
    epochs = ["--threads", "1", "--learning_rate", "0.02", "--architecture", network, "--epochs"]
    ended = run("INCV", "--INCV_iter", "1", *epochs, 6)
    assert ended.code == 0, ended.err
    folder = tmp_path / "results/texts/given"
    frame = pd.read_csv(folder / "texts_given_INCV_results.csv")
    assert (frame.select == (frame.y == frame.y_noisy)).mean() > 0.7
    ended = run("INCV_main", "--method", "standard", *epochs, 12)
    assert ended.code == 0, ended.err
    assert accuracy(tmp_path, "standard") > 0.7


def test_a_trained_head_predicts_features(run, call, undrawn, unstarted, tmp_path):
    assert run("INCV_main", *SHORT).code == 0
    model = tmp_path / "results/texts/given/incv_1.keras"
    np.savez(tmp_path / "new.npz", x=X[:30].astype(np.float64), y=Y[:30].astype(str))
    np.save(tmp_path / "new.npy", X[:30])
    outputs = []
    for name in ("new.npz", "new.npy"):
        ended = call("predict", model, tmp_path / name, "--output", tmp_path / "p.csv")
        assert ended.code == 0, ended.err
        outputs.append(pd.read_csv(tmp_path / "p.csv"))
    pd.testing.assert_frame_equal(*outputs)
    assert list(outputs[0]) == ["index", "label", "probability"] and len(outputs[0]) == 30
    np.save(tmp_path / "new.npy", X[:, :5])
    for images, message in [
        (tmp_path / "new.npy", "the network takes 6 features, not 5 features"),
        ("digits", "the network takes 6 features, not images"),
    ]:
        ended = call("predict", model, images, "--output", tmp_path / "p.csv")
        assert ended.code == 2 and message in ended.err


def test_a_standardised_constant_feature_stays_without_effect(tmp_path):
    """The exported network ignores it too, even at a value not seen in training."""
    from models import create_model
    from noisylabels.training.export import load_inference_model, save_inference_model

    x = np.hstack([X, np.full((240, 1), 7, np.float32)])
    network = create_model("mlp", (7,), 3)
    network.layers[1].adapt(x)
    save_inference_model(network, tmp_path / "a.keras", "abc", flip_tta=False)
    exported = load_inference_model(tmp_path / "a.keras")
    other = x + np.float32(1) * np.eye(7, dtype=np.float32)[6]
    p = exported.predict(x, verbose=0)
    np.testing.assert_allclose(exported.predict(other, verbose=0), p, atol=1e-6)
    z = np.asarray(network(x))
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, softmax, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_train_heads(run, undrawn, unstarted, tmp_path, method):
    ended = run("INCV_main", "--method", method, "--threads", "1", "--epochs", "10")
    assert ended.code == 0, ended.err
    assert accuracy(tmp_path, method) > 0.6


def test_theory_is_verified_on_embeddings(call, undrawn, unstarted, tmp_path):
    np.savez(tmp_path / "clean.npz", x=X, y=Y)
    ended = call(
        "Verify_Theory",
        *("--dataset", tmp_path / "clean.npz", "--trust_labels", "--noise_ratio", 0.2),
        *("--results_dir", tmp_path / "results", *SHORT),
    )
    assert ended.code == 0, ended.err
    frame = pd.read_csv(tmp_path / "results/clean/sym/0.2/Verify_Theory.csv")
    assert frame.test_accuracy[0] > 0.5
