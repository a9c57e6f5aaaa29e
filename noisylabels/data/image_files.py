"""Image files as uint8 arrays: decoded in parallel, once, into memory that was asked for before."""
import math
import mmap
import os
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from noisylabels.data.image_decoding import FORMATS, decode, resized
from noisylabels.data.label_files import array_header, damage, open_npz
from noisylabels.errors import UserError
from noisylabels.system import hardware

SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
            ".tiff", ".webp")
SYSTEM = {"@eadir", "#recycle", "@recycle", "$recycle.bin", "recycler", "__macosx", "lost+found",
          "system volume information", "thumbnails", ".thumbnails", ".trashes", ".spotlight-v100",
          ".fseventsd"}         # folders of systems and devices, whose images are none of the user's
FEW_BITS = 14                   # of 16: images that use no more are a quarter as bright, or less
CHUNK = 32                      # images that a thread takes at once
BLOCK = 2**24                   # bytes of an npz that are read at once


def available_memory():
    """Bytes that are left, of the machine's memory and its container's; where nothing says that, all that it has."""
    found = hardware.free_memory()
    if found == math.inf and hasattr(os, "sysconf"):        # not Linux; Windows does not say
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return found


def check_memory(name, n, height, width, channels, report, fixed=False):
    """Says what n images take; raises UserError, with the size that would fit unless it is fixed, if there is less."""
    need, available = n * height * width * channels, available_memory()
    what = f"{name}: {n:,} images of {height}×{width} take up to {_size(need)} of memory, {_size(available)} are left"
    if need > available:
        fits = 0 if fixed else int((available / (n * channels)) ** .5)
        raise UserError(f"{what}: give {f'--image_size {fits} or less, or ' if fits > 7 else ''}fewer images")
    report(what)


def pages(*shape):
    """An array of uint8 that begins at a page of memory, so that a device can use it as it is; zeros."""
    size = math.prod(shape)
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8, size).reshape(shape)


class Store:
    """Room for n square images of one channel, or of three as soon as one of them is in colour.

    Memory: that of n images in colour is reserved, but only taken from the machine once there is one.
    """

    def __init__(self, n, size):
        self.shape, self.memory, self.filled, self.channels = (n, size, size), pages(n * size * size * 3), 0, 1

    @property
    def images(self):
        """What was added, (filled, size, size, channels)."""
        return self._all()[:self.filled]

    def add(self, images):
        """Adds images (k, size, size), or (k, size, size, 3)."""
        if images.ndim == 4:
            self.widen()
        start, self.filled = self.filled, self.filled + len(images)
        self._all()[start:self.filled] = images if images.ndim == 4 else images[..., np.newaxis]

    def widen(self):
        """Makes grey images ones of three channels, in place, from the last to the first."""
        if self.channels == 1:
            grey, self.channels = self._all(), 3
            for end in range(self.filled, 0, -CHUNK):
                block = slice(max(0, end - CHUNK), end)
                self._all()[block] = grey[block].copy()

    def _all(self):
        shape = (*self.shape, self.channels)
        return self.memory[:math.prod(shape)].reshape(shape)


def entries(folder: str | Path, system: list[str] | None = None) -> list[os.DirEntry]:
    """List what is in a folder by name, without what begins with a dot, and SYSTEM's folders.

    The paths of the latter are added to `system`. Raises UserError if it cannot be read.
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
        raise UserError(f"cannot read the folder {folder}: {error.strerror}; mend that") from None


def _is_folder(entry):
    """Also of a link that leads nowhere, or in a circle."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def folders(folder: str | Path, system: list[str] | None = None) -> list[str]:
    """Return the sorted names of the folders in a folder that `entries` lists."""
    return [entry.name for entry in entries(folder, system) if _is_folder(entry)]


def images_beneath(root: str | Path, top: str,
                   system: list[str] | None = None) -> tuple[list[str], int]:
    """Return the sorted paths of the images within a folder, and the number of other files.

    The paths are relative to `root`, which holds the folder `top`. Links are followed, but no
    folder is entered twice, nor one that `root` lies in. system: see `entries`.
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


def read_files(base, files, test, size, name, report, fixed=False):
    """Decodes image files in parallel: x_train and x_test without those that cannot be read, and {index: why}.

    base: the folder that `files`, n str, are relative to. test: bool (n,), those of the test set. size: pixels a side.
    name: the data set's, for `report`, which is called with what memory it takes, and with how far it is: every ten per
    cent, but not more often than once a second. fixed: nobody can choose another size. UserError: it does not fit.
    """
    check_memory(name, len(files), size, size, 3, report, fixed)
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
    bits = max(peaks, default=0).bit_length()
    if peaks and bits <= FEW_BITS:
        warnings.warn(f"{name}: none of the {len(peaks):,} images with 16 bits per channel uses more "
                      f"than {bits} of them, so they are almost black: multiply their values by "
                      f"{2 ** (16 - bits):,}, or save them with 8 bits", stacklevel=3)
    return *(store.images for store in stores), unreadable


def _decode_all(paths, size, title, report):
    """Decode files in parallel, into a Store of those that can be read, in their order.

    Returns it, {place in paths: why not}, and the peaks of `image_decoding.decode`.
    """
    store, unreadable, workers = Store(len(paths), size), {}, hardware.cores()
    peaks = []
    start = last = time.monotonic()
    Image.init()
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")                     # Pillow's, of what is odd in a file but does no harm
        running, chunks = deque(), range(0, len(paths), CHUNK)
        for first in chunks[:2 * workers]:
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


def _decode_chunk(paths, first, size):
    """Decode CHUNK files from `first` on, as `_decode_all`; images (k, size, size) or (k, size, size, 3)."""
    images, reasons, peaks = [], {}, []
    for k, path in enumerate(paths[first:first + CHUNK], first):
        try:
            images.append(decode(path, size, peaks))
        except Exception as error:                          # Pillow raises a dozen kinds, all of damage
            reasons[k] = _reason(error)
    if any(image.ndim == 3 for image in images):
        images = [np.broadcast_to(image[..., np.newaxis] if image.ndim == 2 else image, (size, size, 3))
                  for image in images]
    return np.array(images, np.uint8), reasons, peaks


def _reason(error):
    """Why a file could not be decoded, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return f"no image of a known format ({', '.join(FORMATS)})"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(ascii(words)[1:-1].split())[:200]


def read_arrays(path, name, parts, test, size, report):
    """The images of an npz, x_train and x_test, at size × size pixels, or as they are where size is None.

    parts: list of (array, shape (n, height, width, channels), whether in Fortran order). test: bool, of all their rows.
    name, report: see read_files. Raises UserError where it is damaged, or does not fit into memory.
    """
    height, width, channels = (size, size, parts[0][1][3]) if size else parts[0][1][1:]
    check_memory(name, len(test), height, width, channels, report)
    x = [pages(int(rows.sum()), height, width, channels) for rows in (~test, test)]
    places, row = np.where(test, np.cumsum(test), np.cumsum(~test)) - 1, 0
    archive, _ = open_npz(path)
    with archive:
        for key, shape, fortran in parts:
            with damage(f"{path}: {key} is damaged: save it anew"), archive.open(f"{key}.npy") as file:
                array_header(file)
                for block in _blocks(file, shape, fortran):
                    if size:
                        images = map(Image.fromarray, block if channels == 3 else block[..., 0])
                        block = np.stack([resized(image, size) for image in images]).reshape(-1, size, size, channels)
                    rows = slice(row, row := row + len(block))
                    for to, chosen in zip(x, (~test[rows], test[rows])):
                        to[places[rows][chosen]] = block[chosen]
    return x


def _blocks(file, shape, fortran):
    """The rows of an array of uint8, as arrays (k, height, width, channels) of BLOCK bytes; in Fortran order all."""
    bytes_a_row = math.prod(shape[1:])
    rows = shape[0] if fortran else max(1, BLOCK // bytes_a_row)
    for start in range(0, shape[0], rows):
        k = min(rows, shape[0] - start)
        pixels = np.frombuffer(file.read(k * bytes_a_row), np.uint8, k * bytes_a_row)
        yield pixels.reshape(k, *shape[1:], order="F" if fortran else "C")


def _size(n):
    """Bytes in words."""
    return f"{n / 1e9:,.1f} GB" if n >= 1e9 else f"{n / 1e6:,.1f} MB"
