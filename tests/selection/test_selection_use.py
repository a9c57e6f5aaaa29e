"""The selection that INCV_main trains on: found, named, refused where it is not what was asked for,
and recorded.
"""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import SELECTION, assert_is_one_line, files_in, record_of

from noisylabels.errors import UserError
from noisylabels.noise import transition_matrix
from utils import load_dataset

pytestmark = pytest.mark.usefixtures("undrawn")
FOLDER = "digits/sym/0.5"


def test_what_it_is_stands_in_the_output_and_in_the_record(select, train, tmp_path):
    """All its settings and a digest of what it holds: so that another one is another run."""
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
        r"incv_training.json is of a run with other arguments: selection: "
        r"architecture \(found MLP, given SmallCNN\); give those, ",
    )


def test_what_a_call_left_undone_that_was_killed_after_its_selection_is_done(
    select, train, tmp_path, monkeypatch
):
    """Its pictures, the page to review it, the last, and the checkpoints that it had not removed
    yet.
    """
    drawn, folder = [], tmp_path / FOLDER
    select("--INCV_iter", 1)
    monkeypatch.setattr(
        "noisylabels.report.draw.incv_figures", lambda folder, *_: drawn.append(folder) or []
    )
    monkeypatch.setattr(
        "noisylabels.report.draw.issues.files", lambda folder, *_: drawn.append(folder) or []
    )
    left = folder / "INCV_checkpoints/1a.npz"
    left.parent.mkdir(exist_ok=True)
    left.touch()
    train("--epochs", 2)
    assert drawn == [folder, folder] and not left.exists()
    (folder / "review.html").touch()
    select("--INCV_iter", 2, "--overwrite")  # killed before it draws: the page would be another's
    assert not (folder / "review.html").exists()
    select("--INCV_iter", 1, "--overwrite")
    (folder / "review.html").touch()
    drawn.clear()
    train("--epochs", 2)
    train("--epochs", 2, "--name", "other", "--selection", tmp_path / SELECTION)
    assert drawn == []


def test_the_method_is_given_what_it_holds(select, train, tmp_path):
    """S, C and the estimated noise ratio, and the observed labels: not the true ones, nor the true
    ratio.
    """
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


def test_the_flags_reach_the_device_and_the_loop(train):
    """Devices share batches, whose size they have to know, where the method's can be shared."""
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
def test_a_method_is_told_the_share_of_wrong_labels(flags, ratio, train, tmp_path):
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
        (["--optimizer", "nesterov"], r"optimizer \(found adam, given nesterov\)"),
        (["--learning_rate", 0.1], r"learning_rate \(found 0.003, given 0.1\)"),
        (["--weight_decay", 0.1], r"weight_decay \(found 0.0, given 0.1\)"),
        (["--batch_size", 64], r"batch_size \(found 32, given 64\)"),
        (["--augmentation", "flip"], r"augmentation \(found none, given flip\)"),
        (["--precision", "mixed"], r"precision \(found float32, given mixed\)"),
        (["--assumed_pattern", "asym"], r"assumed_pattern \(found sym, given asym\)"),
    ],
)
def test_one_that_contradicts_a_flag_is_refused(flags, differs, select, train, tmp_path):
    """And not those that were not given."""
    name = flags[flags.index("--name") :] if "--name" in flags else []
    select("--INCV_iter", 3, *name)
    before = files_in(tmp_path)
    ended, begun = train(*flags)
    assert_is_one_line(
        ended,
        rf"INCV.json is of a run with other arguments: {differs}; give .*--overwrite_selection$",
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
def test_one_that_contradicts_no_flag_is_trained_on(flags, select, train):
    select("--INCV_iter", 3)
    _, (what, _) = train(*flags)
    assert what == "training"


def test_one_that_was_told_another_pattern_is_refused(select, train):
    """Whether the flag is given or not: the training would be told another."""
    select("--assumed_pattern", "asym")
    assert_is_one_line(train()[0], r"assumed_pattern \(found asym, given sym\)")
    _, (_, inputs) = train("--assumed_pattern", "asym")
    assert (
        inputs.assumed_pattern == "asym" and (inputs.T == transition_matrix("sym", 0.5, 10)).all()
    )


def test_one_is_made_as_the_flags_say(train):
    """With the settings of the selection, and the names of its own."""
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


def test_an_unfinished_one_must_agree_in_everything(select, train, tmp_path):
    """It goes on, and so would end as what it began as; all else is named."""
    select("--INCV_iter", 3)
    record = tmp_path / FOLDER / "INCV.json"
    record.write_text(record.read_text().replace('"finished": true', '"finished": false'))
    assert_is_one_line(
        train()[0], r"INCV_iter \(found 3, given 4\); give .*, or --overwrite_selection$"
    )
    _, (what, _) = train("--INCV_iter", 3)
    assert what == "selection"


# ------------------------------------------------------------------------------- one from elsewhere


def test_one_may_be_named_however_it_was_made(select, train, tmp_path):
    """It stays as it is, whatever is overwritten; the settings in its record count."""
    elsewhere = tmp_path / "elsewhere"
    select("--INCV_iter", 1, "--architecture", "MLP", results_dir=elsewhere)
    select("--INCV_iter", 2)
    before = files_in(elsewhere)
    for more in ([], ["--overwrite"], ["--architecture", "SmallCNN"]):
        ended, (what, inputs) = train("--selection", elsewhere / SELECTION, *more)
        assert what == "training" and "MLP, 25 epochs, 1 iterations" in ended.out
        assert (inputs.select == pd.read_csv(elsewhere / SELECTION).select).all()
        made = record_of(tmp_path, "incv_training")["arguments"]["selection"]
        assert (made["architecture"], made["INCV_iter"]) == ("MLP", 1) and files_in(
            elsewhere
        ) == before


@pytest.mark.parametrize("beside_a_record", [False, True])
def test_one_without_a_record_may_be_of_anything(beside_a_record, select, train, tmp_path):
    """As is one that somebody has put beside the record of a selection."""
    select()
    named = tmp_path / FOLDER / "some.csv" if beside_a_record else tmp_path / "some.csv"
    shutil.move(tmp_path / SELECTION, named)
    if not beside_a_record:
        shutil.rmtree(tmp_path / "digits")
    ended, (what, _) = train("--selection", named, "--assumed_pattern", "asym")
    assert what == "training" and "selection some.csv: how it was made is unknown; " in ended.out
    assert list(record_of(tmp_path, "incv_training")["arguments"]["selection"]) == [
        "digest",
        "LP",
        "LR",
    ]


def test_one_whose_record_lacks_something_is_trained_on_all_the_same(select, train, tmp_path):
    """As that of an earlier version may."""
    select()
    path = tmp_path / FOLDER / "INCV.json"
    record = json.loads(path.read_text())
    del record["arguments"]["recipe"]
    path.write_text(json.dumps(record))
    ended, (what, _) = train("--selection", tmp_path / SELECTION)
    assert what == "training" and "how it was made is unknown; " in ended.out


def test_a_named_one_must_fit_the_data_and_what_the_training_is_told(select, train, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    select("--assumed_pattern", "asym", results_dir=elsewhere)
    select("--seed", 1, results_dir=elsewhere)
    before = files_in(tmp_path)
    other_seed = elsewhere / FOLDER / "seed1/digits_sym0.5_INCV_results.csv"
    for path, problem in [
        (
            elsewhere / SELECTION,
            r"INCV.json .* assumed_pattern \(found asym, given sym\); give those, another "
            r"--selection$",
        ),
        (other_seed, "seed1/.* has other noisy labels"),
        (tmp_path / "missing.csv", "missing.csv is no file"),
    ]:
        ended, begun = train("--selection", path)
        assert_is_one_line(ended, problem)
        assert begun is None and files_in(tmp_path) == before
    assert_is_one_line(
        train("--selection", elsewhere / SELECTION, "--method", "standard")[0],
        "--selection: it has no effect here; it applies only to the methods incv and incv_student",
    )


# -------------------------------------------------------------------------------- names and recipes


@pytest.mark.parametrize(
    "flags, folder",
    [
        ([], ""),
        (["--recipe", "digits"], ""),
        (["--recipe", "fast"], "fast"),
        (["--name", "mine"], "mine"),
        (["--recipe", "fast", "--name", "mine"], "mine"),
        (["--recipe", "fast", "--seed", 2], "fast/seed2"),
        (["--seed", 2], "seed2"),
    ],
)
def test_each_recipe_and_name_has_a_folder_of_its_own(flags, folder, select, train, tmp_path):
    """The selection and what is trained on it; beside those of the default recipe, which stay as
    they are.
    """
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "notes.txt").write_text("of others")
    select("--INCV_iter", 1, *flags)
    _, (what, inputs) = train(*flags)
    assert what == "training"
    folder = tmp_path / FOLDER / folder
    assert {
        path.parent for kind in ("*.json", "*_INCV_*.csv") for path in tmp_path.rglob(kind)
    } == {folder}
    arguments = json.loads((folder / "incv_training.json").read_text())["arguments"]
    assert arguments["recipe"] == ("fast" if "fast" in flags else "digits")
    assert (
        arguments["seed"] == (2 if 2 in flags else 0)
        and arguments["selection"]["recipe"] == arguments["recipe"]
    )
    assert (tmp_path / FOLDER / "notes.txt").read_text() == "of others"


def test_verify_theory_has_them_too(call, tmp_path, monkeypatch):
    def verify(plans, *_):
        raise UserError(
            " ".join(str(plan.experiment.folder.relative_to(tmp_path)) for plan in plans)
        )

    monkeypatch.setattr("noisylabels.pipeline.verify.verify", verify)
    for flags, folder in [
        (["--name", "mine"], "mine"),
        (["--recipe", "fast", "--seed", 1], "fast/seed1"),
    ]:
        ended = call("Verify_Theory", "--noise_ratio", 0.2, 0.5, *flags, "--results_dir", tmp_path)
        assert (
            ended.err
            == f"Verify_Theory.py: error: digits/sym/0.2/{folder} digits/sym/0.5/{folder}\n"
        )
