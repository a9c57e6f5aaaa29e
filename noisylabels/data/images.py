"""Custom data with observed labels, from a folder, a CSV or an npz. No code in them is executed."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from noisylabels.data import Embed, own_name
from noisylabels.data.class_names import class_codes, counts, doubts
from noisylabels.data.dataset import TEST_SPLIT, Dataset, Whole
from noisylabels.data.feature_files import array_of_npz
from noisylabels.data.features import RECIPE, read_features, read_matrices
from noisylabels.data.image_files import read_arrays, read_files
from noisylabels.data.image_source import FileImages
from noisylabels.data.sources import in_arrays, in_folder, in_table
from noisylabels.data.unreadable import check_readable
from noisylabels.errors import UserError
from noisylabels.names import listed
from noisylabels.seeding import derived_seed

SIZE = 32  # default side in pixels of decoded files


def load(
    path: str | Path,
    image_size: int | None = None,
    test_split: float | None = None,
    seed: int = 0,
    image_column: str | None = None,
    label_column: str | None = None,
    no_mirror: bool = False,
    features: str | None = None,
    embed: Embed | None = None,
    set_aside: bool = True,
    unreadable: Path | None = None,
    report: Callable[[str], None] = print,
) -> Dataset:
    """Load custom images, or embeddings in their place, and their observed labels.

    Parameters
    ----------
    path : path
        A folder with one subfolder per class, or with such folders in train/ and test/; a CSV with
        columns for files and labels, and optionally `split` and `y_true`; or an npz of images or
        embeddings, see `sources.ARRAYS`.
    image_size : int, optional
        Side in pixels; by default 32, for an npz its own. Images are resized without cropping. They
        keep one channel if all are grey.
    test_split : float, optional
        Share of each class that tests the final network if there is no test set; by default 0.2.
        These images are training images, too, see `Dataset.test_rows`.
    seed : int
        Random seed of that split.
    image_column, label_column : str, optional
        Columns of a CSV.
    no_mirror : bool
        A flipped image may belong to another class.
    features : str, optional
        FILE or FILE#KEY with embeddings, see `features.read_features`. Images are not decoded.
    embed : callable, optional
        Computes embeddings of the images in their place.
    set_aside : bool
        Set images aside for testing if there is no test set.
    unreadable : Path, optional
        CSV (file, reason) for the files that cannot be read. They are left out.
    report : callable
        Receives lines to log.

    Returns
    -------
    Dataset
        The observed labels are in `given`.

    Raises
    ------
    UserError
        This is no data set, or it does not fit into memory.
    """
    path = Path(path)
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if kind not in ("folder", ".csv", ".npz") or not (path.is_dir() or path.is_file()):
        raise UserError(
            f"{path} is no existing data set: give a folder with one subfolder of images per "
            "class, a .csv with columns for files and labels, or an .npz"
        )
    if kind != ".csv" and (image_column or label_column):
        raise UserError(
            "--image_column and --label_column choose columns of a .csv: leave them out with "
            f"{path}"
        )
    parts: list[tuple] = []
    if kind == "folder":
        base, samples = path, in_folder(path)
    elif kind == ".csv":
        base, samples = path.parent, in_table(path, image_column, label_column)
    else:
        samples, parts = in_arrays(path)
    is_embedded = bool(features or parts and len(parts[0][1]) == 2)
    unit = "samples" if is_embedded else "images"
    for flag, value in (("image_size", image_size), ("no_mirror", no_mirror)):
        if (is_embedded or embed) and value:
            raise UserError(
                f"argument --{flag}: it applies to images, not to features: leave it out"
            )
    name = own_name(path)
    classes, given, truth = class_codes(path, samples.labels, samples.truth)
    own_split = samples.test is not None
    in_test_set = samples.test if own_split else np.zeros(len(given), bool)
    tested = in_test_set
    share = TEST_SPLIT if test_split is None else test_split
    if own_split and test_split is not None:
        raise UserError(f"argument --test_split: {path} has a test set of its own: leave it out")
    if not own_split and set_aside and share:
        tested = _draw_test_set(given, share, seed)
        whose = "as noisy as the rest" if truth is None else "those of y_true"
        report(
            f"{name}: no test set, so {tested.sum():,} of {len(tested):,} {unit} are set aside to "
            "test the final network, the same share of each class; their labels are "
            f"{whose}; INCV judges all {unit}"
        )
    _check_classes(path, classes, given, truth, tested, own_split)
    for doubt in doubts(classes):
        warnings.warn(f"{path}: {doubt}", stacklevel=2)
    trained = np.bincount(given[~tested], minlength=len(classes))
    tests = np.bincount(given[tested], minlength=len(classes)) if tested.any() else None
    report(counts(name, classes, trained, tests, unit))
    paths = samples.paths or samples.files
    reasons: dict[int, str] = {}
    if embed and kind != ".npz":
        x, reasons = embed(FileImages(base, paths))
        kept = np.isin(np.arange(len(given)), list(reasons), invert=True)
        x_train, x_test = x[kept & ~in_test_set], x[kept & in_test_set]
    elif features:
        named = None if kind == ".npz" else samples.files
        x_train, x_test = read_features(features, named, in_test_set, name, report)
    elif is_embedded:
        arrays = [array_of_npz(path, key) for key, *_ in parts]
        x_train, x_test = read_matrices(arrays, np.arange(len(given)), in_test_set)
    elif kind == ".npz":
        x_train, x_test = read_arrays(path, name, parts, in_test_set, image_size, report)
    else:
        x_train, x_test, reasons = read_files(
            base, paths, in_test_set, image_size or SIZE, name, report
        )
    kept = np.isin(np.arange(len(given)), list(reasons), invert=True)
    vanished = [classes[k] for k in np.setdiff1d(given[~tested], given[kept & ~tested])]
    lost = ""
    if vanished:
        lost = f"train on of {listed(vanished)}"
    elif tested.any() and not (kept & tested).any():
        lost = "test on"
    failed = [(samples.files[k], reasons[k]) for k in sorted(reasons)]
    check_readable(len(given), failed, unreadable, lost)
    train, test = np.flatnonzero(kept & ~in_test_set), np.flatnonzero(kept & in_test_set)
    whole = Whole(
        (given if truth is None else truth)[~in_test_set],
        (np.cumsum(~in_test_set) - 1)[train],
        tuple(samples.files[k] for k in np.flatnonzero(~in_test_set)),
        tuple(samples.files[k] for k in np.flatnonzero(in_test_set)),
    )
    dataset = Dataset(
        name,
        x_train,
        None if truth is None else truth[train],
        x_test,
        (given if truth is None else truth)[test],
        classes,
        not no_mirror,
        "fast" if x_train.ndim == 4 else RECIPE,
        given=given[train],
        clean_test=truth is not None,
        files=tuple(samples.files[k] for k in train),
        are_files=kind != ".npz",
        whole=whole,
        is_custom=True,
        pictures=None if kind == ".npz" else FileImages(base, [paths[k] for k in train]),
        image_recipe="fast" if features or embed else None,
    )
    return dataset if own_split else dataset.set_aside(np.flatnonzero(tested[train]))


# ---------------------------------------------------------------------------- classes and the split


def _draw_test_set(given: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw a share of each class for testing, bool (n,).

    The only image of a class is never drawn.
    """
    several = np.flatnonzero(np.bincount(given)[given] > 1)
    n, n_classes = math.ceil(share * len(several)), len(np.unique(given[several]))
    if not max(1, n_classes) <= n <= len(several) - n_classes:
        raise UserError(
            f"argument --test_split: {share} of the images are {n:,}, and {len(given) - n:,} are "
            f"left to train on, too few of either for {n_classes} classes: give another share, or "
            "more images"
        )
    _, chosen = train_test_split(
        several, test_size=n, random_state=derived_seed(seed, "test split"), stratify=given[several]
    )
    test = np.zeros(len(given), bool)
    test[chosen] = True
    return test


def _check_classes(
    path: Path,
    classes: tuple[str, ...],
    given: np.ndarray,
    truth: np.ndarray | None,
    test: np.ndarray,
    own_split: bool,
) -> None:
    """Raise UserError if the training or test set is empty, or a class is in the test set only."""
    if truth is not None and not np.isin(truth, given).any():
        raise UserError(
            f"{path}: y_true has no class of the labels: it has {classes[truth[0]]!a}, they have "
            f"{classes[given[0]]!a}; write both alike"
        )
    if test.all() or (own_split and not test.any()):
        raise UserError(
            f"{path} has no images to {'train' if test.all() else 'test'} on: add some, or drop "
            "the split"
        )
    trained = np.bincount(given[~test], minlength=len(classes)) > 0
    tested = np.bincount(given[test], minlength=len(classes)) > 0
    alone = [classes[k] for k in np.flatnonzero(tested & ~trained)]
    if alone:
        remedy = "give a smaller --test_split, or more of them"
        if own_split:
            remedy = "put some into the training set"
        raise UserError(f"{path}: all images of {listed(alone)} are in the test set: {remedy}")
    if trained.sum() < 2:
        raise UserError(
            f"{path} has labels of one class only, {classes[trained.argmax()]}: give images of two"
        )
    if not trained.all():
        unseen = [classes[k] for k in np.flatnonzero(~trained)]
        warnings.warn(
            f"{path}: y_true has {listed(unseen)}, but no image has this label", stacklevel=3
        )
