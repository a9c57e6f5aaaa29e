"""Find images in folders."""

import heapq
import os
from pathlib import Path

from noisylabels.errors import UserError

SUFFIXES = (
    ".avif",
    ".bmp",
    ".gif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
METADATA = "metadata.csv"  # labels of a folder's images, for Hugging Face's imagefolder
SYSTEM_FOLDERS = {
    "@eadir",
    "#recycle",
    "@recycle",
    "$recycle.bin",
    "recycler",
    "__macosx",
    "lost+found",
    "system volume information",
    "thumbnails",
    ".thumbnails",
    ".trashes",
    ".spotlight-v100",
    ".fseventsd",
}  # folders of operating systems and devices


def list_entries(folder: str | Path, skipped: list[str] | None = None) -> list[os.DirEntry]:
    """List the entries of a folder by name, without hidden ones and system folders.

    Parameters
    ----------
    folder : str or Path
        The folder.
    skipped : list of str, optional
        The paths of skipped system folders are appended to this list.

    Returns
    -------
    list of os.DirEntry

    Raises
    ------
    UserError
        If the folder cannot be read.
    """
    kept = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.lower() in SYSTEM_FOLDERS and _is_folder(entry):
                    if skipped is not None:
                        skipped.append(entry.path)
                elif not entry.name.startswith("."):
                    kept.append(entry)
        return sorted(kept, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(
            f"cannot read the folder {folder}: {error.strerror}; make it readable"
        ) from None


def _is_folder(entry: os.DirEntry) -> bool:
    """Return whether an entry is a folder; False for a broken or circular link."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def subfolder_names(folder: str | Path, skipped: list[str] | None = None) -> list[str]:
    """Return the sorted names of the subfolders that `list_entries` returns."""
    return [entry.name for entry in list_entries(folder, skipped) if _is_folder(entry)]


def images_within(
    root: str | Path, top: str, skipped: list[str] | None = None
) -> tuple[list[str], int]:
    """Find the images within a folder.

    Links are followed after all other folders, so a linked image keeps the name that it has without
    the link. No folder is entered twice, and no parent of `root` is entered.

    Parameters
    ----------
    root : str or Path
        Folder to which paths are relative.
    top : str
        Path of the folder to search.
    skipped : list of str, optional
        See `list_entries`.

    Returns
    -------
    images : list of str
        Sorted paths of the images.
    other : int
        Number of other files.
    """
    resolved_root = Path(root).resolve()
    images, other = [], 0
    seen = {*map(str, (resolved_root, *resolved_root.parents))}
    waiting = [(False, top)]  # a heap of (whether it is a link, path)
    while waiting:
        _, current = heapq.heappop(waiting)
        real = os.path.realpath(os.path.join(root, current))
        if real in seen:
            continue
        seen.add(real)
        for entry in list_entries(os.path.join(root, current), skipped):
            path = f"{current}/{entry.name}"
            if _is_folder(entry):
                heapq.heappush(waiting, (entry.is_symlink(), path))
            elif entry.name.lower().endswith(SUFFIXES):
                images.append(path)
            else:
                other += 1
    return sorted(images), other
