"""Predict the classes of images with a network that INCV_main.py trained.

    python predict.py results/digits/sym/0.5/incv_1.keras digits   # the test images of a data set
    python predict.py incv_1.keras photos --output photos.csv      # a folder and its subfolders
    python predict.py incv_1.keras one.jpg 'more/*.jpg'            # files
    python predict.py incv_1.keras photos.csv                      # a CSV of files and labels

This writes predictions.csv with the columns file (index for arrays), label and probability. It
prints the accuracy where labels are known: those of a data set, a CSV or an .npz, or folders named
like a class.

The network needs only Keras. It takes images of its size, 0 to 255, and returns probabilities:

    network = keras.models.load_model("incv_1.keras")
    classes = json.load(open("classes.json"))  # class names, in the same folder
    probabilities = network.predict(images)    # (n, height, width, channels) -> (n, c)
    labels = [classes[k] for k in probabilities.argmax(axis=1)]
"""

import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
import json
import os
import zipfile
from argparse import Namespace
from pathlib import Path

import pandas as pd

from noisylabels import cli
from noisylabels.data import DATASETS
from noisylabels.data.label_arrays import damage
from noisylabels.data.prediction_inputs import ARRAYS, find_images, fit_images
from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import write_csv


def build_parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a .keras file that INCV_main.py saved")
    add(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="image files or quoted glob patterns; a folder; a .csv of files (labels "
        f"optional); an .npz with one of the arrays {', '.join(ARRAYS)}; a .npy of embeddings; or "
        f"the test images of {', '.join(DATASETS)}",
    )
    add("--output", type=Path, default=Path("predictions.csv"), help="CSV for the predictions")
    add(
        "--data_dir",
        default="data",
        help="folder that contains CIFAR, or to which it is downloaded",
    )
    add(
        "--classes",
        type=Path,
        help="JSON list of class names; by default classes.json in the folder of MODEL",
    )
    add(
        "--gpu_id",
        type=cli.gpu_ids,
        help="id of a GPU; -1 is the CPU; by default the first GPU, or the CPU if there is none",
    )
    return parser


def run(args: Namespace) -> None:
    """Predict the images and write the result."""
    check_paths(args)
    classes = read_classes(args.classes or args.model.with_name("classes.json"))
    found = find_images(args.images, args.data_dir)

    from noisylabels.training.device import quiet_stderr, start_tensorflow
    from noisylabels.training.export import CROPPED, load_inference_model, predict_crops

    # the network
    start_tensorflow(args.gpu_id)
    network = load_inference_model(args.model)
    n_classes, shape = network.output_shape[1], network.input_shape[1:]
    if len(classes) != n_classes:
        raise UserError(
            f"argument --classes: there are {len(classes)} names, but {args.model} has "
            f"{n_classes} classes: give its own"
        )

    # the images, their labels where they are known, and their probabilities
    if network.name == CROPPED:
        probabilities, unreadable = predict_crops(network, found.source)
        columns, y, unknown = found.describe(classes, unreadable)
    else:
        images, (columns, y, unknown) = found.read(classes, shape)
        with quiet_stderr():
            probabilities = network.predict(fit_images(images, shape), batch_size=256, verbose=0)

    # the predictions
    best = probabilities.argmax(axis=1)
    labels = [classes[k] for k in best]
    frame = pd.DataFrame({**columns, "label": labels, "probability": probabilities.max(axis=1)})
    write_csv(args.output, frame)
    if unknown:
        print(
            f"the labels of {len(unknown):,} images are not classes of the network, such as "
            f"{unknown[0]!a}"
        )
    is_known = y >= 0
    if is_known.any():
        accuracy = (best == y)[is_known].mean()
        print(f"accuracy {accuracy:.4f}, against the labels of {is_known.sum():,} images")
    print(f"wrote {args.output}")


def check_paths(args: Namespace) -> None:
    """Raise UserError if there is no network, or the output cannot be written or is an input."""
    if args.model.suffix != ".keras" or not zipfile.is_zipfile(args.model):
        raise UserError(
            f"argument MODEL: {args.model} is missing or not a Keras network: give a .keras that "
            "INCV_main.py saved"
        )
    if "data_dir" in args.set_flags and args.images not in (["cifar10"], ["cifar100"]):
        raise UserError(
            "argument --data_dir: it has no effect here; it applies only to cifar10 and cifar100; "
            "leave it out"
        )
    output = args.output
    if not output.parent.is_dir() or (output.exists() and not output.is_file()):
        raise UserError(
            f"argument --output: {output} is not a file, or its folder does not exist: give another"
        )
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise UserError(f"argument --output: {output} cannot be written: give another")
    inputs = [Path(image).resolve() for image in args.images]
    if output.suffix.lower() != ".csv" or output.resolve() in inputs:
        raise UserError(
            f"argument --output: {output} does not end in .csv, or is one of the inputs: give "
            "another"
        )


def read_classes(path: Path) -> list[str]:
    """Return the class names of a JSON list in their order; UserError if it is none."""
    if not path.is_file():
        raise UserError(
            f"argument --classes: {path} is missing: give a JSON list of the class names of the "
            "network"
        )
    problem = (
        f"argument --classes: {path} is no JSON list of names: give one as INCV_main.py writes it"
    )
    with damage(problem):
        classes = json.loads(path.read_text(encoding="utf-8"))
        if type(classes) is not list or not all(type(name) is str for name in classes):
            raise ValueError("another kind of value")
        if len({*classes}) < len(classes):
            raise ValueError("a name twice")
        return classes


def main(argv: list[str] | None = None) -> None:
    """Run the script."""
    cli.main(build_parser(), run, argv, stopped="nothing is written")


if __name__ == "__main__":
    main()
