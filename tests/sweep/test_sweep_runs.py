"""Twelve runs on three Dask workers with accidents give the files of a serial sweep."""

import os
import re
import signal
import time

import pytest
from dask_cluster import Scheduler
from helpers import assert_all_have_ended, end, processes, results_in, shell, start

SWEEP = [
    "--settings",
    "sym:0.5",
    "--methods",
    "standard",
    "incv",
    "--seeds",
    "0",
    "1",
    "2",
    "3",
    "--architecture",
    "MLP",
    "--batch_size",
    "128",
    "--threads",
    "1",
    "--INCV_epochs",
    "5",
    "--INCV_iter",
    "1",
    "--epochs",
    "12",
]


def begun(folder, script):
    """Return the process ids of a script that have saved an epoch."""
    return [
        pid
        for pid in processes(folder)
        if script.encode() in open(f"/proc/{pid}/cmdline", "rb").read()
    ]


@pytest.mark.slow
def test_twelve_runs_equal_a_serial_sweep(tmp_path):
    """Four selections and eight trainings; kill one worker and one run's process."""
    apart, together = tmp_path / "apart", tmp_path / "together"
    with Scheduler(tmp_path) as dask:
        workers = [dask.add(f"127.0.0.{k}") for k in (1, 2, 3)]
        sweep = start("sweep", *SWEEP, "--results_dir", together, "--scheduler", dask.address)
        deadline = time.monotonic() + 600
        while len(list(together.rglob("INCV_checkpoints/*.npz"))) < 2:
            assert time.monotonic() < deadline and sweep.poll() is None
            time.sleep(0.05)
        workers[0].kill()
        while not (running := begun(together, "INCV_main.py")):
            time.sleep(0.05)
        os.kill(running[0], signal.SIGKILL)
        ended = end(sweep, timeout=1800)
    assert (ended.code, ended.err) == (0, "")
    assert "12 done, 0 running, 0 waiting, 0 failed" in ended.out and re.search(
        "^again ", ended.out, re.MULTILINE
    )
    assert_all_have_ended(together)
    ended = shell("sweep", *SWEEP, "--results_dir", apart, timeout=1800)
    assert (ended.code, ended.err) == (0, "")
    found, expected = (
        {
            path: content
            for path, content in results_in(folder).items()
            if not path.endswith((".log", ".sweep"))
        }
        for folder in (together, apart)
    )
    assert [path for path in {*found, *expected} if found.get(path) != expected.get(path)] == []
