"""INCV's student: the labels it learns, and the run of incv that it needs."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import QUICK, SELECTION, assert_is_one_line, files_in
from toys import toy

import sweep
from noisylabels.methods.incv_student import teacher_labels
from noisylabels.runs.comparison import file_digest
from utils import load_dataset

FOLDER = "digits/sym/0.5"


@pytest.fixture
def student(call, unstarted, undrawn, tmp_path):
    """Return a call of INCV_main.py for the student in tmp_path with the quick settings."""
    return lambda *flags: call(
        "INCV_main",
        *QUICK["INCV_main"],
        "--method",
        "incv_student",
        *flags,
        "--results_dir",
        tmp_path,
    )


@pytest.fixture
def taught(finished, tmp_path):
    """Copy a finished run of incv to tmp_path; return its files."""
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)
    return files_in(tmp_path)


def test_teacher_labels_replace_unselected_labels():
    select = np.array([True, False, True, False])
    assert teacher_labels(np.array([1, 2, 3, 4]), select, np.array([9, 8, 7, 4])).tolist() == [
        1,
        8,
        3,
        4,
    ]


def test_held_out_labels_are_not_corrected():
    method = toy("incv_student")
    method.exclude([0, 4])
    assert np.flatnonzero(method.corrected_labels() == -1).tolist() == [0, 4]


def test_student_learns_the_selection_and_both_predictions(student, taught, tmp_path):
    import keras

    ended = student()
    assert ended.code == 0, ended.err
    selection, digits = pd.read_csv(tmp_path / SELECTION), load_dataset("digits", "")
    p = [
        keras.models.load_model(tmp_path / FOLDER / f"incv_{k}.keras").predict(
            digits.x_train, verbose=0
        )
        for k in (1, 2)
    ]
    labels = pd.read_csv(tmp_path / FOLDER / "incv_student_labels.csv")
    expected = np.where(selection.select, selection.y_noisy, (p[0] + p[1]).argmax(axis=1))
    assert (labels.label == expected).all() and (labels.y == digits.y_train).all()
    assert (labels.y_noisy == selection.y_noisy).all()
    right, agree, truth = (labels[name] for name in ("y", "y_noisy", "label"))
    scores = {
        "LP": (right == agree)[truth == agree].mean(),
        "LR": (truth == agree)[right == agree].mean(),
        "labels_right": (truth == right).mean(),
    }
    record = json.loads((tmp_path / FOLDER / "incv_student_training.json").read_text())
    assert {name: record["results"][name] for name in scores} == pytest.approx(scores)
    of_incv = json.loads((tmp_path / FOLDER / "incv_training.json").read_text())
    assert record["arguments"]["teacher"].split() == [
        of_incv["files"][f"incv_{k}.keras"] for k in (1, 2)
    ]
    assert (
        record["arguments"]["selection"]["digest"]
        and scores["labels_right"] > (right == agree).mean() + 0.2
    )
    assert f"labels right {scores['labels_right']:.3f}" in ended.out
    log = pd.read_csv(tmp_path / FOLDER / "incv_student_training.csv")
    assert (log.steps == -(-1437 // 128)).all() and log.accuracy_noisy_1.iloc[
        -1
    ] < 0.5 < log.accuracy_clean_1.iloc[-1]
    assert {
        path: content for path, content in files_in(tmp_path).items() if path in taught
    } == taught

    after = files_in(tmp_path)  # a finished one is not trained again
    again = student()
    assert "epoch 1/" not in again.out and files_in(tmp_path) == after


@pytest.mark.slow
def test_missing_incv_run_is_done_first(student, finished, tmp_path):
    shutil.copytree(finished("INCV")[0], tmp_path, dirs_exist_ok=True)
    ended = student("--epochs", 2)
    assert ended.code == 0, ended.err
    first, second = ended.out.split("test accuracy   ")[1:]
    assert "network 2" in first and "network 2" not in second
    records = [
        json.loads((tmp_path / FOLDER / f"{name}_training.json").read_text())["arguments"]
        for name in ("incv", "incv_student")
    ]
    assert [record.pop("method") for record in records] == ["incv", "incv_student"]
    assert len(records[1].pop("teacher").split()) == 2 and records[0] == records[1]
    assert "(1/2) incv  epoch 1/2" in ended.out and "(2/2) incv_student  epoch 2/2" in ended.out


@pytest.mark.parametrize("flags", [["--epochs", 3], ["--epochs", 3, "--overwrite"]])
def test_incv_run_with_other_settings_is_not_changed(
    flags, student, taught, no_tensorflow, tmp_path
):
    assert_is_one_line(
        student(*flags),
        r"incv_training.json records a run with other arguments: epochs \(found 12, "
        r"given 3\); give those, another --name or --results_dir, or --method incv --overwrite$",
    )
    assert files_in(tmp_path) == taught


def test_missing_teacher_network_is_an_error(student, taught, no_tensorflow, tmp_path):
    (tmp_path / FOLDER / "incv_2.keras").unlink()
    assert_is_one_line(student(), "incv_2.keras is missing; run --method incv --overwrite first$")


def test_networks_not_saved_by_incv_are_refused(student, taught, no_tensorflow, tmp_path):
    """Use the other network's file; the student has not begun."""
    folder = tmp_path / FOLDER
    shutil.copy(folder / "incv_2.keras", folder / "incv_1.keras")
    assert_is_one_line(
        student(),
        "incv_1.keras is not the file that incv saved; run --method incv --overwrite first$",
    )
    assert not (folder / "incv_student_training.json").exists()


def test_retrained_teacher_makes_another_run(student, taught, no_tensorflow, tmp_path):
    folder, digests = tmp_path / FOLDER, {}
    for k in (1, 2):
        path = folder / f"incv_{k}.keras"
        path.write_bytes(path.read_bytes() + b" ")
        digests[path.name] = file_digest(path)
    path = folder / "incv_training.json"
    of_incv = json.loads(path.read_text())
    old = " ".join(of_incv["files"][name] for name in digests)
    path.write_text(json.dumps(of_incv | {"files": of_incv["files"] | digests}))
    arguments = of_incv["arguments"] | {"method": "incv_student", "teacher": old}
    (folder / "incv_student_training.json").write_text(
        json.dumps({"arguments": arguments, "sessions": [], "finished": True})
    )
    assert_is_one_line(
        student(), "incv_student_training.json: the networks of incv have changed since this run; "
    )


def test_sweep_order_is_selection_incv_student(tmp_path):
    arguments = ["--settings", "sym:0.5", "--seeds", "0", "--methods", "incv_student", "incv"]
    options = sweep.build_parser().parse_args([*arguments, "--results_dir", str(tmp_path)])
    selection, incv, student = sweep.plan(options, load_dataset("digits", ""))
    assert [task.script for task in (selection, incv, student)] == [
        "INCV",
        "INCV_main",
        "INCV_main",
    ]
    assert incv.needs is selection and student.needs is incv
    options.methods = ["incv_student"]
    selection, alone = sweep.plan(options, load_dataset("digits", ""))
    assert alone.needs is selection


def test_sweep_without_flags_is_the_paper_s_table():
    assert sweep.build_parser().parse_args([]).methods == [
        "standard",
        "f_correction",
        "decoupling",
        "co_teaching",
        "mentornet",
        "d2l",
        "incv",
    ]
