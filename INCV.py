"""Cleans a noisy data set by iterative noisy cross-validation (INCV), the paper's first algorithm.

    python INCV.py --noise_pattern sym --noise_ratio 0.5                        # digits: half a minute on two cores
    python INCV.py --noise_pattern asym --noise_ratio 0.4 --dataset cifar10     # the paper's setting: for a GPU
    python INCV.py --dataset photos/                                            # own images, a folder for each class

Writes to results/<dataset>/<pattern>/<ratio>/: <dataset>_<pattern><ratio>_INCV_results.csv, one row a training sample
with its labels and whether it was selected; INCV_history.csv, one row an epoch; INCV_iterations.csv and .png, label
precision and recall after each iteration; INCV.json, the record of the run. Which labels are wrong: label_issues.csv,
the worst first, and review.html to decide on them; pred_probs.npy and classes.json for cleanlab; cleaned.csv, tasks for
Label Studio and pictures. Draws results/<dataset>/INCV.png anew.
"""
import noisylabels.python  # noqa: F401 # isort: skip
from noisylabels import cli, data_flags
from noisylabels.progress import Progress
from noisylabels.report import draw, review
from noisylabels.selection.files import csv_path, selection_run
from noisylabels.selection.select import select, trainings
from utils import load_dataset, observed_labels


def arguments():
    parser = cli.Parser(__doc__)
    cli.add_common(parser)
    data_flags.add_data(parser)
    cli.add_selection(parser, "--epochs")
    parser.add_argument("--review_images", type=cli.number(int, 1), default=review.SHOWN,
                        help="how many of the worst labels are on the page to review them, review.html")
    return parser


def run(args):
    draw.set_format(args.format)
    # D: images and their observed labels
    dataset = load_dataset(args.dataset, args.data_dir, **data_flags.load_options(args))
    noise = data_flags.noise_of(args, dataset)
    y_noisy = observed_labels(dataset, noise, args.seed)
    experiment = cli.selection_experiment(args, dataset, y_noisy, noise)

    # S, C and the estimated noise ratio: four times two trainings, each of which scores the samples it has not seen
    selection = selection_run(experiment)
    if not selection.finished:
        with Progress(trainings(experiment), args.quiet) as progress:
            select(experiment, selection, progress)

    # what came out, from its files
    draw.print_selection(csv_path(experiment), dataset, args.review_images)
    draw.print_paths(draw.summary(args.results_dir, dataset.name))


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
