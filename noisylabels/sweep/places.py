"""Where a sweep's tasks may run: on this machine, at the address of a scheduler, or in the jobs of a batch system."""
import logging
import signal
import sys
import warnings
from importlib import import_module
from pathlib import Path

import dask
import yaml
from distributed import LocalCluster

from noisylabels import machine
from noisylabels.errors import UserError
from noisylabels.sweep.cluster import Cluster
from noisylabels.sweep.work import RETRIES

DASHBOARD = "127.0.0.1:8787"    # of a cluster of this machine, where nobody else has it
SYSTEMS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster", "oar": "OARCluster",
           "moab": "MoabCluster", "htcondor": "HTCondorCluster"}


def on_this_machine(root, jobs, gpus):
    """A Cluster of `jobs` workers that nothing outside can reach, each for one run with its share of the cores.

    gpus: what share of one, or how many, a run has; None for 1 where there are any. Raises UserError for too many.
    """
    found = machine.gpus()
    gpus = min(1, found) if gpus is None else gpus
    if gpus * jobs > found:
        raise UserError(f"argument --{'jobs' if jobs > 1 else 'gpus_per_run'}: {jobs} runs with {gpus:g} GPU each need "
                        f"more than the {found} of this machine; give less, or --gpu_id -1 alone for the CPU")
    quiet()
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")       # Python's, of a process that Ctrl-C has ended
    workers = LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit=0, resources={"GPU": gpus},
                           dashboard_address=DASHBOARD, silence_logs=logging.CRITICAL)
    return Cluster(workers, gpus, root=root, threads=max(1, machine.cores() // jobs), numbered=True)


def at(scheduler, jobs, gpus, **sent):
    """A Cluster of what a scheduler has: its address, or a dask-jobqueue configuration, of which `jobs` are submitted.

    gpus: as above. sent: to worker.Runs. Raises UserError where there is no such scheduler, or it will have no worker.
    """
    quiet()
    if Path(scheduler).suffix in (".yaml", ".yml"):
        cluster, problems = batch_jobs(scheduler, jobs or 1)
        return Cluster(cluster, gpus or 0, jobs or 1, problems, **sent)
    try:
        return Cluster(scheduler, gpus or 0, **sent)
    except (OSError, ValueError) as error:
        raise UserError(f"argument --scheduler: no scheduler answers at {scheduler} ({error}); give its address, such "
                        "as tcp://10.0.0.1:8786, or a dask-jobqueue configuration, a file .yaml") from None


def batch_jobs(path, jobs):
    """The cluster of a dask-jobqueue configuration: a scheduler in this process, and `jobs` batch jobs with workers.

    Returns also a list, into which goes what the batch system says against a job.
    """
    jobqueue = import_jobqueue()
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        (system, options), = content["jobqueue"].items()
        unknown = options.keys() - dask.config.get(f"jobqueue.{system}").keys()
    except OSError as error:
        raise UserError(f"argument --scheduler: {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"argument --scheduler: {path} is not a dask-jobqueue configuration: 'jobqueue:', beneath it "
                        f"one of {', '.join(SYSTEMS)}, and its options beneath that; see docs/cluster.md") from None
    if unknown:
        raise UserError(f"argument --scheduler: {path}: no option of {system}: {', '.join(sorted(unknown))}")
    dask.config.update(dask.config.config, content)
    kind, problems = getattr(jobqueue, SYSTEMS[system]), []

    class Job(kind.job_cls):
        """One that keeps what the batch system says against it: Dask does not."""

        async def start(self):
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as error:
                problems.append(" ".join(str(error).rpartition("stderr:")[-1].split()))
                raise

    try:
        cluster = kind(job_cls=Job)
    except ValueError as error:
        raise UserError(f"argument --scheduler: {path}: {error}") from None
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)             # a job that has ended is submitted again
    return cluster, problems


def import_jobqueue():
    """The module dask_jobqueue, without the handlers of signals that it sets when it is imported."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    module = import_module("dask_jobqueue")
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
    return module


def quiet():
    """Has Dask say nothing by itself, lose no more workers over a task than it is tried again, and miss a lost job."""
    warnings.filterwarnings("ignore", "Port .* is already in use")      # the dashboard takes another, and that is shown
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    dask.config.set({"logging.distributed": "critical", "distributed.scheduler.allowed-failures": RETRIES,
                     "distributed.deploy.lost-worker-timeout": "5s"})
