"""Decode an image file to a uint8 array with Pillow."""

import contextlib
import io
import os
import struct
import threading
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

# Formats that Pillow decodes without running another program.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "TIFF", "WEBP", "AVIF")
MAX_PIXELS = 89_478_485  # per image; Pillow's own limit, 360 MB in memory
LARGE = 2**24  # pixels above which images are decoded one at a time
PNG = b"\x89PNG\r\n\x1a\n"
METADATA = (b"iCCP", b"iTXt", b"tEXt", b"zTXt")  # a PNG's colour profile and texts
MAX_PNG = 2**27  # bytes of a PNG without its metadata
_large = threading.Lock()
Fit = Callable[[Image.Image], Image.Image]  # resizes an image


def decode(path: str, size: int, peaks: list[int] | None = None) -> np.ndarray:
    """Decode an image file and resize it to size × size pixels, without cropping.

    Parameters
    ----------
    path
        The file.
    size
        Pixels per side.
    peaks
        See `decode_picture`.

    Returns
    -------
    numpy.ndarray
        uint8 (size, size) if the image is grey, else (size, size, 3).

    Raises
    ------
    Exception
        The file cannot be read.
    """
    array = np.asarray(decode_picture(path, lambda image: resized(image, size), size, peaks))
    if array.ndim == 3 and (array[..., :1] == array[..., 1:]).all():
        array = array[..., 0]
    return array


def decode_picture(path: str, fit: Fit, size: int, peaks: list[int] | None = None) -> Image.Image:
    """Decode an image file and resize it.

    EXIF rotation is applied, and transparent areas become white. An animation contributes its first
    frame, and 16 bits are reduced to the upper eight. A PNG that cannot be read because of its
    colour profile or texts is read without them.

    Parameters
    ----------
    path
        The file.
    fit
        Resizes an image of mode L, RGB or RGBA.
    size
        Pixels that `fit` needs per side. A large JPEG is decoded at a fraction of its size.
    peaks
        List that receives the largest value of an image with 16 bits per channel.

    Returns
    -------
    PIL.Image.Image
        The result of `fit`, in mode L or RGB.

    Raises
    ------
    Exception
        The file cannot be read.
    """
    if not os.path.isfile(path):  # opening a pipe would wait forever
        windows = "; its path needs / for each backslash" if "\\" in path and os.sep == "/" else ""
        raise ValueError(f"missing or not a file{windows}")
    if path != path.encode(errors="replace").decode():
        raise ValueError("its name is not in UTF-8; rename it")
    try:
        return _decode(path, fit, size, peaks)
    except Exception:
        pixels = _pixels_alone(path)
        if pixels is None:
            raise
        return _decode(pixels, fit, size, peaks)


def _decode(
    file: str | io.BytesIO,
    fit: Fit,
    size: int,
    peaks: list[int] | None,
) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        image.draft(None, (2 * size, 2 * size))  # reduces a JPEG to a half, quarter or eighth
        coding, pixels = str(image.tile[:1]), image.width * image.height
        if pixels > MAX_PIXELS:
            raise ValueError(f"{image.width}×{image.height} pixels, more than {MAX_PIXELS:,}")
        with _large if pixels > LARGE else contextlib.nullcontext():
            image.load()
            try:
                ImageOps.exif_transpose(image, in_place=True)
            except MemoryError:
                raise
            except Exception:  # the metadata are damaged, but the pixels are readable
                pass
            small = fit(_eight_bits(image, coding, peaks))
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    return small


def resized(image: Image.Image, size: int) -> Image.Image:
    """Resize a Pillow image of mode L, RGB or RGBA to size × size pixels."""
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3)


def _eight_bits(image: Image.Image, coding: str, peaks: list[int] | None) -> Image.Image:
    """Convert a Pillow image to mode L, RGB or RGBA.

    coding: Pillow's description of how the file stores its pixels. peaks: see `decode_picture`.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        values = np.asarray(image)
        if "I;12" in coding:  # a TIFF with 12 bits
            return Image.fromarray((values >> 4).astype(np.uint8))
        if peaks is not None:
            peaks.append(int(values.max()))
        return Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("32 bits per pixel; save it with 8 or 16")
    has_16_bits = ";16" in coding or ", 65535)" in coding  # the latter: a PPM
    if peaks is not None and has_16_bits and image.mode.startswith("RGB"):
        # Pillow has kept the upper eight bits.
        colours = image.getextrema()[:3]
        peaks.append(max(high for _, high in colours) << 8 | 255)
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _pixels_alone(path: str) -> io.BytesIO | None:
    """Return a PNG without its METADATA; None if it has none or is too long, or is not a PNG."""
    kept, has_metadata = io.BytesIO(), False
    with open(path, "rb") as file:
        if file.read(len(PNG)) != PNG:
            return None
        kept.write(PNG)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in METADATA:
                has_metadata = True
                file.seek(length + 4, os.SEEK_CUR)  # and its checksum
            elif kept.tell() + length > MAX_PNG:
                return None
            else:
                kept.write(head + file.read(length + 4))
    kept.seek(0)
    return kept if has_metadata else None
