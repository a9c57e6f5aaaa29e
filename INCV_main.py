"""Trains a robust network on a noisy data set: on INCV's selection by the modified Co-teaching, or by another method.

    python INCV_main.py --noise_pattern sym --noise_ratio 0.5                       # digits: a minute on two cores
    python INCV_main.py --noise_pattern sym --noise_ratio 0.5 --dataset cifar10     # the paper's setting: for a GPU

Reads the CSV that INCV.py wrote, and runs INCV first where there is none. Writes to
results/<dataset>/<pattern>/<ratio>/, under the method's name: <method>_training.csv, one row an epoch, and .png;
<method>_result.csv, the test accuracies; <method>_<k>.keras, the networks; <method>_training.json, the run's record.
Draws the comparison of all methods found in results/<dataset>/ anew: table.csv, table.md, TestAcc.png, INCV.png.
"""
import hashlib

import numpy as np

import cli
import INCV
from methods import METHODS, OPTIONS, options_of

SELECTION_COLUMNS = {"y": float, "y_noisy": float, "select": bool, "candidate": bool, "eval_ratio": float}
TRACKED = 1000                  # training samples whose loss and accuracy are logged


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    cli.add_common(parser)
    parser.add_argument("--method", choices=METHODS, default="incv", help="how to train")
    parser.add_argument("--epochs", type=cli.number(int, 1), default=None, help="epochs of the training")
    for flag, (choices, text) in OPTIONS.items():
        parser.add_argument(f"--{flag}", choices=choices, default=choices[0], help=text)
    cli.add_selection(parser)
    return parser


def read_selection(path, y, y_noisy):
    """INCV's results CSV as a data frame, after checking that it is of this data set and this noise.

    y, y_noisy: int (n,), what the CSV must hold. Raises UserError, with the path, where it does not fit.
    """
    import pandas as pd

    def fail(problem):
        raise cli.UserError(f"{path} {problem}: remove it to run INCV again, or give the arguments it was made with")

    try:
        if not path.is_file() or path.stat().st_size > 1000 * (1 + len(y)):
            fail("is no file, or far too long")
        text = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        fail(f"cannot be read as CSV ({error})")
    missing = [name for name in SELECTION_COLUMNS if name not in text]
    if missing:
        fail(f"lacks the column {', '.join(missing)}")
    if len(text) != len(y):
        fail(f"has {len(text):,} rows, but the training set {len(y):,} samples")
    frame = pd.DataFrame()
    for name, kind in SELECTION_COLUMNS.items():
        column = text[name].str.lower().map({"true": 1, "false": 0}) if kind is bool else text[name]
        try:
            column = column.astype(float)
            if column.isna().any():
                raise ValueError
        except ValueError:
            fail(f"has something else than {'True and False' if kind is bool else 'numbers'} in {name}")
        frame[name] = column.astype(kind)
    if (frame.y != y).any():
        fail("has other true labels (y) than the data set")
    if (frame.y_noisy != y_noisy).any():
        fail("has other noisy labels (y_noisy) than this pattern, ratio and seed give")
    if (frame.select & frame.candidate).any():
        fail("has samples that are both selected and candidates")
    if not frame.eval_ratio.between(0, 1).all() or frame.eval_ratio.nunique() > 1:
        fail("needs one eval_ratio between 0 and 1 in all rows")
    if not frame.select.any():
        fail("selects nothing, so there is nothing to train on")
    return frame


def train(args, dataset, y_noisy, frame, csv):
    """Trains by args.method, or goes on, or recognises that it is done. frame, csv: INCV's selection, or None.

    Returns the run's folder.
    """
    from device import start_tensorflow
    from runs import Run, run_folder

    settings = cli.settings_of(args, "main", args.epochs)
    cli.check_batch(settings, len(y_noisy), "the training set")
    folder = run_folder(args.results_dir, args.dataset, args.noise_pattern, args.noise_ratio, args.seed)
    identity = cli.identity(args, settings, noise_ratio=args.noise_ratio, method=args.method,
                            assumed_pattern=args.assumed_pattern or args.noise_pattern,
                            selection=csv and hashlib.sha256(csv.read_bytes()).hexdigest()[:16],
                            **options_of(args.method, args))
    run = Run(folder, f"{args.method}_training", identity, args.overwrite,
              [f"{args.method}_training.csv", f"{args.method}_result.csv"])
    if not run.finished:
        with run.session(start_tensorflow(args.gpu_id, not args.jit_compile)):
            train_and_write(args, dataset, y_noisy, frame, settings, run)
    return folder


def train_and_write(args, dataset, y_noisy, frame, settings, run):
    """The work of `train`, in a session of the run."""
    import pandas as pd

    import report
    from methods import method_class
    from methods.base import Given
    from runs import atomic, write_csv
    from training import Trainer, build

    given = Given(dataset.x_train, y_noisy, dataset.n_classes, settings.batch_size, settings.epochs,
                  args.noise_ratio, args.assumed_pattern or args.noise_pattern,
                  options={flag.removeprefix(f"{args.method}_"): value
                           for flag, value in options_of(args.method, args).items()})
    if frame is not None:
        given = given.with_selection(frame.select.to_numpy(), frame.candidate.to_numpy(), frame.eval_ratio[0])
    clean = dataset.y_train == y_noisy
    method = build(method_class(args.method), given, settings, args.seed)
    method.prepare(lambda: standard_probabilities(args, given, clean, settings, run))
    trainer = Trainer(method, clean, settings.augmentation, settings.rate, args.jit_compile)
    evaluate = Evaluation(method, trainer.images, dataset, y_noisy, args.seed)
    history, _ = trainer.fit(settings.epochs, args.seed, args.method, run.checkpoint("main"), evaluate, args.method)
    history = evaluate.frame(history)
    result = summary(history, method.n_networks)
    for k, network in enumerate(method.networks):
        with atomic(run.folder / f"{args.method}_{k + 1}.keras") as temporary:
            network.save(temporary)
    for name in method.matrices:
        write_csv(run.folder / f"{args.method}_{name}.csv", pd.DataFrame(getattr(method, name)), index=True)
    write_csv(run.folder / f"{args.method}_training.csv", history)
    write_csv(run.folder / f"{args.method}_result.csv", result.assign(recipe=cli.recipe_of(args)))
    report.training_figures(run.folder, args.method)
    run.finish(**result.set_index("network").loc["mean"].to_dict())


def standard_probabilities(args, given, clean, settings, run):
    """What `Method.prepare` calls: a standard training of other initial weights, as a stage of the run."""
    from methods import method_class
    from training import Trainer, build
    from utils import stream_seed

    seed = stream_seed(args.seed, "prepare")
    standard = build(method_class("standard"), given, settings, seed)
    trainer = Trainer(standard, clean, settings.augmentation, settings.rate, args.jit_compile)
    trainer.fit(settings.epochs, seed, "standard", run.checkpoint("standard"), lambda epoch, memory: {},
                f"{args.method}, standard network")
    return standard.probabilities(trainer.images)


class Evaluation:
    """What is logged after each epoch: test accuracy, and loss and accuracy on tracked training samples."""

    def __init__(self, method, images, dataset, y_noisy, seed):
        from training import as_tensor
        from utils import stream

        self.method, self.images, self.y_test, self.y_noisy = method, images, dataset.y_test, y_noisy
        self.test_images = as_tensor(dataset.x_test)
        pool = method.samples
        self.tracked = np.sort(stream(seed, "tracked").choice(pool, min(TRACKED, len(pool)), replace=False))
        self.clean = (dataset.y_train == y_noisy)[self.tracked]

    def __call__(self, epoch, memory):
        from selection import removal_loss

        row = {}
        y = self.y_noisy[self.tracked]
        for k in range(self.method.n_networks):
            test = self.method.probabilities(self.test_images, k=k)
            row[f"test_accuracy_{k + 1}"] = float(np.mean(test.argmax(axis=1) == self.y_test))
            p = self.method.probabilities(self.images, self.tracked, k)
            loss, hit = removal_loss(p, y), p.argmax(axis=1) == y
            for part, mask in (("all", slice(None)), ("clean", self.clean), ("noisy", ~self.clean)):
                row[f"loss_{part}_{k + 1}"] = float(loss[mask].mean()) if len(loss[mask]) else None
                row[f"accuracy_{part}_{k + 1}"] = float(hit[mask].mean()) if len(loss[mask]) else None
        return row

    def frame(self, history):
        """The history as a data frame: the columns of all methods, blank where there is one network, then others."""
        import pandas as pd

        tracked = [f"{name}_{part}" for part in ("all", "clean", "noisy") for name in ("loss", "accuracy")]
        measured = [f"{name}_{k}" for k in (1, 2) for name in ("test_accuracy", *tracked)]
        first = ["epoch", "learning_rate", "loss", "accuracy", *measured, "seconds"]
        frame = pd.DataFrame(history)
        return frame.reindex(columns=first + [name for name in frame.columns if name not in first])


def summary(history, n_networks):
    """Test accuracy of each network and of their mean: at the last epoch, the mean of the last ten, and the best."""
    import pandas as pd

    curves = {str(k + 1): history[f"test_accuracy_{k + 1}"] for k in range(n_networks)}
    curves["mean"] = pd.DataFrame(curves).mean(axis=1)
    rows = [(name, curve.iloc[-1], curve.iloc[-10:].mean(), curve.max()) for name, curve in curves.items()]
    return pd.DataFrame(rows, columns=["network", "last", "last10", "best"])


def print_summary(folder, method):
    """Prints the test accuracies of a finished run, from its files, and the paths of all that it wrote."""
    import pandas as pd

    print("\ntest accuracy   last epoch   mean of last ten   best epoch")
    for row in pd.read_csv(folder / f"{method}_result.csv", dtype={"network": str}).itertuples():
        name = "mean of both" if row.network == "mean" else f"network {row.network}"
        print(f"{name:<16}{row.last:<13.4f}{row.last10:<19.4f}{row.best:.4f}")
    for path in sorted(folder.glob(f"{method}_*")):
        print(f"wrote {path}")


def selection_of(args, dataset, y_noisy):
    """INCV's selection, and the path of its CSV: as it is found there, or made now, or what is left of it.

    Where INCV's flags are given, and are others than those of the run that is recorded beside the CSV, it is made again
    if args.overwrite. Raises UserError, with their names, if not.
    """
    from runs import compare, read_record, run_folder

    folder = run_folder(args.results_dir, args.dataset, args.noise_pattern, args.noise_ratio, args.seed)
    csv, record = folder / INCV.results_name(args), read_record(folder / "INCV.json")
    given = {"epochs": args.INCV_epochs, "INCV_iter": args.INCV_iter, "top_k": args.top_k,
             "assumed_pattern": args.assumed_pattern}
    given = {name: value for name, value in given.items() if value is not None}
    found = {name: record["arguments"].get(name) for name in given} if record else given
    complete = csv.exists() and (record is None or record["finished"])
    if complete and not args.overwrite:
        compare(folder / "INCV.json", found, given)
    if not complete or found != given:
        INCV.select(args, dataset, y_noisy)
    return csv, read_selection(csv, dataset.y_train, y_noisy)


def run(args):
    import report
    from utils import corrupt_labels

    dataset = cli.load_data(args)
    y_noisy = corrupt_labels(dataset.y_train, args.noise_pattern, args.noise_ratio, dataset.n_classes, args.seed)
    csv, frame = selection_of(args, dataset, y_noisy) if args.method == "incv" else (None, None)
    print_summary(train(args, dataset, y_noisy, frame, csv), args.method)
    for path in report.summary(args.results_dir, args.dataset):
        print(f"wrote {path}")


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
