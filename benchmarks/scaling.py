"""What a sweep costs beside its runs, and how it scales.

    python benchmarks/scaling.py cost       # of a run, beside its process; of Dask, for 10,000 that do nothing
    python benchmarks/scaling.py jobs       # runs an hour, one and two at a time, a core each; on a quiet machine
    python benchmarks/scaling.py paper      # on paper: the 140 runs of the paper's table on 1, 8 and 64 GPUs
"""
import argparse
import contextlib
import heapq
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import sweep
from noisylabels.data.dataset import Dataset
from noisylabels.sweep import executors
from noisylabels.sweep.run_tasks import run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task, TaskQueue

DIGITS = ["--settings", "sym:0.5", "--methods", "standard", "d2l", "--seeds", "0", "1", "2", "3", "--threads", "1",
          "--epochs", "20"]


def seconds_of(tasks, runs):
    """How long an executor takes for tasks; what is said of them is not shown."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), Status(tasks, runs) as status:
        run_tasks(tasks, runs, status)
    assert not status.failed
    return time.perf_counter() - start


def cost(options):
    """A run's own cost is that of a script that does nothing, less that of starting it without a sweep."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "nothing.py")
        script.touch()
        start = time.perf_counter()
        for _ in range(options.runs):
            subprocess.run([sys.executable, script])
        alone = (time.perf_counter() - start) / options.runs
        with executors.on_this_machine(folder, 1, 0) as runs:
            tasks = [Task(f"t{k}", "nothing", [], Path(folder, f"{k}.json")) for k in range(options.runs)]
            inside = seconds_of(tasks, runs) / options.runs
            print(f"a process that does nothing: {alone:.3f} s, as a run of a sweep {inside:.3f} s")
            runs.task = lambda *task: (None, 0., "")
            tasks = [Task(f"t{k}", "nothing", [], Path(folder, f"{k}.json")) for k in range(options.tasks)]
            passed = seconds_of(tasks, runs)
            each = 1000 * passed / options.tasks
            print(f"{options.tasks:,} tasks that do nothing: {passed:.1f} s, {each:.2f} ms each")


def jobs(options):
    """The same eight runs on digits, one at a time and two, a core each."""
    for n in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            subprocess.run([sys.executable, sweep.__file__, *DIGITS, "--results_dir", folder, "--jobs", str(n)],
                           check=True, stdout=subprocess.DEVNULL)
            passed = time.perf_counter() - start
            print(f"--jobs {n}: 8 runs in {passed:.0f} s, {8 * 3600 / passed:.0f} an hour")


def like_cifar10():
    """A data set of CIFAR-10's size, without its images."""
    labels = {n: np.arange(n) % 10 for n in (50000, 10000)}
    images = {n: np.broadcast_to(np.uint8(0), (n, 32, 32, 3)) for n in labels}
    return Dataset("cifar10", images[50000], labels[50000], images[10000], labels[10000], tuple("0123456789"))


def planned(options):
    """The 140 runs of the paper's table, and the 20 selections, none of which is done."""
    flags = ["--seeds", *"01234"]
    args = sweep.arguments().parse_args(
        [*flags, "--dataset", "cifar10", "--results_dir", str(options.nowhere)])
    return sweep.plan(args, like_cifar10())


def finished(tasks, gpus, seconds):
    """When all tasks are done on so many GPUs, each of which takes the next one in a sweep's order as it is free.

    seconds(task): how long it takes.
    """
    order, running, now = TaskQueue(tasks), [], 0.
    while running or order.heap:
        while len(running) < gpus and order.heap:
            task = order.next()
            heapq.heappush(running, (now + seconds(task), id(task), task))
        now, _, task = heapq.heappop(running)
        order.succeeded(task)
    return now


def paper(options):
    """Work, by METHODS' cost and the selection's trainings, over an assumed pace; and what bounds the whole."""
    with tempfile.TemporaryDirectory() as options.nowhere:
        tasks = planned(options)

    def seconds(task):
        return options.start + task.work / options.images_per_second

    total = sum(map(seconds, tasks))
    chain = max(seconds(task) + (seconds(task.needs) if task.needs else 0) for task in tasks)
    print(f"{len(tasks)} runs, {sum(task.work for task in tasks):.3g} images\n")
    print("| GPUs | time | work / GPUs | longest chain | GPUs at work |\n|---:|---:|---:|---:|---:|")
    for gpus in (1, 8, 64):
        time_of_all = finished(tasks, gpus, seconds)
        print(f"| {gpus} | {time_of_all / 3600:.1f} h | {total / gpus / 3600:.1f} h | {chain / 3600:.1f} h "
              f"| {total / gpus / time_of_all:.0%} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "jobs", "paper"))
    parser.add_argument("--runs", type=int, default=100, help="processes that do nothing")
    parser.add_argument("--tasks", type=int, default=10000, help="tasks that do nothing")
    parser.add_argument("--images_per_second", type=float, default=3000., help="assumed of a GPU, in training")
    parser.add_argument("--start", type=float, default=20., help="assumed, seconds of a run without training")
    chosen = parser.parse_args()
    {"cost": cost, "jobs": jobs, "paper": paper}[chosen.what](chosen)
