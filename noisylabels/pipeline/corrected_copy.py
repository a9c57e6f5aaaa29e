"""Write a corrected copy of a data set of image files, after a person's decisions."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_table
from noisylabels.data.dataset import Dataset
from noisylabels.data.image_folders import METADATA, SYSTEM_FOLDERS
from noisylabels.data.image_lists import ImageList, list_images
from noisylabels.data.label_files import read_labels
from noisylabels.errors import UserError
from noisylabels.names import listed
from noisylabels.runs.atomic_io import disk, write_csv
from noisylabels.selection.decisions import Decisions, read_decisions
from noisylabels.selection.issues import file_names
from noisylabels.system.signals import LEAVING

NOT_IN_A_FOLDER_NAME = set('/\\:*?"<>|')  # forbidden on at least one operating system


@dataclass(frozen=True, eq=False)
class Corrected:
    """The n image files of a data set, with the labels after a person's decisions."""

    images: ImageList
    dataset: Dataset  # class names and file names; without pixels
    before: np.ndarray  # observed labels, int (n,)
    labels: np.ndarray  # corrected labels, int (n,)
    is_kept: np.ndarray  # False for dropped images, bool (n,)
    decisions: Decisions

    @property
    def class_names(self) -> np.ndarray:
        """Name of the corrected class of each image, object (n,)."""
        return np.array(self.dataset.classes, object)[self.labels]


def check_paths(source: Path, output: Path, link: bool) -> None:
    """Raise UserError unless the copy can be written without touching the original.

    Parameters
    ----------
    source : Path
        The data set, a folder or a CSV.
    output : Path
        The copy.
    link : bool
        Whether to create hard links.
    """
    is_table = output.suffix.lower() == ".csv"
    if not (source.is_dir() or (source.is_file() and source.suffix.lower() == ".csv")):
        raise UserError(
            f"argument --dataset: {source} is not a folder or .csv of image files: give one, as "
            "for INCV.py"
        )
    if os.path.lexists(output):
        raise UserError(
            f"argument --output: {output} exists, and nothing is overwritten: give a new path"
        )
    parent = output.absolute().parent
    if not parent.is_dir():
        raise UserError(
            f"argument --output: there is no folder {parent}: create it, or give another path"
        )
    if not os.access(parent, os.W_OK):
        raise UserError(f"argument --output: {parent} cannot be written: give another path")
    inside = source.is_dir() and output.resolve().is_relative_to(source.resolve())
    if inside and not is_table:
        raise UserError(
            f"argument --output: {output} is inside --dataset {source}, so it would become a part "
            "of the data set: give a path outside"
        )
    if link and is_table:
        raise UserError("argument --link: a .csv has no images to link: leave it out")


def correct(
    source: Path,
    decisions: Path,
    noisy_labels: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> Corrected:
    """Apply a person's decisions to the labels of a data set, without reading its pixels.

    Parameters
    ----------
    source : Path
        A folder or CSV, see `list_images`.
    decisions : Path
        The decisions, see `read_decisions`.
    noisy_labels : str, optional
        The reviewed labels, see `read_labels`. By default those of the data set.
    image_column, label_column : str, optional
        Columns of a CSV.

    Returns
    -------
    Corrected

    Raises
    ------
    UserError
        A file cannot be read. Or the decisions belong to other images or labels. Or they drop all
        images.
    """
    images = list_images(source, image_column, label_column)
    dataset = images.as_dataset(np.ones(len(images.codes), bool))
    before = images.codes.copy()
    if noisy_labels:
        is_train = ~images.is_test
        before[is_train] = read_labels(noisy_labels, images.as_dataset(is_train))
    found = read_decisions(decisions, dataset, before)
    labels, is_kept = before.copy(), np.ones(len(before), bool)
    labels[found.indices] = found.labels
    is_kept[found.of("drop")] = False
    if not is_kept.any():
        raise UserError(f"{decisions} drops all images: nothing is left to write")
    return Corrected(
        images, dataset, before=before, labels=labels, is_kept=is_kept, decisions=found
    )


def count_changes(corrected: Corrected) -> pd.DataFrame:
    """Count the images of each class before and after the decisions, with totals."""
    n_classes, kept = corrected.dataset.n_classes, corrected.is_kept
    moved = kept & (corrected.before != corrected.labels)

    def count(labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels, minlength=n_classes)

    frame = pd.DataFrame(
        {
            "class": corrected.dataset.classes,
            "before": count(corrected.before),
            "dropped": count(corrected.before[~kept]),
            "moved out": count(corrected.before[moved]),
            "moved in": count(corrected.labels[moved]),
            "after": count(corrected.labels[kept]),
        }
    )
    return pd.concat([frame, pd.DataFrame([{**frame.sum(), "class": "all"}])])


def write_table(corrected: Corrected, output: Path) -> None:
    """Write the corrected data set as a CSV.

    The columns are those of the data set's CSV. For a folder they are file_name, label and split.
    File names are relative to the folder of the new CSV, or absolute for files outside it.
    """
    images, kept = corrected.images, np.flatnonzero(corrected.is_kept)
    folder, files = output.absolute().parent, images.samples.files
    if not images.is_table or folder.resolve() != images.base.resolve():
        files = [_relative_to(folder, path) for path in images.paths]
    if images.is_table:
        image_column, label_column = images.samples.columns
        table = read_table(images.source, lambda header: {name: name for name in header if name})
        frame = pd.DataFrame(table.columns)
        frame[image_column] = files
        frame[label_column] = corrected.class_names
    else:
        frame = pd.DataFrame({"file_name": files, "label": corrected.class_names})
        if images.is_test.any():
            frame["split"] = np.where(images.is_test, "test", "train")
    write_csv(output, frame.iloc[kept])


def write_folder(corrected: Corrected, output: Path, link: bool = False) -> int:
    """Write the corrected data set as a folder of copies or hard links, whole or not at all.

    Returns
    -------
    int
        Number of images that were renamed, because another image has their name.

    Raises
    ------
    UserError
        A class name cannot be the name of a folder, or the files cannot be written.
    """
    names, renamed = _places(corrected)
    paths, labels = corrected.images.paths, corrected.class_names
    with _new_folder(output) as folder:
        for name, k in names.items():
            _copy(Path(paths[k]), folder / name, link)
        sources = file_names(corrected.dataset, len(labels))
        parts = _parts(corrected.images)
        for part in dict.fromkeys(parts[[*names.values()]]):
            rows = [
                (PurePosixPath(name).relative_to(part).as_posix(), labels[k], sources[k])
                for name, k in names.items()
                if parts[k] == part
            ]
            frame = pd.DataFrame(rows, columns=["file_name", "label", "source"])
            write_csv(folder / part / METADATA, frame)
    return renamed


def _copy(path: Path, place: Path, link: bool) -> None:
    """Copy a file or link to it; UserError if that fails."""
    with disk(path):
        place.parent.mkdir(parents=True, exist_ok=True)
        if not link:
            shutil.copy2(path, place)
            return
    try:
        os.link(os.path.realpath(path), place)
    except OSError as error:
        problem = error.strerror or error
        raise UserError(f"{path}: {problem}; leave --link out, to write copies") from None


def _places(corrected: Corrected) -> tuple[dict[str, int], int]:
    """Return {path in the copy: index} of the kept images, and how many were renamed.

    Images whose label is unchanged take their names first.
    """
    images, labels = corrected.images, corrected.class_names
    parts = _parts(images)
    kept = np.flatnonzero(corrected.is_kept)
    unfit = [name for name in dict.fromkeys(labels[kept]) if not _is_folder_name(name)]
    if unfit:
        raise UserError(
            f"argument --output: {listed(unfit)} cannot be the name of a folder: write a .csv"
        )
    moved = corrected.before != corrected.labels
    taken: dict[str, int] = {}
    renamed = 0
    for k in sorted(kept, key=lambda k: (moved[k], k)):
        wanted = name = PurePosixPath(parts[k], labels[k], images.path_in_class(k))
        count = 1
        while str(name) in taken:
            count += 1
            name = wanted.with_stem(f"{wanted.stem}_{count}")
        renamed += name != wanted
        taken[str(name)] = k
    return dict(sorted(taken.items(), key=lambda item: item[1])), renamed


def _parts(images: ImageList) -> np.ndarray:
    """Return the folder of each image's part of the data set, "" without a test set."""
    parts = np.where(images.is_test, "test", "train" if images.is_test.any() else "")
    return parts.astype(object)


def _is_folder_name(name: str) -> bool:
    """Return whether all systems allow a folder of this name, and INCV.py reads it as a class."""
    is_hidden = name.startswith(".") or name.lower() in SYSTEM_FOLDERS
    return not (is_hidden or NOT_IN_A_FOLDER_NAME.intersection(name) or name != name.strip())


def _relative_to(folder: Path, path: str) -> str:
    """Return a path relative to a folder, or the absolute path if it is outside."""
    if Path(path).is_relative_to(folder):
        return Path(path).relative_to(folder).as_posix()
    return str(path)


@contextmanager
def _new_folder(output: Path) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `output` when the block succeeds."""
    temporary = output.absolute().with_name(f".{output.name}.{os.getpid()}.part")

    def remove() -> None:
        shutil.rmtree(temporary, ignore_errors=True)

    LEAVING.append(remove)
    try:
        with disk(output):
            temporary.mkdir()
        yield temporary
        with disk(output):
            temporary.rename(output)
    finally:
        remove()
        LEAVING.remove(remove)
