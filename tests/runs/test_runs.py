"""Runs: one process each; interrupted runs resume; other arguments are refused."""

import sys

import numpy as np
import pytest
from helpers import ARRAYS, CPU, files_in
from small_runs import ARGUMENTS, checkpoint, finish, interrupt, record, start

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import save_arrays
from noisylabels.runs.run import Run


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_creating_a_run_writes_nothing(tmp_path):
    assert (
        not start(tmp_path / "new").finished
        and files_in(tmp_path) == {}
        and not (tmp_path / "new").exists()
    )


def test_leftovers_of_a_run_killed_at_its_end_are_removed(tmp_path):
    finish(tmp_path)
    checkpoint(tmp_path).parent.mkdir(exist_ok=True)
    checkpoint(tmp_path).touch()
    assert start(tmp_path).finished and not checkpoint(tmp_path).exists()


def test_finished_run_has_record_and_outputs(tmp_path):
    tmp_path = tmp_path / "digits/sym"
    finish(tmp_path)
    assert start(tmp_path).finished
    assert not (tmp_path / "INCV_checkpoints").exists()
    found = record(tmp_path)
    assert (
        found["arguments"] == ARGUMENTS
        and found["finished"] is True
        and found["results"] == {"LP": 0.9, "LR": None}
    )
    (session,) = found["sessions"]
    assert (
        session["seconds"] >= 0
        and session["hardware"]["cores"] >= 1
        and session["hardware"]["processor"]
    )
    assert (session["hardware"]["device"], session["hardware"]["threads"]) == ("CPU", 1)
    assert (
        session["versions"]["numpy"] == np.__version__
        and "git" in session
        and session["command"] == sys.argv
    )


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_run_without_one_of_its_outputs_is_not_finished(name, tmp_path):
    finish(tmp_path)
    (tmp_path / name).unlink()
    assert not start(tmp_path).finished


def test_interrupted_run_resumes(tmp_path):
    interrupt(tmp_path)
    assert not start(tmp_path).finished and not record(tmp_path)["finished"]
    interrupt(tmp_path)
    assert checkpoint(tmp_path).exists()
    finish(tmp_path)
    assert [session["seconds"] is None for session in record(tmp_path)["sessions"]] == [
        True,
        True,
        False,
    ]


def test_differing_arguments_are_named(tmp_path):
    interrupt(tmp_path)
    before = files_in(tmp_path)
    with pytest.raises(UserError) as error:
        start(tmp_path, {"dataset": "digits", "epochs": 3, "top_k": 1})
    text = one_line(error)
    assert (
        "epochs (found 2, given 3), learning_rate (found 0.1, given 0.001), top_k (found None, "
        "given 1)" in text
    )
    assert str(tmp_path / "INCV.json") in text and "--overwrite" in text and "dataset" not in text
    assert files_in(tmp_path) == before


def test_setting_missing_in_an_old_record_is_its_default(tmp_path):
    finish(tmp_path)
    assert start(tmp_path, {**ARGUMENTS, "evaluate_every": 1, "mirror": False}).finished
    with pytest.raises(UserError, match=r"arguments: evaluate_every \(found 1, given 5\);"):
        start(tmp_path, {**ARGUMENTS, "evaluate_every": 5})


def test_arguments_are_compared_again_under_the_lock(tmp_path):
    """Another process may have begun in the meantime."""
    run = start(tmp_path, {**ARGUMENTS, "epochs": 3})
    interrupt(tmp_path)
    with pytest.raises(UserError, match="epochs"), run.session(lambda: CPU):
        raise AssertionError


def test_overwrite_replaces_a_finished_run(tmp_path):
    finish(tmp_path)
    run = start(tmp_path, overwrite=True)
    assert not run.finished
    with run.session(lambda: CPU):
        run.begin_outputs()
        assert not (tmp_path / "a.csv").exists() and len(record(tmp_path)["sessions"]) == 1


def test_overwrite_replaces_a_run_with_other_arguments(tmp_path):
    interrupt(tmp_path)
    (tmp_path / "a.csv").write_text("of the other")
    with start(tmp_path, {**ARGUMENTS, "epochs": 3}, overwrite=True).session(lambda: CPU):
        assert not checkpoint(tmp_path).exists() and not (tmp_path / "a.csv").exists()
        assert record(tmp_path)["arguments"]["epochs"] == 3


def test_overwrite_resumes_its_own_interrupted_run(tmp_path):
    finish(tmp_path)
    interrupt(tmp_path, overwrite=True)
    with start(tmp_path, overwrite=True).session(lambda: CPU):
        assert checkpoint(tmp_path).exists()


def test_error_at_the_start_removes_nothing(tmp_path):

    def fails():
        raise UserError("no GPU 7")

    finish(tmp_path)
    before = files_in(tmp_path)
    with pytest.raises(UserError, match="no GPU 7"), start(tmp_path, overwrite=True).session(fails):
        raise AssertionError
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("other", ["standard_training", "INCV_training", "INC", "INCV2"])
def test_other_runs_in_the_folder_are_not_changed(other, tmp_path):
    interrupt(tmp_path)
    (tmp_path / ".a.1.part.csv").write_text("half")  # it may be at work
    (checkpoint(tmp_path).with_name(".1a.1.part.npz")).write_text("half")
    before = files_in(tmp_path)
    for _ in range(2):
        run = Run(
            tmp_path,
            other,
            ARGUMENTS,
            overwrite=True,
            outputs=[f"{other}.csv"],
            other_patterns=[f"{other}_?.keras"],
        )
        with run.session(lambda: CPU):
            save_arrays(run.checkpoint("main"), ARRAYS)
            (tmp_path / f"{other}.csv").write_text("a")
            run.finish()
    found = files_in(tmp_path)
    assert {path: found.get(path) for path in before} == before
    assert found.keys() - before.keys() == {f"{other}.json", f"{other}.csv", f".{other}.lock"}


def test_temporary_files_of_a_killed_process_are_removed(tmp_path):
    interrupt(tmp_path)
    leftovers = [
        tmp_path / ".a.1.part.csv",
        tmp_path / ".incv_1.1.part.keras",
        tmp_path / ".INCV.1.part.json",
        checkpoint(tmp_path).with_name(".1a.1.part.npz"),
    ]
    for path in leftovers:
        path.write_text("half")
    finish(tmp_path, other_patterns=["incv_?.keras"])
    assert files_in(tmp_path).keys() == {"a.csv", "b.csv", "INCV.json", ".INCV.lock"}
