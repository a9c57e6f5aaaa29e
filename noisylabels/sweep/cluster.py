"""A sweep on Dask: on a cluster of this machine's, at a scheduler's address, or in the jobs of a batch system."""
import contextlib
import logging
import os
import queue
import subprocess
import time
import uuid
import warnings

import cloudpickle
import dask
from distributed import Client, KilledWorker, LocalCluster, get_worker

from noisylabels import machine
from noisylabels.errors import UserError
from noisylabels.sweep import work, worker
from noisylabels.sweep.tasks import Outcome, killed
from noisylabels.sweep.work import RETRIES

SECONDS = 1.                    # between two looks at the workers
DASHBOARD = "127.0.0.1:8787"    # where Dask has its dashboard, of a cluster of this machine
for sent in (machine, work, worker):
    cloudpickle.register_pickle_by_value(sent)


def on_this_machine(root, jobs, gpus):
    """A Cluster of this machine: `jobs` workers that nothing outside can reach, each with an equal share of the cores.

    gpus: what share of one, or how many, a run has; None for 1 where there are any. Raises UserError for too many.
    """
    found = machine.gpus()
    gpus = min(1, found) if gpus is None else gpus
    if gpus * jobs > found:
        raise UserError(f"argument --jobs: {jobs} runs with {gpus:g} GPU each need more than the {found} of this "
                        "machine; give a smaller --gpus_per_run, or --gpu_id -1 for the CPU")
    dask.config.set({"logging.distributed": "critical", "distributed.scheduler.allowed-failures": RETRIES})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Port .* is already in use")          # another is taken, and shown
        workers = LocalCluster(n_workers=jobs, threads_per_worker=1, memory_limit=0, resources={"GPU": gpus},
                               dashboard_address=DASHBOARD, silence_logs=logging.CRITICAL)
    return Cluster(workers, root=root, gpus=gpus, threads=max(1, machine.cores() // jobs), numbered=True)


def task_of(name):
    """What a worker is given to do: its part in the sweep `name` carries out a task. A closure, so that it is sent."""
    def carry_out(*task):
        return get_worker().plugins[name].carry_out(*task)
    return carry_out


class Cluster(contextlib.AbstractContextManager):
    """Does tasks on the workers of a Dask scheduler, on each of them as many at a time as it has places."""

    def __init__(self, scheduler, gpus, **about):
        """scheduler: a Dask cluster, which ends with this, or the address of a scheduler. The rest: for worker.Runs."""
        self.name = f"noisylabels-{uuid.uuid4().hex[:8]}"
        self.scheduler, self.gpus = scheduler, gpus
        self.client = Client(scheduler, set_as_default=False)
        self.task, self.tasks, self.refused = task_of(self.name), {}, {}
        self.said, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        self.client.subscribe_topic(self.name, lambda event: self.said.put(event[1]))
        self.client.register_plugin(worker.Runs(self.name, gpus=gpus, folder=os.getcwd(), **about), name=self.name)
        self.look()

    def __exit__(self, *_):
        self.client.unregister_worker_plugin(self.name)
        self.client.close()
        if not isinstance(self.scheduler, str):
            self.scheduler.close()

    @property
    def about(self):
        """How many tasks at a time, and where the dashboard is."""
        return f"{self.places} at a time, dashboard {self.client.dashboard_link}"

    def begin(self, task):
        """Hands a task to Dask."""
        key = f"{task.script}-{uuid.uuid4().hex}"
        resources = {self.name: 1, **({"GPU": self.gpus} if self.gpus else {})}
        future = self.client.submit(self.task, task.script, task.flags, str(task.log), key=key, pure=False,
                                    retries=RETRIES, resources=resources)
        self.tasks[key] = task, future
        future.add_done_callback(self.done.put)

    def ended(self, status):
        """Waits a second for a task to end. Returns [(task, Outcome)] of those that did; tells the status the rest."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self.outcome(self.done.get(timeout=SECONDS)))
            while True:
                found.append(self.outcome(self.done.get_nowait()))
        with contextlib.suppress(queue.Empty):
            while True:
                self.hear(self.said.get_nowait(), status)
        if time.monotonic() - self.looked > SECONDS:
            self.look()
        return found

    def outcome(self, future):
        """(task, Outcome) of a future that is done. Raises UserError where the scheduler is gone."""
        task, _ = self.tasks.pop(future.key)
        if future.status == "finished":
            return task, Outcome(*future.result())
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            return task, Outcome(f"its worker was lost, {1 + RETRIES} times", where=error.last_worker.address)
        if isinstance(error, subprocess.CalledProcessError):
            return task, Outcome(killed(error))
        if error:
            raise error
        raise UserError("the scheduler is gone: what runs have finished is saved, the same command goes on from there")

    def hear(self, said, status):
        """What a worker has said: that it has begun a task, or may not take part."""
        if "begun" in said and said["begun"] in self.tasks:
            status.where(self.tasks[said["begun"]][0], said["worker"])
        elif "refused" in said:
            self.refused[said["refused"]] = said["problem"]
            warnings.warn(f"worker {said['refused']} is refused: {said['problem']}", stacklevel=2)

    def look(self):
        """Looks at which workers there are, and how many places they have."""
        self.looked = time.monotonic()
        workers = self.client.scheduler_info()["workers"]
        self.places = sum(int(about["resources"].get(self.name, 0)) for about in workers.values())
