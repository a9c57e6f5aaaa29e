"""Draws every table and figure anew, from the CSVs alone.

    python report.py --results_dir results --dataset digits

draws what the runs of that data set (without --dataset: of all) left in `results/<dataset>/<pattern>/<ratio>/` and in
`seed<k>/` beneath, and prints the paths; it takes seconds and no TensorFlow. Missing runs leave gaps; a file that is
damaged is named on standard error and left out.
"""
from pathlib import Path

from noisylabels import cli
from noisylabels.errors import UserError
from noisylabels.report.draw import everything, print_paths
from noisylabels.runs.folders import find_runs


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    parser.add_argument("--results_dir", default="results", help="folder of the runs")
    parser.add_argument("--dataset", help="data set to draw; by default all that are found")
    return parser


def run(args):
    root = Path(args.results_dir)
    found = [folder.name for folder in sorted(root.glob("*")) if find_runs(root, folder.name)]
    if found and args.dataset and args.dataset not in found:
        raise UserError(f"argument --dataset: no runs of {args.dataset} in {root}, only of {', '.join(found)}")
    written = [path for dataset in found if args.dataset in (None, dataset) for path in everything(root, dataset)]
    if not written:
        raise UserError(f"argument --results_dir: no finished run in {root}; make one, with INCV_main.py for example")
    print_paths(written)


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
