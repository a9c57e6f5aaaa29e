"""Predicts the classes of images by a network that INCV_main.py trained.

    python predict.py results/digits/sym/0.5/incv_1.keras digits            # a data set's test images
    python predict.py incv_1.keras photos --output photos.csv               # a folder, with what is beneath it

Writes predictions.csv: file (of a data set or an .npz: index), label, probability. Prints the accuracy where labels are
known: a data set's, those of an .npz, and in a folder the name of the outermost folder that is called as a class.

The network needs nothing of this suite. It takes images of its size as they are, 0 to 255, to probabilities:

    network = keras.models.load_model("incv_1.keras")
    classes = json.load(open("classes.json"))                               # beside it: the classes' names
    probabilities = network.predict(images)                                 # (n, height, width, channels) -> (n, c)
    labels = [classes[k] for k in probabilities.argmax(axis=1)]
"""
import noisylabels.system.check_requirements  # noqa: F401 # isort: skip
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from noisylabels import cli
from noisylabels.data import DATASETS
from noisylabels.data.dataset import Dataset
from noisylabels.data.image_files import SUFFIXES, entries, folders, images_beneath, read_files
from noisylabels.data.label_files import damage, listed, open_npz, read_labels
from noisylabels.errors import UserError, did_you_mean
from noisylabels.runs.atomic_io import write_csv
from utils import load_dataset

ARRAYS = {"x_test": "y_test", "test_images": "test_labels", "x": "y", "images": "labels"}       # images and labels


def arguments():
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="a network, a .keras that INCV_main.py saved")
    add("images", metavar="IMAGES",
        help=f"a folder of images; an .npz with {' or '.join(ARRAYS)}; or {', '.join(DATASETS)}: its test images")
    add("--output", type=Path, default=Path("predictions.csv"), help="the CSV to write")
    add("--data_dir", default="data", help="where data sets are, or are downloaded to")
    add("--classes", type=Path, help="a JSON list of the classes' names; by default classes.json beside MODEL")
    add("--gpu_id", type=cli.gpu_ids, help="the GPU to use; -1 is the CPU; by default the first GPU, or the CPU")
    return parser


def run(args):
    check_paths(args)
    classes = read_classes(args.classes or args.model.with_name("classes.json"))

    from noisylabels.training.device import quiet_stderr, start_tensorflow
    from noisylabels.training.export import load_inference_model

    # the network
    start_tensorflow(args.gpu_id)
    network = load_inference_model(args.model)
    n_classes, shape = network.output_shape[1], network.input_shape[1:]
    if len(classes) != n_classes:
        raise UserError(f"argument --classes: there are {len(classes)} names, but {args.model} knows {n_classes} "
                        "classes: give its own")

    # the images, and their labels where they are known
    places, images, y = read_images(args, classes, shape)
    images = fitted(images, shape)

    # what it takes them for
    with quiet_stderr():
        probabilities = network.predict(images, batch_size=256, verbose=0)
    best = probabilities.argmax(axis=1)
    frame = pd.DataFrame({**places, "label": [classes[k] for k in best], "probability": probabilities.max(axis=1)})
    write_csv(args.output, frame)
    if (y >= 0).any():
        print(f"accuracy {(best == y)[y >= 0].mean():.4f}, against the labels of {(y >= 0).sum():,} images")
    print(f"wrote {args.output}")


def check_paths(args):
    """Raises UserError, before TensorFlow starts, where there is no network or no images, or nothing can be written."""
    if args.model.suffix != ".keras" or not zipfile.is_zipfile(args.model):
        raise UserError(f"argument MODEL: {args.model} is missing, or no network of Keras: give a .keras that "
                        "INCV_main.py saved")
    path = Path(args.images)
    if args.images not in DATASETS and not path.is_dir() and not (path.is_file() and path.suffix.lower() == ".npz"):
        raise UserError(f"argument IMAGES: {path} is no folder, no .npz and no data set: give a folder of images, an "
                        f".npz that is there, or one of {', '.join(DATASETS)}{did_you_mean(path, DATASETS)}")
    if not args.output.parent.is_dir() or args.output.exists() and not args.output.is_file():
        raise UserError(f"argument --output: {args.output} is no file, or in no folder that is there: give another")


def read_classes(path):
    """The names of the classes in their order, from a JSON list. Raises UserError where it is none."""
    if not path.is_file():
        raise UserError(f"argument --classes: {path} is missing: give a JSON list of the network's classes' names")
    with damage(f"argument --classes: {path} is no JSON list of names: give one as INCV_main.py writes it"):
        classes = json.loads(path.read_text(encoding="utf-8"))
        if type(classes) is not list or not all(type(name) is str for name in classes):
            raise ValueError("something else")
        return classes


# ------------------------------------------------------------------------------------------------------------- images


def read_images(args, classes, shape):
    """What tells the images apart, {column: values}; they, uint8 (n, h, w, 1 or 3); and their labels.

    These are places in the list of classes, int (n,), and -1 where a label is unknown or no class. shape: (height,
    width, channels) of the images that the network takes. Raises UserError where there are none.
    """
    if Path(args.images).is_dir() and args.images not in DATASETS:
        return read_folder(args.images, classes, shape)
    if args.images in DATASETS:
        data = load_dataset(args.images, args.data_dir)
        images, y = data.x_test, places_of([data.classes[k] for k in data.y_test], classes)
    else:
        images, y = read_npz(args.images, args.model.name, classes)
    return {"index": np.arange(len(images))}, images, y


def places_of(names, classes):
    """The places of n names in the list of classes, int (n,); -1 where a name is none of them."""
    place = {name: k for k, name in enumerate(classes)}
    return np.array([place.get(name, -1) for name in names])


def read_folder(folder, classes, shape):
    """As read_images. Files that cannot be read are named on standard error and left out."""
    tops = folders(folder)
    files = [entry.name for entry in entries(folder)
             if entry.name not in tops and entry.name.lower().endswith(SUFFIXES)]
    files += [file for top in tops for file in images_beneath(folder, top)[0]]
    if not files:
        raise UserError(f"argument IMAGES: {folder} holds no images: give a folder with some of {', '.join(SUFFIXES)}")
    _, images, unreadable = read_files(folder, files, np.ones(len(files), bool), max(shape[:2]), folder, print,
                                       fixed=True)
    for k, reason in unreadable.items():
        print(f"predict.py: {files[k]!r} is left out, it cannot be read: {reason}", file=sys.stderr)
    if not len(images):
        raise UserError(f"argument IMAGES: none of the {len(files):,} images in {folder} can be read: give others")
    files = [file for k, file in enumerate(files) if k not in unreadable]
    named = [next((part for part in Path(file).parts[:-1] if part in classes), None) for file in files]
    return {"file": files}, images, places_of(named, classes)


def read_npz(path, model, classes):
    """The images and labels of an npz, as read_images. model: the network's name. UserError also for odd labels."""
    archive, names = open_npz(path)
    archive.close()
    key = next((name for name in ARRAYS if name in names), None)
    if key is None:
        raise UserError(f"argument IMAGES: {path} holds the arrays {listed(names)}: give one of {', '.join(ARRAYS)}")
    with damage(f"argument IMAGES: {path}: {key} is damaged, or not of numbers: save it anew"), np.load(path) as arrays:
        images = arrays[key]
    whole = images[..., np.newaxis] if images.ndim == 3 else images
    if images.dtype != np.uint8 or whole.ndim != 4 or whole.shape[3] not in (1, 3) or not whole.size:
        raise UserError(f"argument IMAGES: {path}: {key} is {images.dtype} of shape {images.shape}: give uint8, 0 to "
                        "255, of shape (n, height, width), or (n, height, width, 1 or 3)")
    labels = "y_true" if key == "x" and "y_true" in names else ARRAYS[key]
    if labels not in names:
        return whole, np.full(len(whole), -1)
    return whole, read_labels(f"{path}#{labels}", Dataset(model, whole, None, whole, None, tuple(classes)))


def fitted(images, shape):
    """Images uint8 (n, h, w, 1 or 3) as (n, *shape): resized as a whole, not cropped, and made grey or colour.

    shape: (height, width, 1 or 3).
    """
    if images.shape[1:] == shape:
        return images
    result = np.empty((len(images), *shape), np.uint8)
    for image, place in zip(images, result):
        image = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
        image = image.convert("L" if shape[2] == 1 else "RGB").resize(
            shape[1::-1], Image.Resampling.BILINEAR, reducing_gap=3)
        place[...] = np.asarray(image).reshape(shape)
    return result


def main(argv=None):
    cli.main(arguments(), run, argv, stopped="nothing is written")


if __name__ == "__main__":
    main()
