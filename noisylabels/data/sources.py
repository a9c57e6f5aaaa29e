"""Find custom images and their labels in a folder, a CSV or an npz, without decoding images."""

import os
import warnings
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np

from noisylabels.csv_files import find_column, read_table
from noisylabels.data.feature_files import matrix_of_npz
from noisylabels.data.image_folders import (
    METADATA,
    SUFFIXES,
    images_within,
    list_entries,
    subfolder_names,
)
from noisylabels.data.label_arrays import array_header, damage, open_npz, read_label_array
from noisylabels.data.label_csv import IMAGE_COLUMNS, LABEL_COLUMNS
from noisylabels.data.label_files import label_texts
from noisylabels.data.structure import FileFinder, check_levels, resembling_masks
from noisylabels.errors import UserError
from noisylabels.names import listed

# Images and labels, then those of the test set.
ARRAYS = (
    ("x", "y", "", ""),
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)


class Samples(NamedTuple):
    """Names and labels of n images that are not read yet."""

    files: list[str]  # names, for the user
    labels: list[str]  # observed labels
    truth: list[str] | None  # true labels, if known
    test: np.ndarray | None  # test images, bool (n,); None if unknown
    paths: list[str] | None = None  # paths of the files, if they differ from the names
    columns: tuple[str, ...] = ()  # names of a CSV's columns of files and labels


# ------------------------------------------------------------------------------------------ folders


def in_folder(path: Path) -> Samples:
    """Find the images in a folder of class folders, or in its train/ and test/.

    Raises UserError if it is not clear which folders are the classes. Warns about skipped files.
    """
    skipped = []
    tops = subfolder_names(path, skipped)
    parts, names = [""], tops
    train, test = (
        subfolder_names(path / part, skipped) if part in tops else None
        for part in ("train", "test")
    )
    if train and test is not None:
        if not test:
            raise UserError(
                f"{path}: test/ has no folders of classes: sort its images into such folders, or "
                "give train/ alone, to hold out a part of it"
            )
        if train != test:
            differ = sorted(set(train) ^ set(test))
            raise UserError(
                f"{path}: train/ and test/ hold different classes, only one has "
                f"{listed(differ)}: make them the same, or rename them if they are "
                "classes themselves"
            )
        parts, names = ["train/", "test/"], train
        others = [top for top in tops if top not in ("train", "test")]
        if others:
            warnings.warn(
                f"{path}: {listed(others)} left out, because train/ and test/ are the data set",
                stacklevel=4,
            )
    files, labels, test, empty = [], [], [], []
    other = _loose(path, tops) + sum(_loose(path / part, names) for part in parts if part)
    for part in parts:
        found = {}
        for name in names:
            found[name], ignored = images_within(path, part + name, skipped)
            files += found[name]
            labels += [name] * len(found[name])
            test += [part == "test/"] * len(found[name])
            other += ignored
            empty += [] if found[name] else [part + name]
        check_levels(
            path / part,
            {name: [file[len(part) :] for file in some] for name, some in found.items() if some},
        )
        if doubt := resembling_masks(path, found):
            warnings.warn(doubt, stacklevel=4)
    if not files:
        raise UserError(
            f"{path} holds no images: put those of each class into a folder of its own "
            f"there, as {', '.join(SUFFIXES)}"
        )
    # "a-b/1.png" comes before "a/1.png"
    test, files, labels = map(list, zip(*sorted(zip(test, files, labels))))
    if skipped:
        names = sorted({os.path.basename(folder) for folder in skipped})
        warnings.warn(
            f"{path}: system folders left out ({len({*skipped}):,}): {listed(names)}", stacklevel=4
        )
    if empty:
        warnings.warn(f"{path}: no image in {listed(empty)}", stacklevel=4)
    if other:
        warnings.warn(
            f"{path}: {other:,} files are left out, because they are in no class folder or not "
            f"{', '.join(SUFFIXES)}",
            stacklevel=4,
        )
    return Samples(files, labels, None, np.array(test) if len(parts) > 1 else None)


def _loose(folder: Path, subfolders: list[str]) -> int:
    """Count the files of a folder that are in none of its subfolders, without METADATA."""
    expected = {*subfolders, METADATA}
    return sum(entry.name not in expected for entry in list_entries(folder))


# -------------------------------------------------------------------------------------- CSV and npz


def in_table(
    path: Path,
    image_column: str | None = None,
    label_column: str | None = None,
    to_predict: bool = False,
) -> Samples:
    """Find the images that a CSV names, and their labels.

    A file's name on disk may have another Unicode form than in the CSV. With `to_predict`, the
    column of labels may be missing, `labels` are then empty, and no flag chooses a column.

    Raises UserError, which names the line, if the CSV has a mistake.
    """

    names, flags = [], (None, None) if to_predict else ("--image_column", "--label_column")

    def choose(header: list[str]) -> dict[str, str]:
        chosen = {
            "file": _column(path, header, known=IMAGE_COLUMNS, named=image_column, flag=flags[0]),
        }
        if not to_predict or {name.lower() for name in header}.intersection(LABEL_COLUMNS):
            chosen["label"] = _column(
                path, header, known=LABEL_COLUMNS, named=label_column, flag=flags[1]
            )
        names.extend(chosen.values())
        further = {key: find_column(header, key) for key in ("split", "y_true")}
        return chosen | {key: name for key, name in further.items() if name}

    table = read_table(path, choose)
    columns, find, paths, first = table.columns, FileFinder(path.parent), [], {}
    files, labels, splits = columns["file"], columns.get("label", []), columns.get("split")
    truth = columns.get("y_true")
    if truth and not any(text.strip() for text in truth):
        truth = None
    for k, file in enumerate(files):
        needed = {name: columns[name][k] for name in ("file", "label") if name in columns}
        needed |= {"y_true": truth[k]} if truth else {}
        lacks = [name for name, text in needed.items() if not text.strip()]
        if lacks:
            raise table.error(k, f"has no {lacks[0]}; add it, or remove the line")
        if "://" in file or ".." in file.replace("\\", "/").split("/"):
            raise table.error(
                k,
                f"names {file[:200]!a}; give a path on this machine, relative to "
                "the CSV and without '..'",
            )
        paths.append(find(file))
        if first.setdefault(paths[k], k) != k:
            raise table.error(
                k,
                f"names {file[:200]!a} again, after line "
                f"{table.lines[first[paths[k]]]}; keep one of them",
            )
        if splits and splits[k].strip() not in ("train", "test"):
            raise table.error(k, f"has {splits[k][:80]!a} as split; give train or test")
    if not files:
        raise UserError(f"{path} holds no images: add a line for each")
    test = np.array([split.strip() == "test" for split in splits or []])
    return Samples(
        files,
        labels,
        truth=truth,
        test=test if test.any() else None,
        paths=paths,
        columns=tuple(names),
    )


def _column(
    path: Path, header: list[str], known: tuple[str, ...], named: str | None, flag: str | None
) -> str:
    """Return the column `named` by a flag, or the only one with a known name.

    Raises UserError if there is no such column, or if there are several.
    """
    if named is None:
        fit = [name for name in header if name.lower() in known]
    else:
        column = find_column(header, named)
        fit = [] if column is None else [column]
    if len(fit) != 1:
        which = (
            f"several columns that fit ({listed(fit)})"
            if fit
            else f"no column {named or ' or '.join(known)}"
        )
        if flag:
            remedy = f"choose with {flag} one of {listed(header)}"
        else:
            remedy = "keep one of them" if fit else f"rename the column of files to {known[0]}"
        raise UserError(f"{path} has {which}: {remedy}")
    return fit[0]


def in_arrays(path: Path) -> tuple[Samples, list[tuple[str, tuple[int, ...], bool]]]:
    """Return the labels in an npz, and its inputs as (name, shape, whether in Fortran order).

    The inputs are images of shape (n, height, width, channels), or embeddings of shape (n, d).
    """
    archive, keys = open_npz(path)
    forms = [form for form in ARRAYS if form[0] in keys]
    if len(forms) != 1:
        known = "; or ".join(", ".join(filter(None, form)) for form in ARRAYS)
        raise UserError(f"{path} holds the arrays {listed(keys)}: give {known}")
    x, y, *tested = forms[0]
    if tested[0] in keys and tested[1] not in keys:
        warnings.warn(
            f"{path}: {tested[0]} is left out, it has no {tested[1]}; predict.py predicts "
            "its classes",
            stacklevel=4,
        )
        keys = [key for key in keys if key != tested[0]]
    pairs = [(x, y)] if not set(tested) & set(keys) else [(x, y), tuple(tested)]
    true = "y_true" if x == "x" and "y_true" in keys else ""
    used = {true, *(name for pair in pairs for name in pair)} - {""}
    if not used <= set(keys):
        missing = listed(sorted(used - set(keys)))
        raise UserError(f"{path} has {listed(keys)}, but lacks {missing}: add it")
    if used < set(keys):
        warnings.warn(
            f"{path}: left out: {listed([key for key in keys if key not in used])}", stacklevel=4
        )
    with archive:

        def labels(name: str, n: int) -> list[str]:
            what = f"{path}: {name}"
            return label_texts(what, read_label_array(what, lambda: archive.open(f"{name}.npy"), n))

        parts, files, given = [], [], []
        for images, label in pairs:
            shape, fortran = _input_shape(path, images, archive)
            parts.append((images, shape, fortran))
            files += [f"{images}[{k}]" for k in range(shape[0])]
            given += labels(label, shape[0])
        truth = labels(true, len(given)) if true else None
    shapes = [shape[1:] for _, shape, _ in parts]
    if len(set(shapes)) > 1:
        raise UserError(
            f"{path}: training samples are {shapes[0]}, test samples {shapes[1]}: give them the "
            "same shape"
        )
    test = np.arange(len(given)) >= parts[0][1][0] if len(parts) > 1 else None
    return Samples(files, given, truth, test), parts


def _input_shape(path: Path, name: str, archive: ZipFile) -> tuple[tuple[int, ...], bool]:
    """Return the shape of images or embeddings, see `in_arrays`, and whether in Fortran order."""
    with (
        damage(f"{path}: {name} is damaged or not a NumPy array: save it again"),
        archive.open(f"{name}.npy") as file,
    ):
        shape, fortran, dtype = array_header(file)
    if len(shape) == 2 and dtype.kind in "fO":
        return matrix_of_npz(path, name).shape, fortran
    whole = (*shape, 1) if len(shape) == 3 else shape
    if (
        dtype != np.uint8
        or len(whole) != 4
        or whole[3] not in (1, 3)
        or not whole[0]
        or min(whole[1:3]) < 4
    ):
        raise UserError(
            f"{path}: {name} is {dtype} of shape {shape}: give uint8 of the shape (n, height, "
            "width) or (n, height, width, 1 or 3), with at least 4 pixels per side; or features of "
            "float32, (n, d)"
        )
    return whole, fortran
