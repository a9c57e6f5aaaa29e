"""Data sets by name or path. A new one is a module in this folder with `load(name, data_dir)` and one line here."""
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from noisylabels.data.label_files import read_labels
from noisylabels.errors import UserError, did_you_mean
from noisylabels.noise import PROVIDED

DATASETS = {"digits": "digits", "cifar10": "cifar", "cifar100": "cifar"}        # name: module


def is_path(name):
    """Whether it leads to a person's own images: it has a separator, or is there and no name of DATASETS."""
    return os.sep in str(name) or str(name) not in DATASETS and os.path.exists(name)


def name_of(name):
    """What a data set is called, by its name or path. Raises UserError, see `own_name`."""
    return own_name(name) if is_path(name) else name


def own_name(path: str | os.PathLike) -> str:
    """Return the name of a custom data set: its folder or file name, without the suffix.

    Raises
    ------
    UserError
        If no results folder can have this name, or a data set of DATASETS has it. Upper and lower case count as
        equal, because file systems differ in this.
    """
    path = Path(os.path.abspath(path))
    own = path.name if path.is_dir() else path.stem
    if not own or not own.isprintable() or own == PROVIDED:
        raise UserError(f"argument --dataset: {own!a} cannot be the name of a folder of results: rename "
                        f"{str(path)!a}, or give a link to it of another name")
    if own.casefold() in DATASETS:
        raise UserError(f"argument --dataset: {str(path)!a} is a custom data set, but {own.casefold()} is the name "
                        "of a built-in one, and both would share a results folder: rename yours, or give a link to "
                        "it of another name")
    return own


def load(name, data_dir, noisy_labels=None, trust_labels=False, report=print, **own):
    """Return the `dataset.Dataset` with this name, one of DATASETS, or at this path.

    Parameters
    ----------
    name
        One of DATASETS, or a path.
    data_dir
        Where the named data sets are, or are downloaded to.
    noisy_labels
        FILE or FILE#KEY of observed labels, see label_files.read_labels. The data set's own labels
        are the truth then.
    trust_labels
        Take the labels of own images for the truth.
    report
        Takes lines to log.
    own
        Further arguments of images.load.

    Raises
    ------
    UserError
        The name is unknown, arguments do not belong to it, or its module cannot load it.
    """
    if is_path(name):
        dataset = import_module("noisylabels.data.images").load(name, report=report, **own)
        if trust_labels and dataset.y_train is not None:
            raise UserError(f"argument --trust_labels: {name} says itself, in y_true, what is true: leave it out")
    elif name in DATASETS:
        for flag in ("image_size", "test_split", "image_column", "label_column", "no_mirror", "trust_labels"):
            if {**own, "trust_labels": trust_labels}.get(flag):
                raise UserError(f"argument --{flag}: it is for own images, by their path, and {name} is none: leave it "
                                "out")
        dataset = import_module(f"noisylabels.data.{DATASETS[name]}").load(name, data_dir)
    else:
        raise UserError(f"argument --dataset: unknown data set {str(name)!r}: choose one of "
                        f"{', '.join(DATASETS)}, or give the path of a folder of images, a .csv or an "
                        ".npz that is there" + did_you_mean(name, DATASETS))
    if trust_labels or noisy_labels:
        dataset = replace(dataset, loaded=dataset)
    if dataset.y_train is None and (trust_labels or noisy_labels):
        dataset = replace(dataset, y_train=dataset.given, given=None, clean_test=True)
    if noisy_labels:
        dataset = replace(dataset, given=read_labels(noisy_labels, dataset, report))
    return dataset
