"""Train on one half of noisy data, test on the other half, and compare the errors with the theory.

    python Verify_Theory.py --noise_pattern sym --noise_ratio 0 0.2 0.4 0.6 0.8 1  # digits
    python Verify_Theory.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10     # for a GPU

Files are written to results/<dataset>/<pattern>/<ratio>/ for each ratio:

- Verify_Theory.csv, test accuracy TA, label precision LP and label recall LR, with the values of
  the theory;
- Verify_Theory_M.csv, the confusion matrix M;
- Verify_Theory_history.csv, one row per epoch.

The figures of all runs are written to results/<dataset>/: Verify_Theory.png (TA, LP and LR over
the noise ratio) and Verify_Theory_M.png (M and T). The lists of runs are updated.
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
from argparse import Namespace
from pathlib import Path

from noisylabels import cli, flags
from noisylabels.flag_rules import check_flags
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise, load_data, resolve_noise
from noisylabels.pipeline.plan import plan_theory
from noisylabels.report import draw
from noisylabels.report.console import print_files, print_theory
from noisylabels.report.outputs import figure_path
from noisylabels.system.progress import Progress


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    flags.add_noise_ratios(parser)
    flags.add_common(parser)
    flags.add_data(parser, labels=False)
    flags.add_evaluation(parser)
    return parser


def run(args: Namespace) -> None:
    """Compare a network with the theory at each noise ratio and print the scores."""
    check_flags(args, methods=[None])
    draw.set_format(args.format)
    # D: images and observed labels, for each noise ratio
    dataset = load_data(args)
    pattern, ratios = resolve_noise(args, dataset)
    noisy = [add_noise(dataset, Noise(pattern, ratio), args.seed) for ratio in ratios]

    # TA, LP, LR and M: a network trained on one half predicts the other
    plans = [plan_theory(args, data) for data in noisy]
    unfinished = [plan for plan in plans if not plan.run.finished]
    if unfinished:
        work = {str(plan.experiment.noise): 1 for plan in unfinished}
        with Progress(work, args.quiet) as progress:
            progress.begin()
            from noisylabels.pipeline.verify import verify  # with TensorFlow, after all checks

            verify(unfinished, progress.show)

    # files
    print_theory(args.noise_pattern, [plan.experiment.folder for plan in plans])
    draw.verify_figures(args.results_dir, dataset.name)
    draw.summary(args.results_dir, dataset.name)
    folder = Path(args.results_dir, dataset.name)
    opened = {
        figure_path(
            folder / "Verify_Theory.png"
        ): "TA, LP and LR over the noise ratio, with the theory",
        figure_path(
            folder / "Verify_Theory_M.png"
        ): "confusion matrices M over the noise matrices T",
        folder / "Verify_Theory.md": "all runs in numbers",
    }
    print_files(opened, folder)


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv)


if __name__ == "__main__":
    main()
