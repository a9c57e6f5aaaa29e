"""Does a network trained on noisy labels err as the theory says? Trains on one half of noisy data, tests on the other.

    python Verify_Theory.py --noise_pattern sym --noise_ratio 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1    # digits
    python Verify_Theory.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10                     # for a GPU

Writes, for each ratio, to results/<dataset>/<pattern>/<ratio>/: Verify_Theory.csv, test accuracy TA against the noisy
labels, label precision LP and label recall LR, the theory's values beside them, and accuracy on the clean test set;
Verify_Theory_M.csv, the confusion matrix M; Verify_Theory_history.csv, one row an epoch. And, from all runs found, to
results/<dataset>/: Verify_Theory.csv, Verify_Theory.png (TA, LP, LR by noise ratio), Verify_Theory_M.png (M over T).
"""
import noisylabels.python  # noqa: F401 # isort: skip
import numpy as np
import pandas as pd

from noisylabels import cli, data_flags, theory
from noisylabels.methods import method_class
from noisylabels.methods.inputs import MethodInputs
from noisylabels.progress import Progress, say
from noisylabels.report import draw
from noisylabels.report.read import VERIFY_COLUMNS, read_finished
from noisylabels.runs.files import write_csv
from noisylabels.runs.record import Run
from noisylabels.streams import stream
from noisylabels.theory import Noise
from utils import load_dataset, observed_labels

FILES = ("Verify_Theory.csv", "Verify_Theory_M.csv", "Verify_Theory_history.csv")


def arguments():
    parser = cli.Parser(__doc__)
    cli.add_common(parser, several_ratios=True)
    data_flags.add_data(parser)
    cli.add_evaluation(parser)
    return parser


def run(args):
    draw.set_format(args.format)
    # D: images and their observed labels, for each noise ratio
    dataset = load_dataset(args.dataset, args.data_dir, **data_flags.load_options(args))
    pattern, ratios = data_flags.noise_of(args, dataset)
    experiments = []
    for noise in [Noise(pattern, ratio) for ratio in ratios]:
        y_noisy = observed_labels(dataset, noise, args.seed)
        experiments.append(cli.experiment(args, "verify", dataset, y_noisy, noise,
                                          (len(y_noisy) // 2, "half of the training set"), args.epochs))

    # TA, LP, LR and M: a network trained on one half predicts the other
    unfinished = [experiment for experiment in experiments if not run_of(experiment).finished]
    if unfinished:
        with Progress({str(experiment.noise): 1 for experiment in unfinished}, args.quiet) as progress:
            progress.begin()
            train(unfinished, progress.show)

    # what came out, from its files
    print_summary(args.noise_pattern, [experiment.folder for experiment in experiments])
    draw.print_paths(draw.verify_figures(args.results_dir, dataset.name))


def run_of(experiment):
    """It as a run. Raises UserError, see `Run`."""
    return Run(experiment.folder, "Verify_Theory", experiment.identity, experiment.overwrite, FILES)


def train(experiments, on_event):
    """Trains for each of the experiments: one network, whose initial weights all have, and one compiled step.

    on_event: called with progress.Events.
    """
    from noisylabels.training.callbacks import every_n_epochs
    from noisylabels.training.device import as_tensor, start_tensorflow
    from noisylabels.training.evaluation import mean_by_correctness
    from noisylabels.training.trainer import Trainer, build

    first = experiments[0]
    dataset, settings, seed = first.dataset, first.settings, first.seed
    device = start_tensorflow(first.gpu_id, first.jit_compile, first.threads, settings.batch_size)
    inputs = MethodInputs(dataset.x_train, first.y_noisy, dataset.n_classes, settings.batch_size, settings.epochs)
    method = build(method_class("standard"), inputs, settings, seed=seed, stage="verify")
    trainer = Trainer(method, first.clean, settings.augmentation, settings.learning_rate_at,
                      jit_compile=first.jit_compile, on_event=on_event)
    test_images = as_tensor(dataset.x_test)
    trained, held_out = np.array_split(stream(seed, "halves").permutation(len(dataset.y_train)), 2)
    held_out = np.sort(held_out)

    for experiment in experiments:
        run = run_of(experiment)
        if run.finished:                # by another process, since this one began
            continue
        y_noisy, clean = experiment.y_noisy[held_out], experiment.clean[held_out]

        def after_epoch(epoch, memory):
            memory["predicted"] = method.probabilities(trainer.images, held_out).argmax(axis=1)
            hits = memory["predicted"] == y_noisy                                                       # noqa: B023
            return mean_by_correctness(hits, clean, ("acc_mix", "acc_clean", "acc_noisy"))              # noqa: B023

        with run.session(lambda: device, experiment.wait):
            if run.finished:            # by another process, in the meantime
                continue
            say(experiment, run.place)
            trainer.relabel(experiment.y_noisy, experiment.clean)
            method.restart(trained)
            evaluation = every_n_epochs(settings.evaluate_every, settings.epochs, after_epoch)
            history, memory = trainer.fit(settings.epochs, seed, "verify", run.checkpoint("main"),
                                          after_epoch=evaluation, name=str(experiment.noise))
            test = method.probabilities(test_images).argmax(axis=1)
            write_results(experiment, run, held_out, memory["predicted"], (test == dataset.y_test).mean(), history)


def write_results(experiment, run, held_out, predicted, test_accuracy, history):
    """The files of a run: the scores of the held-out predictions, the theory's beside them, and M."""
    y, y_noisy = experiment.dataset.y_train[held_out], experiment.y_noisy[held_out]
    n_classes = experiment.dataset.n_classes
    T = theory.transition_matrix(*experiment.noise, n_classes)
    row = {"pattern": experiment.noise.pattern, "ratio": experiment.noise.ratio, "seed": experiment.seed,
           "TA": (predicted == y_noisy).mean(), **theory.label_scores(predicted == y_noisy, y == y_noisy),
           "TA_theory": theory.test_accuracy(T), "LP_theory": theory.label_precision(T),
           "LR_theory": theory.label_recall(T), "test_accuracy": test_accuracy}
    M = theory.confusion_matrix(predicted, y, n_classes)
    write_csv(run.folder / "Verify_Theory_history.csv", pd.DataFrame(history))
    write_csv(run.folder / "Verify_Theory_M.csv", pd.DataFrame(M, range(n_classes), range(n_classes)), index=True)
    write_csv(run.folder / "Verify_Theory.csv", pd.DataFrame([row]))
    run.finish(**{name: row[name] for name in ("TA", "LP", "LR", "test_accuracy")})


def print_summary(pattern, folders):
    """What finished runs found, from their files, and the paths of these."""
    print(f"\n{pattern}     TA  theory      LP  theory      LR  theory   clean test accuracy")
    found = [read_finished(folder / "Verify_Theory.csv", "ratio", VERIFY_COLUMNS) for folder in folders]
    for row in pd.concat(found).itertuples():
        print(f"{row.Index:<4.2g}" + "".join(f"{a:>7.3f} {b:>7.3f} " for a, b in (
            (row.TA, row.TA_theory), (row.LP, row.LP_theory), (row.LR, row.LR_theory))) + f"{row.test_accuracy:>10.3f}")
    draw.print_paths([folder / name for folder in folders for name in FILES])


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
