"""The image files of a folder or CSV and their labels, without reading pixels."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from noisylabels.data import own_name
from noisylabels.data.class_names import class_codes
from noisylabels.data.dataset import Dataset, Whole
from noisylabels.data.images import find_source
from noisylabels.data.sources import Samples


@dataclass(frozen=True, eq=False)
class ImageList:
    """All n image files of a data set, including unreadable ones and its own test set."""

    source: Path  # the folder or CSV
    base: Path  # the folder that file names are relative to
    samples: Samples
    classes: tuple[str, ...]
    codes: np.ndarray  # observed labels, indices of classes, int64 (n,)
    truth: np.ndarray | None  # true labels, indices of classes, int64 (n,); None if unknown

    @property
    def is_table(self) -> bool:
        """Return whether the data set is a CSV, not a folder."""
        return self.base != self.source

    @property
    def is_test(self) -> np.ndarray:
        """Return which images belong to the data set's own test set, bool (n,)."""
        test = self.samples.test
        return np.zeros(len(self.codes), bool) if test is None else test

    @property
    def paths(self) -> list[str]:
        """Absolute paths."""
        paths = self.samples.paths or self.samples.files
        return [os.path.abspath(self.base / path) for path in paths]

    def path_in_class(self, k: int) -> PurePosixPath:
        """Return the path of image k within the folder of its class.

        Without such a folder, return the whole path; for an absolute path, return only the name.
        """
        *folders, name = PurePosixPath(self.samples.files[k].replace(os.sep, "/")).parts
        if PurePosixPath(self.samples.files[k]).is_absolute():
            return PurePosixPath(name)
        label = self.samples.labels[k]
        if label in folders:
            folders = folders[folders.index(label) + 1 :]
        return PurePosixPath(*folders, name)

    def as_dataset(self, rows: np.ndarray) -> Dataset:
        """Return the images of the mask `rows`, bool (n,), as a training set without pixels."""
        files = np.array(self.samples.files, object)
        true = self.codes if self.truth is None else self.truth
        whole = Whole(true[rows], slice(None), tuple(files[rows]), tuple(files[~rows]))
        pixels = np.zeros((rows.sum(), 0, 0, 1), np.uint8)
        return Dataset(
            own_name(self.source),
            pixels,
            y_train=None if self.truth is None else self.truth[rows],
            x_test=pixels[:0],
            y_test=self.codes[:0],
            classes=self.classes,
            given=self.codes[rows],
            files=whole.files,
            are_files=True,
            whole=whole,
            is_custom=True,
        )


def list_images(
    source: Path, image_column: str | None = None, label_column: str | None = None
) -> ImageList:
    """Find the images of a folder or CSV and their labels.

    Parameters
    ----------
    source : Path
        A folder or CSV, see `images.load`. The caller excludes an npz.
    image_column, label_column : str, optional
        Columns of a CSV.

    Returns
    -------
    ImageList

    Raises
    ------
    UserError
        The path is not such a data set.
    """
    found = find_source(source, image_column, label_column)
    classes, codes, truth = class_codes(source, found.samples.labels, found.samples.truth)
    return ImageList(
        source, found.base, samples=found.samples, classes=classes, codes=codes, truth=truth
    )
