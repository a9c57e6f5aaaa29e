"""Parts of a sweep: flags, hand-over, calls of scripts, display."""

import io
import os
import subprocess
import time
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

import sweep
from noisylabels.errors import UserError
from noisylabels.noise import Noise
from noisylabels.sweep import executors
from noisylabels.sweep.cluster import Cluster
from noisylabels.sweep.fingerprint import digest_of_code, mark, state_of
from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status, end_of, time_left
from noisylabels.sweep.subprocess_runner import call
from noisylabels.sweep.tasks import Task, TaskResult
from utils import load_dataset

# ---------------------------------------------------------------------------------------- its flags


@pytest.mark.parametrize(
    "text, expected",
    [
        ("sym:0", Noise("sym", 0.0)),
        ("asym5:1", Noise("asym5", 1.0)),
        ("asym:.25", Noise("asym", 0.25)),
        ("given", Noise("given")),
    ],
)
def test_settings_are_parsed(text, expected):
    assert sweep.setting(text.encode().decode()) == expected


@pytest.mark.parametrize(
    "text, words",
    [
        ("sym", "'sym' is not a setting such as"),
        ("pair:0.3", "'pair:0.3' is not a setting such as"),
        ("sym0.3", r"did you mean sym:0.3\?$"),
        ("asymm", r"did you mean asym:0.5\?$"),
        ("sym:", "'' is not a finite"),
        ("sym:-0.1", "'-0.1' is not a finite number of at least 0 and at most 1"),
        ("sym:1.1", "'1.1' is not"),
    ],
)
def test_invalid_setting_is_an_error(text, words):
    with pytest.raises(ArgumentTypeError, match=words):
        sweep.setting(text)


def test_run_may_use_a_share_of_a_gpu_or_several():
    assert [
        sweep.gpus_per_run(text) for text in ("1", "2", "8", "0.5", "0.25", "0.2", "0.3333333")
    ] == [1, 2, 8, 0.5, 0.25, 0.2, 0.3333333]
    for text in ("0", "0.3", "0.4", "0.6", "1.5", "2.1", "-1"):
        with pytest.raises(ArgumentTypeError, match=f"'{text}' is not a"):
            sweep.gpus_per_run(text)


def test_default_is_seeds_0_to_2_of_the_paper_s_settings(tmp_path):
    args = sweep.arguments().parse_args(["--methods", "standard", "--results_dir", str(tmp_path)])
    plan = sweep.plan(args, load_dataset("digits", ""))
    assert [task.title for task in plan] == [
        f"standard {noise} seed {seed}"
        for noise in ("sym 0.2", "sym 0.5", "sym 0.8", "asym 0.4")
        for seed in (0, 1, 2)
    ]
    assert sweep.arguments().parse_args(["--seeds", "0", "--jobs", "1"]).jobs == 1
    with pytest.raises(SystemExit):
        sweep.arguments().parse_args(["--seeds", "-1"])


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("--epochs 9 --batch_size 64", "--batch_size 64"),
        ("--epochs=9 --batch_size=64 --top_k 2", "--batch_size 64 --top_k 2"),
        (
            "--validation_split .1 --INCV_epochs 3 --overwrite --f_correction_T true",
            "--INCV_epochs 3",
        ),
        ("--overwrite_selection --epochs 3 --jit_compile", "--jit_compile --overwrite"),
        ("", ""),
    ],
)
def test_selection_gets_the_flags_of_incv(flags, expected, tmp_path):
    argv = ["--settings", "sym:0.5", "--seeds", "4", "--results_dir", str(tmp_path), *flags.split()]
    selection = sweep.plan(sweep.arguments().parse_args(argv), load_dataset("digits", ""))[0]
    axes = "--noise_pattern sym --noise_ratio 0.5 --seed 4".split()
    assert selection.script == "INCV" and selection.flags[:6] == axes
    given = selection.flags[6:]
    at = given.index("--results_dir")
    assert given[:at] + given[at + 2 :] == expected.split()


@pytest.mark.parametrize(
    "methods, expected",
    [
        (
            ["standard", "incv", "incv_student"],
            [
                ("selection", "--overwrite"),
                ("standard",),
                ("incv", "--overwrite"),
                ("incv_student", "--overwrite"),
            ],
        ),
        (["incv_student"], [("incv_student", "--overwrite_selection")]),
    ],
)
def test_overwritten_selection_is_made_once(methods, expected, tmp_path):
    """Its trainings do not repeat it; a student without teacher task makes all three."""
    args = sweep.arguments().parse_args(
        [
            "--settings",
            "sym:0.5",
            "--seeds",
            "0",
            "--methods",
            *methods,
            "--overwrite_selection",
            "--results_dir",
            str(tmp_path),
        ]
    )
    plan = {
        task.title.split()[0]: task.flags for task in sweep.plan(args, load_dataset("digits", ""))
    }
    assert [
        (name, *(flag for flag in flags if flag.startswith("--overwrite")))
        for name, flags in plan.items()
    ] == expected


@pytest.mark.parametrize(
    "flags, expected",
    [
        ([], "here"),
        (["--jobs", "1"], "here"),
        (["--jobs", "2"], (2, None)),
        (["--jobs", "4", "--gpus_per_run", ".5"], (4, 0.5)),
        (["--jobs", "2", "--gpu_id", "0"], (2, 0)),
        (["--scheduler", "a"], ("a", None, None)),
        (["--scheduler", "a", "--jobs", "1", "--gpus_per_run", "1"], ("a", 1, 1)),
        (["--gpus_per_run", "2"], (1, 2)),
    ],
)
def test_executor_depends_on_jobs_and_scheduler(flags, expected, monkeypatch, tmp_path):
    """One process, several on this machine, or a scheduler."""
    runs, leaving = SimpleNamespace(leave="leave"), []
    asked = []
    monkeypatch.setattr(executors, "on_this_machine", lambda root, *given: asked.append(given))
    monkeypatch.setattr(executors, "at_scheduler", lambda *given, **_: asked.append(given) or runs)
    monkeypatch.setattr(sweep, "fingerprint", lambda *_: {})
    monkeypatch.setattr("noisylabels.system.signals.LEAVING", leaving)
    args = sweep.arguments().parse_args([*flags, "--results_dir", str(tmp_path)])
    found = sweep.executor(args, load_dataset("digits", ""))
    assert isinstance(found, SerialExecutor) == (expected == "here") and asked == [expected] * (
        expected != "here"
    )
    elsewhere = "--scheduler" in flags
    assert leaving == ["leave"] * elsewhere and (tmp_path / ".sweep").exists() == elsewhere


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


def test_scheduler_lost_while_idle_is_one_error():
    with pytest.raises(UserError, match="^the scheduler is gone: "):
        Cluster.count_places(SimpleNamespace(client=SimpleNamespace(scheduler_info=dict)))


def test_fingerprint_is_short_and_mark_creates_its_folder(tmp_path):
    mark(tmp_path / "a/b")
    assert len(state_of(tmp_path / "a/b")) == 32
    assert [len(digest_of_code(tmp_path)), len(load_dataset("digits", "").fingerprint)] == [12, 16]


# ------------------------------------------------------------------------------------ a call of one


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


# ------------------------------------------------------------------------------------------ how far


@pytest.fixture
def now(monkeypatch):
    """Return a clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.fixture
def task(tmp_path):
    return lambda title, work=1.0: Task(title, "code", [], tmp_path / f"{title}.json", work=work)


def write_log(task, text, at):
    task.log.write_text(text)
    os.utime(task.log, (at, at))


def test_remaining_time_is_shared_by_the_places(now, task):
    a, b, c, d = (task(name, work) for name, work in (("a", 2), ("b", 2), ("c", 4), ("d", 10)))
    runs = SimpleNamespace(places=1, about="")
    status = Status([a, b, c, d], runs)
    status.begin(a)
    status.end(a, TaskResult(None, 10.0))  # 5 s a unit
    status.begin(b)
    now[0] += 4
    assert status.remaining() == pytest.approx(6 + 70)
    now[0] += 96
    assert status.remaining() == pytest.approx(0 + 70)  # b should have ended long ago
    runs.places = 0
    assert status.remaining() == pytest.approx(70)  # as with one place
    write_log(b, "b  ETA 0:50\n", now[0] - 10)
    assert time_left(b.log) == 40
    pace = (10 + 100 + 40) / (2 + 2)  # b has said so: in all 140 s
    assert status.remaining() == pytest.approx(40 + 14 * pace)
    write_log(b, "b  ETA 0:50\n", now[0] - 60)
    assert time_left(b.log) == 0
    status.end(b, TaskResult("exit code 1", 100.0))
    assert status.remaining() == pytest.approx(70)  # what failed is no measure


def test_estimate_is_renewed_every_five_seconds(now, task):
    a, b = task("a"), task("b")
    status = Status([a, b], SimpleNamespace(places=1, about=""))
    assert str(status) == "0 done, 0 running, 2 waiting, 0 failed, ETA ?"
    status.begin(a), status.end(a, TaskResult(None, 10.0))
    status.begin(b)
    assert str(status).endswith("ETA 0:10")
    for now[0], left in ((104.5, "0:10"), (105.0, "0:10"), (105.5, "0:04"), (107.0, "0:04")):
        assert str(status) == f"1 done, 1 running, 0 waiting, 0 failed, ETA {left}"


def test_log_excerpt_is_limited(tmp_path):
    text = "".join(map(str, range(300)))
    for n in (3, 500, 501, 600):
        (tmp_path / "x.log").write_text(text[:n])
        assert end_of(tmp_path / "x.log") == text[:n][-500:]
    assert end_of(tmp_path / "none") == ""


@pytest.mark.parametrize("n, more", [(8, None), (9, "  and 1 more"), (11, "  and 3 more")])
def test_terminal_shows_eight_running_tasks(n, more, now, task, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(
        "noisylabels.sweep.status.terminal",
        lambda: Console(highlight=False, force_terminal=True, width=40, file=shown),
    )
    tasks = [task(f"t{k}") for k in range(n)]
    status = Status(tasks, SimpleNamespace(places=n, about="anywhere"))
    for each in tasks:
        status.begin(each)
        status.where(each, "tcp://somewhere-with-a-long-name")
    now[0] += 61
    spinner, *lines = status.live.get_renderable().renderables
    assert str(spinner.text) == f"0 done, {n} running, 0 waiting, 0 failed, ETA ?, anywhere"
    assert [str(line) for line in lines] == [
        f"  1:01  t{k}  tcp://somewhere-with-a-long-name" for k in range(8)
    ] + [more] * bool(more)
    printed = Console(width=20, file=io.StringIO())
    printed.print(status.live.get_renderable())
    assert "  1:01  t0  tcp://s…" in printed.file.getvalue().splitlines()


def test_lines_of_ended_tasks_are_literal(now, task, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(
        "noisylabels.sweep.status.terminal",
        lambda: Console(highlight=False, force_terminal=True, width=30, file=shown),
    )
    long = task("a title of more letters than a line of thirty has")
    status = Status([long], SimpleNamespace(places=1, about=""))
    status.end(long, TaskResult("exit code 1", 61.0, "tcp://w"))
    assert shown.getvalue() == f"failed  {long.title}: exit code 1 on tcp://w, after 1:01\n"


def test_finished_sweep_shows_no_progress(tmp_path, capsys):
    task = Task("a", "code", [], tmp_path / "a.json", done=True)
    with Status([task], SimpleNamespace(places=1, about="x")) as status:
        pass
    assert (
        capsys.readouterr().out == ""
        and str(status) == "1 done, 0 running, 0 waiting, 0 failed, ETA ?"
    )


def test_lines_are_flushed_at_once(now, task, monkeypatch):
    file, a = io.BytesIO(), task("a")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(file, encoding="utf-8"))
    with Status([a], SimpleNamespace(places=1, about="one at a time")) as status:
        assert file.getvalue() == b"0 done, 0 running, 1 waiting, 0 failed, ETA ?, one at a time\n"
        status.begin(a)
        assert file.getvalue().endswith(b"begin   a\n")
        status.end(a, TaskResult(None))
        assert file.getvalue().endswith(
            b"done    a; 1 done, 0 running, 0 waiting, 0 failed, ETA 0:00\n"
        )


def test_restarted_task_says_where_it_was_ended(now, task, capsys):
    a = task("a")
    status = Status([a], SimpleNamespace(places=1, about=""))
    status.begin(a)
    status.where(a, "w1")
    now[0] += 5
    status.where(a, "w2")
    assert status.running[a] == (105.0, "w2")
    assert capsys.readouterr().out == "begin   a\nagain   a on w2; it was ended on w1\n"
