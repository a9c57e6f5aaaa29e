"""--overwrite and --overwrite_selection of the scripts."""

import os
import pty
import re
import shutil

import pytest
from helpers import (
    QUICK,
    SELECTION,
    end,
    files_in,
    record_of,
    results_in,
    start,
)

import INCV_main
from noisylabels.errors import UserError
from noisylabels.pipeline import plan
from noisylabels.pipeline.load import load_noisy_data


@pytest.fixture
def begins(finished, tmp_path, call, monkeypatch):
    """Return what INCV_main begins with these flags: "selection" or "training"."""
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)

    def begin(what):
        def end(*_, **__):
            raise UserError(what)

        return end

    def begins(*flags):
        monkeypatch.setattr("INCV_main.select", begin("selection"))
        monkeypatch.setattr("noisylabels.training.device.start_tensorflow", begin("training"))
        ended = call("INCV_main", *QUICK["INCV_main"], *flags, "--results_dir", tmp_path)
        return ended.err.removeprefix("INCV_main.py: error: ").strip()

    return begins


def test_overwrite_flags_choose_what_is_repeated(begins, tmp_path):
    """--overwrite repeats the training and keeps the selection."""
    record = tmp_path / "digits/sym/0.5/INCV.json"
    assert begins() == ""  # all is done
    assert begins("--overwrite") == begins("--overwrite", "--INCV_epochs", 5) == "training"
    assert (
        begins("--overwrite_selection")
        == begins("--overwrite_selection", "--INCV_epochs", 6)
        == "selection"
    )
    assert re.search(
        r"INCV.json .* epochs \(found 5, given 6\); .* --overwrite_selection",
        begins("--overwrite", "--INCV_epochs", 6),
    )
    (tmp_path / "digits/sym/0.5/incv_result.csv").unlink()
    assert begins() == "training"
    record.write_text(
        record.read_text().replace('"finished": true', '"finished": false')
    )  # killed at the very end
    assert begins() == "selection"
    record.unlink()  # how it was made is unknown, but its rows are the same
    assert begins() == begins("--overwrite") == "training"
    (tmp_path / SELECTION).unlink()
    assert begins() == "selection"


@pytest.mark.parametrize(
    "flags, again",
    [
        ([], False),
        (["--overwrite_selection"], True),
        (["--overwrite_selection", "--selection", "a.csv"], False),
        (["--overwrite_selection", "--method", "standard"], False),
        (["--overwrite"], True),
    ],
)
def test_overwritten_selection_repeats_its_training(flags, again, tmp_path, monkeypatch):
    """The training would otherwise be refused after hours of selection."""
    monkeypatch.setattr(plan, "find_selection", lambda *_: None)
    args = INCV_main.build_parser().parse_args([*flags, "--results_dir", str(tmp_path)])
    assert (
        plan.plan_training(args, load_noisy_data(args), args.method).experiment.overwrite == again
    )


@pytest.mark.slow
def test_overwrite_on_a_terminal_shows_one_progress_line(finished, tmp_path):
    """The result is the same, and the progress is gone in the end."""
    shutil.copytree(finished("Verify_Theory")[0], tmp_path, dirs_exist_ok=True)
    before = record_of(tmp_path, "Verify_Theory")["sessions"]
    main, terminal = pty.openpty()
    process = start(
        "Verify_Theory",
        *QUICK["Verify_Theory"],
        "--overwrite",
        "--results_dir",
        tmp_path,
        stdout=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 10_000)
        except OSError:  # the other side is closed
            break
    os.close(main)
    ended = end(process, timeout=60)
    assert (ended.code, ended.err) == (0, "")
    moments = re.split(r"[\r\n]+", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown.decode()))
    assert any(
        re.search(r"^. \(2/2\) sym 0.5  epoch \d/8  .*ETA \d:\d\d", moment) for moment in moments
    )
    assert not any("epoch " in moment for moment in moments[-8:])
    assert moments[-2].endswith(f" other files are in {tmp_path / 'digits'}")
    (session,) = record_of(tmp_path, "Verify_Theory")["sessions"]
    assert session != before[0]
    assert results_in(tmp_path) == results_in(finished("Verify_Theory")[0])


@pytest.mark.parametrize(
    "script, flags, during",
    [
        ("INCV_main", ["--overwrite"], "noisylabels.training.trainer.Trainer.fit"),
        ("INCV_main", ["--overwrite_selection"], "noisylabels.selection.processes.incv"),
        pytest.param(
            "INCV",
            ["--overwrite"],
            "noisylabels.selection.processes.incv",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "Verify_Theory",
            ["--overwrite"],
            "noisylabels.training.trainer.Trainer.fit",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_failing_script_keeps_the_finished_result(
    script, flags, during, finished, call, unstarted, undrawn, tmp_path, monkeypatch
):
    shutil.copytree(finished(script)[0], tmp_path, dirs_exist_ok=True)
    before = files_in(tmp_path)

    def fail(*_, **__):
        raise UserError("it fails")

    monkeypatch.setattr(during, fail)
    ended = call(script, *QUICK[script], *flags, "--results_dir", tmp_path)
    assert ended.code == 2 and ended.err.endswith(f"{script}.py: error: it fails\n")
    assert {
        path: content for path, content in files_in(tmp_path).items() if "_checkpoints/" not in path
    } == before
    monkeypatch.undo()
    again = call(script, *QUICK[script], "--results_dir", tmp_path)
    assert again.code == 0 and " epoch 1/" not in again.out


def test_damaged_teacher_keeps_the_finished_student(finished, call, unstarted, undrawn, tmp_path):
    """Damage half of the file, and one bit."""
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)
    flags = [*QUICK["INCV_main"], "--method", "incv_student", "--results_dir", tmp_path]
    assert call("INCV_main", *flags).code == 0
    network = tmp_path / "digits/sym/0.5/incv_1.keras"
    whole = network.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 64
    for damaged in (whole[: len(whole) // 2], flipped):
        network.write_bytes(damaged)
        before = files_in(tmp_path)
        ended = call("INCV_main", *flags, "--overwrite")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "incv_1.keras is not the file that incv saved" in ended.err
        assert {
            path: content
            for path, content in files_in(tmp_path).items()
            if "_checkpoints/" not in path
        } == before
