"""Records of runs: sessions, the code's revision, and damaged records."""

import json
import subprocess

import numpy as np
import pytest
from helpers import CPU
from small_runs import ARGUMENTS, checkpoint, finish, interrupt, record, start

from noisylabels.runs.record import read_record

pytestmark = pytest.mark.runs


def test_each_session_records_time_and_hardware(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("noisylabels.runs.run.time.time", lambda: now[0])
    interrupt(tmp_path)
    run = start(tmp_path)
    with run.session(lambda: {"device": "a card", "threads": 3}):
        assert run.location == f"on a card, threads per training: 3; to {tmp_path}"
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
    """Git may be missing, and a package may have another name."""

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
    """Each run changes tables in results, which are part of the repository."""

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
