"""Read image files into uint8 arrays, decoded in parallel into reserved memory."""

import math
import mmap
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from noisylabels.data.image_decoding import FORMATS, decode, resized
from noisylabels.data.label_arrays import array_header, damage, open_npz
from noisylabels.errors import UserError
from noisylabels.system import hardware

FEW_BITS = 14  # of 16; images with at most so many bits have a quarter of the brightness or less
CHUNK = 32  # images per task of a thread
BLOCK = 2**24  # bytes of an npz read at once


def available_memory() -> float:
    """Return the free memory in bytes, in a container too. If unknown, return the whole memory."""
    found = hardware.free_memory()
    if found == math.inf and hasattr(os, "sysconf"):  # not Linux; unknown on Windows
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return found


def check_memory(
    name: str,
    n: int,
    height: int,
    width: int,
    channels: int,
    report: Callable[[str], None],
    fixed: bool = False,
) -> None:
    """Report the memory that n images need; UserError if less is free.

    The error names a size that fits, unless the size is `fixed`.
    """
    need, available = n * height * width * channels, available_memory()
    what = (
        f"{name}: {n:,} images of {height}×{width} need up to {_size(need)} of memory, "
        f"{_size(available)} are free"
    )
    if need > available:
        fits = 0 if fixed else int((available / (n * channels)) ** 0.5)
        raise UserError(
            f"{what}: give {f'--image_size {fits} or less, or ' if fits > 7 else ''}fewer images"
        )
    report(what)


def pages(*shape: int) -> np.ndarray:
    """Return zeros, uint8, aligned to a page of memory, so a device can use them without a copy."""
    size = math.prod(shape)
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8, size).reshape(shape)


class Store:
    """Memory for n square images. They have one channel until the first colour image is added.

    The memory for n colour images is reserved, and used when it is needed.
    """

    def __init__(self, n: int, size: int) -> None:
        self.shape = (n, size, size)
        self.memory = pages(n * size * size * 3)
        self.filled = 0
        self.channels = 1

    @property
    def images(self) -> np.ndarray:
        """Return the images added so far, (filled, size, size, channels)."""
        return self._all()[: self.filled]

    def add(self, images: np.ndarray) -> None:
        """Add images (k, size, size), or (k, size, size, 3)."""
        if images.ndim == 4:
            self.widen()
        start, self.filled = self.filled, self.filled + len(images)
        self._all()[start : self.filled] = images if images.ndim == 4 else images[..., np.newaxis]

    def widen(self) -> None:
        """Convert grey images to three channels, in place, from the last to the first."""
        if self.channels == 1:
            grey, self.channels = self._all(), 3
            for end in range(self.filled, 0, -CHUNK):
                block = slice(max(0, end - CHUNK), end)
                self._all()[block] = grey[block].copy()

    def _all(self) -> np.ndarray:
        shape = (*self.shape, self.channels)
        return self.memory[: math.prod(shape)].reshape(shape)


def read_files(
    base: str | Path,
    files: Sequence[str],
    test: np.ndarray,
    size: int,
    name: str,
    report: Callable[[str], None],
    fixed: bool = False,
) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Decode image files in parallel.

    Parameters
    ----------
    base : path
        Folder that the files are relative to.
    files : sequence of str
        The n files.
    test : np.ndarray
        Files of the test set, bool (n,).
    size : int
        Side in pixels. Images become square.
    name : str
        Name of the data set. It appears in messages.
    report : callable
        Receives lines about memory and progress.
    fixed : bool
        Whether the user cannot choose another size.

    Returns
    -------
    x_train, x_test : np.ndarray
        The readable images, uint8 (k, size, size, channels).
    unreadable : dict
        Reason by index of the file.

    Raises
    ------
    UserError
        The images do not fit into memory.
    """
    check_memory(name, len(files), height=size, width=size, channels=3, report=report, fixed=fixed)
    base, stores, unreadable, peaks = os.fspath(base), [], {}, []
    for part, rows in (("training", np.flatnonzero(~test)), ("test", np.flatnonzero(test))):
        paths = [os.path.join(base, files[k]) for k in rows]
        store, reasons, found = _decode_all(paths, size, f"{name}: {part} images", report)
        stores.append(store)
        peaks += found
        unreadable.update((int(rows[k]), reason) for k, reason in reasons.items())
    if any(store.channels == 3 for store in stores):
        for store in stores:
            store.widen()
    warn_if_dark(name, peaks)
    return *(store.images for store in stores), unreadable


def warn_if_dark(name: str, peaks: list[int]) -> None:
    """Warn if all images with 16 bits per channel are dark; `peaks` are their largest values."""
    bits = max(peaks, default=0).bit_length()
    if peaks and bits <= FEW_BITS:
        warnings.warn(
            f"{name}: none of the {len(peaks):,} images with 16 bits per channel uses more "
            f"than {bits} of its bits, so they are almost black: multiply their values by "
            f"{2 ** (16 - bits):,}, or save them with 8 bits",
            stacklevel=3,
        )


def _decode_all(
    paths: list[str], size: int, title: str, report: Callable[[str], None]
) -> tuple[Store, dict[int, str], list[int]]:
    """Decode files in parallel, in their order.

    Returns the readable images, the reason by index of the others, and the peaks of `decode`.
    """
    store, unreadable, workers = Store(len(paths), size), {}, hardware.cores()
    peaks = []
    start = last = time.monotonic()
    Image.init()
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # of Pillow, about harmless oddities
        running, chunks = deque(), range(0, len(paths), CHUNK)
        for first in chunks[: 2 * workers]:
            running.append(pool.submit(_decode_chunk, paths, first, size))
        for first in chunks:
            images, reasons, found = running.popleft().result()
            following = first + 2 * workers * CHUNK
            if following < len(paths):
                running.append(pool.submit(_decode_chunk, paths, following, size))
            if len(images):
                store.add(images)
            unreadable.update(reasons)
            peaks += found
            done, now = min(first + CHUNK, len(paths)), time.monotonic()
            if now - last >= 1 and 10 * done // len(paths) > 10 * first // len(paths):
                last, left = now, (now - start) / done * (len(paths) - done)
                report(f"{title}: {done:,} of {len(paths):,} read, {left:.0f} s left")
    return store, unreadable, peaks


def _decode_chunk(
    paths: list[str], first: int, size: int
) -> tuple[np.ndarray, dict[int, str], list[int]]:
    """Decode CHUNK files, beginning with `first`, to (k, size, size) or (k, size, size, 3)."""
    images, reasons, peaks = [], {}, []
    for k, path in enumerate(paths[first : first + CHUNK], first):
        try:
            images.append(decode(path, size, peaks))
        except Exception as error:  # Pillow raises many kinds for damage
            reasons[k] = reason_of(error)
    if any(image.ndim == 3 for image in images):
        images = [
            np.broadcast_to(image[..., np.newaxis] if image.ndim == 2 else image, (size, size, 3))
            for image in images
        ]
    return np.array(images, np.uint8), reasons, peaks


def reason_of(error: Exception) -> str:
    """Return a short reason why a file could not be decoded."""
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    words = (
        error.strerror
        if isinstance(error, OSError) and error.strerror
        else str(error) or type(error).__name__
    )
    return " ".join(ascii(words)[1:-1].split())[:200]


def read_arrays(
    path: Path,
    name: str,
    parts: list[tuple[str, tuple[int, ...], bool]],
    test: np.ndarray,
    size: int | None,
    report: Callable[[str], None],
) -> list[np.ndarray]:
    """Read the images of an npz, as training and test images.

    Parameters
    ----------
    path : Path
        The npz.
    parts : list of (str, tuple, bool)
        Name and shape of each array, and whether it is in Fortran order.
    test : np.ndarray
        Test images, bool (n,). The rows of all arrays are counted together.
    size : int, optional
        Side in pixels. By default the images keep their size.
    name, report
        See `read_files`.

    Raises
    ------
    UserError
        The file is damaged, or does not fit into memory.
    """
    height, width, channels = (size, size, parts[0][1][3]) if size else parts[0][1][1:]
    check_memory(name, len(test), height=height, width=width, channels=channels, report=report)
    x = [pages(int(rows.sum()), height, width, channels) for rows in (~test, test)]
    places, row = np.where(test, np.cumsum(test), np.cumsum(~test)) - 1, 0
    archive, _ = open_npz(path)
    with archive:
        for key, shape, fortran in parts:
            with (
                damage(f"{path}: {key} is damaged: save it again"),
                archive.open(f"{key}.npy") as file,
            ):
                array_header(file)
                for block in _blocks(file, shape, fortran):
                    if size:
                        images = map(Image.fromarray, block if channels == 3 else block[..., 0])
                        block = np.stack([resized(image, size) for image in images]).reshape(
                            -1, size, size, channels
                        )
                    rows = slice(row, row := row + len(block))
                    for to, chosen in zip(x, (~test[rows], test[rows])):
                        to[places[rows][chosen]] = block[chosen]
    return x


def _blocks(file: BinaryIO, shape: tuple[int, ...], fortran: bool) -> Iterator[np.ndarray]:
    """Yield an array of uint8 in blocks of rows; in Fortran order, yield one block."""
    bytes_a_row = math.prod(shape[1:])
    rows = shape[0] if fortran else max(1, BLOCK // bytes_a_row)
    for start in range(0, shape[0], rows):
        k = min(rows, shape[0] - start)
        pixels = np.frombuffer(file.read(k * bytes_a_row), np.uint8, k * bytes_a_row)
        yield pixels.reshape(k, *shape[1:], order="F" if fortran else "C")


def _size(n: float) -> str:
    """Format a number of bytes."""
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"
