"""Read images in batches, ahead of their use, by a pool of threads."""

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from noisylabels.data.image_files import reason_of
from noisylabels.data.image_source import ImageSource
from noisylabels.system import hardware

AHEAD = 4  # batches that are read before they are needed


class Batch(NamedTuple):
    """Some images of a source."""

    rows: range  # their positions
    images: np.ndarray  # uint8 (k, size, size, 3); black where one is unreadable
    unreadable: dict[int, str]  # reason by position
    peaks: list[int]  # largest value of each image with 16 bits per channel


def read_batches(source: ImageSource, batches: Sequence[range], size: int) -> Iterator[Batch]:
    """Yield images batch by batch, resized with their proportions and cropped to the centre.

    Parameters
    ----------
    source
        The images.
    batches
        Positions of the images of each batch.
    size
        Pixels per side.
    """
    Image.init()
    with warnings.catch_warnings(), ThreadPoolExecutor(hardware.cores()) as pool:
        warnings.simplefilter("ignore")  # of Pillow, about harmless oddities
        running: deque[list[Future]] = deque()

        def start(rows: range) -> None:
            running.append([pool.submit(_read, source, row, size) for row in rows])

        for rows in batches[:AHEAD]:
            start(rows)
        for k, rows in enumerate(batches):
            images, unreadable, peaks = np.zeros((len(rows), size, size, 3), np.uint8), {}, []
            for place, row, future in zip(range(len(rows)), rows, running.popleft(), strict=True):
                image, found = future.result()
                peaks += found
                if isinstance(image, str):
                    unreadable[row] = image
                else:
                    images[place] = image
            if k + AHEAD < len(batches):
                start(batches[k + AHEAD])
            yield Batch(rows, images, unreadable, peaks)


def _read(source: ImageSource, row: int, size: int) -> tuple[np.ndarray | str, list[int]]:
    """Return an image, or the reason why it cannot be read; and the peaks of `decode`."""
    peaks: list[int] = []
    try:
        return source.read(row, size, peaks), peaks
    except Exception as error:  # Pillow raises many kinds for damage
        return reason_of(error), []
