"""Structure of a folder: whether its subfolders are classes, and where its files are."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from PIL import Image

from noisylabels.data.image_decoding import FORMATS, LARGE
from noisylabels.errors import UserError
from noisylabels.names import listed, normal

SAMPLED = 4  # images of a folder that are checked
FEW_COLOURS = 16  # of a mask, at most


def check_levels(path: Path, found: dict[str, list[str]]) -> None:
    """Raise UserError if the subfolders of a folder are not the classes, or if that is not clear.

    A subfolder with images is a class. A subfolder without images, but with several folders of
    images, is not: it may be a part of the data set, or contain the classes.

    Parameters
    ----------
    path
        The folder.
    found
        {subfolder: paths of its images, "subfolder/..."}. Each subfolder has images.
    """
    if len(found) == 1:
        _check_one(path, *found.values())
        return
    inner = {top: _inner(files) for top, files in found.items()}
    several = {name for names in inner.values() if len(names) > 1 for name in names}
    nested = [top for top, names in inner.items() if several.intersection(names)]
    flat = [top for top in inner if top not in nested]
    if not nested:
        return
    within = listed(max((inner[top] for top in nested), key=len))
    split = (
        "rename the training set to train/ and the test set to test/; if the folders are classes, "
        "list files and labels in a .csv"
    )
    if flat:
        raise UserError(
            f"{path}: some folders hold images ({_slashed(flat)}), others hold folders of images "
            f"({_slashed(nested)} with {within}), so it is not clear which ones are the classes: "
            f"give {path / nested[0]} alone, or {split}"
        )
    same = all(names == inner[nested[0]] for names in inner.values())
    what = f"the same folders ({within})" if same else f"folders of images (such as {within})"
    raise UserError(
        f"{path}: {_slashed(nested)} hold no images, but {what}, like parts of a data set and "
        f"unlike classes: {split}"
    )


def _check_one(path: Path, files: Sequence[str]) -> None:
    """Raise UserError if the only subfolder of `path` holds folders of images, at any depth."""
    common = PurePosixPath(os.path.commonpath([os.path.dirname(file) for file in files]))
    below = sorted({PurePosixPath(file).relative_to(common).parts[0] for file in files})
    if all(PurePosixPath(file).parent != common for file in files):
        raise UserError(
            f"{path} holds images only in {common}/, in folders ({listed(below)}): give "
            f"{path / common} if these are the classes"
        )


def _slashed(names: Sequence[str]) -> str:
    return listed(f"{name}/" for name in names)


def _inner(files: Sequence[str]) -> list[str]:
    """Return the subfolders of images in a class's folder, none if it holds images itself."""
    parts = [PurePosixPath(file).parts[1:] for file in files]
    return sorted({first for first, *_ in parts}) if all(len(rest) > 1 for rest in parts) else []


def resembling_masks(path: Path, found: dict[str, list[str]]) -> str | None:
    """Return a warning if one folder seems to hold the masks of another one's images.

    That is likely if all folders hold files of the same names, and the images of some folders have
    few colours.

    Parameters
    ----------
    path
        The parent folder.
    found
        {subfolder: paths of its images, relative to `path`}.
    """
    names = [{PurePosixPath(file).stem for file in files} for files in found.values()]
    if len(found) < 2 or not names[0] or any(other != names[0] for other in names):
        return None
    masks = [
        top
        for top, files in found.items()
        if all(_has_few_colours(path / file) for file in files[:SAMPLED])
    ]
    others = [top for top in found if top not in masks]
    if not masks or not others:
        return None
    return (
        f"{path}: {listed(masks)} and {listed(others)} hold files of the same names, and the "
        f"images of {listed(masks)} have few colours: if they are masks, not a class, give a "
        "folder without them"
    )


def _has_few_colours(path: Path) -> bool:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.width * image.height <= LARGE and bool(image.getcolors(FEW_COLOURS))
    except Exception:  # Pillow raises a dozen kinds; an unreadable file is reported later
        return False


class FileFinder:
    """Finds the files that a CSV names. Their names on disk may have another Unicode form."""

    def __init__(self, base: str | Path):
        self._base = os.path.abspath(base)
        self._entries = {}  # {folder: {normal name: name}}

    def __call__(self, file: str) -> str:
        """Return the absolute path of a file, also if the file does not exist."""
        return self._find(os.path.abspath(os.path.join(self._base, file)))

    def _find(self, path: str) -> str:
        folder, name = os.path.split(path)
        if not name or os.path.lexists(path):
            return path
        folder = self._find(folder)
        if folder not in self._entries:
            try:
                self._entries[folder] = {normal(entry): entry for entry in os.listdir(folder)}
            except OSError:
                self._entries[folder] = {}
        return os.path.join(folder, self._entries[folder].get(normal(name), name))
