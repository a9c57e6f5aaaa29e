"""The test split of custom images: INCV judges all, the final network trains on the others."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, SMALL
from image_sets import class_folders, shades

import INCV_main
import Verify_Theory
from noisylabels.data import images
from noisylabels.errors import UserError
from noisylabels.noise import Noise
from noisylabels.pipeline import plan
from noisylabels.pipeline.load import add_noise, load_data, load_noisy_data, resolve_noise

QUICK = ["--image_size", "8", *SMALL[:2], "--batch_size", "8", "--epochs", "2"]


@pytest.fixture
def pets(tmp_path):
    return shades(tmp_path / "images/pets")


@pytest.fixture
def selected(pets, select, tmp_path, undrawn):
    """Write images and select by INCV.py; return the folder of the run."""
    select("--dataset", pets)
    return tmp_path / "pets/given"


@pytest.fixture
def held_out(call, pets, tmp_path, monkeypatch):
    """Return the samples that INCV_main.py holds out of a training, and the test labels."""
    from noisylabels.pipeline import train as pipeline
    from noisylabels.training import device

    found = {}

    class Method:
        def __init__(self, kind, inputs, *_, **__):
            found["inputs"] = inputs

        def exclude(self, samples):
            found["held_out"] = samples
            raise UserError("stop")

    def with_labels(*arguments):
        found["experiment"] = original(*arguments)
        return found["experiment"]

    original = pipeline.with_labels
    monkeypatch.setattr(pipeline, "with_labels", with_labels)
    monkeypatch.setattr(device, "start_tensorflow", lambda *_, **__: CPU)
    monkeypatch.setattr("noisylabels.pipeline.train.build_method", Method)

    def held_out(*flags):
        ended = call("INCV_main", "--dataset", pets, "--quiet", *flags)
        assert (ended.code, ended.err) == (2, "INCV_main.py: error: stop\n")
        return found["held_out"], found["experiment"].dataset

    return held_out


def plan_of(script, *flags):
    """Return the plan of a training on custom images."""
    args = script.build_parser().parse_args([*map(str, flags)])
    if script is INCV_main:
        return plan.plan_training(args, load_noisy_data(args), args.method)
    dataset = load_data(args)
    pattern, ratios = resolve_noise(args, dataset)
    return plan.plan_theory(args, add_noise(dataset, Noise(pattern, ratios[0]), 0))


def test_selection_judges_all_images(pets, selected):
    selection = pd.read_csv(selected / "pets_given_INCV_results.csv")
    issues = pd.read_csv(selected / "label_issues.csv")
    files = [path.relative_to(pets).as_posix() for path in pets.rglob("*.png")]
    assert len(selection) == 60 and sorted(issues.file) == sorted(files)


def test_final_network_does_not_train_on_its_test_images(pets, selected, held_out, tmp_path):
    rows = images.load(pets, report=str).test_rows
    assert len(rows) == 12
    found, dataset = held_out("--results_dir", tmp_path)
    assert found.tolist() == rows.tolist() == dataset.test_rows.tolist()
    assert dataset.y_test.tolist() == dataset.given[rows].tolist()
    more, _ = held_out(
        "--results_dir",
        tmp_path,
        "--validation_split",
        ".25",
        "--name",
        "other",
        "--selection",
        selected / "pets_given_INCV_results.csv",
    )
    assert set(rows) < set(more) and len(more) == 24
    none, dataset = held_out(
        "--results_dir",
        tmp_path,
        "--test_split",
        "0",
        "--name",
        "whole",
        "--selection",
        selected / "pets_given_INCV_results.csv",
    )
    assert len(none) == len(dataset.y_test) == 0


def test_decisions_correct_the_test_images_too(pets, selected, held_out, tmp_path):
    data = images.load(pets, report=str)
    relabelled, dropped = data.test_rows[:2]
    new = 1 - data.given[relabelled]
    names = [data.classes[k] for k in (data.given[relabelled], data.given[dropped], new)]
    rows = [
        [relabelled, data.files[relabelled], names[0], "relabel", names[2]],
        [dropped, data.files[dropped], names[1], "drop", ""],
    ]
    header = ["index", "file", "given_label", "decision", "new_label"]
    pd.DataFrame(rows, columns=header).to_csv(tmp_path / "decisions.csv", index=False)
    found, dataset = held_out("--results_dir", tmp_path, "--decisions", tmp_path / "decisions.csv")
    assert found.tolist() == data.test_rows.tolist()
    assert dataset.test_rows.tolist() == np.delete(data.test_rows, 1).tolist()
    assert dataset.y_test[0] == new and len(dataset.x_test) == 11


def test_selection_is_independent_of_the_split(pets, selected, tmp_path):
    flags = ["--dataset", pets, "--results_dir", tmp_path]
    usual = plan_of(INCV_main, *flags)
    other = plan_of(INCV_main, *flags, "--test_split", ".5")
    assert usual.selection is None and other.selection is None
    assert usual.selected.identity == other.selected.identity
    assert usual.experiment.identity["test_split"] == 0.2
    assert other.experiment.identity["test_split"] == 0.5
    assert other.experiment.identity["samples"] == 30
    assert "test_split" not in plan_of(INCV_main).experiment.identity


def test_theory_is_verified_on_the_other_images(pets, tmp_path):
    flags = ["--dataset", pets, "--results_dir", tmp_path, "--trust_labels"]
    theory = plan_of(Verify_Theory, *flags, "--test_split", ".5")
    assert theory.experiment.identity["samples"] == 15
    with pytest.raises(UserError, match="25 is more than the 24 samples of half of the training"):
        plan_of(Verify_Theory, *flags, "--batch_size", "25")


def test_a_test_set_of_its_own_needs_no_split(call, tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / "own" / part, a=5, b=5)
    data = images.load(tmp_path / "own", report=str)
    assert data.test_rows is None and len(data.train_rows) == 10
    for share in ("0", ".3"):
        ended = call("INCV_main", "--dataset", tmp_path / "own", "--test_split", share)
        assert ended.code == 2 and len(ended.err.splitlines()) == 1
        assert "has a test set of its own: leave it out" in ended.err


@pytest.mark.slow
@pytest.mark.runs
def test_training_without_a_test_set_says_so(pets, call, unstarted, tmp_path):
    flags = ["--dataset", pets, "--results_dir", tmp_path / "results", "--test_split", "0"]
    ended = call("INCV_main", "--method", "standard", *flags, *QUICK)
    assert ended.code == 0
    assert "no test set: the accuracy of the networks is unknown" in ended.out
    assert "pets: 60 images of 8×8×1, 2 classes" in ended.out and "nan" not in ended.out
    folder = tmp_path / "results/pets"
    result = pd.read_csv(folder / "given/standard_result.csv")
    assert result["last"].isna().all() and (result.test_labels == "none").all()
    log = pd.read_csv(folder / "given/standard_training.csv")
    assert len(log) == 2 and log.test_agreement_1.isna().all()
    assert log.accuracy_all_1.notna().tolist() == [False, True]  # fast evaluates every 4th and last
    assert "| no test set (1) |" in (folder / "table.md").read_text()
    assert "†" not in (folder / "table.md").read_text() and not (folder / "TestAcc.png").exists()
    record = json.loads((folder / "given/standard_training.json").read_text())
    assert record["arguments"]["test_split"] == 0 and "last" not in record["results"]
    assert call("report", "--results_dir", tmp_path / "results").code == 0
    verified = call("Verify_Theory", "--trust_labels", *flags, *QUICK)
    assert verified.code == 0 and "no test set" in verified.out and "nan" not in verified.out
