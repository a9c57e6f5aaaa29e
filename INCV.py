"""Select the clean samples of a noisy data set by iterative noisy cross-validation (INCV).

    python INCV.py --noise_pattern sym --noise_ratio 0.5                     # digits, half a minute
    python INCV.py --noise_pattern asym --noise_ratio 0.4 --dataset cifar10  # for a GPU
    python INCV.py --dataset photos/                                         # custom images

Files are written to results/<dataset>/<pattern>/<ratio>/, see
docs/outputs.md. The most important ones are:

- <dataset>_<pattern><ratio>_INCV_results.csv, the selection, one row per training sample;
- label_issues.csv, all samples, the most suspicious label first;
- review.html, a page to review these labels.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from functools import partial

from noisylabels import cli, flags
from noisylabels.flag_rules import check_flags
from noisylabels.pipeline.load import load_noisy_data
from noisylabels.pipeline.plan import check_class_names, plan_selection
from noisylabels.report import draw, review
from noisylabels.report.console import print_files, print_selection
from noisylabels.report.read_issues import read_selection_result
from noisylabels.selection.processes import select
from noisylabels.selection.selection_csv import csv_path
from noisylabels.system.progress import Progress


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    flags.add_noise(parser)
    flags.add_common(parser)
    flags.add_data(parser, test_split=False)
    flags.add_selection(parser, "--epochs")
    parser.add_argument(
        "--review_images",
        type=cli.number(int, 1),
        default=review.DEFAULT_IMAGES,
        help="number of images on the review page, review.html",
    )
    return parser


def run(args: Namespace) -> None:
    """Select the clean samples of a data set and print the result."""
    check_flags(args, methods=[None])
    draw.set_format(args.format)
    # the noisy data set D
    data = load_noisy_data(args, set_aside=False)

    plan = plan_selection(args, data)
    if not plan.run.finished:
        experiment = plan.experiment
        check_class_names(experiment, ["INCV"])
        show = partial(
            draw.show_first_results,
            experiment.folder,
            data.dataset,
            iterations=experiment.arguments["INCV_iter"],
            reviewed=args.review_images,
        )
        with Progress(plan.work, args.quiet) as progress:
            select(experiment, plan.run, progress, show)

    csv = csv_path(plan.experiment)
    result = read_selection_result(csv.parent, data.dataset)
    draw.selection_files(result, data.dataset, args.review_images)
    print_selection(result)
    draw.summary(args.results_dir, data.dataset.name)
    files = {
        csv.with_name("review.html"): "review the labels that are most likely wrong",
        csv.with_name("label_issues.csv"): "all samples, the most suspicious label first",
        csv: "the selection that INCV_main.py trains on",
    }
    print_files(files, csv.parent)


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv)


if __name__ == "__main__":
    main()
