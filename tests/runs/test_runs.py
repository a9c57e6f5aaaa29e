"""Runs: one process each; interrupted runs resume; records that do not fit are refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import ARRAYS, CPU, files_in

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import save_arrays
from noisylabels.runs.record import read_record
from noisylabels.runs.run import Run

ARGUMENTS = {"dataset": "digits", "epochs": 2, "learning_rate": 0.1}


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


# --------------------------------------------------------------------------------------------- runs


def start(folder, arguments=ARGUMENTS, **keywords):
    return Run(folder, "INCV", arguments, outputs=["a.csv", "b.csv"], **keywords)


def finish(folder, arguments=ARGUMENTS, **keywords):
    """Do a run from beginning to end."""
    run = start(folder, arguments, **keywords)
    with run.session(lambda: CPU):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        for path in run.outputs:
            path.write_text(path.stem)
        run.finish(LP=0.9, LR=float("nan"))


def interrupt(folder, arguments=ARGUMENTS, **keywords):
    """Do a run that ends after its first checkpoint."""
    run = start(folder, arguments, **keywords)
    with pytest.raises(KeyboardInterrupt), run.session(lambda: CPU):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        raise KeyboardInterrupt


def checkpoint(folder):
    return folder / "INCV_checkpoints" / "1a.npz"


def record(folder):
    return json.loads((folder / "INCV.json").read_text())


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


def test_each_session_records_time_and_hardware(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("noisylabels.runs.run.time.time", lambda: now[0])
    interrupt(tmp_path)
    run = start(tmp_path)
    with run.session(lambda: {"device": "a card", "threads": 3}):
        assert run.place == f"on a card, threads a training: 3; to {tmp_path}"
        now[0] += 12.345
        run.finish()
    assert [session["seconds"] for session in record(tmp_path)["sessions"]] == [None, 12.3]


@pytest.mark.parametrize(
    "change",
    [
        {"sessions": [None]},
        {"results": [1]},
        {"arguments": []},
        {"arguments": {"recipe": ["fast"]}},
        {"arguments": {"selection": ["a"]}},
        {"arguments": {"selection": {"recipe": 3}}},
        {"finished": None},
        {"sessions": [{"versions": None}]},
        {"sessions": [{"hardware": "CPU"}]},
        {"sessions": [{"seconds": "12.5"}]},
        {"arguments": {"learning_rate": None}},
        {"arguments": {"selection": {"weight_decay": "0"}}},
        {"arguments": {"samples": "800"}},
        {"arguments": {"dataset": ["digits"]}},
        {"arguments": {"augmentation": 3}},
        {"arguments": {"data": ["a"]}},
        {"arguments": {"seed": "0"}},
        {"arguments": {"selection": {"computed_in": [1]}}},
        {},
    ],
    ids=str,
)
def test_invalid_record_is_none(change, tmp_path):
    finish(tmp_path)
    known = record(tmp_path)
    assert read_record(tmp_path / "INCV.json") == known
    changed = {name: value for name, value in (known | change).items() if value is not None}
    (tmp_path / "INCV.json").write_text(json.dumps(changed))
    assert (read_record(tmp_path / "INCV.json") is None) == bool(change)


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_unknown_session_facts_are_blank(error, tmp_path, monkeypatch):
    """For example without git, or if a package has another name."""

    def run(*_, **__):
        raise error

    monkeypatch.setattr("noisylabels.runs.record.subprocess.run", run)
    monkeypatch.setattr("noisylabels.runs.record.PACKAGES", ("no-such-package", "numpy"))
    interrupt(tmp_path)
    (session,) = record(tmp_path)["sessions"]
    assert session["git"] is None and session["versions"] == {
        "no-such-package": None,
        "numpy": np.__version__,
    }


def test_only_changed_code_marks_the_revision(tmp_path, monkeypatch):
    """Each run changes the tables in results, which are in the repository."""

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=tmp_path, check=True
        )

    def revision(name):
        interrupt(tmp_path / "results" / name)
        return record(tmp_path / "results" / name)["sessions"][0]["git"]

    package = tmp_path / "noisylabels"
    for folder in (package, tmp_path / "results"):
        folder.mkdir()
        (folder / "file").write_text("1\n")
    monkeypatch.setattr("noisylabels.runs.record.__file__", str(package / "record.py"))
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        git(*arguments)
    clean = revision("clean")
    (tmp_path / "results" / "file").write_text("2\n")
    assert len(clean) == 12 and revision("results") == clean
    (package / "file").write_text("2\n")
    assert revision("code") == f"{clean}-dirty"


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
            more=[f"{other}_?.keras"],
        )
        with run.session(lambda: CPU):
            save_arrays(run.checkpoint("main"), ARRAYS)
            (tmp_path / f"{other}.csv").write_text("a")
            run.finish()
    found = files_in(tmp_path)
    assert {path: found.get(path) for path in before} == before
    assert found.keys() - before.keys() == {f"{other}.json", f"{other}.csv", f".{other}.lock"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"arguments": {}, "sessions": []}',
        b'{"arguments": [], "sessions": [], "finished": true}',
        b'{"arguments": {}, "sessions": 1, "finished": true}',
    ],
)
def test_foreign_record_is_set_aside_with_its_checkpoints(content, tmp_path, capsys):
    interrupt(tmp_path)
    (tmp_path / "INCV.json").write_bytes(content)
    run = start(tmp_path)
    assert not run.finished
    with run.session(lambda: CPU):
        assert not checkpoint(tmp_path).exists()
        assert record(tmp_path)["arguments"] == ARGUMENTS
    assert (tmp_path / "INCV.json.unusable").read_bytes() == content
    assert capsys.readouterr().err.count("\n") == 1


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
    finish(tmp_path, more=["incv_?.keras"])
    assert files_in(tmp_path).keys() == {"a.csv", "b.csv", "INCV.json", ".INCV.lock"}
