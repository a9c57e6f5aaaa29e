"""Train on noisy labels by modified Co-teaching on INCV's selection, or by another method.

    python INCV_main.py --noise_pattern sym --noise_ratio 0.5                    # digits, a minute
    python INCV_main.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10  # for a GPU

The default method is the paper's modified Co-teaching. It reads the CSV of INCV.py, and runs INCV
first if the CSV is missing. Files are written to results/<dataset>/<pattern>/<ratio>/:

- <method>_training.csv, one row per epoch;
- <method>_result.csv, the test accuracies;
- <method>_<k>.keras, the networks, and classes.json, their class names.

The tables and figures of all methods in results/<dataset>/ are updated.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from pathlib import Path

from noisylabels import cli, flags
from noisylabels.flag_rules import check_flags
from noisylabels.methods import METHODS
from noisylabels.pipeline.load import load_noisy_data
from noisylabels.pipeline.plan import (
    TrainingPlan,
    check_class_names,
    plan_training,
    warn_of_bad_networks,
)
from noisylabels.report import draw
from noisylabels.report.console import print_files, print_selection, print_training
from noisylabels.report.outputs import figure_path
from noisylabels.report.read_issues import read_selection_result
from noisylabels.selection.processes import select
from noisylabels.system.progress import Progress


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    flags.add_noise(parser)
    flags.add_common(parser)
    flags.add_data(parser)
    parser.add_argument("--method", choices=METHODS, default="incv", help="training method")
    flags.add_methods(parser)
    return parser


def run(args: Namespace) -> None:
    """Train with a method, after INCV if the method needs it, and print the result."""
    check_flags(args, [args.method])
    draw.set_format(args.format)
    data = load_noisy_data(args)

    plan = plan_training(args, data, args.method)
    pending = plan.pending
    if pending:
        check_class_names(plan.experiment, plan.replaced)
        carry_out(plan, args.quiet)
    else:
        warn_of_bad_networks(plan)

    for training in pending or [plan]:
        print_training(training.experiment.folder, training.method, len(data.y_noisy))
    draw.summary(args.results_dir, data.dataset.name)
    folder = plan.experiment.folder
    files = {
        folder / f"{plan.method}_result.csv": "scores of the networks",
        figure_path(folder / f"{plan.method}_training.png"): "scores over the epochs",
        Path(args.results_dir, data.dataset.name, "table.md"): "all methods and noise settings",
    }
    print_files(files, folder)


def carry_out(plan: TrainingPlan, quiet: bool) -> None:
    """Run the selection if it is missing, then the pending trainings."""
    with Progress(plan.work, quiet) as progress:
        if plan.selection:
            select(plan.selection.experiment, plan.selection.run, progress)
            plan = plan.with_selection()
        if plan.needs_selection_figures:
            result = read_selection_result(plan.experiment.folder, plan.experiment.dataset)
            draw.selection_files(result, plan.experiment.dataset)
            print_selection(result)
        progress.begin()
        from noisylabels.pipeline.train import train  # imports TensorFlow, so only after all checks

        for training in plan.pending:
            train(training.with_run(), progress.show)


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv)


if __name__ == "__main__":
    main()
