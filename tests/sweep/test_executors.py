"""Where a sweep may run, and how it reads Dask's answers; test_cluster.py starts Dask."""

import copy
import queue
import subprocess
from types import SimpleNamespace

import dask
import pytest
from distributed import KilledWorker

from noisylabels.errors import UserError
from noisylabels.sweep import executors
from noisylabels.sweep.cluster import Cluster, drain
from noisylabels.sweep.tasks import TaskResult
from noisylabels.system import hardware


@pytest.fixture
def made(monkeypatch):
    """Record how Dask clusters and ours are made, instead of making them."""
    made = SimpleNamespace(dask=None, ours=None)
    monkeypatch.setattr(
        executors, "LocalCluster", lambda **given: setattr(made, "dask", given) or "local"
    )
    monkeypatch.setattr(
        executors, "Cluster", lambda *given, **about: setattr(made, "ours", (given, about))
    )
    monkeypatch.setattr(executors, "silence_dask", lambda: None)
    monkeypatch.setattr(executors.sys, "warnoptions", [])
    return made


@pytest.mark.parametrize(
    "cores, found, jobs, asked, gpus, threads",
    [
        (7, 0, 2, None, 0, 3),
        (1, 0, 2, None, 0, 1),
        (2, 0, 2, None, 0, 1),
        (8, 2, 2, None, 1, 4),
        (8, 3, 3, None, 1, 2),
        (8, 2, 4, 0.5, 0.5, 2),
        (8, 4, 2, 2, 2, 4),
        (8, 2, 5, 0, 0, 1),
    ],
)
def test_local_run_has_its_share_of_cores_and_gpus(
    cores, found, jobs, asked, gpus, threads, made, monkeypatch
):
    """One worker per concurrent run, with the machine's memory as limit."""
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    monkeypatch.setattr(hardware, "gpus", lambda: found)
    executors.on_this_machine("root", jobs, asked)
    about = {
        name: made.dask[name]
        for name in ("n_workers", "threads_per_worker", "memory_limit", "resources")
    }
    assert about == {
        "n_workers": jobs,
        "threads_per_worker": 1,
        "memory_limit": 0,
        "resources": {"GPU": gpus},
    }
    about = {"patience": 120.0, "root": "root", "threads": threads, "numbered": True}
    assert made.ours == (("local", gpus), about)


@pytest.mark.parametrize(
    "found, jobs, asked, words",
    [
        (2, 3, None, "3 runs with 1 GPU each need more than the 2"),
        (2, 5, 0.5, "5 runs with 0.5 GPU each"),
        (0, 1, 0.25, "1 runs with 0.25 GPU each need more than the 0"),
        (3, 2, 2, "2 runs with 2 GPU each"),
    ],
)
def test_more_gpus_than_available_are_refused(found, jobs, asked, words, made, monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: found)
    with pytest.raises(
        UserError, match=f"^argument --{'jobs' if jobs > 1 else 'gpus_per_run'}: {words}"
    ):
        executors.on_this_machine("root", jobs, asked)
    assert made.dask is None


@pytest.mark.parametrize(
    "scheduler, jobs, gpus, expected, submitted",
    [
        ("tcp://10.0.0.1:8786", None, None, ("tcp://10.0.0.1:8786", 0), None),
        ("x:1", 3, 0.5, ("x:1", 0.5), None),
        ("a.yaml", None, None, ("cluster", 0, 1, "problems"), 1),
        ("b/a.yml", 4, 2, ("cluster", 2, 4, "problems"), 4),
    ],
)
def test_scheduler_is_an_address_or_a_configuration(
    scheduler, jobs, gpus, expected, submitted, made, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        executors, "batch_jobs", lambda *given: asked.append(given) or ("cluster", "problems")
    )
    executors.at_scheduler(scheduler, jobs, gpus, root="root")
    assert made.ours == (expected, {"root": "root"}) and asked == [(scheduler, submitted)] * (
        submitted is not None
    )


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Read a configuration of Slurm with these options, with or without sbatch."""

    def configured(options, sbatch=True):
        monkeypatch.setattr(executors.shutil, "which", lambda command: command if sbatch else None)
        monkeypatch.setattr(executors, "silence_dask", lambda: None)
        (tmp_path / "slurm.yaml").write_text(f"jobqueue: {{slurm: {{{options}}}}}")
        return executors.read_configuration(str(tmp_path / "slurm.yaml"))

    executors.import_jobqueue()
    before = copy.deepcopy(dask.config.config)
    dask.config.refresh()  # without what earlier tests have configured
    yield configured
    dask.config.config.clear()
    dask.config.config.update(before)


@pytest.mark.parametrize(
    "options, sbatch, problem",
    [
        ("memory: 1GB", True, "an option of slurm is missing or .* how much cores and memory"),
        ("cores: many, memory: 1GB", True, "has a value that it cannot have: "),
        (
            "cores: 1, memory: lots",
            True,
            "has a value that it cannot have: Could not interpret 'lots'",
        ),
        (
            "cores: 1, memory: 1GB, job-extra-directives: 3",
            True,
            "has a value that it cannot have: ",
        ),
        ("cores: 1, memory: 1GB, interface: ib77", True, "'ib77' is not a valid network interface"),
        ("cores: 1, memory: 1GB", False, "this machine has no sbatch, which submits jobs to slurm"),
    ],
)
def test_configuration_is_checked_first(options, sbatch, problem, configured):
    with pytest.raises(UserError, match=f"^argument --scheduler: .*slurm.yaml: .*{problem}"):
        configured(options, sbatch)


def test_valid_configuration_makes_its_cluster(configured):
    assert configured("cores: 1, memory: 1GB, interface: lo").__name__ == "SLURMCluster"


# -------------------------------------------------------------------------------- what Dask answers


@pytest.fixture
def cluster():
    """Return a Cluster without connections."""
    cluster = Cluster.__new__(Cluster)
    cluster.name, cluster.problems, cluster.expected = "sweep", [], 1
    cluster.tasks, cluster.refused, cluster.workers = {}, {}, {}.keys()
    return cluster


@pytest.mark.parametrize(
    "expected, workers, refused, hope",
    [
        (1, "", "", True),
        (1, "a", "", True),
        (1, "a", "a", False),
        (1, "ab", "a", True),
        (1, "ab", "ab", False),
        (2, "a", "a", True),
        (2, "ab", "ab", False),
        (1, "b", "ab", False),
    ],
)
def test_sweep_waits_while_a_worker_may_join(expected, workers, refused, hope, cluster):
    cluster.expected, cluster.workers, cluster.refused = (
        expected,
        dict.fromkeys(workers).keys(),
        dict.fromkeys(refused),
    )
    if hope:
        cluster.check_expected_workers()
    else:
        with pytest.raises(
            UserError, match="all its workers are refused; fix the reasons above, or start others$"
        ):
            cluster.check_expected_workers()
    cluster.problems = ["first", "last"]
    with pytest.raises(UserError, match="^argument --scheduler: last$"):
        cluster.check_expected_workers()


def future(status, result=None, error=None):
    return SimpleNamespace(key="t", status=status, result=lambda: result, exception=lambda: error)


LOST = KilledWorker("t", SimpleNamespace(address="tcp://w"), 3)


@pytest.mark.parametrize(
    "ended, outcome",
    [
        (future("finished", (None, 2.0, "tcp://w")), TaskResult(None, 2.0, "tcp://w")),
        (
            future("finished", ("exit code 1", 2.0, "tcp://w")),
            TaskResult("exit code 1", 2.0, "tcp://w"),
        ),
        (future("error", error=LOST), TaskResult("its worker was lost, 4 times", 0.0, "tcp://w")),
        (
            future("error", error=subprocess.CalledProcessError(-15, "INCV")),
            TaskResult("killed by SIGTERM, 4 times"),
        ),
    ],
)
def test_end_of_a_task(ended, outcome, cluster):
    cluster.tasks["t"] = "task", None
    assert cluster.result(ended) == ("task", outcome) and not cluster.tasks


@pytest.mark.parametrize(
    "ended, error, words",
    [
        (future("error", error=KeyError("of Dask")), KeyError, "of Dask"),
        (future("lost"), UserError, "the scheduler is gone: .* the same command continues"),
        (future("cancelled"), UserError, "the scheduler is gone"),
    ],
)
def test_other_events_are_no_end_of_a_task(ended, error, words, cluster):
    cluster.tasks["t"] = "task", None
    with pytest.raises(error, match=words):
        cluster.result(ended)


def test_messages_of_workers(cluster):
    """They are shown for unfinished tasks only; a refusal is a warning."""
    begun = []
    status = SimpleNamespace(where=lambda *given: begun.append(given))
    cluster.tasks["t"] = "task", None
    for said in ({}, {"begun": "t", "worker": "tcp://w"}, {"begun": "other", "worker": "tcp://w"}):
        cluster.handle(said, status)
    assert begun == [("task", "tcp://w")] and cluster.refused == {}
    with pytest.warns(UserWarning, match="^worker tcp://x is refused: no folder$") as warned:
        cluster.handle({"refused": "tcp://x", "problem": "no folder"}, status)
    assert cluster.refused == {"tcp://x": "no folder"} and warned[0].filename == __file__


def test_number_of_places(cluster):
    workers = {
        "a": {"resources": {"sweep": 2.0, "GPU": 1}},
        "b": {"resources": {}},
        "c": {"resources": {"sweep": 1}},
    }
    cluster.client = SimpleNamespace(
        scheduler_info=lambda: {"workers": workers}, dashboard_link="http://x"
    )
    cluster.count_places()
    assert cluster.places == 3 and cluster.workers == {"a", "b", "c"}
    assert cluster.about == "3 at a time, dashboard http://x"


def test_queue_is_read_at_once_or_waited_for():
    items = queue.SimpleQueue()
    assert [*drain(items)] == [*drain(items, 0.01)] == []
    for item in "abc":
        items.put(item)
    assert [*drain(items)] == [*"abc"] and items.empty()
    items.put("d")
    assert [*drain(items, 60)] == ["d"]


# ---------------------------------------------------------------------------------------- its flags


def test_scheduler_lost_while_idle_is_one_error():
    with pytest.raises(UserError, match="^the scheduler is gone: "):
        Cluster.count_places(SimpleNamespace(client=SimpleNamespace(scheduler_info=dict)))
