"""A sweep in jobs of a real Slurm of one node, which slurm.sh starts here."""

import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
from dask_cluster import soon, write_scripts
from helpers import ROOT, end, start

from noisylabels.errors import UserError
from noisylabels.sweep import executors
from noisylabels.sweep.run_tasks import run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task

NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
MISSING = [
    program
    for program in NEEDED
    if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
]
pytestmark = [
    pytest.mark.runs,
    pytest.mark.skipif(
        bool(MISSING), reason=f"no {', '.join(MISSING)}: apt-get install slurm-wlm munge"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="slurm.sh needs root"),
]
CONFIGURATION = """
jobqueue:
  slurm:
    cores: 1
    memory: 1GB
    queue: tests
    walltime: "00:10:00"
    interface: lo
    log-directory: {folder}
    local-directory: {folder}
    job-directives-skip: ["--mem"]
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Start a Slurm of one node; return its folder."""
    folder = tmp_path_factory.mktemp("slurm")
    process = subprocess.Popen(
        ["bash", ROOT / "tests/sweep/slurm.sh", folder],
        stdin=subprocess.PIPE,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
    )
    try:
        assert process.stdout.readline() == "ready\n", "see the logs next to slurm.conf"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            yield folder
    finally:
        process.stdin.close()
        process.wait(60)


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "slurm.yaml"
    path.write_text(CONFIGURATION.format(folder=tmp_path))
    return path


def queue():
    """Return the states of all jobs, by id."""
    lines = subprocess.run(
        ["squeue", "--noheader", "--format", "%i %T"], capture_output=True, text=True, check=True
    )
    return dict(line.split() for line in lines.stdout.splitlines())


@pytest.mark.slow
def test_cancelled_job_is_replaced(slurm, configuration, tmp_path):
    """Its task continues in another job, and no job is left in the end."""
    code = (
        "import os, time; print(os.environ['SLURM_JOB_ID']); time.sleep(.5); "
        f"[time.sleep(.1) for _ in range(300) if not os.path.exists('{tmp_path}/go')]"
    )
    tasks = [Task(f"t{k}", "code", [code], tmp_path / f"t{k}.json") for k in range(6)]
    jobs = set()

    def cancel():
        soon(lambda: sum(where != "" for _, where in status.running.values()) == 2)
        jobs.update(queue())
        subprocess.run(["scancel", min(jobs)], check=True)
        soon(lambda: list(queue().values()) == ["RUNNING"] * 2 and min(jobs) not in queue())
        jobs.update(queue())
        (tmp_path / "go").touch()

    with (
        executors.at_scheduler(str(configuration), 2, None, **write_scripts(tmp_path)) as runs,
        Status(tasks, runs) as status,
    ):
        thread = threading.Thread(target=cancel, daemon=True)
        thread.start()
        run_tasks(tasks, runs, status)
    thread.join(60)
    assert not status.failed and len(jobs) == 3
    assert {task.log.read_text().strip() for task in tasks} <= jobs
    soon(lambda: not queue())


@pytest.mark.slow
def test_interrupted_sweep_leaves_no_job(slurm, configuration, tmp_path):
    flags = [
        "--settings",
        "sym:0.5",
        "--methods",
        "standard",
        "--seeds",
        0,
        "--results_dir",
        tmp_path / "results",
    ]
    sweep = start("sweep", *flags, "--scheduler", configuration, "--jobs", 2)
    soon(lambda: list(queue().values()) == ["RUNNING"] * 2)
    sweep.send_signal(signal.SIGINT)
    ended = end(sweep, timeout=60)
    assert ended.code == 130 and re.fullmatch("sweep.py: interrupted; .*\n", ended.err)
    soon(lambda: not queue())


@pytest.mark.slow
def test_refused_job_ends_the_sweep_with_one_error(slurm, configuration, tmp_path):
    configuration.write_text(configuration.read_text().replace("queue: tests", "queue: nosuch"))
    tasks = [Task("t", "code", [""], tmp_path / "t.json")]
    with pytest.raises(
        UserError, match="^argument --scheduler: sbatch: error: .*[Ii]nvalid partition"
    ):
        with executors.at_scheduler(
            str(configuration), None, None, **write_scripts(tmp_path)
        ) as runs:
            assert runs.expected == 1  # the default without --jobs
            with Status(tasks, runs) as status:
                run_tasks(tasks, runs, status)
