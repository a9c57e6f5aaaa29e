"""Many runs, settings x seeds x methods: the selections first, then what trains on them, and the table of them.

    python sweep.py                                                 # the paper's table, on digits, seeds 0 to 2
    python sweep.py --dataset cifar10 --recipe fast --seeds 0 --settings sym:0.5
    python sweep.py --methods gce sce elr incv_student              # those after it
    python sweep.py --dry_run                                       # what that would do, and what is done already
    python sweep.py --jobs 4                                        # four runs at a time, by Dask

Each run is a call of INCV.py or INCV_main.py in a process of its own, whose output goes to a log beside its results. A
sweep that was stopped goes on where it stopped when the same command is given again; a run that fails is named at the
end, with its log, and the others go on.
"""
import noisylabels.python  # noqa: F401 # isort: skip
import argparse
import contextlib
import json
import sys
from itertools import product
from pathlib import Path

import INCV
import INCV_main
from noisylabels import cli, data_flags, interrupt
from noisylabels.errors import UserError, did_you_mean
from noisylabels.methods import METHODS, PAPER_METHODS
from noisylabels.report import draw
from noisylabels.selection.files import RECORD
from noisylabels.selection.select import trainings
from noisylabels.sweep.fingerprint import fingerprint, mark
from noisylabels.sweep.run_tasks import SerialExecutor, run_tasks
from noisylabels.sweep.status import Status
from noisylabels.sweep.tasks import Task
from noisylabels.theory import GIVEN, PATTERNS, Noise
from utils import load_dataset

ROOT = Path(__file__).resolve().parent

SETTINGS = [Noise("sym", .2), Noise("sym", .5), Noise("sym", .8), Noise("asym", .4)]        # the paper's four
AXES = ("--noise_pattern", "--noise_ratio", "--seed", "--method")


def setting(text):
    """An argparse type: "sym:0.5", or "given"."""
    if text == GIVEN:
        return Noise(GIVEN)
    pattern, colon, ratio = text.partition(":")
    if pattern not in PATTERNS or not colon:
        number = text[len(text.rstrip("0123456789.")):] or "0.5"
        meant = did_you_mean(text, [f"{pattern}:{number}" for pattern in PATTERNS])
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting such as sym:0.5 or asym:0.4, or given{meant}")
    return Noise(pattern, cli.number(float, 0, 1)(ratio))


def gpus_per_run(text):
    """An argparse type: a share of a GPU of which several make a whole one, or a number of GPUs."""
    value = cli.number(float, 0, above=True)(text)
    if min(abs(value - round(value)), abs(1 / value - round(1 / value))) > 1e-6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, nor a share such as 0.5, 0.25 or 0.2")
    return value


def arguments():
    others = sorted({flag for action in INCV_main.arguments()._actions for flag in action.option_strings}
                    - {*AXES, "-h", "--help"})
    parser = cli.Parser(__doc__, epilog=f"All other flags go to every run: {' '.join(others)}")
    add = parser.add_argument
    add("--settings", nargs="+", type=setting, metavar="PATTERN:RATIO",
        help="noise settings; by default the paper's four, sym:0.2 sym:0.5 sym:0.8 asym:0.4, or given if labels are")
    add("--methods", nargs="+", choices=METHODS, default=[*PAPER_METHODS],
        help="methods to run; by default the paper's seven")
    add("--seeds", nargs="+", type=cli.number(int, 0), default=[0, 1, 2], help="seeds to run; by default 0 1 2")
    add("--jobs", type=cli.number(int, 1),
        help="runs at a time on this machine, by default 1; several share the cores")
    add("--scheduler", metavar="ADDRESS|YAML",
        help="runs on the workers of this Dask scheduler, or in as many batch jobs as --jobs; see docs/running.md")
    add("--gpus_per_run", type=gpus_per_run,
        help="share of a GPU that a run has, such as 0.25, or how many; by default 1 where there are GPUs and jobs")
    add("--dry_run", action="store_true", help="print the plan, and what is done already, and end")
    add("--fingerprint", action="store_true", help=argparse.SUPPRESS)  # for workers
    return parser


def common(rest):
    """What all runs have in common: the flags that go to each of them, parsed, and the data set."""
    for flag in rest:
        if flag.split("=")[0] in AXES:
            raise UserError(f"argument {flag}: a sweep has its own, --settings, --seeds and --methods")
    own, passed = arguments(), INCV_main.arguments()
    args, unknown = passed.parse_known_args(rest)
    if unknown:
        meant = did_you_mean(unknown[0], {*own._option_string_actions, *passed._option_string_actions} - {*AXES})
        raise UserError(f"unrecognized arguments: {' '.join(unknown)}{meant}")
    return args, load_dataset(args.dataset, args.data_dir, **data_flags.load_options(args))


def tasks(options, dataset):
    """The plan: selections that are yet to be made, then all trainings. Raises UserError for what cannot be done."""
    rest, selections, runs = options.rest, {}, {}
    methods = sorted(options.methods, key=[*METHODS].index)             # incv before its student, which needs it
    settings = options.settings or (SETTINGS if dataset.given is None else [Noise(GIVEN)])
    for noise, seed, method in product(settings, options.seeds, methods):
        ratio = [] if noise.ratio is None else ["--noise_ratio", str(noise.ratio)]
        axes = ["--noise_pattern", noise.pattern, *ratio, "--seed", str(seed)]
        flags, title = [*axes, "--method", method, *rest], f"{noise} seed {seed}"
        work = INCV_main.plan(INCV_main.arguments().parse_args(flags), dataset)
        alone = work.teacher and f"incv {title}" not in runs           # it makes its teacher, and a selection for that
        if work.selecting and not work.selection and not (alone and work.selecting.overwrite):
            selections.setdefault(title, Task(
                f"selection {title}", "INCV", axes + of_selection(rest), work.selecting.folder / RECORD,
                work=sum(trainings(work.selecting).values())))
        selection = selections.get(title) if work.selecting else None
        if selection and not alone:                                     # made again, or not, as tasks before it
            flags = ["--overwrite" if flag == "--overwrite_selection" else flag for flag in flags]
        needs = runs.get(f"incv {title}", selection) if work.teacher else selection
        record = work.experiment.folder / f"{method}_training.json"
        runs[f"{method} {title}"] = Task(f"{method} {title}", "INCV_main", flags, record, work.finished,
                                         sum(INCV_main.stages(work).values()), needs)
    return [*selections.values(), *runs.values()]


def of_selection(flags):
    """Of INCV_main.py's flags those that are INCV.py's too, with their values."""
    known = {name for action in INCV.arguments()._actions for name in action.option_strings} - {"--epochs"}
    found, keep = [], False
    for flag in flags:
        keep = flag.split("=")[0] in known if flag.startswith("--") else keep
        found += ["--overwrite"] if flag == "--overwrite_selection" else [flag] * (keep and flag != "--overwrite")
    return found


def run(options):
    if options.fingerprint:
        with contextlib.redirect_stdout(sys.stderr):                    # what is said of own images
            args, dataset = common(options.rest)
        print(json.dumps(fingerprint(ROOT, dataset, args.results_dir)))
        return
    args, dataset = common(options.rest)
    plan = tasks(options, dataset)
    if options.dry_run:
        for task in plan:
            print(f"{'done' if task.done else 'to do':<6} {task.command}")
        return
    done = all(task.done for task in plan)
    with SerialExecutor(ROOT) if done else executor(options, args, dataset) as runs, Status(plan, runs) as status:
        run_tasks(plan, runs, status)
    draw.set_format(args.format)
    paths = draw.summary(args.results_dir, dataset.name)
    for path in paths:
        if path.name == "table.md":
            print("\n" + path.read_text(encoding="utf-8"))
    draw.print_paths(paths)
    if status.failed:
        print(*status.failures(), sep="\n", file=sys.stderr)
        sys.exit(1)


def executor(options, args, dataset):
    """Return what runs the tasks: this process one after the other, or a Dask cluster."""
    if options.jobs in (None, 1) and not options.scheduler and not options.gpus_per_run:
        return SerialExecutor(ROOT)
    from noisylabels.sweep import executors  # Dask takes a second to import

    if args.gpu_id and options.gpus_per_run:
        raise UserError("argument --gpu_id: with --gpus_per_run each run is told its own; leave one of them out")
    gpus = 0 if args.gpu_id else options.gpus_per_run
    if not options.scheduler:
        return executors.on_this_machine(ROOT, options.jobs or 1, gpus)
    mark(args.results_dir)
    runs = executors.at_scheduler(options.scheduler, options.jobs, gpus, root=ROOT,
                                  flags=["--fingerprint", *options.rest],
                                  fingerprint=fingerprint(ROOT, dataset, args.results_dir))
    interrupt.LEAVING.append(runs.leave)
    return runs


def main(argv=None):
    cli.main(arguments(), run, argv, rest=True)


if __name__ == "__main__":
    main()
