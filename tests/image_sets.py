"""Small custom image data sets: folders of images by class, CSVs, arrays; and how loading fails."""

import csv
import warnings

import numpy as np
import pytest
from helpers import files_in
from PIL import Image

from noisylabels.data import images
from noisylabels.errors import UserError


def picture(path, colour=0, size=(8, 6), **options):
    """Write an image of one colour: a number for grey, three for red, green and blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path, **options)


def class_folders(root, **numbers):
    """Write a number of grey images of different shades per class; return the folder."""
    shade = 0
    for name, n in numbers.items():
        for k in range(n):
            picture(root / name / f"{k:02}.png", shade)
            shade += 1
    return root


def table(path, header, rows):
    """Write a CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def load(path, **options):
    """Return the data set, and the lines that were logged; a warning fails the test."""
    lines = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return images.load(path, report=lines.append, **options), lines


RNG = np.random.default_rng(0)


X, Y = RNG.integers(0, 256, (40, 5, 7, 3), dtype=np.uint8), np.arange(40) % 4 + 1


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def complaint(path, **options):
    """Return the one line with which loading fails without having written anything."""
    before = files_in(path.parent)
    with pytest.raises(UserError) as error, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images.load(path, report=str, **options)
    assert files_in(path.parent) == before
    message = str(error.value)
    assert message and len(message.splitlines()) == 1 and len(message) < 900
    return message


def shades(root, n=30, wrong=3, size=(8, 6), name="cat"):
    """Write n dark and n light grey images, some in the wrong folder; return the root."""
    rng = np.random.default_rng(0)
    for k in range(2 * n):
        light = k % 2
        folder = root / ("dog" if light != (k < 2 * wrong) else name)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(120 * light, 120 * light + 120, size[::-1], np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")
    return root
