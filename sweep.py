"""Run all combinations of noise settings, methods and seeds, and write the table of methods.

    python sweep.py                                    # the paper's table, on digits, seeds 0 to 2
    python sweep.py --dataset cifar10 --recipe fast --seeds 0 --settings sym:0.5
    python sweep.py --methods gce sce elr incv_student # later methods
    python sweep.py --dry_run                          # print the plan and what is done
    python sweep.py --jobs 4                           # four runs at a time

Each run is a call of INCV.py or INCV_main.py in a process of its own. Its output goes to a log next
to its results. The same command resumes a sweep that was stopped. Failed runs are listed at the
end, with their logs; the other runs continue.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
import argparse
import contextlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from noisylabels import cli, flags
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError, did_you_mean
from noisylabels.flag_rules import check_flags
from noisylabels.methods import METHODS, PAPER_METHODS
from noisylabels.noise import PATTERNS, PROVIDED, Noise
from noisylabels.pipeline.load import load_data
from noisylabels.report import draw
from noisylabels.report.console import print_files
from noisylabels.report.outputs import figure_path
from noisylabels.sweep.fingerprint import check_writable, fingerprint, mark
from noisylabels.sweep.plan import command_flags, plan_sweep
from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task
from noisylabels.system import signals

ROOT = Path(__file__).resolve().parent
PAPER_SETTINGS = [Noise("sym", 0.2), Noise("sym", 0.5), Noise("sym", 0.8), Noise("asym", 0.4)]
AXES = ("noise_pattern", "noise_ratio", "seed", "method")


def setting(text: str) -> Noise:
    """Parse "sym:0.5", or "given", as an argparse type."""
    if text == PROVIDED:
        return Noise(PROVIDED)
    pattern, colon, ratio = text.partition(":")
    if pattern not in PATTERNS or not colon:
        number = text[len(text.rstrip("0123456789.")) :] or "0.5"
        meant = did_you_mean(text, [f"{pattern}:{number}" for pattern in PATTERNS])
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a setting such as sym:0.5 or asym:0.4, or given{meant}"
        )
    return Noise(pattern, cli.number(float, 0, 1)(ratio))


def gpus_per_run(text: str) -> float:
    """Parse a number of GPUs, or a share of which several make one GPU, as an argparse type."""
    value = cli.number(float, 0, above=True)(text)
    if min(abs(value - round(value)), abs(1 / value - round(1 / value))) > 1e-6:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number, nor a share such as 0.5, 0.25 or 0.2"
        )
    return value


class SweepFlag(argparse.Action):
    """A flag of the training scripts that the sweep sets itself."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Refuse the flag."""
        parser.error(
            f"argument {self.option_strings[0]}: a sweep sets it; use --settings, --seeds and "
            "--methods"
        )


def build_parser() -> cli.Parser:
    """Return the parser of the command line: the flags of the sweep, then those of its runs."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add(
        "--settings",
        nargs="+",
        type=setting,
        metavar="PATTERN:RATIO",
        help="noise settings; by default sym:0.2 sym:0.5 sym:0.8 asym:0.4 as in the paper, or "
        '"given" for labels as provided',
    )
    add(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=[*PAPER_METHODS],
        help="methods; by default Standard and the paper's six",
    )
    add(
        "--seeds",
        nargs="+",
        type=cli.number(int, 0),
        default=[0, 1, 2],
        help="random seeds; by default 0 1 2",
    )
    add(
        "--jobs",
        type=cli.number(int, 1),
        help="number of parallel runs on this machine, which share the cores; by default 1",
    )
    add(
        "--scheduler",
        metavar="ADDRESS|YAML",
        help="run on the Dask scheduler at ADDRESS, or in --jobs batch jobs set up by YAML; see "
        "docs/running.md",
    )
    add(
        "--gpus_per_run",
        type=gpus_per_run,
        help="number of GPUs per run, or share of a GPU such as 0.25; by default 1 with several "
        "--jobs on this machine if it has GPUs; with --scheduler none is assigned",
    )
    add("--dry_run", action="store_true", help="print the plan and what is finished, run nothing")
    add("--fingerprint", action="store_true", help=argparse.SUPPRESS)  # for workers
    for axis in AXES:
        add(f"--{axis}", action=SweepFlag, default=None, help=argparse.SUPPRESS)
    own = parser.parse_args([])
    flags.add_common(parser, seed=False)
    flags.add_data(parser)
    flags.add_methods(parser)
    parser.set_defaults(run_flags=[*(vars(parser.parse_args([])).keys() - vars(own).keys())])
    return parser


def plan(args: argparse.Namespace, dataset: Dataset) -> list[Task]:
    """Return the tasks of the command line."""
    default = PAPER_SETTINGS if dataset.given is None else [Noise(PROVIDED)]
    return plan_sweep(args, dataset, args.settings or default, run_flags(args))


def run_flags(args: argparse.Namespace) -> list[str]:
    """Return the names of the flags on the command line that are meant for the runs."""
    return sorted(args.set_flags.intersection(args.run_flags))


def run(args: argparse.Namespace) -> None:
    """Carry out the sweep, or print its plan."""
    check_flags(args, args.methods)
    if args.fingerprint:
        with contextlib.redirect_stdout(sys.stderr):  # messages about custom images
            dataset = load_data(args)
        print(json.dumps(fingerprint(ROOT, dataset, args.results_dir)))
        return
    dataset = load_data(args)
    tasks = plan(args, dataset)
    finished = all(task.done for task in tasks)
    if not finished:
        check_writable(args.results_dir)
    if args.dry_run:
        if not finished:
            check_executor(args)
        for task in tasks:
            state = "done" if task.done else "to do"
            print(f"{state:<6} {task.command}")
        return
    chosen = SerialExecutor(ROOT) if finished else executor(args, dataset)
    with chosen, Status(tasks, chosen) as status:
        run_tasks(tasks, chosen, status)
    draw.set_format(args.format)
    folder = Path(args.results_dir, dataset.name)
    table = folder / "table.md"
    if table in draw.summary(args.results_dir, dataset.name):
        print("\n" + table.read_text(encoding="utf-8"), end="")
    opened = {
        table: "this table",
        figure_path(folder / "TestAcc.png"): "test accuracy over the epochs",
        figure_path(folder / "INCV.png"): "label precision and recall of the selections",
    }
    print_files(opened, folder)
    if status.failed:
        print(*status.failures(), sep="\n", file=sys.stderr)
        sys.exit(1)


def import_executors() -> ModuleType:
    """Import the executors on Dask, which takes a second."""
    from noisylabels.sweep import executors

    return executors


def executor(args: argparse.Namespace, dataset: Dataset) -> Any:
    """Return what runs the tasks: this process one after the other, or a Dask cluster."""
    if is_serial(args):
        return SerialExecutor(ROOT)
    executors = import_executors()
    gpus = gpus_of(args)
    if not args.scheduler:
        return executors.on_this_machine(ROOT, args.jobs or 1, gpus)
    mark(args.results_dir)
    data_flags = command_flags(args, run_flags(args), args.methods[0])
    cluster = executors.at_scheduler(
        args.scheduler,
        args.jobs,
        gpus,
        root=ROOT,
        flags=["--fingerprint", "--methods", *args.methods, *data_flags],
        fingerprint=fingerprint(ROOT, dataset, args.results_dir),
    )
    signals.LEAVING.append(cluster.leave)
    return cluster


def check_executor(args: argparse.Namespace) -> None:
    """Raise UserError if `executor` would, as far as that shows before anything is started."""
    if is_serial(args):
        return
    executors = import_executors()

    gpus = gpus_of(args)
    if args.scheduler:
        executors.check_scheduler(args.scheduler)
    else:
        executors.gpus_of_local_run(args.jobs or 1, gpus)


def is_serial(args: argparse.Namespace) -> bool:
    """Return whether this process carries out the runs one after the other."""
    return args.jobs in (None, 1) and not args.scheduler and not args.gpus_per_run


def gpus_of(args: argparse.Namespace) -> float | None:
    """Return the GPUs per run as the executors take them."""
    if args.gpu_id and args.gpus_per_run:
        raise UserError(
            "argument --gpu_id: with --gpus_per_run each run gets its own; leave one of them out"
        )
    return 0 if args.gpu_id else args.gpus_per_run


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv)


if __name__ == "__main__":
    main()
