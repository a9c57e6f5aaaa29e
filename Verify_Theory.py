"""Does a network trained on noisy labels err as the theory says? Trains on one half of noisy data, tests on the other.

    python Verify_Theory.py --noise_pattern sym --noise_ratio 0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1    # digits
    python Verify_Theory.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10                     # for a GPU

Writes, for each ratio, to results/<dataset>/<pattern>/<ratio>/: Verify_Theory.csv, test accuracy TA against the noisy
labels, label precision LP and label recall LR, the theory's values beside them, and accuracy on the clean test set;
Verify_Theory_M.csv, the confusion matrix M; Verify_Theory_history.csv, one row an epoch. And, from all runs found, to
results/<dataset>/: Verify_Theory.csv, Verify_Theory.png (TA, LP, LR by noise ratio), Verify_Theory_M.png (M over T).
"""
import numpy as np

import cli

FILES = ("Verify_Theory.csv", "Verify_Theory_M.csv", "Verify_Theory_history.csv")


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    cli.add_common(parser, several_ratios=True)
    parser.add_argument("--epochs", type=cli.number(int, 1), default=None, help="epochs of the training")
    return parser


def held_out_scores(predicted, y, y_noisy):
    """TA, LP, LR of predictions of held-out samples. All int (n,).

    TA: share predicted as the noisy label, the selected ones. LP: clean ones among those, nan where none is selected.
    LR: selected ones among the clean, nan where no label is clean.
    """
    selected, clean = predicted == y_noisy, y == y_noisy
    both = (selected & clean).sum()
    return {"TA": selected.mean(),
            "LP": both / selected.sum() if selected.any() else float("nan"),
            "LR": both / clean.sum() if clean.any() else float("nan")}


def confusion(predicted, y, n_classes):
    """M[i, j] = P(predicted = j | y = i), (c, c); a row of zeros for a class that does not occur."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (y, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def verify(args, ratio, dataset, trainer, settings, test_images, run):
    """Runs one ratio, or what is left of it, in a session of its run."""
    import pandas as pd

    import theory
    from runs import write_csv
    from utils import corrupt_labels, stream

    y, c = dataset.y_train, dataset.n_classes
    y_noisy = corrupt_labels(y, args.noise_pattern, ratio, c, args.seed)
    first, second = np.array_split(stream(args.seed, "halves").permutation(len(y)), 2)
    held_out = np.sort(second)
    clean = (y == y_noisy)[held_out]

    def after_epoch(epoch, memory):
        p = trainer.method.probabilities(trainer.images, held_out).argmax(axis=1)
        memory["predicted"] = p
        hit = p == y_noisy[held_out]
        return {"acc_mix": float(hit.mean()), "acc_clean": float(hit[clean].mean()) if clean.any() else None,
                "acc_noisy": float(hit[~clean].mean()) if not clean.all() else None}

    trainer.relabel(y_noisy, y == y_noisy)
    trainer.method.restart(first)
    history, memory = trainer.fit(settings.epochs, args.seed, "verify", run.checkpoint("main"), after_epoch,
                                  f"{args.noise_pattern} {ratio}")
    test = trainer.method.probabilities(test_images).argmax(axis=1)
    T = theory.transition_matrix(args.noise_pattern, ratio, c)
    row = {"pattern": args.noise_pattern, "ratio": ratio, "seed": args.seed,
           **held_out_scores(memory["predicted"], y[held_out], y_noisy[held_out]),
           "TA_theory": theory.test_accuracy(T), "LP_theory": theory.label_precision(T),
           "LR_theory": theory.label_recall(T), "test_accuracy": (test == dataset.y_test).mean()}
    M = confusion(memory["predicted"], y[held_out], c)
    write_csv(run.folder / "Verify_Theory_history.csv", pd.DataFrame(history))
    write_csv(run.folder / "Verify_Theory_M.csv", pd.DataFrame(M, range(c), range(c)), index=True)
    write_csv(run.folder / "Verify_Theory.csv", pd.DataFrame([row]))
    run.finish(**{name: row[name] for name in ("TA", "LP", "LR", "test_accuracy")})


def run(args):
    import pandas as pd

    import report
    from runs import Run, run_folder

    dataset = cli.load_data(args)
    settings = cli.settings_of(args, "verify", args.epochs)
    cli.check_batch(settings, len(dataset.y_train) // 2, "half of the training set")
    runs = {ratio: Run(run_folder(args.results_dir, args.dataset, args.noise_pattern, ratio, args.seed),
                       "Verify_Theory", cli.identity(args, settings, noise_ratio=ratio), args.overwrite, FILES)
            for ratio in args.noise_ratio}
    unfinished = {ratio: run for ratio, run in runs.items() if not run.finished}
    if unfinished:
        train(args, dataset, settings, unfinished)
    rows = pd.concat([pd.read_csv(run.folder / "Verify_Theory.csv") for run in runs.values()])
    print(f"\n{args.noise_pattern}     TA  theory      LP  theory      LR  theory   clean test accuracy")
    for row in rows.itertuples():
        print(f"{row.ratio:<4.2g}" + "".join(f"{a:>7.3f} {b:>7.3f} " for a, b in (
            (row.TA, row.TA_theory), (row.LP, row.LP_theory), (row.LR, row.LR_theory))) + f"{row.test_accuracy:>10.3f}")
    for path in [*(run.folder / name for run in runs.values() for name in FILES),
                 *report.verify_figures(args.results_dir, args.dataset)]:
        print(f"wrote {path}")


def train(args, dataset, settings, runs):
    """Trains for each of the runs, {ratio: Run}: one network, whose weights each begins with, and one compiled step."""
    from device import start_tensorflow
    device = start_tensorflow(args.gpu_id, not args.jit_compile)

    from methods import method_class
    from methods.base import Given
    from training import Trainer, as_tensor, build

    given = Given(dataset.x_train, dataset.y_train, dataset.n_classes, settings.batch_size, settings.epochs)
    trainer = Trainer(build(method_class("standard"), given, settings, args.seed), np.ones(len(dataset.y_train), bool),
                      settings.augmentation, settings.rate, args.jit_compile)
    test_images = as_tensor(dataset.x_test)
    for ratio, run in runs.items():
        with run.session(device):
            verify(args, ratio, dataset, trainer, settings, test_images, run)


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
