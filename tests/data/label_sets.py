"""Files of labels for 300 images in four classes, as NumPy, spreadsheets and PyTorch write them."""

import contextlib
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from noisylabels.data.dataset import Dataset
from noisylabels.data.label_files import read_labels
from noisylabels.errors import UserError

N, NAMES = 300, ("airplane", "bird", "cat", "dog")


TRUE = np.arange(N) % 4


NOISY = np.where(np.arange(N) % 5, TRUE, (TRUE + 1) % 4)


def dataset(classes=NAMES, truth=TRUE):
    return Dataset("own", np.zeros((N, 2, 2, 1), np.uint8), truth, None, None, classes)


def complaint(spec, data=None):
    """Return the one line with which reading fails."""
    with pytest.raises(UserError) as error:
        read_labels(spec, data or dataset())
    message = str(error.value)
    assert message and len(message.splitlines()) == 1 and len(message) < 600
    return message


def check(spec, data=None, expected=NOISY):
    labels = read_labels(spec, data or dataset())
    assert labels.dtype == np.int64 and np.array_equal(labels, expected)


def write_csv(path, **columns):
    path.write_text(
        "\n".join([",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values()))])
        + "\n"
    )
    return path


def torch_file(path, content, protocol=2, old=False, compression=zipfile.ZIP_STORED, **files):
    """Write a dictionary of NumPy arrays as torch.save does: a zip with a pickle in its folder."""
    data = content if isinstance(content, bytes) else pickle.dumps(content, protocol)
    if old:  # as NumPy 1 named it
        data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in {
            "data.pkl": data,
            "byteorder": b"little",
            **files,
            "version": b"3\n",
        }.items():
            archive.writestr(f"{path.stem}/{name}", part)
    return path


CIFAR_N = {
    "clean_label": TRUE,
    "aggre_label": NOISY,
    "worse_label": NOISY[::-1].copy(),
    "random_label1": TRUE,
}


@contextlib.contextmanager
def stand_in():
    """Return a torch whose tensors pickle like the real ones."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.LongStorage = type("LongStorage", (), {"__module__": "torch"})
    exec("def _rebuild_tensor_v2(*_): pass", utils.__dict__)
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    before = dict(sys.modules)
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield torch, utils._rebuild_tensor_v2
    finally:
        for name in ("torch", "torch._utils"):
            del sys.modules[name]
        sys.modules.update(before)


def tensor_pickle(**tensors):
    """Return the data.pkl of tensors, each a tuple (storage name, offset, size, stride)."""
    with stand_in() as (torch, rebuild):

        class Storage(str):
            pass

        class Tensor(tuple):
            def __reduce__(self):
                key, *rest = self
                return rebuild, (Storage(key), *rest, False, OrderedDict())

        class Pickler(pickle.Pickler):
            def persistent_id(self, item):
                return (
                    ("storage", torch.LongStorage, str(item), "cpu", N)
                    if type(item) is Storage
                    else None
                )

        Pickler(out := io.BytesIO(), 2).dump(
            {name: Tensor(tensor) for name, tensor in tensors.items()}
        )
    return out.getvalue()
