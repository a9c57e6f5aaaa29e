"""The original images of a data set, read one at a time when they are needed."""

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from PIL import Image

from noisylabels.data.dataset import Dataset
from noisylabels.data.image_decoding import Fit, decode_picture

LEGIBLE = 160  # pixels; thumbnails enlarge smaller images to this size


class ImageSource(ABC):
    """Images of one data set, in its order. Subclasses read them from files or from an array."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Identify the images by 16 hexadecimal digits."""

    @abstractmethod
    def path(self, i: int) -> str | None:
        """Return the file of image i; None if it is not in a file."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> "ImageSource":
        """Return the images of these rows, integers (k,), in this order."""

    @abstractmethod
    def _picture(self, i: int, fit: Fit, size: int, peaks: list[int] | None = None) -> Image.Image:
        """Return image i, resized by `fit`, which needs `size` pixels per side.

        peaks: see `read`.
        """

    def read(self, i: int, size: int, peaks: list[int] | None = None) -> np.ndarray:
        """Read an image at size × size pixels.

        The shorter side is resized to `size` by bicubic interpolation, and the centre is cropped.

        Parameters
        ----------
        i
            Position of the image.
        size
            Pixels per side.
        peaks
            List that receives the largest value of an image with 16 bits per channel.

        Returns
        -------
        numpy.ndarray
            uint8 (size, size, 3).

        Raises
        ------
        Exception
            The file cannot be read.
        """
        picture = self._picture(i, lambda image: _cropped(image, size), size, peaks)
        return np.asarray(picture.convert("RGB"))

    def thumbnail(self, i: int, pixels: int, enlarge: bool = True) -> Image.Image:
        """Return the whole image with a longer side of at most `pixels`.

        An image smaller than 160 pixels is enlarged to that size, without smoothing, unless
        `enlarge` is False.

        Raises
        ------
        Exception
            The file cannot be read.
        """

        def fit(image: Image.Image) -> Image.Image:
            return _bounded(image, pixels, LEGIBLE if enlarge else 1)

        return self._picture(i, fit, pixels).convert("RGB")


class FileImages(ImageSource):
    """Images in files.

    Parameters
    ----------
    base
        Folder that the files are relative to.
    files
        The n files.
    """

    def __init__(self, base: str | os.PathLike, files: Sequence[str]) -> None:
        self.base, self.files = os.fspath(base), tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def digest(self) -> str:
        """Identify the images by their relative names, sizes in bytes and times of change."""
        digest = hashlib.sha256()
        for i in range(len(self)):
            file = relative_path(self.path(i), self.base)
            try:
                found = os.stat(self.path(i))
                state = [file, found.st_size, found.st_mtime_ns]
            except (OSError, ValueError):
                state = [file, None, None]
            digest.update(json.dumps(state).encode())
        return digest.hexdigest()[:16]

    def path(self, i: int) -> str:
        """Return the absolute path of image i."""
        return os.path.abspath(os.path.join(self.base, self.files[i]))

    def take(self, rows: np.ndarray) -> "FileImages":
        """Return the images of these rows, integers (k,), in this order."""
        return FileImages(self.base, [self.files[row] for row in rows])

    def _picture(self, i: int, fit: Fit, size: int, peaks: list[int] | None = None) -> Image.Image:
        return decode_picture(os.path.join(self.base, self.files[i]), fit, size, peaks)


class ArrayImages(ImageSource):
    """Images in an array, uint8 (n, height, width, 1 or 3)."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def digest(self) -> str:
        """Identify the images by their shape and pixels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images))
        return digest.hexdigest()[:16]

    def path(self, i: int) -> None:
        """Return None, because the images are not in files."""

    def take(self, rows: np.ndarray) -> "ArrayImages":
        """Return the images of these rows, integers (k,), in this order."""
        return ArrayImages(self.images[rows])

    def _picture(self, i: int, fit: Fit, size: int, peaks: list[int] | None = None) -> Image.Image:
        image = self.images[i]
        return fit(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))


def relative_path(file: str, base: str | os.PathLike) -> str:
    """Return an absolute path relative to a folder; unchanged if it is not in the folder."""
    return file.removeprefix(os.path.join(os.path.abspath(base), ""))


def pictures_of(dataset: Dataset) -> ImageSource | None:
    """Return the original images of the training samples; None if the data set has no images."""
    if dataset.pictures is not None or dataset.x_train.ndim < 4:
        return dataset.pictures
    return ArrayImages(dataset.x_train)


def _cropped(image: Image.Image, size: int) -> Image.Image:
    """Return the central square of an image at size × size pixels."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((size, size), Image.Resampling.BICUBIC, box, reducing_gap=3)


def _bounded(image: Image.Image, pixels: int, least: int) -> Image.Image:
    """Resize an image so that its longer side has from `least` to `pixels` pixels."""
    longer = max(image.size)
    bounded = min(pixels, max(longer, least))
    shape = [max(1, round(side * bounded / longer)) for side in image.size]
    if bounded > longer:
        return image.resize(shape, Image.Resampling.NEAREST)
    return image.resize(shape, Image.Resampling.BILINEAR, reducing_gap=3)
