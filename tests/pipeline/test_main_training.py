"""INCV_main.py's training on digits: held-out samples, chosen epoch, files."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, EPOCH_COLUMNS, SELECTION, SMALL, assert_is_one_line, shell

from utils import corrupt_labels, load_dataset

pytestmark = pytest.mark.runs
N, EPOCHS = 1437, 5


# ------------------------------------------------------------------------- a run, what it trains on


@pytest.fixture
def trained(call, finished, undrawn, tmp_path, monkeypatch):
    """Return a call of a method: its log, results, samples per network and output."""
    from noisylabels.training import device, trainer

    rows, plain = [], trainer.compile_steps

    def recording(*arguments):
        steps, seen = plain(*arguments), set()
        rows.append(seen)

        def step(images, labels, clean, indices, *rest):
            seen.update(np.ravel(indices).tolist())
            return steps(images, labels, clean, indices, *rest)

        return step

    monkeypatch.setattr(trainer, "compile_steps", recording)
    monkeypatch.setattr(device, "start_tensorflow", lambda *_, **__: CPU)

    def trained(method, *flags):
        if method == "incv":
            shutil.copytree(finished("INCV")[0], tmp_path, dirs_exist_ok=True)
        ended = call(
            "INCV_main",
            *SMALL,
            "--epochs",
            EPOCHS,
            "--method",
            method,
            *flags,
            "--results_dir",
            tmp_path,
        )
        assert ended.code == 0, ended.err
        (folder,) = {path.parent for path in tmp_path.rglob(f"{method}_result.csv")}
        result = pd.read_csv(folder / f"{method}_result.csv", dtype={"network": str}).set_index(
            "network"
        )
        return pd.read_csv(folder / f"{method}_training.csv"), result, rows, ended.out

    return trained


def arguments(tmp_path, name):
    return json.loads((tmp_path / f"digits/sym/0.5/{name}.json").read_text())["arguments"]


@pytest.mark.slow
def test_validation_split_holds_out_selected_and_candidates(trained, tmp_path):
    log, result, (seen,), out = trained("incv", "--validation_split", 0.2)
    selection = pd.read_csv(tmp_path / SELECTION)
    known = set(np.flatnonzero(selection.select | selection.candidate))
    left = known - seen
    assert seen < known and len(left) == pytest.approx(0.2 * len(known), abs=0.05 * N)
    assert arguments(tmp_path, "incv_training")["validation_split"] == 0.2
    assert (log.steps == -(-len(seen & set(np.flatnonzero(selection.select))) // 128)).all()
    for k in ("1", "2"):
        assert (
            result.validated[k] == log[f"test_accuracy_{k}"][log[f"heldout_accuracy_{k}"].idxmax()]
        )
    assert (result.final == result["last"]).all() and "heldout_loss_1" not in log
    shown = (
        r"^mean of both +"
        + " +".join(
            f"{result.loc['mean', name]:.4f}" for name in ("last", "last10", "validated", "best")
        )
        + "$"
    )
    assert (
        re.search(shown, out, re.MULTILINE)
        and "epoch by held-out labels" in out
        and "0.2 held out" in out
    )


@pytest.mark.slow
def test_held_out_samples_are_stratified_and_equal_for_methods(
    trained,
):
    _, _, rows, _ = trained("standard", "--validation_split", 0.2)
    trained("d2l", "--validation_split", 0.2)
    assert rows[0] == rows[1] and len(rows[0]) == N - 287
    y_noisy = corrupt_labels(load_dataset("digits", "").y_train, "sym", 0.5, 10, 0)
    counts = np.bincount(np.delete(y_noisy, list(rows[0])))
    assert np.abs(counts - 0.2 * np.bincount(y_noisy)).max() <= 1


def test_nothing_is_held_out_by_default(trained, tmp_path):
    log, result, (seen,), out = trained("standard")
    assert seen == set(range(N)) and not [name for name in log if name.startswith("heldout")]
    assert result.validated.isna().all() and "held-out" not in out and "held out" not in out
    assert arguments(tmp_path, "standard_training")["validation_split"] == 0
    results = json.loads((tmp_path / "digits/sym/0.5/standard_training.json").read_text())[
        "results"
    ]
    assert results == {
        name: result.loc["mean", name]
        for name in ("final", "last", "last10", "last10_epochs", "best", "steps")
    }


@pytest.mark.slow
def test_evaluate_every_changes_no_training(trained, tmp_path):
    """Evaluate the last epoch too; F-correction evaluates every epoch."""
    flags = ["--epochs", 5, "--validation_split", 0.2]
    log, result, _, _ = trained("standard", *flags)
    fewer, less, _, _ = trained("standard", *flags, "--evaluate_every", 2, "--overwrite")
    blank = fewer.isna().any(axis=1)
    assert np.flatnonzero(blank).tolist() == [0, 2]
    assert less.last10_epochs.tolist() == [3, 3]
    pd.testing.assert_frame_equal(
        fewer[~blank].drop(columns="seconds"),
        log[~blank].drop(columns="seconds"),
        check_dtype=False,
    )
    assert fewer[blank].dropna(axis=1).columns.tolist() == [*EPOCH_COLUMNS, "seconds"]
    unchanged = ["final", "last", "steps"]
    assert (fewer.loss == log.loss).all() and less[unchanged].equals(result[unchanged])
    assert arguments(tmp_path, "standard_training")["evaluate_every"] == 2
    log, *_ = trained("f_correction", "--epochs", 3, "--recipe", "fast", "--architecture", "MLP")
    assert log.test_accuracy_1.notna().all()


@pytest.mark.slow
@pytest.mark.parametrize("flags, networks", [([], 2), (["--f_correction_T", "true"], 1)])
def test_f_correction_keeps_the_epoch_of_lowest_held_out_loss(flags, networks, trained, tmp_path):
    """Use a rate that overfits. The saved network has the reported accuracy.

    The diagonal of T is about 0.5; in the first network's last epoch it would be 0.72.
    """
    import keras

    log, result, rows, out = trained(
        "f_correction", *flags, "--learning_rate", 0.003, "--epochs", 16, "--batch_size", 32
    )
    assert len(rows) == networks and rows[0] == rows[-1] and len(rows[0]) == N - 144
    chosen = log.heldout_loss_1.idxmin()
    assert 0 < chosen < 15 and log.test_accuracy_1[chosen] != log.test_accuracy_1[15]
    assert (
        result.final.tolist() == [log.test_accuracy_1[chosen]] * 2
        and result["last"]["1"] == log.test_accuracy_1[15]
    )
    assert re.search(
        rf"^network 1 +{result.final['1']:.4f} +{result['last']['1']:.4f} ", out, re.MULTILINE
    )
    digits = load_dataset("digits", "")
    network = keras.models.load_model(
        tmp_path / "digits/sym/0.5/f_correction_1.keras", safe_mode=True
    )
    hit = network.predict(digits.x_test, verbose=0).argmax(axis=1) == digits.y_test
    assert hit.mean() == pytest.approx(result.final["1"])
    T = pd.read_csv(tmp_path / "digits/sym/0.5/f_correction_T.csv", index_col=0).to_numpy()
    assert 0.35 < np.diag(T).mean() < 0.6
    if flags:
        np.testing.assert_allclose(T, np.full((10, 10), 0.5 / 9) + (0.5 - 0.5 / 9) * np.eye(10))


@pytest.mark.slow
def test_f_correction_can_use_the_true_matrix(trained, tmp_path):
    trained(
        "f_correction", "--f_correction_T", "true", "--noise_pattern", "asym", "--noise_ratio", 0.3
    )
    T = pd.read_csv(tmp_path / "digits/asym/0.3/f_correction_T.csv", index_col=0).to_numpy()
    np.testing.assert_allclose(T, 0.7 * np.eye(10) + 0.3 * np.roll(np.eye(10), 1, axis=1))


def test_elr_writes_and_scores_its_labels(trained, tmp_path):
    """Held-out samples have no label; log, record and CSV agree."""
    log, _, (seen,), _ = trained("elr", "--validation_split", 0.1)
    labels = pd.read_csv(tmp_path / "digits/sym/0.5/elr_labels.csv")
    assert (
        list(labels) == ["y", "y_noisy", "label"]
        and set(np.flatnonzero(labels.label.notna())) == seen
    )
    right, agree = labels.y == labels.y_noisy, labels.label == labels.y_noisy
    scores = [right[agree].mean(), agree[list(seen)][right].mean()]
    assert (
        log[["LP", "LR"]].iloc[-1].tolist() == pytest.approx(scores)
        and log.selected.iloc[-1] == agree.sum()
    )
    results = json.loads((tmp_path / "digits/sym/0.5/elr_training.json").read_text())["results"]
    assert [results["LP"], results["LR"]] == pytest.approx(scores) and scores[0] > 0.6


@pytest.mark.slow
def test_2018_variant_decays_the_learning_rate(trained):
    log, *_ = trained("co_teaching", "--co_teaching_variant", "2018")
    assert log.learning_rate.tolist() == pytest.approx([1e-3, 1e-3, 1e-3, 2e-3 / 3, 1e-3 / 3])


def test_2018_variant_needs_adam(call, no_tensorflow, tmp_path):
    ended = call(
        "INCV_main",
        "--method",
        "co_teaching",
        "--co_teaching_variant",
        "2018",
        "--recipe",
        "fast",
        "--results_dir",
        tmp_path,
    )
    assert_is_one_line(
        ended,
        "--co_teaching_variant: 2018 changes Adam's beta1; give --optimizer adam --weight_decay 0",
    )
    assert not list(tmp_path.iterdir())


# -------------------------------------------------------------------------------------- the targets


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, flags, least",
    [("mentornet", [], 0.88), ("f_correction", ["--architecture", "MLP"], 0.74)],
)
def test_mentornet_and_f_correction_reach_their_accuracy(method, flags, least, tmp_path):
    """Train on digits with sym 0.5 and three seeds; every class must be predicted."""
    finals = []
    for seed in range(3):
        assert (
            shell(
                "INCV_main", "--method", method, *flags, "--seed", seed, "--results_dir", tmp_path
            ).code
            == 0
        )
        folder = tmp_path / "digits/sym/0.5" / (f"seed{seed}" if seed else "")
        assert pd.read_csv(folder / f"{method}_training.csv").dead_classes_1.iloc[-1] == 0
        finals.append(pd.read_csv(folder / f"{method}_result.csv").final[0])
    assert np.mean(finals) >= least
