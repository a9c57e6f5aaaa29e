"""Fetch CIFAR-10 and CIFAR-100 from their home page: over https, resumed where it broke, verified, then unpacked.

    fetch("cifar10", "data")  # 170 MB from www.cs.toronto.edu -> data/cifar-10-batches-py

What has arrived waits in data/cifar10.part until all is there; the folder itself appears by one rename, or not at all.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import time
import urllib.request
import zlib
from pathlib import Path
from typing import NamedTuple

from utils import LAYOUTS, UserError


class Archive(NamedTuple):
    """A file on the network, and what is known of it before it is opened."""

    url: str
    bytes: int
    sha256: str


ARCHIVES = {  # sizes and sums as Keras, torchvision and others have recorded them
    "cifar10": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        bytes=170_498_071,
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "cifar100": Archive(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        bytes=169_001_437,
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
}
ATTEMPTS = 10  # connections, as long as each of them brings something
PAUSE = 1.0  # seconds between two of them
TIMEOUT = 30.0  # seconds of silence after which a connection counts as broken
BLOCK = 2**20  # bytes


class _Failed(Exception):
    """The network broke down or brought the wrong thing: unlike OSError, never the fault of the local disk."""


def fetch(name, data_dir, opener=None):
    """Put the files of the data set `name`, a key of ARCHIVES, into data_dir/<its folder>, unless that folder exists.

    A second process that wants the same waits for the first. `opener` is for tests; the default knows https only.
    Raises UserError, saying what to do instead, if the network fails, if what it brings is not the published archive
    (it is deleted), or if the disk is full or read-only. What came before a failure is kept for the next call.
    """
    archive, layout, data_dir = ARCHIVES[name], LAYOUTS[name], Path(data_dir)
    target, part = data_dir / layout.folder, data_dir / f"{name}.part"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with open(part, "a+b") as file:
            _lock(file, name)
            try:
                if not target.is_dir():
                    _download(archive, file, name, opener or _https_opener())
                    _verify(archive, file)
                    _unpack(file, layout, target)
                file.truncate(0)
            finally:
                if file.seek(0, os.SEEK_END) == 0:
                    part.unlink(missing_ok=True)
    except _Failed as error:
        raise UserError(
            f"cannot download {name}: {error}; try again, put {', '.join(layout.files)} from {archive.url} "
            f"into {target} yourself, or use --dataset digits, which needs no download"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot store {name} in {data_dir}: {reason}; choose another --data_dir") from None


def _lock(file, name):
    """Wait until no other process has `file` locked, then lock it until it is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{name}: waiting for another process that is downloading it", file=sys.stderr, flush=True)
        fcntl.flock(file, fcntl.LOCK_EX)
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


def _unpack(file, layout, target):
    """Copy the expected files out of the tar archive into a new folder and rename that to `target`.

    Names, links, devices and modes of the archive are never used: a member counts if it is a regular file under the
    very name that the layout says, and it is written under the layout's name. All else is passed over.
    """
    folder = target.with_name(f"{target.name}.part")
    wanted = {f"{layout.folder}/{name}": folder / name for name in layout.files}
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
