"""A killed run resumes with the same command and ends with the same result.

    python -m pytest -m slow tests/runs/test_resume.py  # 26 kills each: an hour

Kills happen at random times after the first epoch, during a write, an import or the building of a
network.
"""

import contextlib
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import (
    QUICK,
    SMALL,
    assert_all_have_ended,
    end,
    files_in,
    processes,
    results_in,
    shell,
    start,
)

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import load_arrays

pytestmark = pytest.mark.runs
LONGER = {
    "INCV": ("INCV", [*SMALL, "--INCV_epochs", 50, "--INCV_iter", 2]),
    "incv": ("INCV_main", [*SMALL, "--INCV_epochs", 6, "--INCV_iter", 2, "--epochs", 40]),
    "f_correction": ("INCV_main", [*SMALL, "--method", "f_correction", "--epochs", 35]),
    "d2l": ("INCV_main", [*SMALL, "--method", "d2l", "--epochs", 70]),
    "Verify_Theory": ("Verify_Theory", [*SMALL, "--epochs", 35, "--noise_ratio", 0.2, 0.5]),
}


# ------------------------------------------------------------------------------------------ moments


# Each is a function of the process and its results folder that returns at the moment, or when the
# process has ended.
def after_progress(seconds):
    """Return a wait of so many seconds after the first epoch."""

    def wait(process, folder):
        while (line := process.stdout.readline()) and " epoch " not in line:
            pass
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)

    return wait


def when(condition):
    """Return a wait until the condition, of the process and the folder, is true."""

    def wait(process, folder):
        while process.poll() is None:
            with contextlib.suppress(OSError):  # of a file or process that has just gone
                if condition(process, folder):
                    return
            time.sleep(0.0005)

    return wait


def is_importing(process, folder):
    return any(
        "libtensorflow" in Path(f"/proc/{pid}/maps").read_text() for pid in processes(folder)
    )


def is_building(process, folder):
    """Return whether it has the run's lock: networks are built before the first epoch."""
    return any(f"process {process.pid} " in path.read_text() for path in folder.rglob(".*.lock"))


def is_writing(name):
    def condition(process, folder):
        parts = [path.name for path in folder.rglob(f".{name}") if ".part" in path.name]
        return parts and any(f".{pid}." in part for pid in processes(folder) for part in parts)

    return condition


# ------------------------------------------------------------------------------------ interruptions


def interrupted(script, arguments, folder, moment, by=signal.SIGKILL):
    """Start a script, interrupt it at the moment, and return how it ended."""
    process = start(script, *arguments, "--results_dir", folder)
    moment(process, folder)
    process.send_signal(by)
    ended = end(process, timeout=30)
    assert_all_have_ended(folder)
    return ended


def assert_is_interrupted(ended, by):
    line = (
        r"\w+.py: interrupted; finished epochs are saved, the same command continues from there\n"
    )
    assert ended.code == 128 + by and re.fullmatch(line, ended.err)


def assert_is_whole(folder):
    """Assert that every file under its final name is whole."""
    for path in folder.rglob("*.csv"):
        may_be_empty = path.name.startswith(".") or path.name == "duplicates.csv"
        assert may_be_empty or len(pd.read_csv(path))
    for path in folder.rglob("*.npz"):
        assert path.name.startswith(".") or load_arrays(path)
    assert not list(folder.rglob("*.unusable"))


def assert_same(found, expected):
    found, expected = results_in(found), results_in(expected)
    assert found.keys() == expected.keys()
    assert [path for path in found if found[path] != expected[path]] == []


def let_an_hour_pass(folder):
    """Make the temporary files of killed processes an hour old."""
    for path in folder.rglob(".*.part.*"):
        os.utime(path, 2 * (time.time() - 3700,))


def length(folder):
    """Return the recorded seconds of training, without first epochs, which include tracing."""
    logs = [*folder.rglob("*history.csv"), *folder.rglob("*training.csv")]
    return sum(pd.read_csv(path).seconds[1:].sum() for path in logs)


def limit_files(hard=100_000):
    """Let this process write no file longer than 100 kB, as on a disk that is almost full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory, monkeypatch):
    """Assert that no process leaves files in the temporary folder.

    Python itself leaves at most 4 bytes if killed while it checks that the folder is writable.
    """
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    assert [
        name for name, content in files_in(folder).items() if content not in (b"", b"blat")
    ] == []


# ---------------------------------------------------------------------------------- the whole of it


@pytest.mark.slow
def test_interrupted_and_damaged_incv_ends_in_the_same_result(tmp_path, tmp_path_factory):
    """Use a full disk, SIGTERM, Ctrl-C, SIGKILL and a damaged checkpoint."""
    script, expected = "INCV", tmp_path_factory.mktemp("expected")
    arguments = [*SMALL, "--INCV_epochs", 20, "--INCV_iter", 2, "--parallel_halves", "off"]
    shell(script, *arguments, "--results_dir", expected)
    checkpoints = tmp_path / "digits/sym/0.5/INCV_checkpoints"

    ended = shell(script, *arguments, "--results_dir", tmp_path, preexec_fn=limit_files)
    assert ended.code == 2 and ended.err.count("\n") == 1 and files_in(checkpoints) == {}
    assert re.search(
        f"{checkpoints}/1[ab].npz: File too large; fix that or write elsewhere", ended.err
    )

    for by, moment in (
        (signal.SIGTERM, when(is_importing)),
        (signal.SIGINT, when(is_building)),
        (signal.SIGTERM, after_progress(0.1)),
    ):
        assert_is_interrupted(interrupted(script, arguments, tmp_path, moment, by), by)
        assert_is_whole(tmp_path)
    assert list(checkpoints.glob("[12][ab].npz"))

    assert (
        interrupted(script, arguments, tmp_path, when(is_writing("*.npz"))).code == -signal.SIGKILL
    )
    assert_is_whole(tmp_path)

    damaged = next(checkpoints.glob("[12][ab].npz"))
    aside = Path(f"{damaged}.unusable")
    os.truncate(damaged, damaged.stat().st_size // 2)
    ended = shell(script, *arguments, "--results_dir", tmp_path)
    assert ended.code == 0 and re.fullmatch(
        f"{damaged}: it is damaged .*; renamed to {aside.name}.*\n", ended.err
    )
    aside.unlink()
    assert_same(tmp_path, expected)


def test_a_full_disk_and_a_damaged_checkpoint_change_no_result(
    call, unstarted, undrawn, tmp_path, monkeypatch
):
    quick = [*SMALL, "--INCV_epochs", 2, "--INCV_iter", 1, "--results_dir"]
    flags = [*quick, tmp_path / "damaged"]
    checkpoints = tmp_path / "damaged/digits/sym/0.5/INCV_checkpoints"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit_files(limits[1])
    try:
        ended = call("INCV", *flags)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.code == 2 and ended.err.count("\n") == 1 and files_in(checkpoints) == {}
    assert f"{checkpoints}/1a.npz: File too large; fix that or write elsewhere" in ended.err

    def fail(*_):
        raise UserError("it fails")

    with monkeypatch.context() as patch:
        patch.setattr("noisylabels.selection.processes.write_selection", fail)
        assert "it fails" in call("INCV", *flags).err
    damaged = checkpoints / "1b.npz"
    os.truncate(damaged, damaged.stat().st_size // 2)
    ended = call("INCV", *flags)
    assert ended.code == 0
    assert re.fullmatch(f"{damaged}: it is damaged .*; renamed to 1b.npz.unusable.*\n", ended.err)
    Path(f"{damaged}.unusable").unlink()
    assert call("INCV", *quick, tmp_path / "whole").code == 0
    assert_same(tmp_path / "damaged", tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_training_resumes_to_the_same_result(finished, tmp_path):
    script, expected = "INCV_main", finished("INCV_main")[0]
    shutil.copytree(finished("INCV")[0], tmp_path, dirs_exist_ok=True)
    ended = interrupted(script, QUICK[script], tmp_path, after_progress(0.05))
    assert ended.code == -signal.SIGKILL
    assert_is_whole(tmp_path)
    ended = shell(script, *QUICK[script], "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert_same(tmp_path, expected)


@pytest.mark.slow
@pytest.mark.parametrize("script", ["INCV_main", "Verify_Theory"])
def test_repeated_kills_do_not_change_the_result(script, finished, tmp_path):
    expected = finished(script)[0]
    for seconds in np.random.default_rng(1).uniform(0, length(expected) / 2, 3):
        ended = interrupted(script, QUICK[script], tmp_path, after_progress(seconds))
        assert ended.code in (-signal.SIGKILL, 0)
        assert_is_whole(tmp_path)
    ended = shell(script, *QUICK[script], "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert_same(tmp_path, expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_many_kills_do_not_change_the_result(name, tmp_path):
    """Kill 20 times over the whole run and 6 times during a write."""
    script, arguments = LONGER[name]
    expected, folder = tmp_path / "expected", tmp_path / "killed"
    ended = shell(script, *arguments, "--results_dir", expected)
    assert (ended.code, ended.err) == (0, "")
    rng = np.random.default_rng(2)
    moments = [
        after_progress(seconds)
        for seconds in np.diff(np.sort(rng.uniform(0, length(expected) * 0.6, 21)))
    ]
    moments += [
        when(is_writing(name)) for name in ("*.npz", "*.npz", "*.csv", "*.csv", "*.png", "*.json")
    ]
    kills = 0
    for k in rng.permutation(len(moments)):
        let_an_hour_pass(folder)
        ended = interrupted(script, arguments, folder, moments[k])
        assert ended.err == "" and ended.code in (-signal.SIGKILL, 0)
        assert_is_whole(folder)
        kills += ended.code != 0
        if ended.code == 0:
            assert_same(folder, expected)
            shutil.rmtree(folder)
    let_an_hour_pass(folder)
    ended = shell(script, *arguments, "--results_dir", folder)
    assert (ended.code, ended.err) == (0, "")
    assert_same(folder, expected)
    assert kills >= 20
