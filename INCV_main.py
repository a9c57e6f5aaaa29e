"""Trains a robust network on a noisy data set: on INCV's selection by the modified Co-teaching, or by another method.

    python INCV_main.py --noise_pattern sym --noise_ratio 0.5                       # digits: a minute on two cores
    python INCV_main.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10     # the paper's setting: for a GPU

Reads the CSV that INCV.py wrote, and runs INCV first where there is none. Writes to
results/<dataset>/<pattern>/<ratio>/, under the method's name: <method>_training.csv, one row an epoch, and .png;
<method>_result.csv, the test accuracies; <method>_<k>.keras and classes.json, the networks, from images to the
probabilities of these classes; <method>_training.json, the run's record.
Draws the comparison of all methods found in results/<dataset>/ anew: table.csv, table.md, TestAcc.png, INCV.png.
"""
import noisylabels.python  # noqa: F401 # isort: skip
import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from noisylabels import cli, data_flags
from noisylabels.errors import UserError
from noisylabels.experiment import Experiment
from noisylabels.methods import METHODS, OPTIONS, PATTERN_AWARE_METHODS, SELECTION_METHODS, method_class, options_of
from noisylabels.methods.inputs import MethodInputs, PreparationContext
from noisylabels.progress import Progress, say
from noisylabels.report import draw
from noisylabels.report.read import RESULT_COLUMNS, read_finished
from noisylabels.runs.files import write_csv
from noisylabels.runs.record import Run
from noisylabels.selection.decisions import Decisions, read_decisions
from noisylabels.selection.files import Selected, csv_path, find_selection, scores_of, selection_run, write_labels
from noisylabels.selection.select import select, trainings
from noisylabels.streams import stream
from noisylabels.theory import GIVEN, told
from utils import load_dataset, observed_labels


def arguments():
    parser = cli.Parser(__doc__)
    cli.add_common(parser)
    data_flags.add_data(parser)
    parser.add_argument("--method", choices=METHODS, default="incv", help="how to train")
    cli.add_evaluation(parser)
    parser.add_argument("--validation_split", type=cli.number(float, 0, .9), default=None,
                        help="share of the samples held out: the accuracy at the epoch that their labels choose is "
                             "reported, too; by default none")
    for flag, option in OPTIONS.items():
        kind = {"type": cli.number(float, *option.bounds)} if option.bounds else {"choices": option.choices}
        parser.add_argument(f"--{flag}", **kind, default=option.default, help=option.help)
    cli.add_selection(parser)
    parser.add_argument("--selection", type=Path,
                        help="the CSV of a selection to train on, however it was made; by default INCV's, here")
    parser.add_argument("--decisions", type=Path, help="a person's decisions on that selection, from review.html")
    parser.add_argument("--overwrite_selection", action="store_true",
                        help="forget a selection that is there, and make it again, and what trains on it")
    return parser


class Work(NamedTuple):
    """What a call asks for, and what is there of it."""

    experiment: Experiment
    selecting: Experiment | None        # that of the selection, where the method takes one
    selection: Selected | None          # None also where it is yet to be made
    finished: bool
    decisions: Decisions | None         # of a person, on the selection
    teacher: "Work | None" = None       # the run of incv whose networks label the rest, where the method has one

    @property
    def to_do(self):
        """What is yet to be trained, in its order."""
        return [work for work in (self.teacher, self) if work and not work.finished]


def plan(args, dataset):
    """The Work of parsed arguments on a data set. Raises UserError where it cannot be done."""
    for flag in ("selection", "decisions"):
        if getattr(args, flag) and args.method not in SELECTION_METHODS:
            raise UserError(f"argument --{flag}: only the methods {' and '.join(SELECTION_METHODS)} train on a "
                            "selection")

    # D: images and their observed labels
    noise = data_flags.noise_of(args, dataset)
    y_noisy = observed_labels(dataset, noise, args.seed)

    # S, C and the estimated noise ratio: INCV's selection, where the method takes it; None where it is yet to be made
    selecting = cli.selection_experiment(args, dataset, y_noisy, noise) if args.method in SELECTION_METHODS else None
    again = bool(selecting and selecting.overwrite and not args.selection)      # and so what trains on it
    decisions = read_decisions(args.decisions, dataset, y_noisy) if args.decisions else None
    experiment = cli.experiment(
        args, "main", dataset, y_noisy, noise, (len(y_noisy), "the training set"), args.epochs, method=args.method,
        assumed_pattern=cli.told(args, noise) if args.method in PATTERN_AWARE_METHODS else told(noise.pattern),
        selection=None,
        **({"decisions": decisions.digest} if decisions else {}),
        **{flag: getattr(args, flag) for flag in OPTIONS if flag.startswith(f"{args.method}_")})
    experiment = replace(experiment, overwrite=args.overwrite or again)
    if experiment.arguments.get("co_teaching_variant") == "2018" and experiment.settings.optimizer != "adam":
        raise UserError("argument --co_teaching_variant: 2018 changes Adam's beta1; give "
                        "--optimizer adam --weight_decay 0")
    check_options(experiment)
    selection = selecting and find_selection(selecting, args.selection, cli.given_for_selection(args), decisions)
    teacher = plan_teacher(args, dataset) if args.method == "incv_student" else None
    ready = (selection or not selecting) and (not teacher or teacher.finished)
    finished = bool(ready and training_run(experiment, selection).finished)
    return Work(experiment, selecting, selection, finished, decisions, teacher)


def plan_teacher(args, dataset):
    """The Work of incv with all else as in the arguments. Raises UserError where a finished one lacks its networks."""
    given = {**vars(args), "method": "incv", "overwrite": args.overwrite_selection}
    work = plan(argparse.Namespace(**given), dataset)
    missing = [path for path in networks_of(work.experiment.folder) if not path.exists()]
    if work.finished and missing:
        raise UserError(f"argument --method: {args.method} learns from the networks of incv, but {missing[0]} is "
                        "missing; run --method incv --overwrite before")
    return work


def networks_of(folder):
    """The paths of the two networks that incv saves."""
    return [folder / f"incv_{k}.keras" for k in (1, 2)]


def check_options(experiment):
    """Raises UserError where an option is of no use, or tells a method of the noise what nobody knows."""
    options = {"co_teaching_noise_ratio": 0, **experiment.arguments}
    curriculum = options.get("mentornet_curriculum")
    unused = {"self_paced": "mentornet_percentile", "pd": "mentornet_burn_in"}.get(curriculum)
    if unused and options[unused] != OPTIONS[unused].default:
        raise UserError(f"argument --{unused}: --mentornet_curriculum {curriculum} has none")
    if experiment.wrong is None and options["co_teaching_noise_ratio"] is None:
        raise UserError("argument --method: co_teaching is told the noise ratio, which is not known of these labels: "
                        "give --co_teaching_noise_ratio, the estimate of INCV.py for example")
    if experiment.T is None and options.get("f_correction_T") == "true":
        raise UserError("argument --f_correction_T: the true matrix of these labels is not known: leave it out, to "
                        "have it estimated")


def run(args):
    draw.set_format(args.format)
    dataset = load_dataset(args.dataset, args.data_dir, **data_flags.load_options(args))
    work = plan(args, dataset)

    if not work.finished:
        carry_out(work, args.quiet)

    # what came out, from its files
    for done in work.to_do or [work]:
        print_summary(done.experiment.folder, done.experiment.arguments["method"])
    draw.print_paths(draw.summary(args.results_dir, dataset.name))


def training_run(experiment, selection):
    """The training, on a `Selected` or None, as a run: finished where its files are. Raises UserError, see `Run`."""
    name = experiment.arguments["method"]
    identity = experiment.identity | {"selection": selection and selection.identity}
    return Run(experiment.folder, f"{name}_training", identity, experiment.overwrite,
               [f"{name}_training.csv", f"{name}_result.csv"],
               [f"{name}_?.keras", f"{name}_?.csv", f"{name}_labels.csv"],
               f"another --name or --results_dir, or --method {name} --overwrite")


def stages(work):
    """{name: work} of a call's trainings, as `selection.select.trainings` has it of a selection's."""
    found = {}
    for experiment, *_ in work.to_do or [work]:
        name, samples = experiment.arguments["method"], experiment.settings.epochs * len(experiment.y_noisy)
        if experiment.arguments.get("f_correction_T") == "estimated":
            found["standard network"] = samples
        found[name] = samples * METHODS[name].cost
    return found


def carry_out(work, quiet):
    """Selects, where the method takes a selection and there is none, and trains, or does what is left of that."""
    selecting, selection = work.selecting, work.selection
    missing = selecting is not None and selection is None
    with Progress((trainings(selecting) if missing else {}) | stages(work), quiet) as progress:
        if missing:
            select(selecting, selection_run(selecting), progress)
            draw.print_selection(csv_path(selecting), selecting.dataset)
            selection = find_selection(replace(selecting, overwrite=False), decisions=work.decisions)
        elif selection and selection.path == csv_path(selecting):
            if not (selecting.folder / "review.html").exists():     # the call that selected was killed before it ended
                draw.selection_files(selecting.folder, selecting.dataset)
        progress.begin()
        for experiment, *_ in work.to_do:
            train(experiment, selection, progress.show)


def train(experiment, selection, on_event):
    """Trains one or two networks, on all of D or on a selection, or goes on. on_event: called with progress.Events."""
    from noisylabels.methods.standard import standard_probabilities
    from noisylabels.training.callbacks import combine_callbacks, every_n_epochs
    from noisylabels.training.device import start_tensorflow
    from noisylabels.training.epoch_choice import HeldOutEvaluation, fit_best_epoch
    from noisylabels.training.evaluation import Evaluation
    from noisylabels.training.export import mean_probabilities, save_inference_model
    from noisylabels.training.result_table import test_accuracies
    from noisylabels.training.sampling import stratified_holdout
    from noisylabels.training.trainer import Trainer, build
    from noisylabels.training.training_log import training_log

    run, settings, name = training_run(experiment, selection), experiment.settings, experiment.arguments["method"]
    kind = method_class(name)
    with run.session(lambda: start_tensorflow(experiment.gpu_id, experiment.jit_compile, experiment.threads,
                                              settings.batch_size if kind.shares_batches else None),
                     experiment.wait):
        if run.finished:                # by another process, in the meantime
            return
        if selection:
            experiment = replace(experiment, y_noisy=selection.frame.y_noisy.to_numpy(int))     # some, perhaps, mended
        say(experiment, *([selection] if selection else []), run.place)
        inputs = MethodInputs(
            experiment.dataset.x_train, experiment.y_noisy, experiment.dataset.n_classes, settings.batch_size,
            settings.epochs, noise_ratio=experiment.wrong, T=experiment.T, assumed_pattern=experiment.assumed_pattern,
            options=options_of(name, experiment.arguments))
        if selection:
            frame = selection.frame
            inputs = inputs.with_selection(frame.select.to_numpy(), frame.candidate.to_numpy(), frame.eval_ratio[0])

        def trainer_of(method):
            rate = replace(settings, lr_schedule=method.lr_schedule or settings.lr_schedule).learning_rate_at
            return Trainer(method, experiment.clean, settings.augmentation, rate,
                           jit_compile=experiment.jit_compile, on_event=on_event)

        method = build(kind, inputs, settings, seed=experiment.seed, stage="main")
        dropped = selection.dropped if selection else np.array([], int)
        validated = stratified_holdout(np.setdiff1d(np.arange(len(inputs.labels)), dropped), inputs.labels,
                                       settings.validation_split, stream(experiment.seed, "validation"))
        method.hold_out(np.union1d(validated, dropped))
        method.prepare(PreparationContext(
            seed=experiment.seed,
            train_standard=partial(standard_probabilities, inputs=inputs, settings=settings, seed=experiment.seed,
                                   checkpoint=run.checkpoint("standard"), create_trainer=trainer_of),
            teacher_probabilities=partial(mean_probabilities, networks_of(run.folder), inputs.images)))
        trainer = trainer_of(method)
        n = 1 if len(method.held_out) else settings.evaluate_every          # any epoch may be chosen
        evaluation = every_n_epochs(n, settings.epochs, combine_callbacks(
            Evaluation(method, trainer.images, experiment),
            HeldOutEvaluation(method, trainer.images, validated, "accuracy")))
        history = fit_best_epoch(trainer, method.held_out, settings.epochs, experiment.seed, stage=name,
                                 checkpoint=run.checkpoint("main"), evaluation=evaluation, name=name)

        for k, network in enumerate(method.networks):
            save_inference_model(network, run.folder / f"{name}_{k + 1}.keras", experiment.dataset.classes,
                                 method.flip_tta)
        for matrix in method.matrices:
            write_csv(run.folder / f"{name}_{matrix}.csv", pd.DataFrame(getattr(method, matrix)), index=True)
        labels = write_labels(run.folder / f"{name}_labels.csv", experiment, method.corrected_labels())
        log = training_log(history)
        result = test_accuracies(log, method.n_networks)
        if not experiment.dataset.clean_test:
            result["test_labels"] = GIVEN
        write_csv(run.folder / f"{name}_training.csv", log)
        write_csv(run.folder / f"{name}_result.csv", result.assign(recipe=experiment.recipe))
        draw.training_figures(run.folder, name)
        run.finish(**result.astype(object).set_index("network").loc["mean"].dropna().to_dict(), **scores_of(labels))


def print_summary(folder, method):
    """The test accuracies of a finished run, from its files, and the paths of all that it wrote."""
    result = read_finished(folder / f"{method}_result.csv", "network", ["final", "last10_epochs", *RESULT_COLUMNS])
    averaged = {10: "ten"}.get(n := int(result.last10_epochs.iloc[0]), n)
    titles = {"final": "network saved", "last": "last epoch", "last10": f"mean of last {averaged}",
              "validated": "epoch by held-out labels", "best": "best epoch (by the test set)"}
    if (result.final == result["last"]).all():
        del titles["final"]
    if result.validated.isna().all():
        del titles["validated"]
    what = "test accuracy"
    if "test_labels" in result:
        what = "test agreement"
        print("\nThe labels of the test images are as noisy as the rest: this is the share of them that is predicted,\n"
              "not the share of predictions that are right.")
    print("", f"{what:<16}" + "   ".join(titles.values()), sep="\n")
    rows = result.reset_index().to_dict("records")
    for row in rows if len(rows) > 2 else rows[:1]:                     # the mean of one network is that network
        name = "mean of both" if row["network"] == "mean" else f"network {row['network']}"
        print(f"{name:<16}" + "   ".join(f"{row[key]:<{len(title)}.4f}" for key, title in titles.items()).rstrip())
    labels = folder / f"{method}_labels.csv"
    if labels.exists():
        frame = pd.read_csv(labels)
        scores = "".join(f", {name.replace('_', ' ')} {value:.3f}" for name, value in scores_of(frame).items())
        print(f"its labels: {(frame.label == frame.y_noisy).sum():,} of {len(frame):,} as observed{scores}")
    others = tuple(f"{other}_" for other in METHODS if other.startswith(f"{method}_"))
    own = [path for path in sorted(folder.glob(f"{method}_*")) if not path.name.startswith(others)]
    draw.print_paths([*own, folder / "classes.json"])


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
