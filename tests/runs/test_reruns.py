"""The scripts on finished, damaged, held or differing runs, and on real images."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from helpers import (
    QUICK,
    ROOT,
    SCRIPTS,
    SMALL,
    files_in,
    held,
    shell,
)

from noisylabels.noise import Noise
from noisylabels.runs.folders import run_folder

REAL = ROOT.parent / "shared" / "cifar10" / "unpack.py"


# ------------------------------------------------------------------------ what has been done before


@pytest.mark.parametrize("script", SCRIPTS)
def test_finished_run_is_not_repeated(script, finished, call, no_tensorflow):
    """Print the same summary without TensorFlow, and change no file."""
    folder, first = finished(script)
    before = files_in(folder)
    ended = call(script, *QUICK[script], "--results_dir", folder)
    assert (ended.code, ended.err) == (0, "")
    assert files_in(folder) == before
    assert " epoch 1/" in first.out and " epoch 1/" not in ended.out
    assert ended.out.strip() and ended.out.strip() in first.out


@pytest.mark.parametrize(
    "script, arguments, differ",
    [
        ("INCV", ["--INCV_epochs", 6], r"INCV.json .*: epochs \(found 5, given 6\);"),
        ("INCV", ["--INCV_iter", 3], r"INCV.json .*: INCV_iter \(found 2, given 3\);"),
        (
            "INCV",
            ["--top_k", 2, "--learning_rate", 0.01],
            r"INCV.json .*: learning_rate \(found 0.003, given 0.01\), top_k \(found 1, given 2\);",
        ),
        (
            "INCV",
            ["--assumed_pattern", "asym"],
            r"INCV.json .*: assumed_pattern \(found sym, given asym\);",
        ),
        ("INCV_main", ["--epochs", 9], r"incv_training.json .*: epochs \(found 12, given 9\);"),
        (
            "INCV_main",
            ["--validation_split", 0.1],
            r"incv_training.json .*: validation_split \(found 0.0, given 0.1\);",
        ),
        (
            "INCV_main",
            ["--architecture", "SmallCNN"],
            r"INCV.json .*: architecture \(found MLP, given SmallCNN\);",
        ),
        ("INCV_main", ["--INCV_epochs", 6], r"INCV.json .*: epochs \(found 5, given 6\);"),
        ("INCV_main", ["--INCV_iter", 4], r"INCV.json .*: INCV_iter \(found 2, given 4\);"),
        (
            "INCV_main",
            ["--assumed_pattern", "asym"],
            r"INCV.json .*: assumed_pattern \(found sym, given asym\);",
        ),
        (
            "Verify_Theory",
            ["--epochs", 9],
            r"0.2/Verify_Theory.json .*: epochs \(found 8, given 9\);",
        ),
        (
            "Verify_Theory",
            ["--noise_ratio", 0.7, 0.5, "--optimizer", "muon"],
            r"0.5/Verify_Theory.json .*: learning_rate \(found 0.001, given 0.24\), optimizer "
            r"\(found adam, given muon",
        ),
    ],
)
def test_differing_arguments_are_named(script, arguments, differ, finished, call, no_tensorflow):
    folder = finished(script)[0]
    before = files_in(folder)
    ended = call(script, *QUICK[script], *arguments, "--results_dir", folder)
    assert (
        (ended.code, ended.out) == (2, "")
        and ended.err.count("\n") == 1
        and re.search(differ, ended.err)
    )
    assert "--overwrite" in ended.err and files_in(folder) == before


@pytest.mark.parametrize(
    "script, name",
    [
        ("INCV", "INCV_iterations.csv"),
        ("INCV_main", "incv_result.csv"),
        ("Verify_Theory", "Verify_Theory.csv"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"iteration,LP,LR,e", b"ratio\n0.2\n"])
def test_damaged_result_is_one_error_and_can_be_repeated(
    script, name, content, finished, call, no_tensorflow, undrawn, tmp_path
):
    shutil.copytree(finished(script)[0], tmp_path, dirs_exist_ok=True)
    (damaged,) = (
        tmp_path.rglob(name) if script != "Verify_Theory" else [tmp_path / "digits/sym/0.2" / name]
    )
    damaged.write_bytes(content)
    ended = call(script, *QUICK[script], "--results_dir", tmp_path)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert re.search(
        f"error: .*{name} is damaged, .*: .* move it away to repeat the whole run",
        ended.err,
    )
    damaged.unlink()
    with pytest.raises((ImportError, AttributeError)):  # by what no_tensorflow has taken away
        call(script, *QUICK[script], "--results_dir", tmp_path)


def test_selection_flags_need_not_be_repeated(finished, call, no_tensorflow):
    ended = call("INCV_main", *SMALL, "--epochs", 12, "--results_dir", finished("INCV_main")[0])
    assert (ended.code, ended.err) == (0, "")


def test_wait_flag_waits_for_another_process(finished, call, unstarted, undrawn, tmp_path):
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "digits/sym/0.5/incv_training.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"finished": False}))
    with held(path.parent, "incv_training", record["arguments"]) as holder:
        arguments = [*QUICK["INCV_main"], "--results_dir", tmp_path]
        assert "is in use by" in call("INCV_main", *arguments).err
        threading.Timer(1, lambda: print("finish", file=holder.stdin, flush=True)).start()
        ended = call("INCV_main", *arguments, "--wait")
    assert ended.code == 0 and "waiting for process" in ended.out and " epoch 1/" not in ended.out


# ---------------------------------------------------------------------------- more than one process


@pytest.mark.parametrize(
    "script, name, flags",
    [
        ("INCV_main", "standard_training", ["--method", "standard"]),
        ("Verify_Theory", "Verify_Theory", []),
    ],
)
def test_second_process_names_the_holder(script, name, flags, tmp_path, call, unstarted):
    folder = run_folder(tmp_path, "digits", Noise("sym", 0.5), 0)
    with held(folder, name) as holder:
        (folder / f"{name}.json").unlink()  # of other arguments, which would be noticed first
        ended = call(script, *flags, "--results_dir", tmp_path)
        assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1
        assert f"{folder}/{name}.json is in use by process {holder.pid} on " in ended.err


@pytest.mark.runs
@pytest.mark.parametrize(
    "output, reason",
    [
        ("full disk", "No space left on device"),
        pytest.param("closed pipe", "Broken pipe", marks=pytest.mark.slow),
    ],
)
def test_unwritable_standard_output_is_one_error(output, reason, tmp_path):
    """Use a full disk and a closed pipe."""
    if output == "full disk" and not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full here")
    reader, writer = os.pipe()
    os.close(reader)
    with open("/dev/full" if output == "full disk" else writer, "w") as stdout:
        ended = shell("sweep", "--dry_run", "--results_dir", tmp_path, stdout=stdout)
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert f"standard output: {reason}; fix that" in ended.err


# -------------------------------------------------------------------------------------- real images


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="no CIFAR-10 in ../shared/cifar10")
def test_real_cifar10(tmp_path):
    """Run one epoch of everything with a small network."""
    subprocess.run([sys.executable, REAL, tmp_path / "data"], check=True)
    common = [
        "--dataset",
        "cifar10",
        "--data_dir",
        tmp_path / "data",
        "--results_dir",
        tmp_path / "results",
        "--architecture",
        "SmallCNN",
    ]
    for script, more in (
        ("INCV", ["--INCV_epochs", 1, "--INCV_iter", 1]),
        ("INCV_main", ["--epochs", 1]),
        ("Verify_Theory", ["--epochs", 1]),
    ):
        ended = shell(script, *common, *more, timeout=3600)
        assert (ended.code, ended.err) == (0, "")
    frame = pd.read_csv(tmp_path / "results/cifar10/sym/0.5/cifar10_sym0.5_INCV_results.csv")
    assert len(frame) == 50_000 and frame.select.any()
