"""A sweep of small scripts on Dask workers: lost, refused or left over."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest
from code_tasks import at_work, carried_out, coded, meeting, steps
from dask_cluster import soon
from distributed import Client
from helpers import ROOT, end

from noisylabels.errors import UserError
from noisylabels.sweep import executors
from noisylabels.system import hardware

pytestmark = pytest.mark.runs
SLOW = pytest.mark.slow

SWEEP = """
import sys
sys.path[:0] = {paths}
import long_sweep
long_sweep.sweep_of_long_tasks({folder!r}, {address!r})
"""


def test_killed_tasks_are_done_elsewhere(dask, scripts, tmp_path, capsys):
    """Three workers, twelve tasks; kill a worker and a task's process."""
    together = tmp_path / "together"
    together.mkdir()
    for k in (1, 2, 3):
        dask.add(f"127.0.0.{k}")
    tasks = [steps(together, k) for k in range(2)]
    gate = tmp_path / "killed"
    tasks += [steps(together, k, tasks[k % 2], gate) for k in range(2, 12)]

    def kill(status):
        dask.workers[soon(lambda: kill_one(status))].kill()
        gate.touch()

    def kill_one(status):
        """Kill a task's process; return the worker of another, None unless two are at work."""
        with contextlib.suppress(
            RuntimeError, KeyError, ProcessLookupError
        ):  # what was at work may have ended
            pids = at_work(together)
            found = [
                (pids[task.title], where)
                for task, (_, where) in status.running.items()
                if where and task.title in pids and task.needs
            ]
            if len(found) > 1:
                os.kill(found[0][0], signal.SIGKILL)
                return found[1][1]

    status = carried_out(tasks, executors.at_scheduler(dask.address, None, 0, **scripts), kill)
    assert not status.failed and len(status.done) == 12
    assert {path.name: path.read_text() for path in together.glob("*.txt")} == {
        f"{k}.txt": "0123" for k in range(12)
    }
    assert not at_work(together)
    out = capsys.readouterr().out
    assert re.search(r"^again   \w+ on \S+; it was ended on ", out, re.MULTILINE)


# -------------------------------------------------------------------------------- who may take part


@pytest.mark.slow
def test_differing_worker_is_refused(dask, scripts, tmp_path, recwarn):
    """This includes one that joins during the sweep; the others continue."""
    dask.add("127.0.0.1")
    dask.add("127.0.0.2", CODE="9")

    def come(status):
        soon(lambda: status.done)
        dask.add("127.0.0.3", WRONG="data/cifar-10-batches-py is missing")
        soon(lambda: sum("refused" in str(warning.message) for warning in recwarn.list) > 1)
        gate.touch()

    gate, tasks = tmp_path / "gate", [steps(tmp_path, k) for k in range(2)]
    wait = f"import os, time; any(os.path.exists('{gate}') or time.sleep(.05) for _ in range(1200))"
    tasks.append(coded(tmp_path, "last", wait, needs=tasks[1]))
    runs = executors.at_scheduler(dask.address, None, 0, **scripts)
    assert runs.places == 1
    assert not carried_out(tasks, runs, come).failed
    said = [str(warning.message) for warning in recwarn if "refused" in str(warning.message)]
    first, second = (re.escape(address) for address in list(dask.workers)[1:])
    assert re.fullmatch(
        f"worker {first} is refused: the code differs \\(there 9, here 1\\)", said[0]
    )
    assert re.fullmatch(
        f"worker {second} is refused: sweep.py: error: data/cifar-10-batches-py is missing", said[1]
    )


def test_sweep_ends_if_all_workers_are_refused(dask, scripts, tmp_path, recwarn):
    dask.add("127.0.0.1")
    with pytest.raises(UserError, match="^argument --scheduler: .*refused"):
        cluster = executors.at_scheduler(
            dask.address, None, 0, **{**scripts, "root": tmp_path / "none"}
        )
        carried_out([steps(tmp_path, 0)], cluster)
    assert any(
        f"is refused: it has no folder {tmp_path / 'none'}" in str(warning.message)
        for warning in recwarn
    )
    assert not (tmp_path / "0.txt").exists()


# ---------------------------------------------------------------------------------- shares of runs


def test_runs_get_gpu_and_threads(dask, scripts, tmp_path):
    """Two GPUs, four runs at a time, half of a GPU each."""
    dask.add("127.0.0.1", "--nthreads", "4", "--resources", "GPU=2")
    runs = executors.at_scheduler(dask.address, None, 0.5, **scripts)
    assert runs.places == 4
    tasks = meeting(tmp_path, 4, "*sys.argv[1:-1]")
    assert not carried_out(tasks, runs).failed
    threads = max(1, hardware.cores() // 4)
    assert sorted(task.log.read_text() for task in tasks) == [
        f"--threads {threads} --gpu_id {k}\n" for k in (0, 0, 1, 1)
    ]


@pytest.mark.slow
def test_local_workers_share_the_cores(scripts, tmp_path, monkeypatch):
    """They listen on this machine only."""
    monkeypatch.setattr(hardware, "cores", lambda: 7)
    monkeypatch.setattr(hardware, "gpus", lambda: 0)
    runs = executors.on_this_machine(tmp_path, 2, None)
    assert runs.places == 2 and runs.about.startswith("2 at a time, dashboard http://127.0.0.1:")
    tasks = [coded(tmp_path, f"t{k}", "print(*sys.argv[1:-1])") for k in range(3)]
    assert not carried_out(tasks, runs).failed
    assert [task.log.read_text() for task in tasks] == ["--threads 3\n"] * 3


def test_local_workers_share_the_gpus(scripts, tmp_path, monkeypatch):
    """Each run has one by default."""
    monkeypatch.setattr(hardware, "gpus", lambda: 2)
    with pytest.raises(
        UserError, match="3 runs with 1 GPU each need more than the 2 of this machine"
    ):
        executors.on_this_machine(tmp_path, 3, None)
    runs = executors.on_this_machine(tmp_path, 2, None)
    tasks = meeting(tmp_path, 2, "sys.argv[4]")
    assert not carried_out(tasks, runs).failed
    assert sorted(task.log.read_text() for task in tasks) == ["0\n", "1\n"]


# ---------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    "here, by, code",
    [
        (True, signal.SIGTERM, 143),
        pytest.param(False, signal.SIGINT, 130, marks=SLOW),
        pytest.param(True, signal.SIGINT, 130, marks=SLOW),
        pytest.param(True, signal.SIGKILL, -9, marks=SLOW),
        pytest.param(False, signal.SIGKILL, -9, marks=SLOW),
    ],
)
def test_no_run_is_left_when_the_sweep_ends(here, by, code, tmp_path, request):
    address = None
    if not here:
        dask = request.getfixturevalue("dask")
        dask.add("127.0.0.1"), dask.add("127.0.0.2")
        address = dask.address
    program = SWEEP.format(
        paths=[str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/sweep")],
        folder=str(tmp_path),
        address=address,
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    soon(lambda: len(at_work(tmp_path)) == 2)
    process.send_signal(by)
    ended = end(process, timeout=60)
    assert ended.code == code
    assert by == signal.SIGKILL or re.fullmatch("-c: interrupted; .*\n", ended.err)
    soon(lambda: not at_work(tmp_path))
    if by == signal.SIGINT and not here:  # workers that come later have nothing to do with it
        with Client(address, set_as_default=False) as client:
            plugins = client.run_on_scheduler(
                lambda dask_scheduler: [*dask_scheduler.worker_plugins]
            )
        assert not [name for name in plugins if name.startswith("noisylabels-")]


def test_sweep_ends_if_no_local_worker_is_left(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "RESTART", 1.0)
    runs = executors.on_this_machine(tmp_path, 1, 0)
    runs.scheduler.scale(0)
    with pytest.raises(UserError, match="^no worker is left on this machine: .* continues"):
        carried_out([coded(tmp_path, "never", "")], runs)


@pytest.mark.slow
def test_task_fails_after_losing_four_workers(scripts, tmp_path):
    """The task waits, since Dask does not replace a worker that is killed while it starts."""
    deadly = coded(tmp_path, "deadly", "import os, time; time.sleep(5); os.kill(os.getppid(), 9)")
    status = carried_out([deadly], executors.on_this_machine(tmp_path, 1, 0))
    (outcome,) = status.failed.values()
    assert outcome.problem == "its worker was lost, 4 times" and outcome.where.startswith(
        "tcp://127.0.0.1:"
    )


def test_lost_scheduler_ends_the_sweep_with_one_error(dask, scripts, tmp_path):
    dask.add("127.0.0.1")
    with pytest.raises(UserError, match="^the scheduler is gone: .* the same command continues"):
        carried_out(
            [steps(tmp_path, 0)],
            executors.at_scheduler(dask.address, None, 0, **scripts),
            lambda status: soon(lambda: at_work(tmp_path)) and dask.scheduler.kill(),
        )
    soon(lambda: not at_work(tmp_path))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "ftp://x"])
def test_address_without_a_scheduler_is_an_error(address, monkeypatch, tmp_path):
    monkeypatch.setattr("noisylabels.sweep.cluster.ANSWER", 0.5)
    with pytest.raises(
        UserError, match=f"^argument --scheduler: no scheduler answers at {address} "
    ):
        executors.at_scheduler(address, None, 0, root=tmp_path)


@pytest.mark.parametrize(
    "text, problem",
    [
        (None, "No such file or directory"),
        ("jobqueue: [", "is not a dask-jobqueue configuration"),
        ("jobqueue:\n  slurm: {}\n  pbs: {}", "is not a dask-jobqueue configuration"),
        ("slurm: {cores: 1}", "is not a dask-jobqueue configuration"),
        ("jobqueue: {cobalt: {cores: 1}}", "is not a dask-jobqueue configuration"),
        ("jobqueue: {slurm: {cores: 1, wall-time: 1}}", "no option of slurm: wall-time"),
        ("jobqueue: {slurm: {memory: 1GB}}", "cores"),
    ],
)
def test_invalid_configuration_is_an_error(text, problem, tmp_path):
    path = tmp_path / "slurm.yaml"
    if text:
        path.write_text(text)
    with pytest.raises(UserError, match=problem) as error:
        executors.at_scheduler(str(path), 1, 0, root=tmp_path)
    assert str(error.value).startswith(f"argument --scheduler: {path}")
