"""Where a person's own images and labels are: in a folder, a CSV or an npz; nothing is decoded here yet."""
import os
import warnings
from typing import NamedTuple

import numpy as np

from noisylabels.data.image_files import SUFFIXES, entries, folders, images_beneath
from noisylabels.data.label_files import (
    array_header,
    damage,
    label_texts,
    listed,
    open_npz,
    read_label_array,
    read_table,
)
from noisylabels.errors import UserError

IMAGE_COLUMNS = ("file", "path", "file_name", "filename", "filepath", "image")
LABEL_COLUMNS = ("label", "class", "given_label")
ARRAYS = (("x", "y", "", ""), ("x_train", "y_train", "x_test", "y_test"),       # images, labels, and those to test on
          ("train_images", "train_labels", "test_images", "test_labels"))
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}      # of a data set, in a folder's name


class Samples(NamedTuple):
    """What is known of n images before they are read."""

    files: list                 # str, for a person to find them by
    labels: list                # str, as they came
    truth: list | None          # str, where the true ones are given as well
    test: np.ndarray | None     # bool (n,), which are to test on; None where nothing says so


# ------------------------------------------------------------------------------------------------------------- folders

def in_folder(path):
    """The images in a folder of class folders, or in its train/ and test/."""
    tops = folders(path)
    inner = {name: folders(path / name) for name in sorted(tops, key="train".__ne__) if name.lower() in PARTS}
    parts, names = [""], tops
    if inner.get("train"):
        if "test" in inner:
            if not inner["test"]:
                raise UserError(f"{path}: test/ has no folders of classes: put its images into some, or give "
                                "train/ alone, to have a part of it set aside")
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

def in_table(path, image_column, label_column):
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
        elif first.setdefault(place := os.path.abspath(path.parent / file), line) != line:
            problem = f"names {file[:200]!a} again, after line {first[place]}; keep one of them"
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
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise UserError(f"{path} has one column, {header[0][:80]!a}: separate columns by commas")
    fit = [name for name in known if name in header] if given is None else [given] if given in header else []
    if len(fit) != 1:
        which = f"several columns that fit ({listed(fit)})" if fit else f"no column {given or ' or '.join(known)}"
        raise UserError(f"{path} has {which}: choose with {flag} one of {listed(header)}")
    return fit[0]


def in_arrays(path):
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
    if dtype != np.uint8 or len(whole) != 4 or whole[3] not in (1, 3) or not whole[0] or min(whole[1:3]) < 4:
        raise UserError(f"{path}: {name} is {dtype} of shape {shape}: give uint8 of the shape (n, height, width), "
                        "or (n, height, width, 1 or 3), of at least 4 pixels a side")
    return whole, fortran
