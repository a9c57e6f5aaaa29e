"""The selection that INCV_main trains on: found, refused and recorded."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from helpers import SELECTION, assert_is_one_line, files_in, record_of

from noisylabels.noise import transition_matrix
from utils import load_dataset

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("undrawn")]
FOLDER = "digits/sym/0.5"


def test_selection_is_printed_and_recorded(select, train, tmp_path):
    """The record has all its settings and its digest."""
    select("--INCV_iter", 2, "--architecture", "MLP")
    ended, (what, _) = train("--epochs", 3)
    csv = pd.read_csv(tmp_path / SELECTION)
    clean = csv.y == csv.y_noisy
    line = (
        "selection digits_sym0.5_INCV_results.csv: digits, MLP, 25 epochs, 2 iterations, assumes "
        f"sym; {csv.select.sum():,} selected, LP {clean[csv.select].mean():.3f}, LR "
        f"{csv.select[clean].mean():.3f}"
    )
    assert what == "training" and line in ended.out.splitlines()
    found = record_of(tmp_path, "incv_training")["arguments"]["selection"]
    made = record_of(tmp_path, "INCV")["arguments"]
    assert (
        found.pop("digest") == hashlib.sha256((tmp_path / SELECTION).read_bytes()).hexdigest()[:16]
    )
    assert (found.pop("LP"), found.pop("LR")) == (
        clean[csv.select].mean(),
        csv.select[clean].mean(),
    )
    assert found == {
        name: value
        for name, value in made.items()
        if name not in ("dataset", "noise_pattern", "noise_ratio", "seed", "data")
    } | {"computed_in": "float32"}
    assert {
        "recipe",
        "architecture",
        "epochs",
        "INCV_iter",
        "top_k",
        "assumed_pattern",
        "learning_rate",
    } <= {*found}

    select("--INCV_iter", 2, "--architecture", "SmallCNN", "--overwrite")
    assert_is_one_line(
        train("--epochs", 3)[0],
        r"incv_training.json records a run with other arguments: selection: "
        r"architecture \(found MLP, given SmallCNN\); give those, ",
    )


def test_interrupted_selection_files_are_completed(select, train, tmp_path, monkeypatch):
    """Write its figures and review page, and remove its checkpoints."""
    drawn, folder = [], tmp_path / FOLDER
    select("--INCV_iter", 1)
    monkeypatch.setattr(
        "noisylabels.report.draw.selection_files", lambda found, *_: drawn.append(found.folder)
    )
    left = folder / "INCV_checkpoints/1a.npz"
    left.parent.mkdir(exist_ok=True)
    left.touch()
    train("--epochs", 2)
    assert drawn == [folder] and not left.exists()
    (folder / "review.html").touch()
    select("--INCV_iter", 2, "--overwrite")  # killed before it draws: the page would be another's
    assert not (folder / "review.html").exists()
    select("--INCV_iter", 1, "--overwrite")
    (folder / "review.html").touch()
    drawn.clear()
    train("--epochs", 2)
    train("--epochs", 2, "--name", "other", "--selection", tmp_path / SELECTION)
    for name in ("review.html", "label_issues.csv"):  # a record in a repository lacks both
        (folder / name).unlink()
    ended, (what, _) = train("--epochs", 2)
    assert drawn == [] and what == "training"


def test_method_gets_the_selection_as_inputs(select, train, tmp_path):
    """Inputs are S, C, the estimated noise ratio and observed labels, but nothing true."""
    select("--INCV_iter", 1)
    csv = pd.read_csv(tmp_path / SELECTION)
    _, (_, inputs) = train()
    assert (inputs.labels == csv.y_noisy).all() and (inputs.labels != csv.y).any()
    assert (inputs.select == csv.select).all() and (inputs.candidate == csv.candidate).all()
    assert (
        inputs.eval_ratio == pytest.approx(csv.eval_ratio[0], rel=1e-15)
        and abs(inputs.eval_ratio - 0.5) > 0.1
    )
    assert (inputs.n_classes, inputs.batch_size, inputs.epochs, inputs.assumed_pattern) == (
        10,
        32,
        40,
        "sym",
    )


def test_flags_reach_the_device_and_the_loop(train):
    """Several devices need the batch size if the method can share batches."""
    train(
        "--method",
        "standard",
        "--gpu_id",
        -1,
        "--jit_compile",
        "--threads",
        3,
        "--augmentation",
        "flip",
    )
    device, (augmentation, rate, jit_compile) = train.told
    assert device == ("-1", True, 3, 32, "float32") and (
        augmentation,
        rate(0, 40),
        jit_compile,
    ) == ("flip", 0.001, True)
    train("--method", "co_teaching")
    assert train.told[0] == (None, False, None, None, "float32") and train.told[1][::2] == (
        "none",
        False,
    )


@pytest.mark.parametrize(
    "flags, ratio",
    [
        (["--noise_ratio", 0.3], 0.3),
        (["--noise_pattern", "asym", "--noise_ratio", 0.3], 0.3),
        (["--noisy_labels"], 360 / 1437),
    ],
)
def test_method_gets_the_noise_rate(flags, ratio, train, tmp_path):
    y = load_dataset("digits", "").y_train
    np.save(tmp_path / "labels.npy", np.where(np.arange(len(y)) % 4 == 0, 9 - y, y))
    flags = [*flags, tmp_path / "labels.npy"] if "--noisy_labels" in flags else flags
    _, (_, inputs) = train("--method", "standard", *flags)
    assert inputs.noise_ratio == pytest.approx(ratio)


@pytest.mark.parametrize(
    "flags, differs",
    [
        (["--recipe", "fast", "--name", "mine"], r"recipe \(found digits, given fast\)"),
        (
            ["--recipe", "digits", "--architecture", "MLP"],
            r"architecture \(found SmallCNN, given MLP\)",
        ),
        (["--INCV_epochs", 24], r"epochs \(found 25, given 24\)"),
        (["--INCV_iter", 4], r"INCV_iter \(found 3, given 4\)"),
        (["--top_k", 2], r"top_k \(found 1, given 2\)"),
        (["--optimizer", "muon"], r"optimizer \(found adam, given muon\)"),
        (["--learning_rate", 0.1], r"learning_rate \(found 0.003, given 0.1\)"),
        (["--weight_decay", 0.1], r"weight_decay \(found 0.0, given 0.1\)"),
        (["--batch_size", 64], r"batch_size \(found 32, given 64\)"),
        (["--augmentation", "flip"], r"augmentation \(found none, given flip\)"),
        (["--precision", "mixed"], r"precision \(found float32, given mixed\)"),
        (["--assumed_pattern", "asym"], r"assumed_pattern \(found sym, given asym\)"),
    ],
)
def test_selection_that_contradicts_a_flag_is_refused(flags, differs, select, train, tmp_path):
    """Flags that were not given do not count."""
    name = flags[flags.index("--name") :] if "--name" in flags else []
    select("--INCV_iter", 3, *name)
    before = files_in(tmp_path)
    ended, begun = train(*flags)
    assert_is_one_line(
        ended,
        rf"INCV.json records a run with other arguments: {differs}; give .*--overwrite_selection$",
    )
    assert begun is None and files_in(tmp_path) == before


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--INCV_iter", 3],
        [
            "--INCV_epochs",
            25,
            "--top_k",
            1,
            "--architecture",
            "SmallCNN",
            "--learning_rate",
            0.003,
            "--recipe",
            "digits",
            "--assumed_pattern",
            "sym",
        ],
        ["--epochs", 7, "--validation_split", 0.1],
    ],
)
def test_selection_that_contradicts_no_flag_is_used(flags, select, train):
    select("--INCV_iter", 3)
    _, (what, _) = train(*flags)
    assert what == "training"


def test_selection_with_another_assumed_pattern_is_refused(select, train):
    """Without the flag, the default pattern is compared."""
    select("--assumed_pattern", "asym")
    assert_is_one_line(train()[0], r"assumed_pattern \(found asym, given sym\)")
    _, (_, inputs) = train("--assumed_pattern", "asym")
    assert (
        inputs.assumed_pattern == "asym" and (inputs.T == transition_matrix("sym", 0.5, 10)).all()
    )


def test_missing_selection_is_made_with_the_flags(train):
    _, (what, experiment) = train(
        "--INCV_epochs",
        7,
        "--epochs",
        9,
        "--INCV_iter",
        2,
        "--top_k",
        3,
        "--overwrite",
        "--assumed_pattern",
        "asym",
        "--validation_split",
        0.1,
    )
    assert (
        what == "selection"
        and experiment.settings.epochs == 7
        and experiment.settings.validation_split == 0
    )
    assert experiment.arguments == {"INCV_iter": 2, "top_k": 3, "assumed_pattern": "asym"}
    assert experiment.assumed_pattern == "asym" and not experiment.overwrite
    _, (_, experiment) = train("--overwrite_selection")
    assert experiment.overwrite and experiment.arguments["INCV_iter"] == 4


def test_unfinished_selection_must_agree_in_everything(select, train, tmp_path):
    """It would be resumed with its old settings."""
    select("--INCV_iter", 3)
    record = tmp_path / FOLDER / "INCV.json"
    record.write_text(record.read_text().replace('"finished": true', '"finished": false'))
    assert_is_one_line(
        train()[0], r"INCV_iter \(found 3, given 4\); give .*, or --overwrite_selection$"
    )
    _, (what, _) = train("--INCV_iter", 3)
    assert what == "selection"
