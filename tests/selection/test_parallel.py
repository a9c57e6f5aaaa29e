"""The selection's two halves in child processes, and scripts that run at the same time."""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from helpers import (
    QUICK,
    ROOT,
    SELECTION,
    SMALL,
    assert_all_have_ended,
    end,
    held,
    processes,
    record_of,
    results_in,
    shell,
    start,
)

pytestmark = pytest.mark.runs
FLAGS = QUICK["INCV"]

LOADED = """
import sys
import colorsys as loaded
from noisylabels.training import device, tf
print([name for name in ("matplotlib", "sklearn") if name in sys.modules])
with device.hidden_modules("colorsys", "this"):
    assert sys.modules["colorsys"] is loaded
    try:
        import this
    except ImportError:
        print("absent")
import matplotlib.pyplot, sklearn.base
assert sys.modules["colorsys"] is loaded and "this" not in sys.modules
device.start_tensorflow("-1", threads=3)
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
"""

DIED = r"\S+: error: a process of the selection has died, .* repeat the command to resume; .*\n"

FIRST = """
import sys, time, INCV
from noisylabels.errors import UserError
from noisylabels.selection import processes
def import_module(name):
    {}
processes.import_module = import_module
INCV.main(sys.argv[1:])
"""


def begun(process):
    """Return the lines that a process prints until its first finished epoch."""
    lines = []
    while " epoch " not in "".join(lines[-1:]):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("how, threads, children", [("off", 1, 1), ("on", 1, 2), ("off", 2, 1)])
def test_parallel_halves_change_no_file(how, threads, children, finished, tmp_path):
    """The same number of threads gives equal bytes, and is recorded."""
    process = start(
        "INCV", *FLAGS, "--parallel_halves", how, "--threads", threads, "--results_dir", tmp_path
    )
    begun(process)
    assert len(processes(tmp_path)) == 1 + children
    ended = end(process, timeout=300)
    assert (ended.code, ended.err) == (0, "")
    (session,) = record_of(tmp_path, "INCV")["sessions"]
    assert session["hardware"]["threads"] == threads
    if threads == 1:
        assert (tmp_path / SELECTION).read_bytes() == (finished("INCV")[0] / SELECTION).read_bytes()
        found, expected = results_in(tmp_path), results_in(finished("INCV")[0])
        assert [path for path in {*found, *expected} if found.get(path) != expected.get(path)] == []


def waiting(folder):
    """Start a selection whose children wait instead of importing TensorFlow; return both."""
    process = subprocess.Popen(
        selection_with("time.sleep(60)", folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(children := [pid for pid in processes(folder) if pid != process.pid]) < 2:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    for pid in children:
        wait_until_it_ignores_ctrl_c(pid)
    return process, children


def wait_until_it_ignores_ctrl_c(pid):
    """Wait until a child has set up its signals; its end with its parent follows at once."""
    deadline = time.monotonic() + 60
    while True:
        status = Path(f"/proc/{pid}/status").read_text()
        if int(re.search(r"SigIgn:\s+(\w+)", status)[1], 16) >> (signal.SIGINT - 1) & 1:
            time.sleep(0.1)
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "by, code",
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_no_process_is_left_when_the_parent_ends(by, code, tmp_path):
    """Stop the children first, so that they cannot answer."""
    process, children = waiting(tmp_path)
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(by)
    try:
        assert end(process, timeout=30).code == code
        assert_all_have_ended(tmp_path)
    finally:
        for pid in processes(tmp_path):
            os.kill(pid, signal.SIGKILL)


def test_dying_child_ends_all_with_one_error(tmp_path):
    process, children = waiting(tmp_path)
    os.kill(max(children), signal.SIGKILL)
    ended = end(process, timeout=60)
    assert ended.code == 137 and re.fullmatch(DIED, ended.err)
    assert_all_have_ended(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_run_resumes_after_a_child_died(by, finished, tmp_path):
    process = start("INCV", *FLAGS, "--results_dir", tmp_path)
    begun(process)
    children = [pid for pid in processes(tmp_path) if pid != process.pid]
    os.kill(max(children), by)
    ended = end(process, timeout=60)
    assert ended.code == 128 + by and re.fullmatch(DIED, ended.err)
    assert_all_have_ended(tmp_path)
    assert list(tmp_path.rglob("INCV_checkpoints/1[ab].npz"))
    ended = shell("INCV", *FLAGS, "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    found, expected = results_in(tmp_path), results_in(finished("INCV")[0])
    assert [path for path in {*found, *expected} if found.get(path) != expected.get(path)] == []


@pytest.mark.parametrize("script", ["INCV", "INCV_main"])
def test_selection_in_another_process_is_waited_for(
    script, finished, call, unstarted, undrawn, tmp_path
):
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "digits/sym/0.5/INCV.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"finished": False}))
    with held(path.parent, "INCV", record["arguments"]) as holder:
        threading.Timer(0.5, lambda: print("finish", file=holder.stdin, flush=True)).start()
        ended = call(script, *QUICK[script], "--results_dir", tmp_path)
    line = f"waiting for process {holder.pid} on {platform.node()}, which is at {path}\n"
    assert ended.code == 0 and line in ended.out
    assert "INCV 1a" not in ended.out


@pytest.mark.slow
def test_selection_that_several_need_is_made_once(finished, tmp_path):
    """Stop the first until the others wait."""
    first = start("INCV", *FLAGS, "--results_dir", tmp_path)
    begun(first)
    first.send_signal(signal.SIGSTOP)
    others = [
        start(script, *QUICK[script], "--results_dir", tmp_path) for script in ("INCV", "INCV_main")
    ]
    path = tmp_path / "digits/sym/0.5/INCV.json"
    for other in others:
        assert (
            other.stdout.readline()
            == f"waiting for process {first.pid} on {platform.node()}, which is at {path}\n"
        )
    first.send_signal(signal.SIGCONT)
    ends = [end(process, timeout=300) for process in (first, *others)]
    assert [(ended.code, ended.err) for ended in ends] == [(0, "")] * 3
    for ended in ends[1:]:
        assert "INCV 1a" not in ended.out and "label precision" in ended.out
    assert len(record_of(tmp_path, "INCV")["sessions"]) == 1
    found, expected = results_in(tmp_path), results_in(finished("INCV_main")[0])
    assert [path for path in {*found, *expected} if found.get(path) != expected.get(path)] == []


@pytest.mark.slow
def test_two_methods_of_one_setting_at_the_same_time(finished, tmp_path):
    """Standard trains while INCV_main waits for a selection."""
    incv = start("INCV_main", *QUICK["INCV_main"], "--results_dir", tmp_path)
    begun(incv)
    flags = [*SMALL, "--epochs", 12, "--method", "standard", "--results_dir", tmp_path]
    late = start("INCV_main", *flags)
    ends = [end(process, timeout=300) for process in (incv, late)]
    assert [(ended.code, ended.err) for ended in ends] == [(0, "")] * 2
    report = shell("report", "--results_dir", tmp_path)
    assert (report.code, report.err) == (0, "")
    found, expected = results_in(tmp_path), results_in(finished("INCV_main")[0])
    of_both = {"digits/table.csv", "digits/table.md", "digits/TestAcc.png", "digits/runs.csv"}
    assert {path for path in expected if found[path] != expected[path]} == of_both
    assert set(pd.read_csv(tmp_path / "digits/table.csv").method) == {"standard", "incv"}
    assert list(pd.read_csv(tmp_path / "digits/runs.csv").run) == [
        "INCV",
        "incv_training",
        "standard_training",
    ]


def test_error_of_a_child_is_one_line(tmp_path):
    done = failed("raise UserError('argument --gpu_id: no GPU 7')", tmp_path)
    assert (done.returncode, done.stderr) == (2, "-c: error: argument --gpu_id: no GPU 7\n")
    assert_all_have_ended(tmp_path)


def selection_with(first, folder):
    """Return the command of a selection whose children do this instead of importing TensorFlow."""
    flags = ["--parallel_halves", "on", "--results_dir", folder]
    return [sys.executable, "-c", FIRST.format(first), *flags]


def failed(how, folder):
    """Run a selection whose children fail as soon as they begin."""
    return subprocess.run(selection_with(how, folder), cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_traceback_of_a_child_is_shown(tmp_path):
    done = failed("1 / 0", tmp_path)
    assert done.returncode == 2 and "ZeroDivisionError: division by zero\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "-c: error: a process of the selection has died, "
    )
    assert_all_have_ended(tmp_path)


@pytest.mark.slow
def test_training_loads_few_libraries_and_sets_threads():
    """Keras would import plotting and scikit-learn; later imports of them work."""
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\nabsent\n3 3\n", "")
