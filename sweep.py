"""Many runs, settings x seeds x methods: the selections first, then what trains on them, and the table of them.

    python sweep.py                                                 # the paper's table, on digits, seeds 0 to 2
    python sweep.py --dataset cifar10 --recipe fast --seeds 0 --settings sym:0.5
    python sweep.py --methods gce sce elr incv_student              # those after it
    python sweep.py --dry_run                                       # what that would do, and what is done already

Each run is a call of INCV.py or INCV_main.py in a process of its own, whose output goes to a log beside its results. A
sweep that was stopped goes on where it stopped when the same command is given again; a run that fails is named at the
end, with its log, and the others go on.
"""
import argparse
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

import INCV
import INCV_main
from noisylabels import cli
from noisylabels.errors import UserError
from noisylabels.machine import die_with_parent
from noisylabels.methods import METHODS, PAPER
from noisylabels.progress import clock
from noisylabels.report import draw
from noisylabels.runs.files import disk
from noisylabels.selection.files import RECORD
from noisylabels.theory import PATTERNS, Noise
from utils import load_dataset

ROOT = Path(__file__).resolve().parent

SETTINGS = [Noise("sym", .2), Noise("sym", .5), Noise("sym", .8), Noise("asym", .4)]        # the paper's four
AXES = ("--noise_pattern", "--noise_ratio", "--seed", "--method")


def setting(text):
    """An argparse type: "sym:0.5"."""
    pattern, colon, ratio = text.partition(":")
    if pattern not in PATTERNS or not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting such as sym:0.5 or asym:0.4")
    return Noise(pattern, cli.number(float, 0, 1)(ratio))


def arguments():
    others = sorted({flag for action in INCV_main.arguments()._actions for flag in action.option_strings}
                    - {*AXES, "-h", "--help"})
    parser = cli.Parser(__doc__.splitlines()[0], epilog=f"All other flags go to every run: {' '.join(others)}")
    add = parser.add_argument
    add("--settings", nargs="+", type=setting, metavar="PATTERN:RATIO", default=SETTINGS,
        help="noise settings; by default the paper's four, sym:0.2 sym:0.5 sym:0.8 asym:0.4")
    add("--methods", nargs="+", choices=METHODS, default=[*PAPER], help="methods to run; by default the paper's seven")
    add("--seeds", nargs="+", type=cli.number(int, 0), default=[0, 1, 2], help="seeds to run; by default 0 1 2")
    add("--dry_run", action="store_true", help="print the plan, and what is done already, and end")
    return parser


class Task(NamedTuple):
    """A call of a script, where it writes, and whether it is done already."""

    script: str
    flags: list
    record: Path
    done: bool

    @property
    def command(self):
        return f"{self.script}.py {' '.join(self.flags)}"

    @property
    def log(self):
        return self.record.with_suffix(".log")


def tasks(options, rest):
    """The plan: selections that are yet to be made, then all trainings. Raises UserError for what cannot be done."""
    for flag in rest:
        if flag.split("=")[0] in AXES:
            raise UserError(f"argument {flag}: a sweep has its own, --settings, --seeds and --methods")
    common = INCV_main.arguments().parse_args(rest)
    dataset = load_dataset(common.dataset, common.data_dir)
    selections, trainings = [], []
    for (pattern, ratio), seed, method in product(options.settings, options.seeds, options.methods):
        axes = ["--noise_pattern", pattern, "--noise_ratio", str(ratio), "--seed", str(seed)]
        flags = [*axes, "--method", method, *rest]
        work = INCV_main.plan(INCV_main.arguments().parse_args(flags), dataset)
        if work.selecting and not work.selection:
            selections.append(Task("INCV", axes + of_selection(rest), work.selecting.folder / RECORD, False))
        trainings.append(Task("INCV_main", flags, work.experiment.folder / f"{method}_training.json", work.finished))
    return selections + trainings


def of_selection(flags):
    """Of INCV_main.py's flags those that are INCV.py's too, with their values."""
    known = {name for action in INCV.arguments()._actions for name in action.option_strings} - {"--epochs"}
    found, keep = [], False
    for flag in flags:
        keep = flag.split("=")[0] in known if flag.startswith("--") else keep
        found += ["--overwrite"] if flag == "--overwrite_selection" else [flag] * (keep and flag != "--overwrite")
    return found


def carry_out(plan):
    """Runs what is not done, one after the other; returns the tasks that failed."""
    failed, waiting, start = [], [task for task in plan if not task.done], time.perf_counter()
    for number, task in enumerate(waiting):
        passed = time.perf_counter() - start
        left = clock(passed / number * (len(waiting) - number)) if number else "?"
        print(f"[{number + 1}/{len(waiting)}] {task.command}  ETA {left}", flush=True)
        with disk(task.log):
            task.log.parent.mkdir(parents=True, exist_ok=True)
            log = open(task.log, "w")
        with log:
            code = subprocess.run([sys.executable, ROOT / f"{task.script}.py", *task.flags], stdout=log,
                                  stderr=subprocess.STDOUT, preexec_fn=die_with_parent).returncode
        failed += [task] * (code != 0)
    return failed


def run(options):
    plan = tasks(options, options.rest)
    if options.dry_run:
        for task in plan:
            print(f"{'done' if task.done else 'to do':<6} {task.command}")
        return
    failed = carry_out(plan)
    common = INCV_main.arguments().parse_args(options.rest)
    paths = draw.summary(common.results_dir, common.dataset)
    for path in paths:
        if path.name == "table.md":
            print("\n" + path.read_text(encoding="utf-8"))
    draw.print_paths(paths)
    if failed:
        lines = "\n".join(f"failed: {task.command}, see {task.log}" for task in failed)
        print(lines, file=sys.stderr)
        sys.exit(1)


def main(argv=None):
    cli.main(arguments(), run, argv, rest=True)


if __name__ == "__main__":
    main()
