"""What the three scripts' command lines share: flags, checks, and ends of one line."""
import argparse
import math
import os
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from models import ARCHITECTURES
from noisylabels import theory
from noisylabels.errors import UserError, did_you_mean
from noisylabels.experiment import Experiment
from noisylabels.interrupt import leave_on_signals, open_streams
from noisylabels.machine import shares
from noisylabels.recipes import AUGMENTATIONS, OPTIMIZERS, PRECISIONS, RECIPES, resolve
from noisylabels.runs.files import MEND
from noisylabels.runs.folders import NAME, run_folder
from noisylabels.theory import GIVEN, PATTERNS, TOLD

ITERATIONS, TOP_K = 4, 1            # of the selection, where the flags are not given
FORMATS = ("png", "pdf", "svg")
RESUMES = "finished epochs are saved, the same command goes on from there"
OVERRIDES = ("architecture", "optimizer", "learning_rate", "weight_decay", "batch_size", "augmentation",
             "precision")


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Help texts with the default behind them, where there is one."""

    def _get_help_string(self, action):
        without = action.default is None or isinstance(action.default, bool | list)
        return action.help if without else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line on standard error, exit code 2, with the choice or flag that was meant."""

    def __init__(self, doc: str | None, epilog: str | None = None) -> None:
        """doc: a script's docstring, of which the first line is its description; None under python -OO."""
        super().__init__(description=(doc or "").partition("\n")[0], epilog=epilog, formatter_class=Formatter,
                         allow_abbrev=False)

    def parse_args(self, args=None, namespace=None):
        found, others = self.parse_known_args(args, namespace)
        if others:
            meant = did_you_mean(others[0].split("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(others)}{meant}")
        return found

    def _check_value(self, action, value):
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(action, error.message + did_you_mean(value, action.choices)) from None

    def error(self, message):
        self.fail(f"{message} (see --help)")

    def fail(self, message, code=2):
        """Ends the script: one line, and the exit code."""
        self.exit(code, f"{self.prog}: error: {' '.join(str(message).split())}\n")


def number(kind, low, high=math.inf, above=False):
    """An argparse type: a finite number of this kind, low <= x <= high, or low < x if above."""
    def parse(text):
        try:
            value = kind(text) + 0                          # -0.0 becomes 0.0
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not value <= high or math.isinf(value):
            kinds = "a whole" if kind is int else "a finite"
            bounds = f"above {low}" if above else f"of at least {low}"
            bounds += "" if math.isinf(high) else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {kinds} number {bounds}")
        return value
    return parse


def gpu_ids(text):
    """An argparse type: "0", "0,1" or "-1"."""
    if text != "-1" and not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a GPU id such as 0, a list such as 0,1, or -1 for the CPU")
    return text


def folder(text):
    """An argparse type: a folder that is there, or can be made."""
    for path in (text, *map(str, Path(text).parents)):
        if os.path.exists(path) and not os.path.isdir(path):
            raise argparse.ArgumentTypeError(f"{path!r} is a file, not a folder: give another")
    return text


def folder_name(text):
    """An argparse type: what a folder of runs may be called."""
    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of letters, digits, '.', '-' and '_', or is one that "
                                         "other folders have, such as seed1")
    return text


def add_common(parser, several_ratios=False):
    """The flags of all three scripts."""
    add = parser.add_argument
    ratio = number(float, 0, 1)
    flips = ("sym: to any other class, uniformly; asym: to the next class; asym5, of cifar10: truck to automobile, "
             "bird to airplane, deer to horse, cat to dog, dog to cat")
    if several_ratios:
        add("--noise_pattern", choices=PATTERNS, default=PATTERNS[0], help=flips)
        add("--noise_ratio", type=ratio, nargs="+", default=[.5],
            help="probability that a label is wrong, of asym5 that one of its five classes is; one or several")
    else:
        add("--noise_pattern", choices=(*PATTERNS, GIVEN),
            help=f"{flips}; given: labels as they came, the default for own images and --noisy_labels, else it is sym")
        add("--noise_ratio", type=ratio,
            help="probability that a label is wrong, of asym5 that one of its five classes is; by default 0.5")
        add("--noisy_labels", metavar="FILE[#KEY]",
            help="labels for the training images, .npy, .csv, .npz or .pt; those of the data set are the truth then")
    add("--dataset", default="digits", metavar="NAME|PATH",
        help="digits, which is embedded, or cifar10 or cifar100 in --data_dir; or own images: a folder with a folder "
             "of images for each class, a .csv with columns of files and labels, or an .npz, see docs/data.md; "
             "it must not have the name of one of the three")
    add("--gpu_id", type=gpu_ids,
        help="the GPU to use, or a list such as 0,1: the halves of a selection take one each, and a training shares "
             "its batches among them if its method can; -1 is the CPU; by default the first GPU, of a selection the "
             "first two, else the CPU")
    add("--threads", type=number(int, 1),
        help="of a training on the CPU, by default its share of the cores; the last digits of results depend on it")
    add("--seed", type=number(int, 0, 2 ** 31 - 1), default=0, help="of noise, splits, weights, batches, augmentation")
    add("--data_dir", type=folder, default="data", help="where data sets are, or are downloaded to")
    add("--results_dir", type=folder, default="results", help="where runs write")
    add("--name", type=folder_name,
        help="write to a folder of this name beneath that of the noise; by default there is one for other recipes than "
             "the data set's own, called as the recipe")
    add("--overwrite", action="store_true", help="forget a finished run, or one with other arguments, and run again")
    add("--recipe", choices=RECIPES,
        help="the settings' table in recipes.py; by default digits for digits, fast for own images, else paper")
    add("--architecture", choices=ARCHITECTURES, help="network; by default the recipe's, as all down to --precision")
    add("--optimizer", choices=OPTIMIZERS,
        help="optimizer; another than the recipe's has a learning rate of its own, if none is given")
    add("--learning_rate", type=number(float, 0, above=True), help="learning rate at its peak")
    add("--weight_decay", type=number(float, 0), help="a step shrinks the weights by this times its rate")
    add("--batch_size", type=number(int, 2), help="samples a step")
    add("--augmentation", choices=AUGMENTATIONS, help="random changes of the training images")
    add("--precision", choices=PRECISIONS,
        help="mixed: compute in bfloat16 where the processor has instructions for it, which is faster, else in float32")
    add_format(parser)
    add("--quiet", action="store_true", help="print results alone, not how far the training is")
    add("--jit_compile", action="store_true",
        help="compile training steps with XLA: for GPUs, on CPUs it is slower; runs are not bit-equal then")


def told(args, noise):
    """The pattern that the algorithm is told: what the flag says, or what is true of the noise, see theory.told."""
    return args.assumed_pattern or theory.told(noise.pattern)


def add_evaluation(parser):
    """The flags of a training that is watched: of INCV_main.py and Verify_Theory.py."""
    parser.add_argument("--epochs", type=number(int, 1), help="epochs of the training; by default the recipe's")
    parser.add_argument("--evaluate_every", type=number(int, 1),
                        help="epochs from one evaluation to the next: more are faster, and leave fewer epochs for the "
                             "best one and for --validation_split; the last ten are evaluated in any case, of "
                             "f_correction all; by default the recipe's, 4 of fast in INCV_main.py, else 1")
    parser.add_argument("--wait", action="store_true",
                        help="wait for a process that is at the same run; without, it is an error")


def add_format(parser):
    parser.add_argument("--format", choices=FORMATS, default="png", help="of figures")


def add_selection(parser, *aliases):
    """The flags of the selection, for INCV.py and for INCV_main.py, which calls it."""
    add = parser.add_argument
    add("--INCV_epochs", *aliases, type=number(int, 1),
        help="epochs of each training of the selection; by default the recipe's")
    add("--INCV_iter", type=number(int, 1), help="iterations of the selection, two trainings each; by default 4")
    add("--top_k", type=number(int, 1), help="selected: the label is among the k most likely classes; by default 1")
    add("--parallel_halves", choices=("auto", "on", "off"), default="auto",
        help="train the two halves of an iteration side by side; auto: with two GPUs or cores, and the memory for it")
    add("--assumed_pattern", choices=TOLD,
        help="what the algorithm is told of the noise (removal, weights rule, warm-up, the share that the training "
             "discards); by default --noise_pattern, of asym5 asym, and of given labels asym, which is the careful one")


def experiment(args, task, dataset, y_noisy, noise, trained_on, epochs=None, **arguments):
    """The Experiment of parsed arguments.

    task: of the recipe. trained_on: (number, words), the samples that a training of it has. epochs: the task's flag.
    arguments: what else its result depends on. Raises UserError where there is nothing to learn from, or a batch is
    larger than what there is to train on.
    """
    check_labels(args, dataset, y_noisy if noise.pattern == GIVEN else dataset.y_train)
    if args.no_mirror and "flip" in (args.augmentation or ""):
        raise UserError(f"argument --no_mirror: --augmentation {args.augmentation} makes mirror images")
    recipe = args.recipe or dataset.default_recipe
    n, what = trained_on
    if dataset.is_custom:
        arguments["samples"] = n
    settings = resolve(recipe, task, dataset.may_be_mirrored, dataset.may_be_shifted, arguments.get("samples"),
                       epochs=epochs,
                       validation_split=args.validation_split if task == "main" else None,
                       evaluate_every=args.evaluate_every if task != "INCV" else None,
                       **{name: getattr(args, name) for name in OVERRIDES})
    if settings.batch_size > n:
        raise UserError(f"argument --batch_size: {settings.batch_size} is more than the {n} samples of {what}; "
                        "give a smaller one")
    name = args.name or (recipe if recipe != dataset.default_recipe else None)
    folder = run_folder(args.results_dir, dataset.name, noise, args.seed, name)
    assumed = arguments.get("assumed_pattern", theory.told(noise.pattern))
    return Experiment(dataset, y_noisy, noise, assumed, recipe, settings, args.seed, folder, arguments, args.overwrite,
                      args.gpu_id, (args.gpu_id,), args.threads, args.jit_compile, getattr(args, "wait", False))


def selection_experiment(args, dataset, y_noisy, noise):
    """The Experiment of the selection: INCV.py's, and where there is no selection yet INCV_main.py's."""
    top_k = args.top_k or TOP_K
    if top_k >= dataset.n_classes:
        raise UserError(f"argument --top_k: {top_k} must be below the {dataset.n_classes} classes")
    made = experiment(args, "INCV", dataset, y_noisy, noise, (len(y_noisy) // 2, "half of the training set"),
                      args.INCV_epochs, INCV_iter=args.INCV_iter or ITERATIONS, top_k=top_k,
                      assumed_pattern=told(args, noise))
    gpu_ids, threads = shares(args.parallel_halves, args.gpu_id, args.threads)
    overwrite = getattr(args, "overwrite_selection", args.overwrite)
    return replace(made, overwrite=overwrite, gpu_ids=gpu_ids, threads=threads)


def given_for_selection(args):
    """Of a selection's identity the names that were given as flags; what it is told of the noise always counts."""
    flags = {"recipe": args.recipe, "epochs": args.INCV_epochs, "INCV_iter": args.INCV_iter, "top_k": args.top_k,
             **{name: getattr(args, name) for name in OVERRIDES}}
    return ["assumed_pattern", *(name for name, value in flags.items() if value is not None)]


def check_labels(args, dataset, y):
    """Raises UserError where labels y (n,) of a Dataset leave nothing to learn."""
    present = np.unique(y)
    if len(y) < dataset.n_classes:
        problem = f"has {len(y)} training samples, fewer than its {dataset.n_classes} classes"
    elif len(present) < 2:
        problem = f"has training labels of one class alone, {dataset.classes[present[0]]}"
    else:
        return
    if getattr(args, "noisy_labels", None):                 # which Verify_Theory.py does not take
        raise UserError(f"argument --noisy_labels: {args.noisy_labels} {problem}; give other labels")
    if dataset.is_custom:
        raise UserError(f"argument --dataset: {args.dataset} {problem}; give more images, or other labels")
    raise UserError(f"argument --dataset: {args.dataset} in {args.data_dir} {problem}; delete it there to have it "
                    "downloaded anew, or give another --data_dir")


def main(parser, run, argv=None, rest=False, stopped=RESUMES):
    """Parses a command line, by default the process's, and calls run(args), a script's body.

    rest: what the parser does not know goes into args.rest, a list, instead of being an error. stopped: what Ctrl-C
    leaves, in words.
    Errors of the user's or of the disk end in one line and exit code 2.
    """
    open_streams()
    args, others = parser.parse_known_args(argv) if rest else (parser.parse_args(argv), [])
    args.rest = others
    warnings.showwarning = lambda message, *_: print(f"{parser.prog}: warning: {message}", file=sys.stderr)
    again = any(flag.startswith("--overwrite") for flag in argv or sys.argv)
    leave_on_signals(f"{parser.prog}: interrupted; {stopped}{', but makes again what is finished' * again}\n")
    try:
        run(args)
        sys.stdout.flush()
    except UserError as error:
        parser.fail(error, error.code)
    except OSError as error:
        if error.filename is None:                          # standard output: nothing more can be written there
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        parser.fail(f"{error.filename or 'standard output'}: {error.strerror or error}; {MEND}")
