"""Image files as uint8 arrays: decoded by Pillow, in parallel, once, into memory that was asked for before."""
import contextlib
import math
import mmap
import os
import threading
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from noisylabels import machine
from noisylabels.data.label_files import array_header, damage, open_npz
from noisylabels.errors import UserError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF")      # of Pillow's, those that run no program
SUFFIXES = (".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
            ".tiff", ".webp")
MAX_PIXELS = 89_478_485         # of one image, Pillow's own limit: 360 MB in memory; more is a mistake or an attack
LARGE = 2**24                   # pixels above which images are decoded one at a time
CHUNK = 32                      # images that a thread takes at once
BLOCK = 2**24                   # bytes of an npz that are read at once
_large = threading.Lock()


def available_memory():
    """Bytes that are left, of the machine's memory and its container's; where nothing says that, all that it has."""
    found = machine.free_memory()
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


def entries(folder):
    """What is in a folder, os.DirEntry by name, without what begins with a dot. UserError: it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}; mend that") from None


def _is_folder(entry):
    """Also of a link that leads nowhere, or in a circle."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def folders(folder):
    """The names of the folders in a folder, sorted, without those that begin with a dot."""
    return [entry.name for entry in entries(folder) if _is_folder(entry)]


def images_beneath(root, top):
    """Paths relative to `root` of the image files beneath its folder `top`, sorted, and the number of other files.

    Links are followed, but no folder is entered twice, nor one that `root` lies in.
    """
    whole = Path(root).resolve()
    found, other, seen, waiting = [], 0, {*map(str, (whole, *whole.parents))}, [top]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(os.path.join(root, here))
        if real in seen:
            continue
        seen.add(real)
        for entry in entries(os.path.join(root, here)):
            file = f"{here}/{entry.name}"
            if _is_folder(entry):
                waiting.append(file)
            elif entry.name.lower().endswith(SUFFIXES):
                found.append(file)
            else:
                other += 1
    return sorted(found), other


def decode(path, size):
    """An image file as uint8 (size, size) if it is grey, else (size, size, 3), whatever its proportions.

    The first frame of an animation, turned as its EXIF data say, on white where it is transparent. Of 16 bits a pixel
    the upper eight are taken. Raises exceptions of all kinds where it cannot be read.
    """
    if not os.path.isfile(path):                            # opening a pipe would wait forever
        windows = "; its path needs / for each backslash" if "\\" in path and os.sep == "/" else ""
        raise ValueError(f"missing, or no file{windows}")
    if path != path.encode(errors="replace").decode():
        raise ValueError("its name is not in UTF-8; rename it")
    with Image.open(path, formats=FORMATS) as image:
        image.draft(None, (2 * size, 2 * size))             # a JPEG is decoded at a half, quarter, eighth of its size
        pixels = image.width * image.height
        if pixels > MAX_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
        with _large if pixels > LARGE else contextlib.nullcontext():
            image.load()
            try:
                ImageOps.exif_transpose(image, in_place=True)
            except MemoryError:
                raise
            except Exception:                               # whatever is wrong with its metadata, here are its pixels
                pass
            small = resized(_eight_bits(image), size)
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    array = np.asarray(small)
    if array.ndim == 3 and (array[..., :1] == array[..., 1:]).all():
        array = array[..., 0]
    return array


def resized(image, size):
    """A Pillow image of the modes L, RGB or RGBA at size × size pixels."""
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3)


def _eight_bits(image):
    """A Pillow image as one of the modes L, RGB or RGBA."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel; save it with 8 or 16")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def read_files(base, files, test, size, name, report, fixed=False):
    """Decodes image files in parallel: x_train and x_test without those that cannot be read, and {index: why}.

    base: the folder that `files`, n str, are relative to. test: bool (n,), those of the test set. size: pixels a side.
    name: the data set's, for `report`, which is called with what memory it takes, and with how far it is: every ten per
    cent, but not more often than once a second. fixed: nobody can choose another size. UserError: it does not fit.
    """
    check_memory(name, len(files), size, size, 3, report, fixed)
    base, stores, unreadable = os.fspath(base), [], {}
    for part, rows in (("training", np.flatnonzero(~test)), ("test", np.flatnonzero(test))):
        paths = [os.path.join(base, files[k]) for k in rows]
        store, reasons = _decode_all(paths, size, f"{name}: {part} images", report)
        stores.append(store)
        unreadable.update((int(rows[k]), reason) for k, reason in reasons.items())
    if any(store.channels == 3 for store in stores):
        for store in stores:
            store.widen()
    return *(store.images for store in stores), unreadable


def _decode_all(paths, size, title, report):
    """Decodes files in parallel: a Store of those that can be read, in their order, and {place in paths: why not}."""
    store, unreadable, workers = Store(len(paths), size), {}, machine.cores()
    start = last = time.monotonic()
    Image.init()
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")                     # Pillow's, of what is odd in a file but does no harm
        running, chunks = deque(), range(0, len(paths), CHUNK)
        for first in chunks[:2 * workers]:
            running.append(pool.submit(_decode_chunk, paths, first, size))
        for first in chunks:
            images, reasons = running.popleft().result()
            following = first + 2 * workers * CHUNK
            if following < len(paths):
                running.append(pool.submit(_decode_chunk, paths, following, size))
            if len(images):
                store.add(images)
            unreadable.update(reasons)
            done, now = min(first + CHUNK, len(paths)), time.monotonic()
            if now - last >= 1 and 10 * done // len(paths) > 10 * first // len(paths):
                last, left = now, (now - start) / done * (len(paths) - done)
                report(f"{title}: {done:,} of {len(paths):,} read, {left:.0f} s left")
    return store, unreadable


def _decode_chunk(paths, first, size):
    """The images of CHUNK files from `first` on, (k, size, size) or (k, size, size, 3), and {place: why not}."""
    images, reasons = [], {}
    for k, path in enumerate(paths[first:first + CHUNK], first):
        try:
            images.append(decode(path, size))
        except Exception as error:                          # Pillow raises a dozen kinds, all of damage
            reasons[k] = _reason(error)
    if any(image.ndim == 3 for image in images):
        images = [np.broadcast_to(image[..., np.newaxis] if image.ndim == 2 else image, (size, size, 3))
                  for image in images]
    return np.array(images, np.uint8), reasons


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
