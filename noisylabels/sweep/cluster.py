"""Run the tasks of a sweep on the workers of a Dask scheduler."""

import contextlib
import math
import os
import queue
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cloudpickle
from distributed import Client, Future, KilledWorker, get_worker

from noisylabels.errors import UserError
from noisylabels.sweep import subprocess_runner, worker
from noisylabels.sweep.status import Status
from noisylabels.sweep.subprocess_runner import RETRIES
from noisylabels.sweep.tasks import Task, TaskResult, killed
from noisylabels.system import child_processes, hardware

SECONDS = 1.0  # between two checks of the workers
WITHDRAW = 5.0  # seconds at most to withdraw a sweep from the scheduler after an interruption
ANSWER = 20.0  # seconds in which a scheduler has to answer
WORKERS_LOST = (
    "no worker is left on this machine: finished runs are saved, the same command continues from "
    "there"
)
SCHEDULER_LOST = (
    "the scheduler is gone: finished runs are saved, the same command continues from there"
)
for sent in (child_processes, hardware, subprocess_runner, worker):
    cloudpickle.register_pickle_by_value(sent)


def remote_call(name: str) -> Callable[..., Any]:
    """Return the function that a worker calls for a task of the sweep `name`.

    It is a closure, so that Dask sends it by value.
    """

    def run_task(*task: Any) -> tuple[str | None, float, str]:
        return get_worker().plugins[name].run_task(*task)

    return run_task


def drain(items: queue.SimpleQueue, timeout: float = 0) -> Iterator[Any]:
    """Yield all items of a queue; wait up to `timeout` seconds for the first one."""
    with contextlib.suppress(queue.Empty):
        yield items.get(timeout=timeout) if timeout else items.get_nowait()
        while True:
            yield items.get_nowait()


class Cluster(contextlib.AbstractContextManager):
    """An executor on the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : str or dask cluster
        An address or a cluster. The latter is closed with this object.
    gpus : float
        GPUs per run. It may be a share of a GPU.
    expected : int
        Expected number of workers.
    problems : sequence of str
        Reasons why workers do not start. The list may grow.
    patience : float
        Seconds without a place for a task after which the sweep ends. Dask restarts a local worker,
        but not one that is killed while it starts.
    **plugin
        Further arguments of `worker.SweepWorkerPlugin`.

    Raises
    ------
    OSError, ValueError
        No scheduler answers at the address.
    """

    def __init__(
        self,
        scheduler: Any,
        gpus: float,
        expected: int = 1,
        problems: Sequence[str] = (),
        patience: float = math.inf,
        **plugin: Any,
    ) -> None:
        self.name = f"noisylabels-{uuid.uuid4().hex[:8]}"
        self.scheduler, self.gpus = scheduler, gpus
        self.expected, self.problems = expected, problems
        self.patience, self.places_seen = patience, time.monotonic()
        self.client = Client(scheduler, set_as_default=False, timeout=ANSWER)
        self.lock = threading.Lock()
        self.remote_call = remote_call(self.name)
        self.tasks: dict[str, tuple[Task, Future]] = {}
        self.refused: dict[str, str] = {}
        self.messages, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        self.client.subscribe_topic(self.name, lambda event: self.messages.put(event[1]))
        while self.messages.empty():  # until the scheduler knows the topic: a refusal is sent once
            self.client.log_event(self.name, {})
            time.sleep(0.01)
        part = worker.SweepWorkerPlugin(self.name, gpus=gpus, folder=os.getcwd(), **plugin)
        self.client.register_plugin(part, name=self.name)
        self.count_places()

    def __exit__(self, *_: object) -> None:
        if self.client.status == "running":
            self.client.unregister_worker_plugin(self.name)
        self.close()

    def close(self) -> None:
        """End the tasks that still run; close a cluster of its own and its batch jobs."""
        self.client.close()
        if not isinstance(self.scheduler, str):
            with contextlib.suppress(AssertionError):  # it asserts that all of its jobs started
                self.scheduler.close()

    def leave(self) -> None:
        """Close while a signal ends this process; `ended` does nothing more."""
        self.lock.acquire()
        if isinstance(self.scheduler, str):  # its workers may no longer answer
            thread = threading.Thread(target=self.withdraw, daemon=True)
            thread.start()
            thread.join(WITHDRAW)
        self.close()

    def withdraw(self) -> None:
        """Exclude workers that join later from the sweep."""
        with contextlib.suppress(Exception):  # the scheduler may be gone too
            self.client.unregister_worker_plugin(self.name)

    @property
    def about(self) -> str:
        """Return the number of tasks at a time and the address of the dashboard."""
        return f"{self.places} at a time, dashboard {self.client.dashboard_link}"

    def begin(self, task: Task) -> None:
        """Submit a task to Dask."""
        key = f"{task.script}-{uuid.uuid4().hex}"
        resources = {self.name: 1}
        if self.gpus:
            resources["GPU"] = self.gpus
        future = self.client.submit(
            self.remote_call,
            task.script,
            task.flags,
            str(task.log),
            key=key,
            pure=False,
            retries=RETRIES,
            resources=resources,
        )
        self.tasks[key] = task, future
        future.add_done_callback(self.done.put)

    def ended(self, status: Status) -> list[tuple[Task, TaskResult]]:
        """Wait a second for tasks to end and return them; report the rest to the status."""
        with self.lock:
            done = [*drain(self.done, SECONDS)]
            for message in drain(self.messages):  # sent before the tasks ended
                self.handle(message, status)
            found = [self.result(future) for future in done]
            if time.monotonic() - self.counted_at > SECONDS:
                self.count_places()
            if self.places:
                self.places_seen = self.counted_at
            elif self.counted_at - self.places_seen > self.patience:
                raise UserError(WORKERS_LOST)
            elif not self.tasks:
                self.check_expected_workers()
        return found

    def check_expected_workers(self) -> None:
        """Raise UserError if no worker has a place and none will."""
        if self.problems:
            raise UserError(f"argument --scheduler: {self.problems[-1]}")
        if self.expected <= len(self.workers) and self.refused.keys() >= self.workers:
            raise UserError(
                "argument --scheduler: all its workers are refused; fix the reasons above, or "
                "start others"
            )

    def result(self, future: Future) -> tuple[Task, TaskResult]:
        """Return a finished task and its result; UserError if the scheduler is gone."""
        task, _ = self.tasks.pop(future.key)
        if future.status == "finished":
            return task, TaskResult(*future.result())
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            problem = f"its worker was lost, {1 + RETRIES} times"
            return task, TaskResult(problem, where=error.last_worker.address)
        if isinstance(error, subprocess.CalledProcessError):
            return task, TaskResult(killed(error))
        if error:
            raise error
        raise UserError(SCHEDULER_LOST)

    def handle(self, message: dict[str, str], status: Status) -> None:
        """Process a worker's message: it started a task, or may not take part."""
        if "begun" in message and message["begun"] in self.tasks:
            status.where(self.tasks[message["begun"]][0], message["worker"])
        elif "refused" in message:
            address, problem = message["refused"], message["problem"]
            self.refused[address] = problem
            warnings.warn(f"worker {address} is refused: {problem}", stacklevel=2)

    def count_places(self) -> None:
        """Look up the workers and their places; UserError if the scheduler is gone."""
        self.counted_at = time.monotonic()
        found = self.client.scheduler_info().get("workers")
        if found is None:
            raise UserError(SCHEDULER_LOST)
        self.workers = found.keys()
        self.places = sum(int(info["resources"].get(self.name, 0)) for info in found.values())
