"""Train a robust network on noisy labels: modified Co-teaching on INCV's selection, or others.

    python INCV_main.py --noise_pattern sym --noise_ratio 0.5                    # digits, a minute
    python INCV_main.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10  # for a GPU

The default is Algorithm 2 of the paper. It reads the CSV of INCV.py, and runs INCV first if the CSV
is missing. Files are written to results/<dataset>/<pattern>/<ratio>/:

- <method>_training.csv, one row per epoch, and <method>_training.png;
- <method>_result.csv, the test accuracies, and <method>_training.json, the record of the run;
- <method>_<k>.keras, the networks, and classes.json, their class names.

The comparison of all methods in results/<dataset>/ is updated: table.csv, table.md, TestAcc.png,
INCV.png.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from pathlib import Path

from noisylabels import cli, flags
from noisylabels.flag_rules import check_flags
from noisylabels.methods import METHODS
from noisylabels.pipeline.execute import carry_out
from noisylabels.pipeline.load import load_noisy_data
from noisylabels.pipeline.plan import plan_training
from noisylabels.report import draw
from noisylabels.report.console import print_files
from noisylabels.report.outputs import figure_path
from noisylabels.report.read import RESULT_COLUMNS, read_csv, read_labels
from noisylabels.selection.corrected_labels import scores_of


def arguments() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    flags.add_noise(parser)
    flags.add_common(parser)
    flags.add_data(parser)
    parser.add_argument("--method", choices=METHODS, default="incv", help="how to train")
    flags.add_methods(parser)
    return parser


def run(args: Namespace) -> None:
    """Train by a method, after INCV where the method needs it, and print the result."""
    check_flags(args, [args.method])
    draw.set_format(args.format)
    # D: images and observed labels
    data = load_noisy_data(args)

    # the selection, where the method needs one, and the training
    plan = plan_training(args, data, args.method)
    pending = plan.pending
    if pending:
        carry_out(plan, args.quiet)

    # files
    for done in pending or [plan]:
        print_summary(done.experiment.folder, done.method, len(data.y_noisy))
    draw.summary(args.results_dir, data.dataset.name)
    folder = plan.experiment.folder
    measure = "test accuracy" if data.dataset.clean_test else "agreement with test labels"
    opened = {
        folder / f"{plan.method}_result.csv": f"{measure} of the networks",
        figure_path(folder / f"{plan.method}_training.png"): f"{measure} over the epochs",
        Path(args.results_dir, data.dataset.name, "table.md"): "all methods and noise settings",
    }
    print_files(opened, folder)


def print_summary(folder: Path, method: str, samples: int) -> None:
    """Print the test accuracies of a finished run on so many training samples, from its files."""
    columns = ["final", "last10_epochs", *RESULT_COLUMNS]
    result = read_csv(folder / f"{method}_result.csv", "network", columns, required=True)
    averaged = {10: "ten"}.get(n := int(result.last10_epochs.iloc[0]), n)
    titles = {
        "final": "network saved",
        "last": "last epoch",
        "last10": f"mean of last {averaged}",
        "validated": "epoch by held-out labels",
        "best": "best epoch (by the test set)",
    }
    if (result.final == result["last"]).all():
        del titles["final"]
    if result.validated.isna().all():
        del titles["validated"]
    what = "test accuracy"
    if "test_labels" in result:
        what = "test agreement"
        print(
            "\nThe labels of the test images are as noisy as the rest: this is the share of them "
            "that is predicted,\nnot the share of predictions that are right."
        )
    print("", f"{what:<16}" + "   ".join(titles.values()), sep="\n")
    rows = result.reset_index().to_dict("records")
    for row in rows if len(rows) > 2 else rows[:1]:  # the mean of one network is that network
        name = "mean of both" if row["network"] == "mean" else f"network {row['network']}"
        print(
            f"{name:<16}"
            + "   ".join(f"{row[key]:<{len(title)}.4f}" for key, title in titles.items()).rstrip()
        )
    if "labels" in METHODS[method].files:
        frame = read_labels(folder / f"{method}_labels.csv", samples)
        scores = "".join(
            f", {name.replace('_', ' ')} {value:.3f}" for name, value in scores_of(frame).items()
        )
        print(
            f"its labels: {(frame.label == frame.y_noisy).sum():,} of {len(frame):,} as "
            f"observed{scores}"
        )


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
