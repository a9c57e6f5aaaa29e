"""A person's own images, with labels that may be wrong: a folder, a CSV or an npz. Nothing in them is ever run."""
import contextlib
import csv
import math
import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from noisylabels.data import own_name
from noisylabels.data.dataset import Dataset, digest_of
from noisylabels.data.image_files import SUFFIXES, entries, folders, images_beneath, read_arrays, read_files
from noisylabels.data.label_files import (
    array_header,
    class_codes,
    damage,
    label_texts,
    listed,
    open_npz,
    read_label_array,
    read_table,
)
from noisylabels.errors import UserError
from noisylabels.streams import stream_seed

IMAGE_COLUMNS = ("file", "path", "file_name", "filename", "filepath", "image")
LABEL_COLUMNS = ("label", "class", "given_label")
ARRAYS = (("x", "y", "", ""), ("x_train", "y_train", "x_test", "y_test"),       # images, labels, and those to test on
          ("train_images", "train_labels", "test_images", "test_labels"))
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}      # of a data set, in a folder's name
SIZE = 32                       # pixels a side to which files are decoded, where nothing else is asked for
TEST_SPLIT = .2
MAX_UNREADABLE = .05           # of all files


class Samples(NamedTuple):
    """What is known of n images before they are read."""

    files: list                 # str, for a person to find them by
    labels: list                # str, as they came
    truth: list | None          # str, where the true ones are given as well
    test: np.ndarray | None     # bool (n,), which are to test on; None where nothing says so


def load(path, image_size=None, test_split=None, seed=0, image_column=None, label_column=None, no_mirror=False,
         unreadable=None, report=print):
    """The data set in a folder, a CSV or an npz, as a Dataset whose observed labels are `given`.

    A folder: the top level is the class, or train/ and test/ are, with the same classes in each. A CSV: a column of
    files, one of labels, and `split` and `y_true` if it has them. An npz: ARRAYS, uint8, and y_true beside y.
    image_size: pixels a side; by default 32, and for an npz as it is. Files are resized as a whole, not cropped, and
    keep one channel where all of them are grey. test_split: the share, of each class alike and drawn from
    stream_seed(seed, "test split"), that is set aside where there is no test set, by default a fifth. no_mirror: a
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
        base, samples = path, _folder(path)
    elif kind == ".csv":
        base, samples = path.parent, _table(path, image_column, label_column)
    else:
        samples, parts = _arrays(path)
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
    _check_classes(path, classes, given, test)
    if kind == ".npz":
        x_train, x_test, reasons = *read_arrays(path, name, parts, test, image_size, report), {}
    else:
        x_train, x_test, reasons = read_files(base, samples.files, test, image_size or SIZE, name, report)
    kept = np.isin(np.arange(len(test)), list(reasons), invert=True)
    vanished = [classes[k] for k in np.setdiff1d(given[~test], given[kept & ~test])]
    _check_readable(len(test), [(samples.files[k], reasons[k]) for k in sorted(reasons)], unreadable, vanished)
    train, test = np.flatnonzero(kept & ~test), np.flatnonzero(kept & test)
    y_train, y_test = (None, given[test]) if truth is None else (truth[train], truth[test])
    whole = None if own_split else (given if truth is None else truth, train)
    files = tuple(samples.files[k] for k in train)
    digest = digest_of([name, classes, files], x_train, given[train], y_train, x_test, y_test)
    return Dataset(name, x_train, y_train, x_test, y_test, classes, not no_mirror, "fast", given=given[train],
                   clean_test=truth is not None, files=files, whole=whole, digest=digest)


# ------------------------------------------------------------------------------------------------ classes and the split

def _set_aside(given, share, seed):
    """Which images are to test on, bool (n,): a share of each class, drawn by the seed. A class's only image is not."""
    several = np.flatnonzero(np.bincount(given)[given] > 1)
    n, n_classes = math.ceil(share * len(several)), len(np.unique(given[several]))
    if not max(1, n_classes) <= n <= len(several) - n_classes:
        raise UserError(f"argument --test_split: {share} of the images are {n:,}, and {len(given) - n:,} are left to "
                        f"train on, too few of either for {n_classes} classes: give another share, or more images")
    _, chosen = train_test_split(several, test_size=n, random_state=stream_seed(seed, "test split"),
                                 stratify=given[several])
    test = np.zeros(len(given), bool)
    test[chosen] = True
    return test


def _check_classes(path, classes, given, test):
    """Raises UserError where there is nothing to train on, or to test on, or a class is only tested on."""
    if test.all() or not test.any():
        raise UserError(f"{path} has no images to {'train' if test.all() else 'test'} on: add some, or drop the split")
    trained = np.bincount(given[~test], minlength=len(classes)) > 0
    tested = np.bincount(given[test], minlength=len(classes)) > 0
    alone = [classes[k] for k in np.flatnonzero(tested & ~trained)]
    if alone:
        raise UserError(f"{path}: all images of {listed(alone)} are in the test set: put some into the training set")
    if trained.sum() < 2:
        raise UserError(f"{path} has labels of one class alone, {classes[trained.argmax()]}: give images of two")
    if not trained.all():
        unseen = [classes[k] for k in np.flatnonzero(~trained)]
        warnings.warn(f"{path}: y_true has {listed(unseen)}, but no image is labelled so", stacklevel=3)


def _check_readable(n, unreadable, path, vanished):
    """Lists the files that could not be read in a CSV, and raises UserError if they are more than 5 %.

    n: files in all. unreadable: list of (file, reason). path: of the CSV, or None; without such files there will be
    none. vanished: classes without an image to train on but them, which is an error, too.
    """
    if path is not None:
        _write_list(Path(path), unreadable)
    if not unreadable:
        return
    first = "; ".join(f"{file!a} ({reason})" for file, reason in unreadable[:3])
    which = f"{len(unreadable):,} of {n:,} images cannot be read, such as {first}"
    which += "" if path is None else f"; all are in {path}"
    if vanished:
        raise UserError(f"{which}; none would be left to train on of {listed(vanished)}: mend or replace these files")
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
            csv.writer(file, lineterminator="\n").writerows([("file", "reason"), *unreadable])
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UserError(f"{path}: {error.strerror or error}; mend that, or have the results elsewhere") from None


# ------------------------------------------------------------------------------------------------------------- folders

def _folder(path):
    """The images in a folder of class folders, or in its train/ and test/."""
    tops = folders(path)
    inner = {name: folders(path / name) for name in sorted(tops, key="train".__ne__) if name.lower() in PARTS}
    parts, names = [""], tops
    if inner.get("train"):
        if "test" in inner:
            if inner["train"] != inner["test"]:
                differ = sorted(set(inner["train"]) ^ set(inner["test"]))
                raise UserError(f"{path}: train/ and test/ hold different classes, only one has {listed(differ)}: make "
                                "them the same, or rename them if they are classes themselves")
            parts, names = ["train/", "test/"], inner["train"]
            if len(tops) > 2:
                others = listed([top for top in tops if top not in ("train", "test")])
                warnings.warn(f"{path}: {others} left out, train/ and test/ are the data set", stacklevel=3)
        elif len(inner) > 1:
            raise UserError(f"{path} has train/ and {list(inner)[1]}/, but no test/: rename the latter to test/, to "
                            "test on it, or give train/ alone")
    elif len(inner) > 1 and any(inner.values()):            # with classes in one of them: they are none themselves
        raise UserError(f"{path} has {'/ and '.join(inner)}/: rename what is to train on to train/, and what is to "
                        "test on to test/")
    files, labels, test, empty, other = [], [], [], [], len(entries(path)) - len(tops)
    for part in parts:
        for name in names:
            found, ignored = images_beneath(path, part + name)
            files += found
            labels += [name] * len(found)
            test += [part == "test/"] * len(found)
            other += ignored
            empty += [] if found else [part + name]
    if not files:
        raise UserError(f"{path} holds no images: put those of each class into a folder of its own there, as "
                        f"{', '.join(SUFFIXES)}")
    test, files, labels = map(list, zip(*sorted(zip(test, files, labels))))      # "a-b/1.png" comes before "a/1.png"
    if empty:
        warnings.warn(f"{path}: no image in {listed(empty)}", stacklevel=3)
    if other:
        warnings.warn(f"{path}: {other:,} left out of the files, being in no class or not {', '.join(SUFFIXES)}",
                      stacklevel=3)
    return Samples(files, labels, None, np.array(test) if len(parts) > 1 else None)


# --------------------------------------------------------------------------------------------------------- CSV and npz

def _table(path, image_column, label_column):
    """The images that a CSV names."""
    chosen = []

    def choose(header):
        """The columns to read."""
        chosen.append(_column(path, header, IMAGE_COLUMNS, image_column, "--image_column"))
        chosen.append(_column(path, header, LABEL_COLUMNS, label_column, "--label_column"))
        return chosen + [name for name in ("split", "y_true") if name in header]

    columns, lines = read_table(path, choose)
    files, labels = (columns[name] for name in chosen)
    splits, truth, first = columns.get("split"), columns.get("y_true"), {}
    truth = truth if truth and any(truth) else None
    for k, (line, file) in enumerate(zip(lines, files)):
        if not file or not labels[k] or (truth and not truth[k]):
            lacks = "file" if not file else "label" if not labels[k] else "y_true"
            problem = f"has no {lacks}; add it, or remove the line"
        elif "://" in file or ".." in file.replace("\\", "/").split("/"):
            problem = f"names {file[:200]!a}; give a path on this machine, relative to the CSV and without '..'"
        elif first.setdefault(os.path.normpath(file), line) != line:
            problem = f"names {file[:200]!a} again, after line {first[os.path.normpath(file)]}; keep one of them"
        elif splits and splits[k] not in ("train", "test"):
            problem = f"has {splits[k][:80]!a} as split; give train or test"
        else:
            continue
        raise UserError(f"{path}, line {line} {problem}")
    if not files:
        raise UserError(f"{path} holds no images: add a line for each")
    return Samples(files, labels, truth, np.array(splits) == "test" if splits and "test" in splits else None)


def _column(path, header, known, given, flag):
    """The column of a CSV that a flag chose, or the one that is called as such a one. UserError: none, or several."""
    fit = [name for name in known if name in header] if given is None else [given] if given in header else []
    if len(fit) != 1:
        which = f"several columns that fit ({listed(fit)})" if fit else f"no column {given or ' or '.join(known)}"
        raise UserError(f"{path} has {which}: choose with {flag} one of {listed(header)}")
    return fit[0]


def _arrays(path):
    """The labels in an npz, and where its images are: a list of (array, shape, whether in Fortran order)."""
    archive, keys = open_npz(path)
    forms = [form for form in ARRAYS if form[0] in keys]
    if len(forms) != 1:
        known = "; or ".join(", ".join(filter(None, form)) for form in ARRAYS)
        raise UserError(f"{path} holds the arrays {listed(keys)}: give {known}")
    x, y, *tested = forms[0]
    pairs = [(x, y)] if not set(tested) & set(keys) else [(x, y), tuple(tested)]
    true = "y_true" if x == "x" and "y_true" in keys else ""
    used = {true, *(name for pair in pairs for name in pair)} - {""}
    if not used <= set(keys):
        raise UserError(f"{path} lacks {listed(sorted(used - set(keys)))} beside {listed(keys)}: add it")
    if used < set(keys):
        warnings.warn(f"{path}: left out: {listed([key for key in keys if key not in used])}", stacklevel=3)
    with archive:
        def labels(name, n):
            what = f"{path}: {name}"
            return label_texts(what, read_label_array(what, lambda: archive.open(f"{name}.npy"), n))

        parts, files, given = [], [], []
        for images, label in pairs:
            shape, fortran = _image_shape(path, images, archive)
            parts.append((images, shape, fortran))
            files += [f"{images}[{k}]" for k in range(shape[0])]
            given += labels(label, shape[0])
        truth = labels(true, len(given)) if true else None
    shapes = [shape[1:] for _, shape, _ in parts]
    if len(set(shapes)) > 1:
        raise UserError(f"{path}: images to train on are {shapes[0]}, those to test on {shapes[1]}: make them alike")
    test = np.arange(len(given)) >= parts[0][1][0] if len(parts) > 1 else None
    return Samples(files, given, truth, test), parts


def _image_shape(path, name, archive):
    """Shape (n, height, width, channels) of the images in an array of an npz, and whether it is in Fortran order."""
    with damage(f"{path}: {name} is damaged or no array of NumPy: save it anew"), archive.open(f"{name}.npy") as file:
        shape, fortran, dtype = array_header(file)
    whole = (*shape, 1) if len(shape) == 3 else shape
    if dtype != np.uint8 or len(whole) != 4 or whole[3] not in (1, 3) or 0 in whole:
        raise UserError(f"{path}: {name} is {dtype} of shape {shape}: give uint8 of the shape (n, height, width), "
                        "or (n, height, width, 1 or 3)")
    return whole, fortran
