"""Arrays of labels from .npy, .npz, and the .pt of CIFAR-N. No code in them is executed."""

import contextlib
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from noisylabels.data.label_csv import keys_to_read
from noisylabels.data.pickles import Array, Latin1, Tensor, unpickle
from noisylabels.errors import UserError


@contextlib.contextmanager
def damage(problem: str) -> Iterator[None]:
    """Convert errors in the block to a UserError. zipfile and NumPy raise many kinds for damage."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = error if type(error) is pickle.UnpicklingError else type(error).__name__
        raise UserError(f"{problem} ({reason})") from None


def array_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether in Fortran order, and dtype of an npy; ValueError for other files."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("its format is newer")
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read(file)


def read_label_array(
    what: str, open_file: Callable[[], BinaryIO], n: int, longest: int = 1024
) -> np.ndarray:
    """Read whole numbers or text from an npy of shape (n,) or (n, 1).

    Parameters
    ----------
    what : str
        Name of the array, for errors.
    open_file : callable
        Opens the file.
    n : int
        Required number of labels.
    longest : int
        Limit of the bytes per value.

    Raises
    ------
    UserError
        The array is damaged, or has another shape or type. Objects are not read.
    """
    with damage(f"{what} is damaged or not a NumPy array: save it again"), open_file() as file:
        shape, _, dtype = array_header(file)
        if dtype.hasobject:
            raise UserError(
                f"{what} holds Python objects, which are not read: save it with .astype(int) or "
                ".astype(str)"
            )
        if dtype.kind not in "iuUS" or shape not in ((n,), (n, 1)):
            raise UserError(
                f"{what} must hold whole numbers or text, one for each of {n:,} images; it is "
                f"{dtype} of shape {shape}"
            )
        if dtype.itemsize > longest:
            raise UserError(
                f"{what} holds texts of {dtype.itemsize:,} bytes: give at most {longest:,}"
            )
        return np.frombuffer(file.read(n * dtype.itemsize), dtype, n)


def open_npz(path: str | Path) -> tuple[zipfile.ZipFile, list[str]]:
    """Return the zip file of an npz and the names of its arrays; UserError if it is damaged."""
    with damage(f"{path} is damaged or not an npz: save it again with numpy.savez"):
        archive = zipfile.ZipFile(path)
    return archive, [
        name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")
    ]


def _npy(path: Path, key: str, n: int) -> dict[str, np.ndarray]:
    if key:
        raise UserError(f"{path} holds one array without keys: give {path} without #{key}")
    return {"": read_label_array(path, lambda: open(path, "rb"), n)}


def _npz(path: Path, key: str, n: int) -> dict[str, np.ndarray]:
    archive, keys = open_npz(path)
    with archive:
        return {
            name: read_label_array(
                f"{path}: {name}", lambda name=name: archive.open(f"{name}.npy"), n
            )
            for name in keys_to_read(path, key, keys)
        }


def _pt(path: Path, key: str, n: int) -> dict[str, np.ndarray]:
    """Read a file of torch.save: an uncompressed zip with a pickled dictionary of arrays or
    tensors.
    """
    limit = 1000 * n + 2**20  # bytes; CIFAR-10N has 6 arrays of at most 72 bytes per image
    with damage(
        f"{path} is damaged or not a file of torch.save with a dictionary of labels: get it again "
        "or give an npz"
    ):
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: name for name in archive.namelist()}

            def member(name: str) -> bytes:
                info = archive.getinfo(members[name])
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
                    raise ValueError("compressed, or too long")
                return archive.read(info)

            content = unpickle(member("data.pkl"), max_steps=100_000, torch=True)
            if type(content) is not dict:
                raise pickle.UnpicklingError("it holds no dictionary")
            arrays = {
                name.decode(): array
                for name, array in content.items()
                if type(array) in (Array, Tensor)
            }
            found = {
                name: _torch_numbers(arrays[name], member)
                for name in keys_to_read(path, key, arrays)
            }
    for name, values in found.items():
        if values.shape not in ((n,), (n, 1)):
            raise UserError(
                f"{path}: {name} has the shape {values.shape}, but there are {n:,} images: "
                "give a label for each"
            )
    return {name: values.reshape(-1) for name, values in found.items()}


def _torch_numbers(array: Array | Tensor, member: Callable[[str], bytes]) -> np.ndarray:
    """Return the numbers of an array or tensor. `member` reads a file of the zip."""
    if type(array) is Tensor:
        if array.stride not in ((1,), (1, 1)):
            raise ValueError("a view of another tensor")
        numbers = np.frombuffer(member(f"data/{array.storage.key.decode()}"), "<i8")
        return numbers[array.offset : array.offset + array.size[0]].reshape(array.size)
    data = (
        bytes(array.data.text).decode().encode("latin1")
        if type(array.data) is Latin1
        else array.data
    )
    return np.frombuffer(data, "<i8" if array.dtype == "int64" else array.dtype).reshape(
        array.shape
    )


READERS = {".npy": _npy, ".npz": _npz, ".pt": _pt}
