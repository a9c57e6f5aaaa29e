"""A person's own images, with labels that may be wrong: a folder, a CSV or an npz. Nothing in them is ever run."""
import contextlib
import csv
import math
import os
import warnings
from itertools import chain
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from noisylabels.csv_files import quoting
from noisylabels.data import own_name
from noisylabels.data.class_names import class_codes, counts, doubts
from noisylabels.data.dataset import Dataset, Whole
from noisylabels.data.image_files import read_arrays, read_files
from noisylabels.data.sources import in_arrays, in_folder, in_table
from noisylabels.errors import UserError
from noisylabels.names import listed
from noisylabels.seeding import derived_seed

SIZE = 32                       # pixels a side to which files are decoded, where nothing else is asked for
TEST_SPLIT = .2
MAX_UNREADABLE = .05           # of all files


def load(path, image_size=None, test_split=None, seed=0, image_column=None, label_column=None, no_mirror=False,
         unreadable=None, report=print):
    """The data set in a folder, a CSV or an npz, as a Dataset whose observed labels are `given`.

    A folder: the top level is the class, or train/ and test/ are, with the same classes in each. A CSV: a column of
    files, one of labels, and `split` and `y_true` if it has them. An npz: `sources.ARRAYS`, uint8, y_true beside y.
    image_size: pixels a side; by default 32, and for an npz as it is. Files are resized as a whole, not cropped, and
    keep one channel where all of them are grey. test_split: the share, of each class alike and drawn from
    derived_seed(seed, "test split"), that is set aside where there is no test set, by default a fifth. no_mirror: a
    mirror image need not be of its image's class. unreadable: path of a CSV (file,
    reason) that lists the files that cannot be read, if there are any; they are left out. report: takes lines to log.
    Raises UserError for what cannot be a data set, and what does not fit into memory. Warns of what is left out.
    """
    path = Path(path)
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if kind not in ("folder", ".csv", ".npz") or not (path.is_dir() or path.is_file()):
        raise UserError(f"{path} is no data set that is there: give a folder with a folder of images for each class, a "
                        ".csv with columns of files and labels, or an .npz")
    if kind != ".csv" and (image_column or label_column):
        raise UserError(f"--image_column and --label_column choose columns of a .csv: leave them out with {path}")
    if kind == "folder":
        base, samples = path, in_folder(path)
    elif kind == ".csv":
        base, samples = path.parent, in_table(path, image_column, label_column)
    else:
        samples, parts = in_arrays(path)
    name = own_name(path)
    classes, given, truth = class_codes(path, samples.labels, samples.truth)
    test = samples.test
    own_split = test is not None
    if not own_split:
        test = _set_aside(given, test_split or TEST_SPLIT, seed)
        whose = "as noisy as the rest" if truth is None else "those of y_true"
        report(f"{name}: no test set, so {test.sum():,} of {len(test):,} images, of each class alike, are set aside "
               f"before anything else; their labels are {whose}")
    elif test_split:
        raise UserError(f"argument --test_split: {path} has a test set of its own: leave it out")
    _check_classes(path, classes, given, truth, test, own_split)
    for doubt in doubts(classes):
        warnings.warn(f"{path}: {doubt}", stacklevel=2)
    report(counts(name, classes, *(np.bincount(given[rows], minlength=len(classes))
                                   for rows in (~test, test))))
    if kind == ".npz":
        x_train, x_test, reasons = *read_arrays(path, name, parts, test, image_size, report), {}
    else:
        x_train, x_test, reasons = read_files(base, samples.paths or samples.files, test,
                                              image_size or SIZE, name, report)
    kept = np.isin(np.arange(len(test)), list(reasons), invert=True)
    vanished = [classes[k] for k in np.setdiff1d(given[~test], given[kept & ~test])]
    lost = f"train on of {listed(vanished)}" if vanished else "" if (kept & test).any() else "test on"
    _check_readable(len(test), [(samples.files[k], reasons[k]) for k in sorted(reasons)], unreadable, lost)
    part = ~test if own_split else np.ones(len(test), bool)
    train, test = np.flatnonzero(kept & ~test), np.flatnonzero(kept & test)
    y_train, y_test = (None, given[test]) if truth is None else (truth[train], truth[test])
    whole = Whole((given if truth is None else truth)[part], (np.cumsum(part) - 1)[train],
                  tuple(samples.files[k] for k in np.flatnonzero(part)),
                  tuple(samples.files[k] for k in np.flatnonzero(~part)))
    files = tuple(samples.files[k] for k in train)
    return Dataset(name, x_train, y_train, x_test, y_test, classes, not no_mirror, "fast", given=given[train],
                   clean_test=truth is not None, files=files, are_files=kind != ".npz", whole=whole, is_custom=True)


# ------------------------------------------------------------------------------------------------ classes and the split

def _set_aside(given, share, seed):
    """Which images are to test on, bool (n,): a share of each class, drawn by the seed. A class's only image is not."""
    several = np.flatnonzero(np.bincount(given)[given] > 1)
    n, n_classes = math.ceil(share * len(several)), len(np.unique(given[several]))
    if not max(1, n_classes) <= n <= len(several) - n_classes:
        raise UserError(f"argument --test_split: {share} of the images are {n:,}, and {len(given) - n:,} are left to "
                        f"train on, too few of either for {n_classes} classes: give another share, or more images")
    _, chosen = train_test_split(several, test_size=n, random_state=derived_seed(seed, "test split"),
                                 stratify=given[several])
    test = np.zeros(len(given), bool)
    test[chosen] = True
    return test


def _check_classes(path, classes, given, truth, test, own_split):
    """Raises UserError where there is nothing to train on, or to test on, or a class is only tested on."""
    if truth is not None and not np.isin(truth, given).any():
        raise UserError(f"{path}: y_true has no class of the labels: it has {classes[truth[0]]!a}, they have "
                        f"{classes[given[0]]!a}; write both alike")
    if test.all() or not test.any():
        raise UserError(f"{path} has no images to {'train' if test.all() else 'test'} on: add some, or drop the split")
    trained = np.bincount(given[~test], minlength=len(classes)) > 0
    tested = np.bincount(given[test], minlength=len(classes)) > 0
    alone = [classes[k] for k in np.flatnonzero(tested & ~trained)]
    if alone:
        mend = "put some into the training set" if own_split else "give a smaller --test_split, or more of them"
        raise UserError(f"{path}: all images of {listed(alone)} are in the test set: {mend}")
    if trained.sum() < 2:
        raise UserError(f"{path} has labels of one class alone, {classes[trained.argmax()]}: give images of two")
    if not trained.all():
        unseen = [classes[k] for k in np.flatnonzero(~trained)]
        warnings.warn(f"{path}: y_true has {listed(unseen)}, but no image is labelled so", stacklevel=3)


def _check_readable(n, unreadable, path, lost):
    """Lists the files that could not be read in a CSV, and raises UserError if they are more than 5 %.

    n: files in all. unreadable: list of (file, reason). path: of the CSV, or None; without such files there will be
    none. lost: for what no image would be left, in words, which is an error, too.
    """
    if path is not None:
        _write_list(Path(path), unreadable)
    if not unreadable:
        return
    first = "; ".join(f"{file!a} ({reason})" for file, reason in unreadable[:3])
    which = f"{len(unreadable):,} of {n:,} images cannot be read, such as {first}"
    which += "" if path is None else f"; all are in {path}"
    if lost:
        raise UserError(f"{which}; none would be left to {lost}: mend or replace these files")
    if len(unreadable) > MAX_UNREADABLE * n:
        raise UserError(f"{which}; more than {100 * MAX_UNREADABLE:.0f} %: mend or remove these files")
    warnings.warn(f"{which}; they are left out", stacklevel=3)


def _write_list(path, unreadable):
    """A CSV (file, reason) that appears whole or not at all; where nothing is to be listed an older one disappears."""
    part = path.with_name(f".{path.stem}.{os.urandom(6).hex()}.part{path.suffix}")
    try:
        if not unreadable:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file, lineterminator="\n", quoting=quoting(chain(*unreadable))).writerows(
                [("file", "reason"), *unreadable])
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"{path}: {error.strerror or error}; mend that, or have the results elsewhere") from None
