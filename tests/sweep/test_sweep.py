"""sweep.py: plan, order, progress and failures, without TensorFlow."""

import io
import itertools
import os
import re
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from helpers import (
    QUICK,
    SMALL,
    assert_all_have_ended,
    assert_is_one_line,
    end,
    record_of,
    shell,
    start,
)
from rich.console import Console

import sweep
from noisylabels.pipeline.load import load_data
from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status, time_left
from noisylabels.sweep.subprocess_runner import call
from noisylabels.sweep.tasks import Task, TaskQueue, TaskResult
from noisylabels.system import hardware

TINY = ["--settings", "sym:0.5", "--methods", "standard", "incv", "--seeds", "0", "1"]
FAIL = "import sys; print('before'); sys.exit('no such thing')"


def planned(*argv):
    args = sweep.arguments().parse_args(list(map(str, argv)))
    return sweep.plan(args, load_data(args))


@pytest.fixture
def task(tmp_path):
    """Return a function that makes a task which runs Python code as a script."""
    (tmp_path / "code.py").write_text("import sys; exec(sys.argv[-1])")

    def task(title, code="", work=1.0, needs=None):
        return Task(title, "code", [code], tmp_path / f"{title}.json", work=work, needs=needs)

    return task


def done(tasks, root):
    """Return the Status of tasks that were carried out, one at a time."""
    status = Status(tasks, SerialExecutor(root))
    with status:
        run_tasks(tasks, status.executor, status)
    return status


# ----------------------------------------------------------------------------------------- the plan


def test_plan_is_the_paper_s_table(tmp_path):
    """Four settings, seven methods, three seeds; each INCV training needs its own selection."""
    tasks = planned("--results_dir", tmp_path)
    selections, trainings = tasks[:12], tasks[12:]
    assert {task.script for task in selections} == {"INCV"} and len(trainings) == 4 * 3 * 7
    assert not any(task.done for task in tasks)
    needing = {task.title: task.needs for task in trainings if task.needs}
    assert len(needing) == 12 and set(needing.values()) == set(selections)
    for title, selection in needing.items():
        assert title.removeprefix("incv ") == selection.title.removeprefix("selection ")
        assert title.startswith("incv ") and selection.record.name == "INCV.json"
    assert trainings[0].command == (
        "INCV_main.py --noise_pattern sym --noise_ratio 0.2 --seed 0 --method standard "
        f"--results_dir {tmp_path}"
    )
    assert trainings[0].log == tmp_path / "digits/sym/0.2/standard_training.log"


def test_work_depends_on_the_method(tmp_path):
    """Digits: 1,437 times 60 epochs times the cost; F-correction trains a standard network too."""
    tasks = planned(
        "--settings",
        "sym:0.2",
        "--seeds",
        0,
        "--results_dir",
        tmp_path,
        "--epochs",
        60,
        "--INCV_epochs",
        10,
    )
    work = {task.title.split()[0]: task.work / 1437 for task in tasks}
    assert work == pytest.approx(
        {
            "selection": 10 * (0.5 + 3 * 0.7) * 2,
            "standard": 60,
            "f_correction": 120,
            "decoupling": 120,
            "co_teaching": 162,
            "mentornet": 60,
            "d2l": 60,
            "incv": 90,
        }
    )


def test_finished_tasks_are_recognised(finished, call):
    flags = [*TINY, *QUICK["INCV_main"], "--results_dir", finished("INCV_main")[0]]
    ended = call("sweep", "--dry_run", *flags)
    lines = re.findall(
        r"^(done|to do) +(\w+)\.py .*--seed (\d)(?: --method (\w+))?", ended.out, re.MULTILINE
    )
    assert ended.code == 0 and lines == [
        ("to do", "INCV", "1", ""),
        ("to do", "INCV_main", "0", "standard"),
        ("done", "INCV_main", "0", "incv"),
        ("to do", "INCV_main", "1", "standard"),
        ("to do", "INCV_main", "1", "incv"),
    ]


@pytest.mark.parametrize(
    "flags, pattern",
    [
        (
            ["--seed", "1"],
            r"argument --seed: a sweep sets it; use --settings, --seeds and --methods \(see "
            r"--help\)$",
        ),
        (["--noise_ratio=.5"], "argument --noise_ratio: a sweep sets it"),
        (["--settings", "sym"], "'sym' is not a setting such as sym:0.5"),
        (["--settings", "symm0.3"], r"'symm0.3' is not a setting .*; did you mean sym:0.3\?"),
        (["--methods", "co_teachin"], r"'co_teachin' \(choose from .*; did you mean co_teaching\?"),
        (
            ["--metods", "incv"],
            r"unrecognized arguments: --metods incv; did you mean --methods\? \(see --help\)$",
        ),
        (["--jobs", "0"], "'0' is not a whole number of at least 1"),
        (
            ["--gpus_per_run", "0.3"],
            "'0.3' is not a whole number, nor a share such as 0.5, 0.25 or 0.2",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1", "--gpu_id", "0"],
            "argument --gpu_id: .* leave one of them out$",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1"],
            "argument --jobs: 2 runs with 1 GPU each need more than the 0 of this",
        ),
    ],
)
def test_mistakes_are_one_error(flags, pattern, call, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: 0)
    assert_is_one_line(call("sweep", *TINY, *flags, "--results_dir", tmp_path), f".*{pattern}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dry_run", [[], ["--dry_run"]])
@pytest.mark.parametrize(
    "flags, pattern",
    [
        (
            ["--jobs", "2", "--gpus_per_run", "1"],
            "argument --jobs: 2 runs with 1 GPU each need more than the 0 of this",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1", "--gpu_id", "0"],
            "argument --gpu_id: .* leave one of them out$",
        ),
        (
            ["--scheduler", "none.yaml"],
            "argument --scheduler: none.yaml: No such file or directory",
        ),
        (
            ["--scheduler", "slurm.yaml"],
            "argument --scheduler: slurm.yaml: no option of slurm: cpus",
        ),
        (
            ["--scheduler", "tcp://127.0.0.1:9"],
            "argument --scheduler: no scheduler answers at tcp://127.0.0.1:9 ",
        ),
        (["--results_dir", "/proc/results"], "/proc: "),
    ],
)
def test_dry_run_has_the_errors_of_the_sweep(flags, pattern, dry_run, call, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: 0)
    monkeypatch.setattr("noisylabels.sweep.cluster.ANSWER", 0.5)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm.yaml").write_text("jobqueue: {slurm: {cores: 1, memory: 1GB, cpus: 1}}")
    assert_is_one_line(
        call("sweep", *TINY, "--results_dir", tmp_path / "results", *flags, *dry_run),
        f".*{pattern}",
    )


def test_dry_run_with_nothing_to_do_needs_no_cluster(call, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep, "plan", lambda *_: [])
    ended = call(
        "sweep",
        "--results_dir",
        tmp_path,
        "--jobs",
        "2",
        "--gpus_per_run",
        "1",
        "--gpu_id",
        "0",
        "--dry_run",
    )
    assert ended == (0, "", "")


# ---------------------------------------------------------------------------------------- the order


def test_order_is_by_dependency_then_length(task):
    long, short = task("long", work=3), task("short", work=1)
    selection, other = task("selection"), task("other", work=2)
    after = task("after", work=2, needs=selection)
    made = task("made")
    made.done = True
    order = TaskQueue(
        [selection, other, made, short, long, after, task("free", work=2, needs=made)]
    )
    assert [order.next().title for _ in range(5)] == ["selection", "long", "other", "free", "short"]
    assert order.next() is None
    order.succeeded(selection)
    assert order.next() is after and order.next() is None


# -------------------------------------------------------------------------------- one after another


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


@pytest.mark.runs
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
        "sweep.py: interrupted; finished epochs are saved, the same command goes on from there\n"
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
    """Two sweeps of one run do that."""
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


# ------------------------------------------------------------------------------------------ how far


def test_remaining_time(task, tmp_path, monkeypatch):
    """Estimate from finished and running tasks; at least that of the longest."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: 0.0)
    tasks = [task("a", work=2), task("b", work=2), task("c", work=4), task("d", work=10)]
    status = Status(tasks, SimpleNamespace(places=2, about=""))
    assert status.remaining() is None
    for k in (0, 1):
        status.begin(tasks[k])
    status.end(tasks[0], TaskResult(None, 10.0))
    now[0] += 4
    assert status.remaining() == pytest.approx((6 + 5 * 14) / 2)  # 5 s a unit; b has 10 - 4 s left
    status.end(tasks[1], TaskResult(None, 10.0))
    status.begin(tasks[2]), status.begin(tasks[3])
    assert status.remaining() == pytest.approx(50)  # d alone takes that long
    tasks[3].log.write_text("d  epoch 1/10  ETA 1:40\n")
    os.utime(tasks[3].log, (0, 0))
    assert time_left(tasks[3].log) == 100
    assert status.remaining() == pytest.approx(100)


@pytest.mark.parametrize(
    "text, left",
    [
        ("x  ETA 1:02:03\n", 3723),
        ("ETA 0:10\nx  ETA 0:07\nlast\n", 7),
        ("ETA ?\n", None),
        ("", None),
    ],
)
def test_remaining_time_of_a_run_is_read_from_its_log(text, left, tmp_path):
    log = tmp_path / "x.log"
    log.write_text(text)
    found = time_left(log)
    assert found is None if left is None else left - 5 < found <= left
    assert time_left(tmp_path / "none") is None


def test_terminal_shows_running_tasks_in_its_last_lines(task, tmp_path, monkeypatch):
    """Lines of ended tasks stay above, with any brackets."""
    shown = io.StringIO()
    monkeypatch.setattr(
        "noisylabels.sweep.status.terminal",
        lambda: Console(highlight=False, force_terminal=True, width=79, file=shown),
    )
    done([task("[b]good[/b]", "import time; time.sleep(1)"), task("bad", FAIL)], tmp_path)
    plain = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", shown.getvalue()).replace("\r", "\n")
    assert (
        "0 done, 1 running, 1 waiting, 0 failed, ETA ?" in plain and "  0:00  [b]good[/b]" in plain
    )
    assert re.search(r"^done    \[b\]good\[/b\], after 0:0[1-9]$", plain, re.MULTILINE)
    assert re.search("^failed  bad: exit code 1, after", plain, re.MULTILINE)
    assert plain.rstrip().endswith(
        "1 done, 0 running, 0 waiting, 1 failed, ETA 0:00, one at a time"
    )
