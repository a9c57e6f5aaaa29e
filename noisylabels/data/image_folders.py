"""Find images in folders."""

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
SYSTEM = {
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


def entries(folder: str | Path, system: list[str] | None = None) -> list[os.DirEntry]:
    """List the entries of a folder by name, without hidden ones and folders of SYSTEM.

    The paths of the latter are added to `system`. Raises UserError if the folder cannot be read.
    """
    kept = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.lower() in SYSTEM and _is_folder(entry):
                    if system is not None:
                        system.append(entry.path)
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


def folders(folder: str | Path, system: list[str] | None = None) -> list[str]:
    """Return the sorted names of the subfolders that `entries` lists."""
    return [entry.name for entry in entries(folder, system) if _is_folder(entry)]


def images_within(
    root: str | Path, top: str, system: list[str] | None = None
) -> tuple[list[str], int]:
    """Return the sorted paths of the images within a folder, and the number of other files.

    `top` and the returned paths are relative to `root`. Links are followed, but no folder is
    entered twice, and no parent of `root` is entered. system: see `entries`.
    """
    whole = Path(root).resolve()
    found, other, seen, waiting = [], 0, {*map(str, (whole, *whole.parents))}, [top]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(os.path.join(root, here))
        if real in seen:
            continue
        seen.add(real)
        for entry in entries(os.path.join(root, here), system):
            file = f"{here}/{entry.name}"
            if _is_folder(entry):
                waiting.append(file)
            elif entry.name.lower().endswith(SUFFIXES):
                found.append(file)
            else:
                other += 1
    return sorted(found), other
