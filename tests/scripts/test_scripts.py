"""The three scripts from the command line on digits: files and output."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import QUICK, SCRIPTS, SELECTION, files_in, record_of, results_in, shell
from PIL import Image

from noisylabels.selection.algorithm import best_epoch_iterations
from utils import corrupt_labels, load_dataset

MEASURED = [
    f"{name}_{k}"
    for k in (1, 2)
    for name in (
        "test_accuracy",
        "dead_classes",
        "loss_all",
        "accuracy_all",
        "loss_clean",
        "accuracy_clean",
        "loss_noisy",
        "accuracy_noisy",
    )
]
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


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", "")


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


def test_selection_csv_has_the_documented_format(finished, digits):
    """One row per training sample in data set order."""
    path = finished("INCV")[0] / SELECTION
    assert path.read_text().splitlines()[0] == "y,y_noisy,select,candidate,eval_ratio"
    frame = pd.read_csv(path)
    assert [str(kind) for kind in frame.dtypes] == ["int64", "int64", "bool", "bool", "float64"]
    assert (frame.y == digits.y_train).all()
    assert (frame.y_noisy == corrupt_labels(digits.y_train, "sym", 0.5, 10, 0)).all()
    assert not (frame.select & frame.candidate).any()
    assert frame.eval_ratio.nunique() == 1 and 0.3 < frame.eval_ratio[0] < 0.8
    clean = frame.y == frame.y_noisy
    last = pd.read_csv(path.with_name("INCV_iterations.csv")).iloc[-1]
    assert (last.selected, last.candidate) == (frame.select.sum(), frame.candidate.sum())
    assert last.LP == pytest.approx(clean[frame.select].mean()) and last.LR == pytest.approx(
        frame.select[clean].mean()
    )
    assert last.LP > 0.8 and last.LR > 0.7


def test_selection_history_and_summary(finished):
    folder, ended = finished("INCV")
    history = pd.read_csv(folder / "digits/sym/0.5/INCV_history.csv")
    assert list(history) == [
        "iteration",
        "half",
        "epoch",
        "learning_rate",
        "loss",
        "accuracy",
        "steps",
        "heldout_accuracy",
        "seconds",
    ]
    assert [*zip(history.iteration, history.half, history.epoch)] == [
        (i, half, epoch) for i in (1, 2) for half in "ab" for epoch in range(1, 6)
    ]
    iterations = pd.read_csv(folder / "digits/sym/0.5/INCV_iterations.csv")
    assert list(iterations) == ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
    assert (iterations[["selected", "candidate", "removed"]].sum(axis=1) == 1437).all()
    assert re.search(f"\non CPU.*, threads a training: 1; to {folder}/digits/sym/0.5\n", ended.out)
    last = iterations.iloc[-1]
    needed = (history.iteration <= best_epoch_iterations(last.eps, "sym")) | (history.epoch == 5)
    assert (
        history.heldout_accuracy.notna() == needed
    ).all()  # predicted only where something uses it
    for line in (
        f"estimated noise ratio  {last.eps:.3f}",
        f"label precision        {last.LP:.3f}",
        f"label recall           {last.LR:.3f}",
        f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, "
        f"removed {last.removed:,.0f}",
    ):
        assert line in ended.out


def test_training_csvs_and_summary(finished):
    folder, ended = finished("INCV_main")
    history = pd.read_csv(folder / "digits/sym/0.5/incv_training.csv")
    assert list(history) == [
        "epoch",
        "learning_rate",
        "loss",
        "accuracy",
        "steps",
        *MEASURED,
        "seconds",
        "kept_precision_1",
        "kept_precision_2",
    ]
    assert (history.epoch == range(1, 13)).all() and history.notna().all(axis=None)
    assert (
        history[[name for name in history if "accuracy" in name or "kept" in name]]
        .stack()
        .between(0, 1)
        .all()
    )
    result = pd.read_csv(
        folder / "digits/sym/0.5/incv_result.csv", dtype={"network": str}
    ).set_index("network")
    assert list(result.index) == ["1", "2", "mean"] and list(result) == [
        "final",
        "last",
        "last10",
        "last10_epochs",
        "best",
        "validated",
        "steps",
        "recipe",
    ]
    selected = pd.read_csv(folder / SELECTION).select.sum()
    assert (history.steps == -(-selected // 128)).all() and (
        result.steps == history.steps.sum()
    ).all()
    assert (
        "test accuracy   last epoch   mean of last ten   best epoch (by the test set)\n"
        in ended.out
    )
    curves = {
        "1": history.test_accuracy_1,
        "2": history.test_accuracy_2,
        "mean": (history.test_accuracy_1 + history.test_accuracy_2) / 2,
    }
    for name, curve in curves.items():
        final, *scores, recipe = result.loc[name, ["final", "last", "last10", "best", "recipe"]]
        expected = [curve.iloc[11], curve.iloc[2:].mean(), curve.max()]
        assert scores == pytest.approx(expected) and recipe == "digits"
        assert (
            final == scores[0]
            and np.isnan(result.validated[name])
            and result.last10_epochs[name] == 10
        )
        assert result.loc[name, "best"] > 0.7
        title = "mean of both" if name == "mean" else f"network {name}"
        shown = " +".join(f"{score:.4f}" for score in expected)
        assert re.search(rf"^{title} +{shown}$", ended.out, re.MULTILINE)


def test_saved_networks_load_in_safe_mode(finished, digits):
    """They have the recorded test accuracy."""
    import keras

    folder = finished("INCV_main")[0] / "digits/sym/0.5"
    network = keras.models.load_model(folder / "incv_2.keras", safe_mode=True)
    hit = network.predict(digits.x_test, verbose=0).argmax(axis=1) == digits.y_test
    assert hit.mean() == pytest.approx(
        pd.read_csv(folder / "incv_training.csv").test_accuracy_2.iloc[-1]
    )


def test_theory_csvs_and_summary(finished):
    folder, ended = finished("Verify_Theory")
    scores = ["TA", "LP", "LR"]
    columns = [
        "pattern",
        "ratio",
        "seed",
        *scores,
        *(f"{score}_theory" for score in scores),
        "test_accuracy",
    ]
    rows = []
    for ratio in (0.2, 0.5):
        row = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory.csv")
        assert list(row) == columns and len(row) == 1
        assert (row.pattern[0], row.ratio[0], row.seed[0]) == ("sym", ratio, 0)
        assert row.TA_theory[0] == pytest.approx((1 - ratio) ** 2 + ratio**2 / 9)
        assert row.LR_theory[0] == pytest.approx(1 - ratio)
        assert row.LP_theory[0] == pytest.approx((1 - ratio) ** 2 / row.TA_theory[0])
        history = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_history.csv")
        assert list(history) == [
            "epoch",
            "learning_rate",
            "loss",
            "accuracy",
            "steps",
            "acc_mix",
            "acc_clean",
            "acc_noisy",
            "seconds",
        ]
        assert list(history.epoch) == [*range(1, 9)]
        assert (history.acc_mix.iloc[-1], history.acc_clean.iloc[-1]) == (row.TA[0], row.LR[0])
        M = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_M.csv", index_col=0)
        assert M.shape == (10, 10) and list(M.index) == list(map(int, M)) == list(range(10))
        assert M.sum(axis=1).tolist() == pytest.approx([1] * 10)
        rows.append(row)
        line = rf"^{ratio} +{row.TA[0]:.3f} +{row.TA_theory[0]:.3f} +{row.LP[0]:.3f} "
        assert re.search(line, ended.out, re.MULTILINE)
    everything = pd.read_csv(folder / "digits/Verify_Theory.csv")
    assert (
        list(everything.ratio) == [0.2, 0.5]
        and everything.TA.tolist() == pd.concat(rows).TA.tolist()
    )


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
    alone.pop("digits/runs.csv")  # there is another run beside
    assert {path: content == called[path] for path, content in alone.items()} == dict.fromkeys(
        alone, True
    )


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
