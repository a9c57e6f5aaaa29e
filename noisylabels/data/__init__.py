"""Data sets by name. A new one is a module in this folder with `load(name, data_dir)` and one line here."""
from importlib import import_module

from noisylabels.errors import UserError

DATASETS = {"digits": "digits", "cifar10": "cifar", "cifar100": "cifar"}        # name: module


def load(name, data_dir):
    """The `dataset.Dataset` called `name`, one of DATASETS. Raises UserError for an unknown name, or as its module."""
    if name not in DATASETS:
        raise UserError(f"unknown data set {name!r}: choose one of {', '.join(DATASETS)}")
    return import_module(f"noisylabels.data.{DATASETS[name]}").load(name, data_dir)
