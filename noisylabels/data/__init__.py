"""Data sets by name or path.

To add one, write a module in this folder with `load(name, data_dir)`, and add a line to DATASETS.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from noisylabels.data.dataset import Dataset
from noisylabels.data.image_source import ArrayImages, ImageSource
from noisylabels.data.label_files import read_labels
from noisylabels.errors import UserError, did_you_mean
from noisylabels.noise import PROVIDED

# Computes embeddings, float32 (n, d), and the reason by row of the images that cannot be read.
Embed = Callable[[ImageSource], tuple[np.ndarray, dict[int, str]]]
DATASETS = {"digits": "digits", "cifar10": "cifar", "cifar100": "cifar"}  # name: module
CUSTOM_FLAGS = (
    "image_size",
    "test_split",
    "image_column",
    "label_column",
    "no_mirror",
    "trust_labels",
)


def is_path(name: str) -> bool:
    """Return whether a name is the path of custom images.

    It is one if it has a separator, or if it exists and is not in DATASETS.
    """
    return os.sep in str(name) or (str(name) not in DATASETS and os.path.exists(name))


def name_of(name: str) -> str:
    """Return the name of a data set, from its name or path. Errors are those of `own_name`."""
    return own_name(name) if is_path(name) else name


def own_name(path: str | os.PathLike) -> str:
    """Return the name of a custom data set: its folder or file name, without the suffix.

    Raises
    ------
    UserError
        No results folder can have this name, or a data set of DATASETS has it. Upper and lower
        case count as equal, because some file systems do not distinguish them.
    """
    path = Path(os.path.abspath(path))
    own = path.name if path.is_dir() else path.stem
    if not own or not own.isprintable() or own == PROVIDED:
        raise UserError(
            f"argument --dataset: {own!a} cannot be the name of a folder of results: rename "
            f"{str(path)!a}, or give a link to it with another name"
        )
    if own.casefold() in DATASETS:
        raise UserError(
            f"argument --dataset: {str(path)!a} is a custom data set, but {own.casefold()} is the "
            "name of a built-in one, and both would share a results folder: rename yours, or give "
            "a link to it with another name"
        )
    return own


def load(
    name: str,
    data_dir: str,
    noisy_labels: str | None = None,
    trust_labels: bool = False,
    features: str | None = None,
    embed: Embed | None = None,
    report: Callable[[str], None] = print,
    **own: Any,
) -> Dataset:
    """Load a data set by its name or path.

    Parameters
    ----------
    name : str
        One of DATASETS, or the path of custom images.
    data_dir : str
        Folder of CIFAR. Missing files are downloaded there.
    noisy_labels : str, optional
        FILE or FILE#KEY with observed labels. The labels of the data set are then the true ones.
    trust_labels : bool
        Treat the labels of custom images as true.
    features : str, optional
        FILE or FILE#KEY with embeddings. They replace the images.
    embed : callable, optional
        Computes embeddings, see `backbones.embeddings.embed`. They replace the images.
    report : callable
        Receives lines to log.
    **own
        Further arguments of `images.load`.

    Raises
    ------
    UserError
        The name is unknown, an argument has no effect, or the data set cannot be loaded.
    """
    if is_path(name):
        dataset = import_module("noisylabels.data.images").load(
            name,
            features=features,
            embed=embed,
            trusted=trust_labels or bool(noisy_labels),
            report=report,
            **own,
        )
        if trust_labels and dataset.y_train is not None:
            raise UserError(
                f"argument --trust_labels: {name} has true labels in y_true: leave it out"
            )
    elif name in DATASETS:
        for flag in CUSTOM_FLAGS:
            if {**own, "trust_labels": trust_labels}.get(flag):
                raise UserError(
                    f"argument --{flag}: it applies to custom images (--dataset PATH): leave it out"
                )
        dataset = import_module(f"noisylabels.data.{DATASETS[name]}").load(name, data_dir)
        if features:
            read = import_module("noisylabels.data.features").replace_images
            dataset = read(dataset, features, report)
    else:
        raise UserError(
            f"argument --dataset: unknown data set {str(name)!r}: choose one of "
            f"{', '.join(DATASETS)}, or give the path of an existing folder of images, .csv or "
            ".npz" + did_you_mean(name, DATASETS)
        )
    if embed and not dataset.is_embedded:
        dataset = embed_arrays(dataset, embed)
    if trust_labels or noisy_labels:
        dataset = replace(dataset, loaded=dataset)
    if dataset.y_train is None and (trust_labels or noisy_labels):
        dataset = replace(dataset, y_train=dataset.given, given=None, clean_test=True)
    if noisy_labels:
        dataset = replace(dataset, given=read_labels(noisy_labels, dataset, report))
    return dataset


def embed_arrays(dataset: Dataset, embed: Embed) -> Dataset:
    """Return a data set whose arrays of images are replaced by embeddings."""
    pictures = ArrayImages(dataset.x_train)
    x_train, _ = embed(pictures)
    if dataset.test_rows is None:
        x_test, _ = embed(ArrayImages(dataset.x_test))
    else:
        x_test = x_train[dataset.test_rows]
    with_features = import_module("noisylabels.data.features").with_features
    return replace(with_features(dataset, x_train, x_test), pictures=pictures)
