"""All flags of the scripts that train, with their help texts."""

from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

from models import ARCHITECTURES, HEADS, RIDGE
from noisylabels.backbones import DEFAULT, NAMES, NONE, SIZE
from noisylabels.cli import add_format, folder, folder_name, gpu_ids, number
from noisylabels.methods import OPTIONS
from noisylabels.noise import ASSUMABLE_PATTERNS, PATTERNS, PROVIDED
from noisylabels.recipes import AUGMENTATIONS, OPTIMIZERS, PRECISIONS, RECIPES

PATTERN_HELP = (
    "how labels are flipped; sym: to any other class, uniformly; asym: to the next class; asym5, "
    "for cifar10: truck to automobile, bird to airplane, deer to horse, cat to dog, dog to cat"
)
RATIO_HELP = "probability that a label is flipped; asym5 flips only labels of its five classes"


def add_common(parser: ArgumentParser, seed: bool = True) -> None:
    """Add the flags that all training scripts have; --seed only with `seed`."""
    add = parser.add_argument
    add(
        "--dataset",
        default="digits",
        metavar="NAME|PATH",
        help="digits, which is included; cifar10 or cifar100, read from --data_dir; or custom "
        "images: a folder with one subfolder per class, a .csv with columns for files and labels, "
        "or an .npz, see docs/data.md",
    )
    add(
        "--gpu_id",
        type=gpu_ids,
        help="id of a GPU, or a list such as 0,1: the two halves of an iteration use one GPU each, "
        "and some methods divide each batch among the GPUs; -1 is the CPU; by default the first "
        "GPU, for a selection the first two, or the CPU if there is no GPU",
    )
    add(
        "--threads",
        type=number(int, 1),
        help="threads per network on the CPU; by default all cores, or an equal share of them for "
        "networks trained in parallel; results depend on it in their last decimal places",
    )
    if seed:
        add(
            "--seed",
            type=number(int, 0, 2**31 - 1),
            default=0,
            help="random seed for noise, splits, initial weights, batch order and augmentation",
        )
    add(
        "--data_dir",
        type=folder,
        default="data",
        help="folder that contains CIFAR, or to which it is downloaded",
    )
    add("--results_dir", type=folder, default="results", help="folder for results")
    add(
        "--name",
        type=folder_name,
        help="name of a subfolder for this run; by default none, or the name of a recipe that is "
        "not the images' default recipe",
    )
    add(
        "--overwrite",
        action="store_true",
        help="repeat a finished run, or replace a run that has other settings",
    )
    add(
        "--recipe",
        choices=RECIPES,
        help="set of training settings, see docs/running.md; by default digits for the digits "
        "data set, features for embeddings, fast for custom images, else paper",
    )
    add(
        "--architecture",
        choices=(*ARCHITECTURES, RIDGE, *HEADS),
        help="network; for embeddings ridge (INCV.py only), linear or mlp; by default the recipe's",
    )
    add(
        "--optimizer",
        choices=OPTIMIZERS,
        help="by default adam, or muon for the networks of the recipe fast",
    )
    add(
        "--learning_rate",
        type=number(float, 0, above=True),
        help="peak learning rate; for muon that of convolution kernels; by default the recipe's, "
        "or the chosen --optimizer's",
    )
    add(
        "--weight_decay",
        type=number(float, 0),
        help="weight decay: decoupled for adam; L2 for muon, except on convolution kernels; by "
        "default the recipe's",
    )
    add(
        "--batch_size",
        type=number(int, 2),
        help="samples per batch; by default the recipe's, or fewer for small data sets",
    )
    add(
        "--augmentation",
        choices=AUGMENTATIONS,
        help="random changes of the training images; shift: by up to 4 pixels, interpolated; "
        "translate: by up to 2 whole pixels; alternate: flip each image in every second epoch; by "
        "default the recipe's",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        help="number format of the training; mixed: bfloat16 if that is faster on this machine "
        "(measured once on a CPU), else float32; by default the recipe's",
    )
    add_format(parser)
    add("--quiet", action="store_true", help="print results only, no progress")
    add(
        "--jit_compile",
        action="store_true",
        help="compile training steps with XLA; meant for GPUs, slower on CPUs; results then differ "
        "from run to run in their last decimal places",
    )


def add_noise(parser: ArgumentParser) -> None:
    """Add the flags of a noise pattern and of one noise ratio."""
    add = parser.add_argument
    add(
        "--noise_pattern",
        choices=(*PATTERNS, PROVIDED),
        help=f"{PATTERN_HELP}; given: labels as provided, the default for custom images and "
        "--noisy_labels; otherwise the default is sym",
    )
    add("--noise_ratio", type=number(float, 0, 1), help=f"{RATIO_HELP}; by default 0.5")


def add_noise_ratios(parser: ArgumentParser) -> None:
    """Add the flags of a noise pattern and of several noise ratios."""
    parser.add_argument("--noise_pattern", choices=PATTERNS, default=PATTERNS[0], help=PATTERN_HELP)
    parser.add_argument(
        "--noise_ratio",
        type=number(float, 0, 1),
        nargs="+",
        default=[0.5],
        help=f"{RATIO_HELP}; by default 0.5",
    )


def add_data(parser: ArgumentParser, labels: bool = True, test_split: bool = True) -> None:
    """Add the flags of custom data; `labels` adds the flag for a file of observed labels.

    Without `test_split`, --test_split is hidden, and is an error of `flag_rules.check_flags`.
    """
    add = parser.add_argument_group("custom images and labels").add_argument
    if labels:
        add(
            "--noisy_labels",
            metavar="FILE[#KEY]",
            help="file with observed labels of the training images, .csv, .npy, .npz or .pt; the "
            "labels of the data set are then the true ones",
        )
    add(
        "--features",
        metavar="FILE[#KEY]",
        help="embeddings that replace the images, float (n, d): a .npy or .npz with one row per "
        "sample, in data set order (test samples last, except for a .csv); or a .csv or .npz with "
        "file names",
    )
    add(
        "--backbone",
        choices=(*NAMES, NONE),
        help="pretrained network that computes embeddings of the images, on which classifiers are "
        f"trained; {NONE}: train networks from scratch; by default {DEFAULT} for custom images if "
        f"Keras has its weights, else {NONE}",
    )
    add(
        "--backbone_weights",
        type=Path,
        metavar="FILE",
        help="Keras file with the backbone's weights; by default the file that Keras downloads",
    )
    add(
        "--image_size",
        type=number(int, 4),
        help=f"side in pixels to which images are resized; by default {SIZE} with a "
        "backbone, else the original size for an .npz and 32 for files",
    )
    add(
        "--test_split",
        type=number(float, 0, 0.9),
        help="share of the images that INCV_main.py and Verify_Theory.py set aside for testing if "
        "there is no test set; by default 0.2; 0 trains on all images"
        if test_split
        else SUPPRESS,
    )
    add(
        "--image_column",
        help="column of a .csv that names the files; by default file, path, image or similar",
    )
    add(
        "--label_column",
        help="column of a .csv that contains the labels; by default label, class or given_label",
    )
    add(
        "--no_mirror",
        action="store_true",
        help="do not flip images in training and prediction, for example for letters",
    )
    add(
        "--trust_labels",
        action="store_true",
        help="treat the labels of custom images as true, so that noise can be added and accuracy "
        "measured",
    )


def add_evaluation(parser: ArgumentParser) -> None:
    """Add --epochs, --evaluate_every and --wait."""
    add = parser.add_argument
    add("--epochs", type=number(int, 1), help="epochs of the training; by default the recipe's")
    add(
        "--evaluate_every",
        type=number(int, 1),
        help="epochs between two evaluations; the last epoch is always evaluated; fewer "
        "evaluations are faster; by default 4 for fast in INCV_main.py, else 1",
    )
    add(
        "--wait",
        action="store_true",
        help="wait for another process that works on the same run, instead of stopping with an "
        "error",
    )


def add_selection(parser: ArgumentParser, *aliases: str) -> None:
    """Add the flags of the selection. `aliases`: further names of --INCV_epochs."""
    add = parser.add_argument
    add(
        "--INCV_epochs",
        *aliases,
        type=number(int, 1),
        help="epochs of each training of the selection; by default the recipe's",
    )
    add(
        "--INCV_iter",
        type=number(int, 1),
        help="iterations of the selection, which train two networks each; by default 4; 1 gives a "
        "fast first result",
    )
    add(
        "--top_k",
        type=number(int, 1),
        help="select a sample if its label is among the k most likely classes; by default 1",
    )
    add(
        "--parallel_halves",
        choices=("auto", "on", "off"),
        default="auto",
        help="train the two halves of an iteration in parallel; auto: with two GPUs or two cores, "
        "and enough memory",
    )
    add(
        "--assumed_pattern",
        choices=ASSUMABLE_PATTERNS,
        help="noise pattern that the algorithm assumes; it determines the removal of samples, the "
        "choice of the epoch, the warm-up and the share of discarded samples; by default "
        "sym for sym noise, else asym, the cautious choice",
    )


def add_methods(parser: ArgumentParser) -> None:
    """Add the flags of a training by any method, except --method itself."""
    add = parser.add_argument
    add_evaluation(parser)
    add(
        "--validation_split",
        type=number(float, 0, 0.9),
        default=None,
        help="share of the samples to hold out; their labels choose an epoch, whose test accuracy "
        "is also reported; by default none",
    )
    for flag, option in OPTIONS.items():
        kind = {"choices": option.choices}
        if option.bounds:
            kind = {"type": number(float, *option.bounds)}
        add(f"--{flag}", **kind, default=option.default, help=option.help)
    add_selection(parser)
    add(
        "--selection",
        type=Path,
        help="CSV of the selection to train on; by default that of INCV.py in the run's folder",
    )
    add("--decisions", type=Path, help="file of your decisions, saved by review.html")
    add(
        "--overwrite_selection",
        action="store_true",
        help="repeat an existing selection, and the training on it",
    )
