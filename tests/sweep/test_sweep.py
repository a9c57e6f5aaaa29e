"""sweep.py: progress, failures and interruptions, without TensorFlow."""

import itertools
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from code_tasks import FAIL, done
from helpers import (
    SMALL,
    assert_all_have_ended,
    end,
    record_of,
    shell,
    start,
)

import sweep
from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.subprocess_runner import call
from noisylabels.sweep.tasks import Task

pytestmark = pytest.mark.runs


def test_sweep_prints_its_progress(task, tmp_path, capsys):
    first = task("first", "print('of first')")
    status = done([first, task("second", needs=first)], tmp_path)
    assert not status.failed and (tmp_path / "first.log").read_text() == "of first\n"
    out = re.sub(r"\d:\d\d", "T", capsys.readouterr().out)
    assert out.splitlines() == [
        "0 done, 0 running, 2 waiting, 0 failed, ETA ?, one at a time",
        "begin   first",
        "done    first, after T; 1 done, 0 running, 1 waiting, 0 failed, ETA T",
        "begin   second",
        "done    second, after T; 2 done, 0 running, 0 waiting, 0 failed, ETA T",
    ]


def test_tasks_that_need_a_failed_one_are_skipped(task, tmp_path, capsys):
    bad = task("bad", FAIL)
    after = task("after", "print(1)", needs=bad)
    status = done([bad, after, task("last", needs=after), task("other")], tmp_path)
    assert [task.title for task in status.done] == ["other"] and not (
        tmp_path / "after.log"
    ).exists()
    log = tmp_path / "bad.log"
    assert list(status.failures())[:2] == [
        f"failed: {bad.command}: exit code 1, see {log}: no such thing",
        f"failed: code.py 'print(1)': a task that it needs failed, see {tmp_path / 'after.log'}",
    ]
    assert [task.title for task in status.failed] == ["bad", "after", "last"]
    assert capsys.readouterr().out.count("begin   bad") == 1


def test_failed_sweep_lists_errors_and_exits_with_1(task, call, tmp_path, monkeypatch):
    bad = task("bad", FAIL), task("worse", "1 / 0")
    monkeypatch.setattr(sweep, "plan", lambda *_: bad)
    monkeypatch.setattr(sweep, "ROOT", tmp_path)
    ended = call("sweep", "--results_dir", tmp_path)
    assert ended.code == 1 and "Traceback" not in ended.err and "open next" not in ended.out
    assert {*ended.err.splitlines()} == {
        f"failed: {bad[0].command}: exit code 1, see {bad[0].log}: no such thing",
        f"failed: {bad[1].command}: exit code 1, see {bad[1].log}: ZeroDivisionError: division by "
        "zero",
    }


@pytest.mark.slow
def test_ctrl_c_stops_a_sweep_that_can_resume(tmp_path):
    command = [
        "sweep",
        "--settings",
        "sym:0.5",
        "--methods",
        "standard",
        "--seeds",
        0,
        *SMALL,
        "--epochs",
        40,
        "--results_dir",
        tmp_path,
    ]
    log = tmp_path / "digits/sym/0.5/standard_training.log"
    process = start(*command)
    while not log.exists() or " epoch 1/" not in log.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    ended = end(process, 60)
    assert ended.code == 130 and ended.err == (
        "sweep.py: interrupted; finished epochs are saved, the same command continues from there\n"
    )
    assert_all_have_ended(tmp_path)
    again = shell(*command)
    assert (again.code, again.err) == (0, "") and "| Standard, MLP, batch 128 |" in again.out
    assert (
        len(record_of(tmp_path, "standard_training")["sessions"]) == 2
        and " epoch 1/" not in log.read_text()
    )


@pytest.mark.parametrize("kills, problem", [(3, None), (4, "killed by SIGKILL, 4 times")])
def test_killed_run_is_retried_three_times(kills, problem, task, tmp_path):
    code = (
        f"f = open('{tmp_path}/tries', 'a'); f.write('x'); f.close(); import os; "
        f"os.path.getsize('{tmp_path}/tries') > {kills} or os.kill(os.getpid(), 9)"
    )
    status = done([task("weak", code)], tmp_path)
    assert len((tmp_path / "tries").read_text()) == 4
    assert [outcome.problem for outcome in status.failed.values()] == [problem] * bool(problem)


def test_interrupted_script_is_retried(task, tmp_path):
    """It catches the signal, and exits with 128 plus its number."""
    code = (
        f"import os, sys; new = not os.path.exists('{tmp_path}/x'); open('{tmp_path}/x', 'w'); "
        "new and sys.exit(143)"
    )
    assert not done([task("interrupted", code)], tmp_path).failed


def test_two_writers_leave_no_hole_in_a_log(tmp_path, task):
    """Two sweeps may do the same run."""
    code = (
        f"import os, time; print('one', flush=True); open('{tmp_path}/up', 'w')\n"
        f"while not os.path.exists('{tmp_path}/go'): time.sleep(.02)\nprint('two')"
    )
    first, second = task("same", code), task("same", "print('another')")
    thread = threading.Thread(target=call, args=(tmp_path, "code", first.flags, first.log))
    thread.start()
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    assert call(tmp_path, "code", second.flags, second.log) == 0
    (tmp_path / "go").touch()
    thread.join()
    assert first.log.read_text() == "another\ntwo\n"


def test_unwanted_run_is_killed(tmp_path, task):
    asked, start = itertools.count(), time.monotonic()
    task = task("long", "import time; time.sleep(60)")
    assert call(tmp_path, "code", task.flags, task.log, None, lambda: next(asked) < 1) is None
    assert time.monotonic() - start < 30


def test_sweep_ends_with_its_table(call, monkeypatch, tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    for name in ("table.csv", "table.md", "runs.csv"):
        (folder / name).write_text("| ± |\n", encoding="utf-8")
    monkeypatch.setattr(sweep, "plan", lambda *_: [])
    monkeypatch.setattr(
        sweep.draw, "summary", lambda *_: [folder / "table.csv", folder / "table.md"]
    )
    monkeypatch.delattr(sweep, "executor")  # nor takes it a cluster, to do nothing with
    ended = call("sweep", "--jobs", 2, "--results_dir", tmp_path)
    assert ended == (
        0,
        f"\n| ± |\n\nopen next:\n  {folder}/table.md  this table\n2 other files are in {folder}\n",
        "",
    )


def test_training_in_another_sweep_is_waited_for(monkeypatch):
    called = []
    monkeypatch.setattr(
        "noisylabels.sweep.run_tasks.call",
        lambda root, script, flags, log: called.append(flags) or 0,
    )
    for script in ("INCV", "INCV_main"):  # the former waits by itself
        here = SerialExecutor(".")
        here.begin(Task("a", script, ["--seed", "0"], Path("a.json")))
        assert [outcome.problem for _, outcome in here.ended(None)] == [None]
    assert called == [["--seed", "0"], ["--wait", "--seed", "0"]]


def test_printed_command_works_in_a_shell():
    assert (
        Task("a", "INCV", ["--results_dir", "my results"], Path("a")).command
        == "INCV.py --results_dir 'my results'"
    )


@pytest.mark.parametrize(
    "code, returned, raised",
    [
        ("sys.exit(0)", 0, None),
        ("sys.exit(7)", 7, None),
        ("sys.exit(128)", 128, None),
        ("sys.exit(129)", None, -1),
        ("signal.signal(1, signal.SIG_DFL); os.kill(os.getpid(), 1)", None, -1),
    ],
)
def test_exit_code_of_a_call(code, returned, raised, tmp_path):
    """A signal is an error even if the script caught it; the log's folder may be new."""
    (tmp_path / "code.py").write_text(f"import os, signal, sys; print('said', flush=True); {code}")
    log = tmp_path / "new/er/x.log"
    if raised:
        with pytest.raises(subprocess.CalledProcessError) as error:
            call(tmp_path, "code", [], log)
        assert error.value.returncode == raised
    else:
        assert call(tmp_path, "code", [], log) == returned
    assert log.read_text() == "said\n"


def test_successful_run_is_not_repeated(tmp_path):
    (tmp_path / "code.py").write_text(f"open('{tmp_path}/tries', 'a').write('x')")
    task = Task("once", "code", [], tmp_path / "once.json")
    runs = SerialExecutor(tmp_path)
    with Status([task], runs) as status:
        run_tasks([task], runs, status)
    assert status.done == [task] and (tmp_path / "tries").read_text() == "x" and runs.places == 1
