"""Executors on Dask: workers on this machine, of a scheduler, or of a batch system."""

import contextlib
import logging
import shlex
import shutil
import signal
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
import yaml
from distributed import Client, LocalCluster
from distributed.utils import get_ip_interface

from noisylabels.errors import UserError
from noisylabels.sweep import cluster
from noisylabels.sweep.cluster import Cluster
from noisylabels.sweep.subprocess_runner import RETRIES
from noisylabels.system import hardware

RESTART = 120.0  # seconds at most until a lost local worker is replaced
DASHBOARD = "127.0.0.1:8787"  # of a local cluster, if the port is free
SYSTEMS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}


def on_this_machine(root: Path, jobs: int, gpus: float | None) -> Cluster:
    """Start `jobs` local workers, each for one run with its share of the cores.

    Parameters
    ----------
    root : Path
        Folder of the scripts.
    jobs : int
        Runs at a time.
    gpus : float or None
        Number of GPUs per run, or share of a GPU. By default 1 if there are GPUs.

    Raises
    ------
    UserError
        The runs need more GPUs than the machine has.
    """
    gpus = gpus_of_local_run(jobs, gpus)
    silence_dask()
    # Python's resource tracker warns about a process that Ctrl-C has ended.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    workers = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        memory_limit=0,
        resources={"GPU": gpus},
        dashboard_address=DASHBOARD,
        silence_logs=logging.CRITICAL,
    )
    threads = max(1, hardware.cores() // jobs)
    return Cluster(workers, gpus, patience=RESTART, root=root, threads=threads, numbered=True)


def gpus_of_local_run(jobs: int, gpus: float | None) -> float:
    """Return the GPUs of each run on this machine; otherwise see `on_this_machine`."""
    found = hardware.gpus()
    gpus = min(1, found) if gpus is None else gpus
    if gpus * jobs > found:
        flag = "jobs" if jobs > 1 else "gpus_per_run"
        raise UserError(
            f"argument --{flag}: {jobs} runs with {gpus:g} GPU each need more than the {found} of "
            "this machine; give less, or --gpu_id -1 alone for the CPU"
        )
    return gpus


def at_scheduler(scheduler: str, jobs: int | None, gpus: float | None, **plugin: Any) -> Cluster:
    """Connect to a scheduler, or submit `jobs` batch jobs with workers.

    Parameters
    ----------
    scheduler : str
        Address of a scheduler, or path of a dask-jobqueue configuration.
    jobs
        Number of batch jobs, by default 1.
    gpus
        Number of GPUs per run, or share of a GPU. By default 0.
    **plugin
        Further arguments of `worker.SweepWorkerPlugin`.

    Raises
    ------
    UserError
        No scheduler answers, or it cannot get a worker.
    """
    silence_dask()
    if is_configuration(scheduler):
        batch, problems = batch_jobs(scheduler, jobs or 1)
        return Cluster(batch, gpus or 0, jobs or 1, problems, **plugin)
    with answering(scheduler):
        return Cluster(scheduler, gpus or 0, **plugin)


def check_scheduler(scheduler: str) -> None:
    """Raise UserError if it is clear before the start that `at_scheduler` would fail."""
    silence_dask()
    if is_configuration(scheduler):
        read_configuration(scheduler)
        return
    with answering(scheduler):
        Client(scheduler, set_as_default=False, timeout=cluster.ANSWER).close()


def is_configuration(scheduler: str) -> bool:
    """Return whether this is the path of a dask-jobqueue configuration, not an address."""
    return Path(scheduler).suffix in (".yaml", ".yml")


@contextlib.contextmanager
def answering(scheduler: str) -> Iterator[None]:
    """Raise UserError if no scheduler answers at an address in the block."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            f"argument --scheduler: no scheduler answers at {scheduler} ({error}); give its "
            "address, such as tcp://10.0.0.1:8786, or a dask-jobqueue configuration, a .yaml file"
        ) from None


def read_configuration(path: str) -> type:
    """Read a dask-jobqueue configuration into Dask's own and return its class of clusters.

    Raises
    ------
    UserError
        The file cannot be read, or has an unknown option or an invalid value. Or this machine lacks
        the network interface or the command that submits jobs.
    """
    jobqueue = import_jobqueue()
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        ((system, options),) = content["jobqueue"].items()
        unknown = options.keys() - dask.config.get(f"jobqueue.{system}").keys()
    except OSError as error:
        raise UserError(f"argument --scheduler: {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(
            f"argument --scheduler: {path} is not a dask-jobqueue configuration: it needs "
            f"'jobqueue:', in it one of {', '.join(SYSTEMS)}, and in that the options; see "
            "docs/running.md"
        ) from None
    if unknown:
        names = ", ".join(sorted(unknown))
        raise UserError(f"argument --scheduler: {path}: no option of {system}: {names}")
    dask.config.update(dask.config.config, content)
    kind = getattr(jobqueue, SYSTEMS[system])
    try:
        interface = dask.config.get(f"jobqueue.{system}.interface")
        if interface:
            get_ip_interface(interface)
        job = kind.job_cls("tcp://127.0.0.1:0", "check")  # it is not submitted
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"argument --scheduler: {path}: an option of {system} is missing or has a value that "
            f"it cannot have: {error}"
        ) from None
    command = shlex.split(job.submit_command)[0]
    if not shutil.which(command):
        raise UserError(
            f"argument --scheduler: {path}: this machine has no {command}, which submits jobs to "
            f"{system}; start the sweep where it is installed"
        )
    return kind


def batch_jobs(path: str, jobs: int) -> tuple[Any, list[str]]:
    """Start a scheduler in this process and submit `jobs` batch jobs with workers.

    Returns the cluster, and a list that receives the error messages of the batch system.
    """
    kind, problems = read_configuration(path), []

    class Job(kind.job_cls):
        """A job that records the error message of the batch system, which Dask discards."""

        async def start(self) -> None:
            """Submit the job."""
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as error:
                problems.append(" ".join(str(error).rpartition("stderr:")[-1].split()))
                raise

    try:
        batch = kind(job_cls=Job)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"argument --scheduler: {path}: {error}") from None
    batch.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # jobs that end are submitted again
    return batch, problems


def import_jobqueue() -> ModuleType:
    """Import dask_jobqueue and restore the signal handlers that its import replaces."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    module = import_module("dask_jobqueue")
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
    return module


def silence_dask() -> None:
    """Silence Dask's log, and set how often a task is tried and when a lost job is replaced."""
    # The dashboard then uses another port, which the status shows.
    warnings.filterwarnings("ignore", "Port .* is already in use")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    dask.config.set(
        {
            "logging.distributed": "critical",
            "distributed.scheduler.allowed-failures": RETRIES,
            "distributed.deploy.lost-worker-timeout": "5s",
        }
    )
