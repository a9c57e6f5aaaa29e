"""A Dask worker's part in a sweep, with a recording worker: places, refusals, a task."""

import asyncio
import subprocess
from types import SimpleNamespace

import pytest
from distributed import Status

from noisylabels.sweep.worker import SweepWorkerPlugin

SEES = "import json, os\nprint(json.dumps({'the code': '1', 'proxy': os.environ['https_proxy']}))"

SEEN = {"the code": "1", "proxy": "http://127.0.0.1:9"}


class Worker:
    """Record messages, resources and status."""

    address, name = "tcp://w", "3"

    def __init__(self, threads=2, gpus=None, status=Status.running):
        self.state = SimpleNamespace(
            nthreads=threads,
            total_resources={} if gpus is None else {"GPU": gpus},
            tasks={"t": SimpleNamespace(state="executing")},
        )
        self.said, self.resources, self.statuses, self._status = [], [], [], status

    @property
    def status(self):
        return self._status

    @status.setter
    def status(self, value):
        self._status = value
        self.statuses.append(value)

    def log_event(self, topic, said):
        self.said.append((topic, said))

    async def set_resources(self, **resources):
        self.resources.append(resources)

    def get_current_task(self):
        return "t"


@pytest.fixture
def set_up(tmp_path, monkeypatch):
    """Return a function that sets up the plug-in on a worker with eight cores."""
    monkeypatch.setattr("noisylabels.sweep.worker.cores", lambda: 8)
    (tmp_path / "code.py").write_text("import os, sys; exec(sys.argv[-1])")

    def set_up(worker, **about):
        runs = SweepWorkerPlugin("sweep", **{"root": tmp_path, "folder": tmp_path, **about})
        asyncio.run(runs.setup(worker))
        return runs

    return set_up


@pytest.mark.parametrize(
    "threads, gpus, share, places, cores",
    [
        (4, None, 0, 4, 2),
        (3, None, 0, 3, 2),
        (16, 9, 0, 16, 1),
        (8, 2, 0.5, 4, 2),
        (3, 2, 0.5, 3, 2),
        (8, 2, 2, 1, 8),
        (8, 3, 2, 1, 8),
        (99, 1, 1 / 49, 49, 1),
    ],
)
def test_places_are_threads_or_shares_of_gpus(threads, gpus, share, places, cores, set_up):
    worker = Worker(threads, gpus)
    runs = set_up(worker, gpus=share)
    assert (
        worker.resources == [{"sweep": places}]
        and runs.free == {*range(places)}
        and not worker.said
    )
    assert runs.cores == cores and worker.statuses == [Status.paused, Status.running]
    asyncio.run(runs.teardown(worker))
    assert worker.resources[1:] == [{"sweep": 0}] and runs.free is None


@pytest.mark.parametrize(
    "gpus, share, flag", [(None, 0.5, "GPU=1"), (1, 2, "GPU=2"), (0, 1, "GPU=1")]
)
def test_worker_with_too_few_gpus_is_refused(gpus, share, flag, set_up):
    worker = Worker(8, gpus)
    runs = set_up(worker, gpus=share)
    assert worker.said == [
        ("sweep", {"refused": "tcp://w", "problem": f"it has no --resources {flag}"})
    ]
    assert worker.resources == [{"sweep": 0}] and runs.free == set() and worker.statuses == []


def test_paused_worker_stays_paused_and_places_are_numbered(set_up):
    worker = Worker(1, status=Status.paused)
    assert set_up(worker, numbered=True).free == {3} and worker.statuses == []


@pytest.mark.parametrize(
    "script, sight, problem",
    [
        (SEES, SEEN, None),
        ("1 / 0", None, None),
        (SEES, {"the code": "1"}, None),
        (
            SEES,
            {**SEEN, "the code": "2", "numpy": "3"},
            "the code differs (there 1, here 2), numpy differs (there None, here 3)",
        ),
        ("import sys; sys.exit('one\\nno such thing')", SEEN, "no such thing"),
        ("import sys; sys.exit(3)", SEEN, "sweep.py ends with exit code 3"),
        (
            "print('own: 5 images')",
            SEEN,
            "sweep.py prints 'own: 5 images\\n' instead of its fingerprint",
        ),
    ],
)
def test_reasons_to_refuse_a_worker(script, sight, problem, set_up, tmp_path):
    (tmp_path / "sweep.py").write_text(script)
    worker = Worker()
    set_up(worker, fingerprint=sight)
    assert worker.said == [("sweep", {"refused": "tcp://w", "problem": problem})] * (
        problem is not None
    )
    assert worker.resources == [{"sweep": 2 if problem is None else 0}]


@pytest.mark.parametrize("missing", ["root", "folder"])
def test_worker_needs_both_folders(missing, set_up, tmp_path):
    (tmp_path / "sweep.py").write_text(SEES)
    worker = Worker()
    set_up(worker, fingerprint=SEEN, **{missing: tmp_path / "none"})
    assert worker.said[0][1]["problem"] == f"it has no folder {tmp_path / 'none'}"


def test_fingerprint_call_has_flags_and_folder(set_up, tmp_path):
    (tmp_path / "sweep.py").write_text(
        "import json, os, sys; print(json.dumps({'x': [os.getcwd(), *sys.argv[1:]]}))"
    )
    (tmp_path / "there").mkdir()
    worker = Worker()
    set_up(
        worker,
        fingerprint={"x": [str(tmp_path / "there"), "--fingerprint"]},
        flags=["--fingerprint"],
        folder=tmp_path / "there",
    )
    assert not worker.said


# -------------------------------------------------------------------------------------------- tasks


@pytest.mark.parametrize(
    "code, problem", [("print(*sys.argv[1:-1])", None), ("sys.exit(3)", "exit code 3")]
)
def test_task_gets_its_share_and_returns_its_place(code, problem, set_up, tmp_path):
    worker = Worker(2)
    runs = set_up(worker)
    found, seconds, where = runs.run_task("code", [code], str(tmp_path / "t.log"))
    assert (found, where) == (problem, "tcp://w") and 0 < seconds < 60 and runs.free == {0, 1}
    assert worker.said == [("sweep", {"begun": "t", "worker": "tcp://w"})]
    assert (tmp_path / "t.log").read_text() == ("--threads 4\n" if problem is None else "")


def test_two_tasks_have_different_places(set_up, tmp_path):
    runs = set_up(Worker(2, 2), gpus=1, threads=5)
    runs.free.remove(0)
    runs.run_task("code", ["print(*sys.argv[1:-1])"], str(tmp_path / "t.log"))
    assert (tmp_path / "t.log").read_text() == "--threads 5 --gpu_id 1\n" and runs.free == {1}


def test_unwritable_log_fails_the_task(set_up, tmp_path):
    runs = set_up(Worker())
    problem, *_ = runs.run_task("code", [""], str(tmp_path / "code.py/t.log"))
    assert "code.py" in problem and runs.free == {0, 1}


@pytest.mark.parametrize("state", ["cancelled", None])
def test_unwanted_task_is_killed(state, set_up, tmp_path):
    worker = Worker()
    runs = set_up(worker)
    assert runs.is_wanted("t")
    worker.state.tasks = (
        {} if state is None else {"t": SimpleNamespace(state=bytes(state, "ascii").decode())}
    )
    with pytest.raises(subprocess.CalledProcessError) as error:
        runs.run_task("code", ["import time; time.sleep(300)"], str(tmp_path / "t.log"))
    assert error.value.returncode == -9 and runs.free == {0, 1} and not runs.is_wanted("t")


def test_killed_task_raises_so_that_it_is_retried(set_up, tmp_path):
    runs = set_up(Worker())
    with pytest.raises(subprocess.CalledProcessError) as error:
        runs.run_task("code", ["os.kill(os.getpid(), 15)"], str(tmp_path / "t.log"))
    assert error.value.returncode == -15 and runs.free == {0, 1}


@pytest.mark.parametrize(
    "gpus, place, script, flags",
    [
        (0, 3, "INCV_main", "--threads 2 --wait"),
        (0, 3, "INCV", "--threads 2 --parallel_halves off"),
        (1, 3, "INCV", "--threads 2 --gpu_id 3"),
        (0.25, 3, "INCV", "--threads 2 --gpu_id 0"),
        (0.25, 4, "INCV_main", "--threads 2 --wait --gpu_id 1"),
        (1 / 3, 3, "INCV_main", "--threads 2 --wait --gpu_id 1"),
        (2, 1, "INCV", "--threads 2 --gpu_id 2,3"),
    ],
)
def test_own_flags_are_threads_and_gpus(gpus, place, script, flags):
    runs = SweepWorkerPlugin("name", "", "", gpus=gpus, threads=2)
    assert " ".join(runs.own_flags(script, place)) == flags
