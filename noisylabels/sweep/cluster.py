"""A sweep's tasks on the workers of a Dask scheduler."""
import contextlib
import os
import queue
import subprocess
import threading
import time
import uuid
import warnings

import cloudpickle
from distributed import Client, KilledWorker, get_worker

from noisylabels import machine
from noisylabels.errors import UserError
from noisylabels.sweep import work, worker
from noisylabels.sweep.tasks import Outcome, killed
from noisylabels.sweep.work import RETRIES

SECONDS = 1.                    # between two looks at the workers
WITHDRAW = 5.                   # seconds, at the most, that a sweep takes to be forgotten when it is interrupted
ANSWER = 20.                    # seconds in which a scheduler has to answer
GONE = "the scheduler is gone: what runs have finished is saved, the same command goes on from there"
for sent in (machine, work, worker):
    cloudpickle.register_pickle_by_value(sent)


def task_of(name):
    """What a worker is given to do: its part in the sweep `name` carries out a task. A closure, so that it is sent."""
    def carry_out(*task):
        return get_worker().plugins[name].carry_out(*task)
    return carry_out


def taken(items, timeout=0):
    """What is in a queue, as soon as there is something, or it has been waited for."""
    with contextlib.suppress(queue.Empty):
        yield items.get(timeout=timeout) if timeout else items.get_nowait()
        while True:
            yield items.get_nowait()


class Cluster(contextlib.AbstractContextManager):
    """Does tasks on the workers of a Dask scheduler, on each of them as many at a time as it has places."""

    def __init__(self, scheduler, gpus, expected=1, problems=(), **about):
        """scheduler: a Dask cluster, which ends with this, or an address. expected: how many workers there will be.

        problems: a list that may grow, of why workers do not come. about: what worker.Runs is told. Raises OSError or
        ValueError where no scheduler answers at the address.
        """
        self.name = f"noisylabels-{uuid.uuid4().hex[:8]}"
        self.scheduler, self.gpus, self.expected, self.problems = scheduler, gpus, expected, problems
        self.client = Client(scheduler, set_as_default=False, timeout=ANSWER)
        self.lock = threading.Lock()
        self.task, self.tasks, self.refused = task_of(self.name), {}, {}
        self.said, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        self.client.subscribe_topic(self.name, lambda event: self.said.put(event[1]))
        while self.said.empty():        # until it is known there: a worker that is refused says so once
            self.client.log_event(self.name, {})
            time.sleep(.01)
        self.client.register_plugin(worker.Runs(self.name, gpus=gpus, folder=os.getcwd(), **about), name=self.name)
        self.look()

    def __exit__(self, *_):
        if self.client.status == "running":
            self.client.unregister_worker_plugin(self.name)
        self.close()

    def close(self):
        """Has the workers end what they still do for this; a cluster of its own ends, and the batch jobs of one."""
        self.client.close()
        if not isinstance(self.scheduler, str):
            with contextlib.suppress(AssertionError):       # it asserts that all of its jobs have begun
                self.scheduler.close()

    def leave(self):
        """As `close`, while a signal ends this process: nothing more is done in `ended`."""
        self.lock.acquire()
        if isinstance(self.scheduler, str):         # it stays, with workers that may not answer any more
            thread = threading.Thread(target=self.withdraw, daemon=True)
            thread.start()
            thread.join(WITHDRAW)
        self.close()

    def withdraw(self):
        """Has workers that come later not take part."""
        with contextlib.suppress(Exception):        # the scheduler may be gone, too
            self.client.unregister_worker_plugin(self.name)

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
        with self.lock:
            done = [*taken(self.done, SECONDS)]
            for said in taken(self.said):               # first: it was said before they were done
                self.hear(said, status)
            found = [self.outcome(future) for future in done]
            if time.monotonic() - self.looked > SECONDS:
                self.look()
            if not self.places and not self.tasks:
                self.check_hope()
        return found

    def check_hope(self):
        """Raises UserError where there are no places, and will be none."""
        if self.problems:
            raise UserError(f"argument --scheduler: {self.problems[-1]}")
        if self.expected <= len(self.workers) and self.refused.keys() >= self.workers:
            raise UserError("argument --scheduler: all its workers are refused; mend that, or start others")

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
        raise UserError(GONE)

    def hear(self, said, status):
        """What a worker has said: that it has begun a task, or may not take part."""
        if "begun" in said and said["begun"] in self.tasks:
            status.where(self.tasks[said["begun"]][0], said["worker"])
        elif "refused" in said:
            self.refused[said["refused"]] = said["problem"]
            warnings.warn(f"worker {said['refused']} is refused: {said['problem']}", stacklevel=2)

    def look(self):
        """Looks at which workers there are, and how many places they have. Raises UserError where there is none."""
        self.looked = time.monotonic()
        found = self.client.scheduler_info().get("workers")
        if found is None:
            raise UserError(GONE)
        self.workers = found.keys()
        self.places = sum(int(about["resources"].get(self.name, 0)) for about in found.values())
