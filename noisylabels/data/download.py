"""Fetch a data set from its home page: over https, resumed where it broke, verified, then unpacked.

What has arrived waits in <name>.part until all is there; the data set's folder appears by one rename, or not at all.
"""

import contextlib
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import time
import urllib.request
import zlib
from typing import NamedTuple

from filelock import lock_descriptor

from noisylabels.errors import UserError


class Archive(NamedTuple):
    """A file on the network, and what is known of it before it is opened."""

    url: str
    bytes: int
    sha256: str


ATTEMPTS = 10  # connections, as long as each of them brings something
PAUSE = 1.0  # seconds between two of them
TIMEOUT = 30.0  # seconds of silence after which a connection counts as broken
BLOCK = 2**20  # bytes


class _Failed(Exception):
    """The network broke down or brought the wrong thing: unlike OSError, never the fault of the local disk."""


def fetch(name, archive, folder, files, opener=None):
    """Put `files` of the archive of the data set `name` into `folder`, a Path that ends as in the archive.

    Nothing is done where the folder exists. A second process that wants the same waits for the first. `opener` is for
    tests; the default knows https only. Raises UserError, saying what to do instead, if the network fails, if what it
    brings is not the published archive (it is deleted), or if the disk is full or read-only. What came before a
    failure is kept for the next call.
    """
    data_dir = folder.parent
    part = data_dir / f"{name}.part"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with open(part, "a+b") as file:
            _lock(file, name)
            try:
                if not folder.is_dir():
                    _download(archive, file, name, opener or _https_opener())
                    _verify(archive, file)
                    _unpack(file, files, folder)
                file.truncate(0)
            finally:
                if file.seek(0, os.SEEK_END) == 0:
                    with contextlib.suppress(PermissionError):      # of Windows, where an open file stays
                        part.unlink(missing_ok=True)
    except _Failed as error:
        raise UserError(
            f"cannot download {name}: {error}; try again, put {', '.join(files)} from {archive.url} "
            f"into {folder} yourself, or use --dataset digits, which needs no download"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot store {name} in {data_dir}: {reason}; choose another --data_dir") from None


def _lock(file, name):
    """Wait until no other process has `file` locked, then lock it until it is closed."""
    try:
        if not lock_descriptor(file.fileno(), blocking=False):
            print(f"{name}: waiting for another process that is downloading it", file=sys.stderr, flush=True)
            lock_descriptor(file.fileno())
    except OSError:  # a file system without locks: the sha256 still guards what two processes write into one file
        pass


def _https_opener():
    """Opens https addresses, through a proxy where one is set, and follows redirects to https addresses alone."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


@contextlib.contextmanager
def _network():
    """Turn the errors of the network operation inside into _Failed."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(" ".join(str(error).strip("<>").split()) or type(error).__name__) from None


def _download(archive, file, name, opener):
    """Append to `file` until it is as long as the archive, over as many connections as it takes."""
    show, attempts = _progress(name, archive.bytes), 0
    while (start := file.seek(0, os.SEEK_END)) < archive.bytes:
        try:
            _append(archive, file, start, opener, show)
        except _Failed:
            attempts += 1
            if attempts == ATTEMPTS or file.seek(0, os.SEEK_END) <= start:
                raise
            time.sleep(PAUSE)


def _append(archive, file, start, opener, show):
    """Append the archive from byte `start` on, or all of it in place of what is there, over one connection."""
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={start}-"} if start else {})
    with _network():
        response = opener.open(request, timeout=TIMEOUT)
    with response:
        rest = f"bytes {start}-{archive.bytes - 1}/{archive.bytes}"
        if response.status == 206 and response.headers["Content-Range"] == rest:
            size = start
        elif response.status == 200 and response.headers["Content-Length"] == str(archive.bytes):
            size = file.truncate(0)
        else:
            raise _Failed("the server offers another file than the published one")
        while size < archive.bytes:
            with _network():
                block = response.read1(BLOCK)
            if not block:
                raise _Failed(f"the connection broke after {size:,} of {archive.bytes:,} bytes")
            file.write(block)
            file.flush()
            size += len(block)
            show(size)


def _progress(name, total):
    """A function of the bytes so far that keeps one line up to date on a terminal, and elsewhere writes five lines."""
    terminal, last = sys.stderr.isatty(), -1
    step = 1 if terminal else 25

    def show(done):
        nonlocal last
        percent = 100 * done // total
        if percent // step > last // step:
            end = "\r" if terminal and percent < 100 else "\n"
            print(f"{name}: downloaded {percent} % of {total / 1e6:.0f} MB", end=end, file=sys.stderr, flush=True)
        last = percent

    return show


def _verify(archive, file):
    """Empty `file` and raise _Failed unless it is the archive, by its sha256."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK):
        digest.update(block)
    if digest.hexdigest() != archive.sha256:
        file.truncate(0)
        raise _Failed("what came is not the published archive, its sha256 differs, and was deleted")


def _unpack(file, files, target):
    """Copy the expected files out of the tar archive into a new folder and rename that to `target`.

    Names, links, devices and modes of the archive are never used: a member counts if it is a regular file under the
    very name that is wanted, and it is written under that name. All else is passed over.
    """
    folder = target.with_name(f"{target.name}.part")
    wanted = {f"{target.name}/{name}": folder / name for name in files}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r|gz") as members:
            for member in members:
                if member.isreg() and member.name in wanted:
                    with open(wanted.pop(member.name), "wb") as copy:
                        shutil.copyfileobj(members.extractfile(member), copy)
                        copy.flush()
                        os.fsync(copy.fileno())
        if wanted:
            raise tarfile.TarError(f"it lacks {', '.join(wanted)}")
        folder.rename(target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        file.truncate(0)
        raise _Failed(f"the archive cannot be unpacked ({error}) and was deleted") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
