"""Selections from other folders: --selection, --name and recipes."""

import json
import shutil

import pandas as pd
import pytest
from helpers import SELECTION, assert_is_one_line, files_in, record_of

from noisylabels.errors import UserError

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("undrawn")]

FOLDER = "digits/sym/0.5"


def test_named_selection_may_have_any_settings(select, train, tmp_path):
    """It is never overwritten, and its recorded settings count."""
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
def test_selection_without_a_record_is_accepted(beside_a_record, select, train, tmp_path):
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


def test_selection_with_an_old_record_is_accepted(select, train, tmp_path):
    select()
    path = tmp_path / FOLDER / "INCV.json"
    record = json.loads(path.read_text())
    del record["arguments"]["recipe"]
    path.write_text(json.dumps(record))
    ended, (what, _) = train("--selection", tmp_path / SELECTION)
    assert what == "training" and "how it was made is unknown; " in ended.out


def test_named_selection_must_fit_data_and_assumed_pattern(select, train, tmp_path):
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
        (other_seed, "seed1/.* has another noisy label"),
        (tmp_path / "missing.csv", "missing.csv is not a file"),
    ]:
        ended, begun = train("--selection", path)
        assert_is_one_line(ended, problem)
        assert begun is None and files_in(tmp_path) == before
    assert_is_one_line(
        train("--selection", elsewhere / SELECTION, "--method", "standard")[0],
        "--selection: it has no effect here; it applies only to the methods incv and incv_student",
    )


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
def test_each_recipe_and_name_has_its_own_folder(flags, folder, select, train, tmp_path):
    """Selection and training go there; files of the default recipe stay."""
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


def test_verify_theory_has_these_folders_too(call, tmp_path, monkeypatch):
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
