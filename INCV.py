"""Cleans a noisy data set by iterative noisy cross-validation (INCV), the paper's first algorithm.

    python INCV.py --noise_pattern sym --noise_ratio 0.5                        # digits: half a minute on two cores
    python INCV.py --noise_pattern asym --noise_ratio 0.4 --dataset cifar10     # the paper's setting: for a GPU

Writes to results/<dataset>/<pattern>/<ratio>/: <dataset>_<pattern><ratio>_INCV_results.csv, one row a training sample
with its labels and whether it was selected; INCV_history.csv, one row an epoch; INCV_iterations.csv and .png, label
precision and recall after each iteration; INCV.json, the record of the run. Draws results/<dataset>/INCV.png anew.
"""
import numpy as np

import cli

ITERATIONS, TOP_K = 4, 1            # where the flags are not given


def arguments():
    parser = cli.Parser(__doc__.splitlines()[0])
    cli.add_common(parser)
    cli.add_selection(parser, "--epochs")
    return parser


def select(args, dataset, y_noisy):
    """Runs the selection, or what is left of it, or nothing where it is finished. Returns the path of its CSV."""
    import pandas as pd

    import report
    import selection
    from device import start_tensorflow
    from runs import Run, run_folder, write_csv

    settings = cli.settings_of(args, "INCV", args.INCV_epochs)
    pattern = args.assumed_pattern or args.noise_pattern
    cli.check_batch(settings, len(y_noisy) // 2, "half of the training set")
    iterations, top_k = args.INCV_iter or ITERATIONS, args.top_k or TOP_K
    if top_k >= dataset.n_classes:
        raise cli.UserError(f"argument --top_k: {top_k} must be below the {dataset.n_classes} classes")
    folder = run_folder(args.results_dir, args.dataset, args.noise_pattern, args.noise_ratio, args.seed)
    name = results_name(args)
    identity = cli.identity(args, settings, noise_ratio=args.noise_ratio, INCV_iter=iterations, top_k=top_k,
                            assumed_pattern=pattern)
    run = Run(folder, "INCV", identity, args.overwrite, [name, "INCV_history.csv", "INCV_iterations.csv"])
    if not run.finished:
        with run.session(start_tensorflow(args.gpu_id, not args.jit_compile)):
            history = []
            train = Training(args, dataset, y_noisy, settings, run, history, top_k)
            result = selection.incv(train, dataset.y_train, y_noisy, dataset.n_classes, pattern, iterations, top_k,
                                    args.seed)
            write_csv(folder / "INCV_history.csv", pd.DataFrame(history))
            write_csv(folder / "INCV_iterations.csv", pd.DataFrame(result.iterations))
            write_csv(folder / name, pd.DataFrame({
                "y": dataset.y_train, "y_noisy": y_noisy, "select": result.select, "candidate": result.candidate,
                "eval_ratio": result.eval_ratio}))
            report.incv_figures(folder)
            run.finish(**result.iterations[-1])
    summarise(folder, name)
    return folder / name


def results_name(args):
    """The selection's file name, as in 2019."""
    return f"{args.dataset}_{args.noise_pattern}{args.noise_ratio}_INCV_results.csv"


class Training:
    """The `train` that selection.incv calls: one network, one compiled step, a checkpoint for each of the trainings."""

    def __init__(self, args, dataset, y_noisy, settings, run, history, top_k):
        from methods import method_class
        from methods.base import Given
        from training import Trainer, build

        self.y_noisy, self.settings, self.run, self.history = y_noisy, settings, run, history
        self.seed, self.top_k = args.seed, top_k
        given = Given(dataset.x_train, y_noisy, dataset.n_classes, settings.batch_size, settings.epochs)
        self.method = build(method_class("standard"), given, settings, args.seed)
        self.trainer = Trainer(self.method, dataset.y_train == y_noisy, settings.augmentation, settings.rate,
                               args.jit_compile)

    def __call__(self, stage, samples, held_out, use_best):
        from selection import is_selected, removal_loss

        y = self.y_noisy[held_out]

        def after_epoch(epoch, memory):
            if not use_best and epoch < self.settings.epochs - 1:
                return {"heldout_accuracy": None}
            p = self.method.probabilities(self.trainer.images, held_out)
            accuracy = float(np.mean(p.argmax(axis=1) == y))
            if accuracy > memory.get("accuracy", -1) or not use_best:
                memory.update(accuracy=np.array(accuracy), hit=is_selected(p, y, self.top_k),
                              loss=removal_loss(p, y))
            return {"heldout_accuracy": accuracy}

        self.method.restart(samples)
        rows, memory = self.trainer.fit(
            self.settings.epochs, self.seed, f"INCV {stage}", self.run.checkpoint(stage), after_epoch,
            f"INCV {stage[:-1]}{stage[-1]}, {len(samples):,} samples")
        self.history += [{"iteration": int(stage[:-1]), "half": stage[-1], **row} for row in rows]
        return memory["hit"], memory["loss"]


def summarise(folder, name):
    """Prints what a finished selection found, from its files."""
    import pandas as pd

    last = pd.read_csv(folder / "INCV_iterations.csv").iloc[-1]
    print(f"\nestimated noise ratio  {last.eps:.3f}\n"
          f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, removed {last.removed:,.0f}\n"
          f"label precision        {last.LP:.3f}\nlabel recall           {last.LR:.3f}")
    for file in (name, "INCV_history.csv", "INCV_iterations.csv", "INCV_iterations.png"):
        print(f"wrote {folder / file}")


def run(args):
    import report
    from utils import corrupt_labels

    dataset = cli.load_data(args)
    y_noisy = corrupt_labels(dataset.y_train, args.noise_pattern, args.noise_ratio, dataset.n_classes, args.seed)
    select(args, dataset, y_noisy)
    for path in report.summary(args.results_dir, args.dataset):
        print(f"wrote {path}")


def main(argv=None):
    cli.main(arguments(), run, argv)


if __name__ == "__main__":
    main()
