"""Tiny CIFAR data sets in the published layout."""

import struct
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from noisylabels.data.cifar import LAYOUTS
from noisylabels.errors import UserError
from utils import load_dataset

# The published layouts with images of 2x2 pixels and few rows.
TINY = {
    "cifar10": replace(
        LAYOUTS["cifar10"],
        train={"data_batch_1": 4, "data_batch_2": 3},
        test={"test_batch": 5},
        image=(3, 2, 2),
    ),
    "cifar100": replace(
        LAYOUTS["cifar100"], train={"train": 30}, test={"test": 6}, image=(3, 2, 2)
    ),
}


def python2_pickle(value):
    """Return `value` as Python 2's cPickle wrote it at protocol 2, memo included."""
    return b"\x80\x02" + _python2(value, count(1)) + b"."


def _python2(value, memo):
    def put():
        k = next(memo)
        return b"q" + bytes([k]) if k < 256 else b"r" + struct.pack("<I", k)

    match value:
        case bytes():
            short = len(value) < 256
            return (
                (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<I", len(value)))
                + value
                + put()
            )
        case int():
            if 0 <= value < 65536:
                return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
            return b"J" + struct.pack("<i", value)
        case list():
            return b"]" + put() + b"(" + b"".join(_python2(item, memo) for item in value) + b"e"
        case dict():
            return (
                b"}"
                + put()
                + b"("
                + b"".join(_python2(x, memo) for item in value.items() for x in item)
                + b"u"
            )
        case np.ndarray():
            start = b"cnumpy.core.multiarray\n_reconstruct\n" + put() + b"cnumpy\nndarray\n" + put()
            start += b"K\x00\x85U\x01b\x87R" + put() + b"(K\x01"
            shape = b"".join(_python2(n, memo) for n in value.shape) + bytes([0x84 + value.ndim])
            dtype = (
                b"cnumpy\ndtype\n"
                + put()
                + b"U\x02"
                + value.dtype.str[1:].encode()
                + b"K\x00K\x01\x87R"
                + put()
            )
            dtype += (
                b"(K\x03U\x01"
                + value.dtype.str[:1].encode()
                + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            )
            fortran = value.flags.f_contiguous and not value.flags.c_contiguous
            return (
                start
                + shape
                + dtype
                + (b"\x88" if fortran else b"\x89")
                + _python2(value.tobytes("A"), memo)
                + b"tb"
            )
    raise TypeError(type(value))


def contents(layout, seed=0):
    """Return {file name: dictionary in it} with random images and labels."""
    rng = np.random.default_rng(seed)
    files = {layout.meta: {layout.names: [name.encode() for name in layout.classes]}}
    for file, rows in (layout.train | layout.test).items():
        files[file] = {
            b"batch_label": b"of a test",
            layout.labels: rng.integers(len(layout.classes), size=rows).tolist(),
            b"data": rng.integers(256, size=(rows, int(np.prod(layout.image))), dtype=np.uint8),
            b"filenames": [b"%05d.png" % i for i in range(rows)],
        }
    return files


def write_tiny(data_dir, name):
    """Write the tiny version of a data set as published; return its folder and contents()."""
    folder, files = data_dir / TINY[name].folder, contents(TINY[name])
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(python2_pickle(content))
    return folder, files


def complaint(data_dir, name="cifar10"):
    """Return the one line with which loading fails."""
    with pytest.raises(UserError) as error:
        load_dataset(name, data_dir)
    message = str(error.value)
    assert message and len(message.splitlines()) == 1 and len(message) < 600
    return message
