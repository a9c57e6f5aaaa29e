"""Custom data with observed labels, from a folder, a CSV or an npz. No code in them is executed."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.data import Embed, own_name
from noisylabels.data.dataset import TEST_SPLIT, Dataset, Whole
from noisylabels.data.feature_files import matrix_of_npz
from noisylabels.data.features import RECIPE, read_features, read_matrices
from noisylabels.data.image_files import read_arrays, read_files
from noisylabels.data.image_source import FileImages
from noisylabels.data.sources import Samples, in_arrays, in_folder, in_table
from noisylabels.data.splits import Labels, report_labels, split_labels
from noisylabels.data.unreadable import check_readable
from noisylabels.errors import UserError
from noisylabels.names import listed

SIZE = 32  # default side in pixels of decoded files


class Source(NamedTuple):
    """A data set on disk whose inputs are not read yet."""

    path: Path
    kind: str  # "folder", ".csv" or ".npz"
    base: Path  # folder that file names are relative to
    samples: Samples
    arrays: list[tuple[str, tuple[int, ...], bool]]  # inputs of an npz, see `in_arrays`

    @property
    def images(self) -> FileImages:
        """Return the image files of a folder or a CSV."""
        return FileImages(self.base, self.samples.paths or self.samples.files)

    @property
    def has_test_set(self) -> bool:
        """Return whether the data set defines its own test set."""
        return self.samples.test is not None

    @property
    def has_embeddings(self) -> bool:
        """Return whether the inputs are the embeddings of an npz."""
        return bool(self.arrays) and len(self.arrays[0][1]) == 2


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
    trusted: bool = False,
    unreadable_csv: Path | None = None,
    report: Callable[[str], None] = print,
) -> Dataset:
    """Load custom images or their embeddings, with observed labels.

    Parameters
    ----------
    path : path
        A folder with one subfolder per class, or with such folders in train/ and test/. Or a CSV
        with columns for files and labels, and optionally `split` and `y_true`. Or an npz of images
        or embeddings, see `sources.ARRAYS`.
    image_size : int, optional
        Side in pixels. By default 32, or the npz's own. Images are resized without cropping. They
        keep one channel if all are grey.
    test_split : float, optional
        Share of each class that tests the final network if there is no test set. By default 0.2.
        INCV judges these images, too, see `Dataset.test_rows`.
    seed : int
        Random seed of the split.
    image_column, label_column : str, optional
        Columns of a CSV. By default those with known names.
    no_mirror : bool
        Whether a flipped image may belong to another class.
    features : str, optional
        FILE or FILE#KEY with embeddings. Images are then not decoded.
    embed : callable, optional
        Computes embeddings. They replace the images.
    set_aside : bool
        Whether to set images aside if there is no test set.
    trusted : bool
        Whether the report says that the labels count as true.
    unreadable_csv : Path, optional
        CSV for the names of unreadable files. These files are left out.
    report : callable
        Receives lines to log.

    Returns
    -------
    Dataset
        The observed labels are in `given`.

    Raises
    ------
    UserError
        The path is not a data set, or the data set does not fit into memory.
    """
    source = find_source(Path(path), image_column, label_column)
    is_embedded = bool(features) or source.has_embeddings
    _check_flags(
        source,
        is_embedded or bool(embed),
        image_size=image_size,
        no_mirror=no_mirror,
        test_split=test_split,
    )
    name, unit = own_name(source.path), "samples" if is_embedded else "images"
    share = TEST_SPLIT if test_split is None else test_split
    labels = split_labels(source.path, source.samples, share if set_aside else 0, seed)
    report_labels(source.path, name, labels=labels, unit=unit, report=report, trusted=trusted)

    in_test_set = labels.in_test_set
    x_train, x_test, reasons = _read_inputs(
        source,
        in_test_set,
        name=name,
        features=features,
        embed=embed,
        image_size=image_size,
        report=report,
    )
    is_kept = _is_kept(len(labels.given), reasons)
    _check_unreadable(source, labels, reasons=reasons, is_kept=is_kept, csv=unreadable_csv)

    train, test = (np.flatnonzero(is_kept & part) for part in (~in_test_set, in_test_set))
    files, has_files = np.array(source.samples.files, object), source.kind != ".npz"
    dataset = Dataset(
        name,
        x_train,
        y_train=None if labels.truth is None else labels.truth[train],
        x_test=x_test,
        y_test=labels.best[test],
        classes=labels.classes,
        may_be_mirrored=not no_mirror,
        default_recipe="fast" if x_train.ndim == 4 else RECIPE,
        given=labels.given[train],
        clean_test=labels.truth is not None,
        files=tuple(files[train]),
        are_files=has_files,
        whole=Whole(
            labels=labels.best[~in_test_set],
            places=(np.cumsum(~in_test_set) - 1)[train],
            files=tuple(files[~in_test_set]),
            test_files=tuple(files[in_test_set]),
        ),
        is_custom=True,
        pictures=source.images.take(train) if has_files else None,
        image_recipe="fast" if features or embed else None,
    )
    if source.has_test_set:
        return dataset
    return dataset.set_aside(np.flatnonzero(labels.is_tested[train]))


def find_source(path: Path, image_column: str | None, label_column: str | None) -> Source:
    """Find the samples of a folder, a CSV or an npz; UserError if it is none of these."""
    kind = "folder" if path.is_dir() else path.suffix.lower()
    if kind not in ("folder", ".csv", ".npz") or not (path.is_dir() or path.is_file()):
        raise UserError(
            f"{path} is not an existing data set: give a folder with one subfolder of images per "
            "class, a .csv with columns for files and labels, or an .npz"
        )
    if kind != ".csv" and (image_column or label_column):
        raise UserError(
            "--image_column and --label_column choose columns of a .csv: leave them out with "
            f"{path}"
        )
    if kind == "folder":
        return Source(path, kind, base=path, samples=in_folder(path), arrays=[])
    if kind == ".csv":
        return Source(
            path,
            kind,
            base=path.parent,
            samples=in_table(path, image_column, label_column),
            arrays=[],
        )
    samples, arrays = in_arrays(path)
    return Source(path, kind, base=path.parent, samples=samples, arrays=arrays)


def _check_flags(
    source: Source,
    is_embedded: bool,
    image_size: int | None,
    no_mirror: bool,
    test_split: float | None,
) -> None:
    """Raise UserError if a flag has no effect on this data set."""
    for flag, value in (("image_size", image_size), ("no_mirror", no_mirror)):
        if is_embedded and value:
            raise UserError(
                f"argument --{flag}: it applies to images, not to features: leave it out"
            )
    if source.has_test_set and test_split is not None:
        raise UserError(
            f"argument --test_split: {source.path} has a test set of its own: leave it out"
        )


def _read_inputs(
    source: Source,
    in_test_set: np.ndarray,
    name: str,
    features: str | None,
    embed: Embed | None,
    image_size: int | None,
    report: Callable[[str], None],
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Return the training and test inputs, and {index: reason} of unreadable images."""
    is_npz, images = source.kind == ".npz", source.images
    if embed and not is_npz:
        x, unreadable = embed(images)
        is_kept = _is_kept(len(in_test_set), unreadable)
        return x[is_kept & ~in_test_set], x[is_kept & in_test_set], unreadable
    if features:
        files = None if is_npz else source.samples.files
        return *read_features(features, files, test=in_test_set, name=name, report=report), {}
    if source.has_embeddings:
        matrices = [matrix_of_npz(source.path, key) for key, *_ in source.arrays]
        return *read_matrices(matrices, np.arange(len(in_test_set)), in_test_set), {}
    if is_npz:
        arrays = read_arrays(
            source.path, name, parts=source.arrays, test=in_test_set, size=image_size, report=report
        )
        return *arrays, {}
    size = image_size or SIZE
    return read_files(
        images.base, images.files, test=in_test_set, size=size, name=name, report=report
    )


def _is_kept(n: int, unreadable: dict[int, str]) -> np.ndarray:
    """Return which of n samples are readable, bool (n,)."""
    return np.isin(np.arange(n), list(unreadable), invert=True)


def _check_unreadable(
    source: Source,
    labels: Labels,
    reasons: dict[int, str],
    is_kept: np.ndarray,
    csv: Path | None,
) -> None:
    """List unreadable images in a CSV; UserError if many, or all of a class or test set."""
    trained, kept = labels.given[~labels.is_tested], labels.given[is_kept & ~labels.is_tested]
    vanished = [labels.classes[k] for k in np.setdiff1d(trained, kept)]
    lost = ""
    if vanished:
        lost = f"train on for {listed(vanished)}"
    elif labels.is_tested.any() and not (is_kept & labels.is_tested).any():
        lost = "test on"
    failed = [(source.samples.files[k], reasons[k]) for k in sorted(reasons)]
    check_readable(len(labels.given), failed, csv, lost)
