"""The flags of own images and of labels as they came, and what they come to: what to load, and the noise of it."""
from functools import partial
from pathlib import Path

from noisylabels.cli import number
from noisylabels.data import is_path, name_of
from noisylabels.data.cifar import LAYOUTS
from noisylabels.errors import UserError
from noisylabels.theory import GIVEN, PATTERNS, Noise

OWN = ("image_size", "test_split", "image_column", "label_column", "no_mirror", "trust_labels")


def add_data(parser):
    """The flags of own images and own labels."""
    add = parser.add_argument_group("own images and labels").add_argument
    add("--image_size", type=number(int, 4), help="pixels a side of own images; by default 32, of an .npz as it is")
    add("--test_split", type=number(float, 0, .9, above=True),
        help="share of own images that is set aside to test on where they have no test set; by default 0.2")
    add("--image_column", help="the column of a .csv that names the files; by default file, path, image or the like")
    add("--label_column", help="the column of a .csv that holds the labels; by default label, class or given_label")
    add("--no_mirror", action="store_true",
        help="never flip images, nor predict with their mirror images, which of letters may be of another class")
    add("--trust_labels", action="store_true",
        help="take the labels of own images for the truth: they can be flipped then, and compared with")


def load_options(args):
    """The keyword arguments of utils.load_dataset in parsed arguments.

    Raises UserError where results would lie among own images, and so be images of a class the next time.
    """
    results = Path(args.results_dir) / name_of(args.dataset)
    if is_path(args.dataset) and results.resolve().is_relative_to(Path(args.dataset).resolve()):
        raise UserError(f"argument --results_dir: {results} is within the images of --dataset {args.dataset}, as which "
                        "the figures there would be taken; give a folder elsewhere")
    return {**{flag: getattr(args, flag) for flag in OWN}, "noisy_labels": getattr(args, "noisy_labels", None),
            "unreadable": results / "unreadable.csv", "report": partial(print, flush=True)}


def noise_of(args, dataset):
    """The Noise of parsed arguments: that of labels as given where there are such, or what is asked for.

    Of several noise ratios the Noise holds the list. Raises UserError where the data set has no labels that noise can
    be added to, or none but true ones.
    """
    pattern = args.noise_pattern or (PATTERNS[0] if dataset.given is None else GIVEN)
    if pattern == GIVEN:
        if dataset.given is None:
            raise UserError(f"argument --noise_pattern: the labels of {dataset.name} are the true ones, so nothing is "
                            "given beside them: give --noisy_labels, or sym or asym")
        if args.noise_ratio is not None:
            raise UserError(f"argument --noise_ratio: the labels of {dataset.name} are taken as given, and none is "
                            "flipped: leave it out, or give --noise_pattern sym or asym")
        return Noise(GIVEN)
    if getattr(args, "noisy_labels", None):
        raise UserError("argument --noisy_labels: these labels are taken as given: leave it out, or --noise_pattern")
    if dataset.y_train is None:
        raise UserError(f"argument --noise_pattern: {pattern} noise is added to true labels, and which labels of "
                        f"{dataset.name} are true is not known: give y_true in a .csv or .npz, or --trust_labels if "
                        "all of them are")
    if pattern == "asym5" and tuple(dataset.classes) != LAYOUTS["cifar10"].classes:
        raise UserError("argument --noise_pattern: asym5 flips truck to automobile, bird to airplane, deer to horse, "
                        f"cat and dog, of CIFAR-10, and {dataset.name} has other classes: give sym or asym")
    return Noise(pattern, .5 if args.noise_ratio is None else args.noise_ratio)
