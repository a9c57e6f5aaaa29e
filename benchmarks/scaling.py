"""Measure the overhead of a sweep, and how it scales.

    python benchmarks/scaling.py cost
    python benchmarks/scaling.py jobs
    python benchmarks/scaling.py paper

- `cost` measures the overhead per run, and that of Dask for 10,000 empty tasks.
- `jobs` measures the runs per hour with one job and with two, each with one core. It needs a
  machine without other load.
- `paper` simulates the paper's table, 140 runs and 20 selections, on 1, 8 and 64 GPUs.
"""

import argparse
import contextlib
import heapq
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import sweep
from noisylabels.data.dataset import Dataset
from noisylabels.sweep import executors
from noisylabels.sweep.run_tasks import Executor, run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task, TaskQueue

RUNS = 8  # of DIGITS: 2 methods, 4 seeds
DIGITS = ["--settings", "sym:0.5", "--methods", "standard", "d2l", "--seeds", "0", "1", "2", "3"]
DIGITS += ["--threads", "1", "--epochs", "20"]


def run_seconds(tasks: list[Task], executor: Executor) -> float:
    """Run tasks without showing their status, and return the seconds that they took."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), Status(tasks, executor) as status:
        run_tasks(tasks, executor, status)
    assert not status.failed
    return time.perf_counter() - start


def measure_cost(options: argparse.Namespace) -> None:
    """Print the overhead per run and per task of a sweep.

    The overhead of a run is the time of an empty script in a sweep, minus its time outside. For
    the overhead of a task, the workers start no process.
    """
    with tempfile.TemporaryDirectory() as folder:

        def empty_tasks(n: int) -> list[Task]:
            return [Task(f"t{k}", "nothing", [], Path(folder, f"{k}.json")) for k in range(n)]

        script = Path(folder, "nothing.py")
        script.touch()
        start = time.perf_counter()
        for _ in range(options.runs):
            subprocess.run([sys.executable, script])
        alone = (time.perf_counter() - start) / options.runs
        with executors.on_this_machine(folder, 1, 0) as executor:
            inside = run_seconds(empty_tasks(options.runs), executor) / options.runs
            print(f"empty script: {alone:.3f} s alone, {inside:.3f} s as a run of a sweep")
            executor.remote_call = lambda *task: (None, 0.0, "")
            seconds = run_seconds(empty_tasks(options.tasks), executor)
            per_task = 1000 * seconds / options.tasks
            print(f"{options.tasks:,} empty tasks: {seconds:.1f} s, {per_task:.2f} ms per task")


def measure_jobs(options: argparse.Namespace) -> None:
    """Print the runs per hour of the same sweep on digits with one job and with two."""
    for n in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, sweep.__file__, *DIGITS]
            command += ["--results_dir", folder, "--jobs", str(n)]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            per_hour = RUNS * 3600 / seconds
            print(f"--jobs {n}: {RUNS} runs in {seconds:.0f} s, {per_hour:.0f} runs per hour")


def blank_cifar10() -> Dataset:
    """Return a data set of CIFAR-10's size with blank images, which occupy no memory."""
    labels = {n: np.arange(n) % 10 for n in (50_000, 10_000)}
    images = {n: np.broadcast_to(np.uint8(0), (n, 32, 32, 3)) for n in labels}
    return Dataset(
        name="cifar10",
        x_train=images[50_000],
        y_train=labels[50_000],
        x_test=images[10_000],
        y_test=labels[10_000],
        classes=tuple("0123456789"),
    )


def paper_tasks(results_dir: str) -> list[Task]:
    """Return the tasks of the paper's table, 140 runs and 20 selections, all of them pending."""
    flags = ["--seeds", *"01234", "--dataset", "cifar10", "--results_dir", results_dir]
    return sweep.plan(sweep.build_parser().parse_args(flags), blank_cifar10())


def completion_time(tasks: Iterable[Task], gpus: int, seconds: Callable[[Task], float]) -> float:
    """Return the time until all tasks are done, if each free GPU takes the sweep's next task.

    Parameters
    ----------
    tasks : iterable of Task
        The tasks.
    gpus : int
        Number of GPUs. Each runs one task at a time.
    seconds : callable
        Returns the duration of a task.
    """
    queue = TaskQueue(tasks)
    running: list[tuple[float, int, Task]] = []
    now = 0.0
    while running or queue.heap:
        while len(running) < gpus and queue.heap:
            task = queue.next()
            heapq.heappush(running, (now + seconds(task), id(task), task))
        now, _, task = heapq.heappop(running)
        queue.succeeded(task)
    return now


def simulate_paper(options: argparse.Namespace) -> None:
    """Print the time of the paper's table on several GPUs, and its two lower bounds.

    The duration of a task is its work at an assumed speed, plus an assumed start-up time. The
    bounds are the total work divided by the number of GPUs, and the longest chain of tasks.
    """
    with tempfile.TemporaryDirectory() as folder:
        tasks = paper_tasks(folder)

    def seconds(task: Task) -> float:
        return options.start + task.work / options.images_per_second

    def chain_seconds(task: Task) -> float:
        return seconds(task) + (seconds(task.needs) if task.needs else 0)

    total = sum(map(seconds, tasks))
    chain = max(map(chain_seconds, tasks))
    print(f"{len(tasks)} runs, {sum(task.work for task in tasks):.3g} images\n")
    print("| GPUs | time | total work / GPUs | longest chain | GPU utilisation |")
    print("|---:|---:|---:|---:|---:|")
    for gpus in (1, 8, 64):
        time_of_all = completion_time(tasks, gpus, seconds)
        print(
            f"| {gpus} | {time_of_all / 3600:.1f} h | {total / gpus / 3600:.1f} h "
            f"| {chain / 3600:.1f} h | {total / gpus / time_of_all:.0%} |"
        )


MEASUREMENTS = {"cost": measure_cost, "jobs": measure_jobs, "paper": simulate_paper}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=MEASUREMENTS, help="what to measure")
    parser.add_argument("--runs", type=int, default=100, help="cost: number of empty scripts")
    parser.add_argument("--tasks", type=int, default=10_000, help="cost: number of empty tasks")
    parser.add_argument(
        "--images_per_second",
        type=float,
        default=3000.0,
        help="paper: assumed training speed of a GPU",
    )
    parser.add_argument(
        "--start", type=float, default=20.0, help="paper: assumed start-up time of a run in seconds"
    )
    arguments = parser.parse_args()
    MEASUREMENTS[arguments.what](arguments)
