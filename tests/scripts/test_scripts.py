"""The three scripts from the command line on digits: files, records and seeds."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import QUICK, SCRIPTS, SELECTION, files_in, record_of, results_in, shell
from PIL import Image

FILES = {
    "INCV": {
        f"digits/sym/0.5/{name}"
        for name in (
            "digits_sym0.5_INCV_results.csv",
            "INCV_history.csv",
            "INCV_iterations.csv",
            "INCV_iterations.png",
            "INCV.json",
            ".INCV.lock",
            "label_issues.csv",
            "pred_probs.npy",
            "classes.json",
            "cleaned.csv",
            "duplicates.csv",
            "reliability.json",
            "labelstudio_tasks.json",
            "labelstudio.xml",
            "label_issues.png",
            "label_issues_classes.png",
            "label_issues_scores.png",
            "review.html",
        )
    }
    | {"digits/INCV.png", "digits/INCV.md", "digits/runs.csv", "digits/runs.md"},
    "Verify_Theory": {
        f"digits/sym/{ratio}/{name}"
        for ratio in (0.2, 0.5)
        for name in (
            "Verify_Theory.csv",
            "Verify_Theory_M.csv",
            "Verify_Theory_history.csv",
            "Verify_Theory.json",
            ".Verify_Theory.lock",
        )
    }
    | {
        f"digits/{name}"
        for name in (
            "Verify_Theory.csv",
            "Verify_Theory.md",
            "Verify_Theory.png",
            "Verify_Theory_M.png",
            "runs.csv",
            "runs.md",
        )
    },
}

FILES["INCV_main"] = (
    FILES["INCV"]
    | {
        f"digits/sym/0.5/{name}"
        for name in (
            "incv_training.csv",
            "incv_training.png",
            "incv_training.json",
            "incv_result.csv",
            "incv_1.keras",
            "incv_2.keras",
            ".incv_training.lock",
        )
    }
    | {f"digits/{name}" for name in ("table.csv", "table.md", "TestAcc.png")}
)

NEXT = {  # what a user is to open
    "INCV": {SELECTION, "digits/sym/0.5/label_issues.csv", "digits/sym/0.5/review.html"},
    "INCV_main": {
        "digits/sym/0.5/incv_result.csv",
        "digits/sym/0.5/incv_training.png",
        "digits/table.md",
    },
    "Verify_Theory": {f"digits/Verify_Theory{ending}" for ending in (".png", "_M.png", ".md")},
}


# ---------------------------------------------------------------------------------- what they write


@pytest.mark.parametrize("script", SCRIPTS)
def test_files_and_terminal_output(script, finished):
    folder, ended = finished(script)
    assert (ended.code, ended.err) == (0, "")
    assert files_in(folder).keys() == FILES[script]
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 160 and all(line.isprintable() for line in lines)
    epoch = (
        r"^(\(1/\d\) )?(INCV 1[ab]|sym 0.2)  epoch 1/\d  loss \d.\d{4}  accuracy 0.\d{4}  "
        r".* s  ETA \d:\d\d$"
    )
    assert re.search(epoch, ended.out, re.MULTILINE)
    opened = [line.split()[0] for line in lines[lines.index("open next:") + 1 : -1]]
    assert {str(Path(path).relative_to(folder)) for path in opened} == NEXT[script]
    where = "digits" if script == "Verify_Theory" else "digits/sym/0.5"
    others = [
        name
        for name in FILES[script] - NEXT[script]
        if name.startswith(where) and not name.endswith(".lock")
    ]
    assert lines[-1] == f"{len(others)} other files are in {folder / where}"
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG" and min(image.size) > 300


@pytest.mark.parametrize(
    "script, name, arguments",
    [
        (
            "INCV",
            "INCV",
            {
                "epochs": 5,
                "INCV_iter": 2,
                "top_k": 1,
                "assumed_pattern": "sym",
                "learning_rate": 0.003,
            },
        ),
        ("INCV_main", "incv_training", {"epochs": 12, "method": "incv", "assumed_pattern": "sym"}),
        ("Verify_Theory", "Verify_Theory", {"epochs": 8, "noise_ratio": 0.5}),
    ],
)
def test_records_have_arguments_and_session(script, name, arguments, finished):
    record = record_of(finished(script)[0], name)
    expected = {
        "dataset": "digits",
        "noise_pattern": "sym",
        "noise_ratio": 0.5,
        "seed": 0,
        "recipe": "digits",
        "architecture": "MLP",
        "batch_size": 128,
        "optimizer": "adam",
        "augmentation": "none",
        **arguments,
    }
    assert {name: record["arguments"].get(name) for name in expected} == expected
    assert record["finished"] is True and all(
        np.isfinite(value) for value in record["results"].values()
    )
    (session,) = record["sessions"]
    assert session["command"][0].endswith(f"{script}.py") and session["command"][1:3] == [
        "--architecture",
        "MLP",
    ]
    assert session["hardware"]["device"].startswith("CPU") and session["hardware"]["threads"] == 1
    assert all(session["versions"].values())
    assert session["seconds"] > 0
    assert (
        session["python"].count(".") == 2
        and "git" in session
        and re.match(r"\d{4}-\d\d-\d\dT", session["started"])
    )


@pytest.mark.parametrize(
    "script, names", [("INCV", ["INCV"]), ("INCV_main", ["INCV", "incv_training"])]
)
def test_runs_csv_has_a_row_per_record(script, names, finished):
    folder = finished(script)[0]
    rows = pd.read_csv(folder / "digits/runs.csv").set_index("run")
    assert list(rows.index) == names and rows.finished.all() and (rows.seconds > 0).all()
    for name in names:
        row, record = rows.loc[name], record_of(folder, name)
        selection = record["arguments"].pop("selection", None) or {}
        session = record["sessions"][-1]
        expected = {
            **record["arguments"],
            **record["results"],
            **session["versions"],
            **session["hardware"],
            **{f"selection_{name}": value for name, value in selection.items()},
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected)
        assert (row.pattern, row.ratio, row.seed, row.git) == ("sym", 0.5, 0, session["git"])


# -------------------------------------------------------------------------------------------- seeds


def test_incv_main_makes_the_same_selection_as_incv(finished):
    """INCV trains its halves in parallel, INCV_main one after the other."""
    alone, called = finished("INCV")[0], finished("INCV_main")[0]
    assert (alone / SELECTION).read_bytes() == (called / SELECTION).read_bytes()
    alone, called = results_in(alone), results_in(called)
    alone.pop("digits/runs.csv")  # the other folder has one more run
    assert {path: content == called[path] for path, content in alone.items()} == dict.fromkeys(
        alone, True
    )


@pytest.mark.slow
def test_existing_selection_csv_is_used(finished, call, unstarted, tmp_path):
    """Use the CSV without INCV's other files."""
    (tmp_path / SELECTION).parent.mkdir(parents=True)
    shutil.copy(finished("INCV")[0] / SELECTION, tmp_path / SELECTION)
    ended = call("INCV_main", *QUICK["INCV_main"], "--results_dir", tmp_path)
    assert ended.code == 0 and "INCV 1a" not in ended.out
    found, expected = results_in(tmp_path), results_in(finished("INCV_main")[0])
    others = (".lock", "classes.json", "runs.csv", "runs.md")
    made_by_INCV = {path for path in FILES["INCV"] if not path.endswith(others)}
    assert expected.keys() - found.keys() == made_by_INCV - {SELECTION}
    assert (
        "| INCV, MLP, 12 epochs, batch 128, unknown selection |"
        in (tmp_path / "digits/table.md").read_text()
    )
    record = record_of(tmp_path, "incv_training")
    assert list(record["arguments"]["selection"]) == ["digest", "LP", "LR"]


@pytest.mark.slow
def test_another_seed_has_other_results_and_folder(finished, tmp_path):
    ended = shell("INCV_main", *QUICK["INCV_main"], "--seed", 1, "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    first = finished("INCV_main")[0] / "digits/sym/0.5"
    for name in ("digits_sym0.5_INCV_results.csv", "INCV_history.csv", "incv_training.csv"):
        found, other = (
            pd.read_csv(tmp_path / "digits/sym/0.5/seed1" / name),
            pd.read_csv(first / name),
        )
        assert list(found) == list(other) and len(found) == len(other)
        column = "y_noisy" if "y_noisy" in found else "loss"
        assert (found[column] != other[column]).any()


@pytest.mark.slow
def test_verify_theory_with_another_seed(finished, tmp_path):
    ended = shell(
        "Verify_Theory", *QUICK["Verify_Theory"][:-2], "0.5", "--seed", 1, "--results_dir", tmp_path
    )
    assert (ended.code, ended.err) == (0, "")
    found = pd.read_csv(tmp_path / "digits/sym/0.5/seed1/Verify_Theory.csv")
    other = pd.read_csv(finished("Verify_Theory")[0] / "digits/sym/0.5/Verify_Theory.csv")
    assert found.seed[0] == 1 and (found[["TA", "LP", "LR"]] != other[["TA", "LP", "LR"]]).any(
        axis=None
    )
