"""Draw the tables and figures again from the CSVs.

    python report.py --results_dir results --dataset digits
    python report.py --results_dir results others    # compare them: results/<dataset>/compared.*

This needs seconds and no TensorFlow. It draws neither label_issues.png nor review.html, which show
the images. Without --dataset all data sets are drawn. Missing runs leave
gaps. Damaged files are named on standard error and left out. Only runs with identical settings are
averaged.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from pathlib import Path

from noisylabels import cli
from noisylabels.data import name_of
from noisylabels.errors import UserError, did_you_mean
from noisylabels.report import draw
from noisylabels.report.console import print_files
from noisylabels.report.outputs import figure_path
from noisylabels.runs.folders import find_runs


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--results_dir",
        nargs="+",
        type=cli.folder,
        default=["results"],
        help="folder of the runs; several folders are also compared, with files in the first one",
    )
    parser.add_argument("--dataset", metavar="NAME|PATH", help="data set to draw; by default all")
    cli.add_format(parser)
    return parser


def run(args: Namespace) -> None:
    """Draw the results of one data set, or of all."""
    draw.set_format(args.format)
    roots, opened, folders = [Path(root) for root in args.results_dir], {}, []
    args.dataset = args.dataset and name_of(args.dataset)
    found = {
        root: [folder.name for folder in sorted(root.glob("*")) if find_runs(root, folder.name)]
        for root in roots
    }
    all_datasets = sorted({name for names in found.values() for name in names})
    if all_datasets and args.dataset and args.dataset not in all_datasets:
        raise UserError(
            f"argument --dataset: no runs of {args.dataset} in {' or '.join(args.results_dir)}, "
            f"only of {', '.join(all_datasets)}{did_you_mean(args.dataset, all_datasets)}"
        )
    for dataset in [args.dataset] if args.dataset else all_datasets:
        roots_with_dataset = [root for root in roots if dataset in found[root]]
        for root in roots_with_dataset:
            if draw.everything(root, dataset):
                folders.append(root / dataset)
                opened |= to_open(root / dataset)
        if len(roots_with_dataset) > 1:
            draw.compare(roots_with_dataset, dataset)
            opened[roots_with_dataset[0] / dataset / "compared.md"] = (
                f"the comparison of {len(roots_with_dataset)} folders"
            )
    if not folders:
        raise UserError(
            f"argument --results_dir: no finished run in {' or '.join(args.results_dir)}; make "
            "one, with INCV_main.py for example"
        )
    print_files(opened, *folders)


def to_open(folder: Path) -> dict[Path, str]:
    """Return the files of a data set's results that show all of its runs: {path: description}."""
    return {
        folder / "table.md": "comparison of all methods",
        figure_path(folder / "INCV.png"): "label precision and recall of the selections",
        figure_path(folder / "Verify_Theory.png"): "theory and measurement",
    }


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(
        build_parser(),
        run,
        argv,
        stopped="all files are complete; repeat the command to draw the rest",
    )


if __name__ == "__main__":
    main()
