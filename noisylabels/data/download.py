"""Download a data set from its home page: verified by its sha256, then unpacked as a whole."""

import os
import shutil
import sys
import tarfile
import zlib
from pathlib import Path

import pooch
import requests
from filelock import FileLock

from noisylabels.errors import UserError

RETRIES = 3
TIMEOUT = 30.0  # seconds of silence after which a connection counts as broken


def fetch(name: str, archive: tuple[str, int, str], folder: Path, files: tuple[str, ...]) -> None:
    """Download an archive and unpack `files` into `folder`, unless the folder exists.

    Processes that need the same data set wait for each other. The folder appears whole or not at
    all.

    Parameters
    ----------
    name : str
        Name of the data set.
    archive : (str, int, str)
        URL, bytes and sha256 of a gzipped tar file.
    folder : Path
        Target folder. It has the name of the archive's top folder.
    files : tuple of str
        Names of the needed files in that folder.

    Raises
    ------
    UserError
        The download fails, the file differs from the published one, or it cannot be stored.
    """
    url, n_bytes, sha256 = archive
    data_dir = folder.parent
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(data_dir / f".{name}.lock"):
            if not folder.is_dir():
                path = data_dir / url.rpartition("/")[2]
                is_own = path.is_file() and pooch.file_hash(path) == sha256
                if not is_own:
                    _download(url, sha256, path)
                    print(f"{name}: downloaded {n_bytes / 1e6:.0f} MB from {url}", file=sys.stderr)
                try:
                    _unpack(path, files, folder)
                finally:
                    if not is_own:
                        path.unlink()
    except (requests.RequestException, ValueError, tarfile.TarError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split()).rpartition(": ")[2].strip("'\")")
        raise UserError(
            f"cannot download {name}: {reason}; try again, put {', '.join(files)} from "
            f"{url} into {folder} yourself, or use --dataset digits, which needs no download"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot store {name} in {data_dir}: {reason}; choose another --data_dir"
        ) from None


def _download(url: str, sha256: str, path: Path) -> None:
    """Download and verify an archive; ValueError if the sha256 differs."""
    store = pooch.create(
        path.parent,
        base_url="",
        registry={path.name: f"sha256:{sha256}"},
        urls={path.name: url},
        retry_if_failed=RETRIES,
    )
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
    store.fetch(path.name, downloader=downloader)


def _unpack(path: Path, files: tuple[str, ...], target: Path) -> None:
    """Copy the named regular files of a tar archive into a new folder and rename it to `target`.

    Names in the archive only select members; its links and modes are ignored.
    """
    folder = target.with_name(f"{target.name}.part")
    wanted = {f"{target.name}/{name}": folder / name for name in files}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        with tarfile.open(path, mode="r:gz") as members:
            for member in members:
                if member.isreg() and member.name in wanted:
                    with open(wanted.pop(member.name), "wb") as copy:
                        shutil.copyfileobj(members.extractfile(member), copy)
                        copy.flush()
                        os.fsync(copy.fileno())
        if wanted:
            raise tarfile.TarError(f"the archive lacks {', '.join(wanted)}")
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
