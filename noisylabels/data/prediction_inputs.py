"""Find and read the images of predict.py: files, folders, CSVs, arrays and data sets."""

import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from noisylabels.data import DATASETS, load
from noisylabels.data.feature_files import matrix_of_npy, matrix_of_npz
from noisylabels.data.features import read_matrix
from noisylabels.data.image_files import read_files
from noisylabels.data.image_folders import SUFFIXES, images_within, list_entries, subfolder_names
from noisylabels.data.image_source import ArrayImages, FileImages, relative_path
from noisylabels.data.label_arrays import array_header, damage, open_npz, read_label_array
from noisylabels.data.label_files import label_codes
from noisylabels.data.sources import in_table
from noisylabels.errors import UserError, did_you_mean
from noisylabels.names import listed

# Images of an npz and their labels.
ARRAYS = {"x_test": "y_test", "test_images": "test_labels", "x": "y", "images": "labels"}


class Description(NamedTuple):
    """Names of images to predict, and their labels if known."""

    columns: dict[str, Sequence]  # what identifies an image in predictions.csv
    y: np.ndarray  # class indices, int (n,); -1 for a missing or unknown label
    unknown: list[str]  # labels that are not a class of the network, one per image


@dataclass(frozen=True)
class ImageFiles:
    """Image files, relative to a folder, with their labels."""

    base: Path
    files: list[str]
    labels: list[str | None] | None = None  # None: the outermost folder that is named like a class

    def read(
        self, classes: list[str], shape: tuple[int, int, int]
    ) -> tuple[np.ndarray, Description]:
        """Decode the files for a network and describe them, see `describe`."""
        if len(shape) == 1:
            raise UserError(
                f"argument IMAGES: the network takes {shape[0]:,} features, not images: give an "
                ".npy or .npz of float (n, d)"
            )
        everything = np.ones(len(self.files), bool)
        _, images, unreadable = read_files(
            self.base,
            self.files,
            test=everything,
            size=max(shape[:2]),
            name="predict.py",
            report=print,
            fixed=True,
        )
        return images, self.describe(classes, unreadable)

    @property
    def source(self) -> FileImages:
        """Return the images, for a network that takes the centre of each."""
        return FileImages(self.base, self.files)

    def describe(self, classes: list[str], unreadable: dict[int, str]) -> Description:
        """Return names and labels of the readable images, and print the unreadable ones.

        Parameters
        ----------
        classes : list of str
            Class names of the network.
        unreadable : dict
            Reason by index of the file.

        Raises
        ------
        UserError
            No image can be read.
        """
        for k, reason in unreadable.items():
            print(
                f"predict.py: {self.files[k]!r} is left out, it cannot be read: {reason}",
                file=sys.stderr,
            )
        if len(unreadable) == len(self.files):
            raise UserError(
                f"argument IMAGES: none of the {len(self.files):,} images can be read: give others"
            )
        kept = [k for k in range(len(self.files)) if k not in unreadable]
        files = [self.files[k] for k in kept]
        if self.labels is None:
            labels = [outermost_class(file, classes) for file in files]
        else:
            labels = [self.labels[k] for k in kept]
        return Description({"file": files}, *codes_of(labels, classes))


@dataclass(frozen=True)
class ImageArray:
    """An array of images. Its labels are class names, an array of names or indices, or None."""

    images: np.ndarray
    labels: np.ndarray | list[str] | None

    def read(
        self, classes: list[str], shape: tuple[int, int, int]
    ) -> tuple[np.ndarray, Description]:
        """Return the images and describe them."""
        return self.images, self.describe(classes, {})

    @property
    def source(self) -> ArrayImages:
        """Return the images, for a network that takes the centre of each."""
        if self.images.ndim == 2:
            raise _wrong_kind("images", self.images.shape[1:])
        return ArrayImages(self.images)

    def describe(self, classes: list[str], unreadable: dict[int, str]) -> Description:
        """Return positions and labels of the images, all of which can be read."""
        n = len(self.images)
        if self.labels is None:
            y, unknown = np.full(n, -1), []
        elif isinstance(self.labels, list):
            y, unknown = codes_of(self.labels, classes)
        else:
            y = label_codes(self.labels, classes)
            unknown = [str(self.labels[k]) for k in np.flatnonzero(y < 0)]
        return Description({"index": np.arange(n)}, y, unknown)


def find_images(images: list[str], data_dir: str) -> ImageFiles | ImageArray:
    """Find the images of a command line, without TensorFlow and without decoding files.

    Parameters
    ----------
    images : list of str
        A data set of DATASETS for its test images. Or a folder, an .npz, an .npy of embeddings,
        or a .csv with files and labels. Or image files and glob patterns.
    data_dir : str
        Folder of CIFAR.

    Raises
    ------
    UserError
        There are no such images, or an array does not contain images.
    """
    if len(images) == 1 and images[0] in DATASETS:
        data = load(images[0], data_dir)
        return ImageArray(data.x_test, [data.classes[k] for k in data.y_test])
    if len(images) == 1 and images[0]:  # "" is not the current folder
        path = Path(images[0])
        if path.is_dir():
            return in_folder(path)
        if path.is_file() and path.suffix.lower() == ".npz":
            return in_npz(path)
        if path.is_file() and path.suffix.lower() == ".npy":
            return ImageArray(read_matrix(matrix_of_npy(str(path), lambda: open(path, "rb"))), None)
        if path.is_file() and path.suffix.lower() == ".csv":
            return in_csv(path)
    return named_files(images)


def in_folder(folder: Path) -> ImageFiles:
    """Find the images in a folder, at any depth."""
    tops = subfolder_names(folder)
    files = [
        entry.name
        for entry in list_entries(folder)
        if entry.name not in tops and entry.name.lower().endswith(SUFFIXES)
    ]
    for top in tops:
        files += images_within(folder, top)[0]
    if not files:
        raise UserError(
            f"argument IMAGES: {folder} holds no images: give a folder with some of "
            f"{', '.join(SUFFIXES)}"
        )
    return ImageFiles(folder, files)


def in_csv(path: Path) -> ImageFiles:
    """Find the images that a CSV names, and their true or else their observed labels."""
    samples = in_table(path, to_predict=True)
    files = [relative_path(file, path.parent) for file in samples.paths]
    return ImageFiles(path.parent, files, samples.truth or samples.labels or None)


def named_files(patterns: list[str]) -> ImageFiles:
    """Find image files by their names or glob patterns."""
    files = []
    for pattern in patterns:
        found = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))
        found = [file for file in found if file.lower().endswith(SUFFIXES)]
        if not found:
            if len(patterns) > 1:
                raise UserError(
                    f"argument IMAGES: {pattern!r} is neither an image file nor a pattern of image "
                    "files: give a folder, .npz, .npy, .csv or data set as the only argument"
                )
            raise UserError(
                f"argument IMAGES: {pattern!r} is not an image file, folder, .npz, .npy, .csv or "
                "data set: give existing images, or one of "
                f"{', '.join(DATASETS)}{did_you_mean(pattern, DATASETS)}"
            )
        files += found
    return ImageFiles(Path("."), list(dict.fromkeys(files)))


def in_npz(path: Path) -> ImageArray:
    """Read the images, or features, and the labels of an npz."""
    archive, names = open_npz(path)
    key = next((name for name in ARRAYS if name in names), None)
    if key is None:
        raise UserError(
            f"argument IMAGES: {path} holds the arrays {listed(names)}: give one of "
            f"{', '.join(ARRAYS)}"
        )
    problem = f"argument IMAGES: {path}: {key} is damaged, or not of numbers: save it again"
    with archive:
        with damage(problem), archive.open(f"{key}.npy") as file:
            shape, _, dtype = array_header(file)
        is_embedded = dtype.kind == "f" and len(shape) == 2
        whole = (*shape, 1) if len(shape) == 3 else shape
        is_image = dtype == np.uint8 and len(whole) == 4 and whole[3] in (1, 3) and 0 not in whole
        if not (is_image or is_embedded):
            last = ""
            if len(shape) == 4 and shape[1] in (1, 3):
                last = "; the channels come last: array.transpose(0, 2, 3, 1)"
            raise UserError(
                f"argument IMAGES: {path}: {key} is {dtype} of shape {shape}: give uint8, 0 to "
                f"255, of shape (n, height, width), or (n, height, width, 1 or 3){last}; or "
                "features of float32, (n, d)"
            )
        if is_embedded:
            images = read_matrix(matrix_of_npz(path, key))
        else:
            with damage(problem), archive.open(f"{key}.npy") as file:
                images = np.lib.format.read_array(file, allow_pickle=False).reshape(whole)
        label_key = "y_true" if key == "x" and "y_true" in names else ARRAYS[key]
        labels = None
        if label_key in names:
            labels = read_label_array(
                f"{path}: {label_key}", lambda: archive.open(f"{label_key}.npy"), len(images)
            )
    return ImageArray(images, labels)


def outermost_class(file: str, classes: list[str]) -> str | None:
    """Return the outermost folder of a path that is named like a class, or None."""
    return next((part for part in Path(file).parts[:-1] if part in classes), None)


def codes_of(labels: list[str | None], classes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return class indices, -1 for None and for other labels. Also return the other labels."""
    position = {name: k for k, name in enumerate(classes)}
    y = np.array([position.get(label, -1) for label in labels])
    return y, [label for label in labels if label is not None and label not in position]


def fit_images(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Resize images, uint8 (n, h, w, 1 or 3), to (n, *shape) without cropping."""
    if images.shape[1:] == shape:
        return images
    if 2 in (images.ndim, 1 + len(shape)):
        raise _wrong_kind(_kind(shape), images.shape[1:])
    result = np.empty((len(images), *shape), np.uint8)
    mode = "L" if shape[2] == 1 else "RGB"
    for image, place in zip(images, result):
        picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).convert(mode)
        picture = picture.resize(shape[1::-1], Image.Resampling.BILINEAR, reducing_gap=3)
        place[...] = np.asarray(picture).reshape(shape)
    return result


def _kind(shape: tuple[int, ...]) -> str:
    """Describe inputs of a shape in words."""
    return f"{shape[0]:,} features" if len(shape) == 1 else "images"


def _wrong_kind(wanted: str, shape: tuple[int, ...]) -> UserError:
    """Return the error for inputs that the network cannot take."""
    return UserError(
        f"argument IMAGES: the network takes {wanted}, not {_kind(shape)}: give inputs of the kind "
        "that it was trained on"
    )
