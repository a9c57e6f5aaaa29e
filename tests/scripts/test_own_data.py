"""Custom images through the scripts: from a folder to networks, with unknown truth."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers import SMALL, called
from image_sets import shades
from PIL import Image

FEW = [
    "--image_size",
    "8",
    *SMALL[:2],
    "--threads",
    "1",
    "--parallel_halves",
    "off",
    "--INCV_epochs",
    "4",
    "--INCV_iter",
    "2",
    "--epochs",
    "6",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder of images, INCV_main.py's results on it, and how the call ended."""
    root = tmp_path_factory.mktemp("own")
    shades(root / "pets")
    return (
        root / "pets",
        root / "results",
        called("INCV_main", "--dataset", root / "pets", *FEW, "--results_dir", root / "results"),
    )


@pytest.mark.runs
def test_folder_becomes_a_selection_and_networks(trained):
    folder, results, ended = trained
    assert ended.code == 0, ended.err
    run = results / "pets" / "given"
    frame = pd.read_csv(run / "pets_given_INCV_results.csv")
    assert list(frame) == ["y", "y_noisy", "select", "candidate", "eval_ratio"]
    assert (
        len(frame) == 60
        and frame.y.isna().all()
        and frame.y_noisy.isin([0, 1]).all()
        and frame.select.any()
    )
    assert json.loads((run / "classes.json").read_text()) == ["cat", "dog"]
    assert (run / "incv_1.keras").exists() and (run / "incv_2.keras").exists()
    assert not (results / "pets/unreadable.csv").exists()


@pytest.mark.runs
def test_unknown_true_labels_give_no_accuracy(trained):
    _, results, ended = trained
    run = results / "pets" / "given"
    iterations = pd.read_csv(run / "INCV_iterations.csv")
    assert iterations[["LP", "LR"]].isna().all(axis=None)
    log = pd.read_csv(run / "incv_training.csv")
    assert not [
        name
        for name in log
        if "test_accuracy" in name or "clean" in name or "noisy" in name or "precision" in name
    ]
    evaluated = log[log.epoch.isin([4, 6])]  # every 4th epoch and the last
    assert evaluated.test_agreement_1.between(0, 1).all() and evaluated.loss_all_1.notna().all()
    assert (pd.read_csv(run / "incv_result.csv").test_labels == "given").all()
    record = json.loads((run / "incv_training.json").read_text())
    assert (
        record["arguments"]["noise_ratio"] is None
        and record["arguments"]["selection"]["LP"] is None
    )
    assert record["results"]["test_labels"] == "given"
    assert "the true labels are unknown" in ended.out and "test labels may be wrong" in ended.out
    assert not re.search(r"label precision|label recall|\bLP\b|\bnan\b|test accuracy", ended.out)
    table = (results / "pets/table.md").read_text()
    assert "†: agreement with noisy test labels, not accuracy." in table and "(1) †" in table
    assert (pd.read_csv(results / "pets/table.csv").test_labels == "given").all()
    assert not (results / "pets/INCV.png").exists() and (results / "pets/TestAcc.png").exists()


@pytest.mark.runs
def test_network_predicts_a_folder(trained, call, unstarted, tmp_path):
    folder, results, _ = trained
    ended = call(
        "predict", results / "pets/given/incv_1.keras", folder, "--output", tmp_path / "p.csv"
    )
    assert ended.code == 0 and len(pd.read_csv(tmp_path / "p.csv")) == 60


@pytest.mark.runs
def test_saved_network_averages_over_the_flip(trained):
    import keras

    _, results, _ = trained
    network, x = (
        keras.models.load_model(results / "pets/given/incv_2.keras"),
        np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), np.uint8),
    )
    np.testing.assert_allclose(
        network.predict(x, verbose=0), network.predict(x[:, :, ::-1], verbose=0), atol=1e-5
    )


@pytest.mark.runs
def test_report_is_drawn_again(trained, call):
    _, results, _ = trained
    (results / "pets/table.md").unlink()
    assert (
        call("report", "--results_dir", results).code == 0 and (results / "pets/table.md").exists()
    )


@pytest.mark.runs
def test_other_images_of_the_same_name_are_refused(trained, call, no_tensorflow, tmp_path):
    folder, results, _ = trained
    again = call("INCV", "--dataset", folder, *FEW[:-2], "--results_dir", results)
    assert again.code == 0 and "selected" in again.out
    shades(tmp_path / "pets", wrong=4)
    ended = call("INCV", "--dataset", tmp_path / "pets", *FEW[:-2], "--results_dir", results)
    assert (
        ended.code == 2
        and "pets/given/INCV.json: the images or labels have changed since this run" in ended.err
    )


@pytest.mark.runs
def test_selection_from_other_images_is_refused(trained, call, no_tensorflow, tmp_path):
    """Labels are equal, and --overwrite repeats only the training."""
    _, results, _ = trained
    Image.new("L", (8, 6), 7).save(shades(tmp_path / "pets") / "cat" / "020.png")
    ended = call(
        "INCV_main", "--dataset", tmp_path / "pets", *FEW, "--results_dir", results, "--overwrite"
    )
    assert (
        ended.code == 2
        and "INCV.json: the images or labels have changed since this run" in ended.err
    )
