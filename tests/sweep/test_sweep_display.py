"""What a sweep shows: remaining time, running tasks and ended ones."""

import io
import os
import re
import time
from types import SimpleNamespace

import pytest
from code_tasks import FAIL, done
from rich.console import Console

from noisylabels.sweep.status import Status, end_of, time_left
from noisylabels.sweep.tasks import Task, TaskResult


@pytest.fixture
def now(monkeypatch):
    """Return a clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    """Return a function that makes a terminal for the display, and returns what is shown."""

    def terminal(width):
        shown = io.StringIO()
        console = Console(highlight=False, force_terminal=True, width=width, file=shown)
        monkeypatch.setattr("noisylabels.sweep.status.terminal", lambda: console)
        return shown

    return terminal


def write_log(task, text, at):
    task.log.write_text(text)
    os.utime(task.log, (at, at))


def test_remaining_time_is_shared_by_the_places(now, task):
    a, b, c, d = (task(name, work=work) for name, work in (("a", 2), ("b", 2), ("c", 4), ("d", 10)))
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
def test_terminal_shows_eight_running_tasks(n, more, now, task, terminal):
    terminal(width=40)
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


def test_lines_of_ended_tasks_are_literal(now, task, terminal):
    shown = terminal(width=30)
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


def test_terminal_shows_running_tasks_in_its_last_lines(task, tmp_path, terminal):
    """Lines of ended tasks stay above, with any brackets."""
    shown = terminal(width=79)
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
