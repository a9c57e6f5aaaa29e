"""Trains a robust network on a noisy data set: on INCV's selection by the modified Co-teaching, or by another method.

    python INCV_main.py --noise_pattern sym --noise_ratio 0.5                       # digits: a minute on two cores
    python INCV_main.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10     # the paper's setting: for a GPU

Reads the CSV that INCV.py wrote, and runs INCV first where there is none. Writes to
results/<dataset>/<pattern>/<ratio>/, under the method's name: <method>_training.csv, one row an epoch, and .png;
<method>_result.csv, the test accuracies; <method>_<k>.keras, the networks; <method>_training.json, the run's record.
Draws the comparison of all methods found in results/<dataset>/ anew: table.csv, table.md, TestAcc.png, INCV.png.
"""
import hashlib
from dataclasses import replace

import pandas as pd

from noisylabels import cli
from noisylabels.methods import METHODS, OPTIONS, method_class, options_of
from noisylabels.report import draw
from noisylabels.runs.files import atomic, write_csv
from noisylabels.runs.record import Run, compare, read_record
from noisylabels.selection.files import csv_path, read_selection, selection_run
from noisylabels.streams import stream_seed
from noisylabels.theory import Noise
from utils import corrupt_labels, load_dataset


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    cli.add_common(parser)
    parser.add_argument("--method", choices=METHODS, default="incv", help="how to train")
    parser.add_argument("--epochs", type=cli.number(int, 1), default=None, help="epochs of the training")
    for flag, (choices, text) in OPTIONS.items():
        parser.add_argument(f"--{flag}", choices=choices, default=choices[0], help=text)
    cli.add_selection(parser)
    return parser


def run(args):
    # D: images and their observed labels
    dataset, noise = load_dataset(args.dataset, args.data_dir), Noise(args.noise_pattern, args.noise_ratio)
    y_noisy = corrupt_labels(dataset.y_train, *noise, dataset.n_classes, args.seed)

    # S, C and the estimated noise ratio: INCV's selection, where the method takes it
    selecting = cli.selection_experiment(args, dataset, y_noisy, noise) if args.method == "incv" else None
    experiment = cli.experiment(
        args, "main", dataset, y_noisy, noise, (len(y_noisy), "the training set"), args.epochs, method=args.method,
        assumed_pattern=args.assumed_pattern or noise.pattern, selection=None,
        **{flag: getattr(args, flag) for flag in OPTIONS if flag.startswith(f"{args.method}_")})
    missing = selecting is not None and not is_selected(args, selecting)

    # one or two networks, trained on it
    if missing or not training_run(on_selection(experiment, selecting)[0]).finished:
        train(experiment, selecting, missing)

    # what came out, from its files
    print_summary(experiment.folder, args.method)
    draw.print_paths(draw.summary(args.results_dir, args.dataset))


def is_selected(args, selecting):
    """Whether the selection has been made, as the flags of this call have it.

    Where flags of INCV are given, and are others than those of the run that is recorded beside the CSV, it has not if
    args.overwrite. Raises UserError, with their names, if not args.overwrite.
    """
    record = read_record(selecting.folder / "INCV.json")
    given = {"epochs": args.INCV_epochs, "INCV_iter": args.INCV_iter, "top_k": args.top_k,
             "assumed_pattern": args.assumed_pattern}
    given = {name: value for name, value in given.items() if value is not None}
    found = {name: record["arguments"].get(name) for name in given} if record else given
    complete = csv_path(selecting).exists() and (record is None or record["finished"])
    if complete and not args.overwrite:
        compare(selecting.folder / "INCV.json", found, given)
    return complete and found == given


def on_selection(experiment, selecting):
    """The experiment on INCV's selection, whose digest is part of what it is, and the selection as a frame, or None."""
    if selecting is None:
        return experiment, None
    csv = csv_path(selecting)
    frame = read_selection(csv, selecting.dataset.y_train, selecting.y_noisy)
    digest = hashlib.sha256(csv.read_bytes()).hexdigest()[:16]
    return replace(experiment, arguments={**experiment.arguments, "selection": digest}), frame


def training_run(experiment):
    """The training as a run: finished where its files are there. Raises UserError, see `Run`."""
    name = f"{experiment.arguments['method']}_training"
    return Run(experiment.folder, name, experiment.identity, experiment.overwrite,
               [f"{name}.csv", f"{experiment.arguments['method']}_result.csv"])


def train(experiment, selecting, missing):
    """Selects, where that is missing, and trains by the method, or does what is left of it."""
    from noisylabels.methods.base import Given
    from noisylabels.selection.networks import select
    from noisylabels.training.device import start_tensorflow
    from noisylabels.training.evaluation import Evaluation, test_accuracies, training_log
    from noisylabels.training.trainer import Trainer, build

    if missing:
        select(selecting, selection_run(selecting))
        draw.print_selection(csv_path(selecting))
    experiment, frame = on_selection(experiment, selecting)
    run, settings, name = training_run(experiment), experiment.settings, experiment.arguments["method"]
    with run.session(start_tensorflow(experiment.gpu_id, not experiment.jit_compile)):
        print(experiment)
        given = Given(experiment.dataset.x_train, experiment.y_noisy, experiment.dataset.n_classes, settings.batch_size,
                      settings.epochs, experiment.noise.ratio, experiment.assumed_pattern,
                      options=options_of(name, experiment.arguments))
        if frame is not None:
            given = given.with_selection(frame.select.to_numpy(), frame.candidate.to_numpy(), frame.eval_ratio[0])

        def trainer_of(method):
            return Trainer(method, experiment.clean, settings.augmentation, settings.rate, experiment.jit_compile)

        def standard_probabilities():
            """What a standard network of other initial weights predicts, trained as a stage of this run."""
            seed = stream_seed(experiment.seed, "prepare")
            trainer = trainer_of(build(method_class("standard"), given, settings, seed))
            trainer.fit(settings.epochs, seed, "standard", run.checkpoint("standard"), lambda epoch, memory: {},
                        f"{name}, standard network")
            return trainer.method.probabilities(trainer.images)

        method = build(method_class(name), given, settings, experiment.seed)
        method.prepare(standard_probabilities)
        trainer = trainer_of(method)
        history, _ = trainer.fit(settings.epochs, experiment.seed, name, run.checkpoint("main"),
                                 Evaluation(method, trainer.images, experiment), name)

        for k, network in enumerate(method.networks):
            with atomic(run.folder / f"{name}_{k + 1}.keras") as temporary:
                network.save(temporary)
        for matrix in method.matrices:
            write_csv(run.folder / f"{name}_{matrix}.csv", pd.DataFrame(getattr(method, matrix)), index=True)
        log = training_log(history)
        result = test_accuracies(log, method.n_networks)
        write_csv(run.folder / f"{name}_training.csv", log)
        write_csv(run.folder / f"{name}_result.csv", result.assign(recipe=experiment.recipe))
        draw.training_figures(run.folder, name)
        run.finish(**result.set_index("network").loc["mean"].to_dict())


def print_summary(folder, method):
    """The test accuracies of a finished run, from its files, and the paths of all that it wrote."""
    print("\ntest accuracy   last epoch   mean of last ten   best epoch")
    for row in pd.read_csv(folder / f"{method}_result.csv", dtype={"network": str}).itertuples():
        name = "mean of both" if row.network == "mean" else f"network {row.network}"
        print(f"{name:<16}{row.last:<13.4f}{row.last10:<19.4f}{row.best:.4f}")
    draw.print_paths(sorted(folder.glob(f"{method}_*")))


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
