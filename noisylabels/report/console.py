"""The last lines of a script: the files to open next, and where the others are."""

from collections.abc import Mapping
from pathlib import Path


def print_files(opened: Mapping[Path, str], *folders: Path) -> None:
    """Print which files to open next, and how many others are in some folders.

    Parameters
    ----------
    opened : mapping
        {path: description}; files that do not exist are left out.
    folders : Path
        Folders whose other files are counted, with those in subfolders; hidden files are not.
    """
    opened = {path: what for path, what in opened.items() if path.is_file()}
    if opened:
        print("\nopen next:")
    width = max((len(str(path)) for path in opened), default=0)
    for path, what in opened.items():
        print(f"  {path!s:<{width}}  {what}")
    for folder in folders:
        others = [
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".") and path not in opened
        ]
        if others:
            print(f"{len(others):,} other files are in {folder}")
