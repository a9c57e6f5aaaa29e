"""Labels from files: npy, npz, CSV, and the `.pt` of CIFAR-N. They are read without running anything from them."""
import contextlib
import csv
import os
import pickle
import unicodedata
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.data.pickles import Array, Latin1, Tensor, unpickle
from noisylabels.errors import UserError

TRUE = "clean_label"        # the key under which a file of noisy labels repeats the true ones
MAX_CLASSES = 1000


class Table(NamedTuple):
    """Columns of a CSV as text, without white space around it, and the line in the file that each row ends in."""

    columns: dict           # name -> list of str
    lines: list


def read_labels(spec, dataset):
    """The observed labels of a data set's training images from `spec`, FILE or FILE#KEY: int64 (n,) class indices.

    KEY is the column of a CSV, or the array of an npz or pt; without one the file must hold a single one beside
    `clean_label`. Where all classes are called by whole numbers, a whole number is a class's name, elsewhere its index;
    text is a name, or an index where no class is called so. Raises UserError: a file that is missing, damaged or of
    another kind; a key that is missing, or that several would fit; not one label for each image; a label that is no
    class; a `clean_label` that differs from the data set's true labels, where those are known.
    """
    spec = str(spec)
    file, _, key = (spec, "", "") if os.path.exists(spec) else spec.rpartition("#") if "#" in spec else (spec, "", "")
    path = Path(file)
    read = {".npy": _npy, ".npz": _npz, ".csv": _csv, ".pt": _pt}.get(path.suffix.lower())
    if read is None:
        raise UserError(f"{path} holds no labels that can be read: give a .npy, .csv, .npz or .pt")
    if not path.is_file():
        raise UserError(f"{path} is missing or no file: give the file of the labels, and #KEY behind it if it has keys")
    found = read(path, key, len(dataset.x_train))
    labels = {name: _indices(f"{path}: {name}" if name else path, values, dataset) for name, values in found.items()}
    if TRUE in labels and dataset.y_train is not None:
        differ = np.flatnonzero(labels[TRUE] != dataset.y_train)
        if len(differ):
            raise UserError(f"{path}: {TRUE} differs from the labels of {dataset.name} at {len(differ):,} images, "
                            f"first at index {differ[0]}: it is of another data set or in another order; give its own")
    return next(iter(labels.values()))


def _keys(path, key, keys):
    """What to read: `key`, or the only one of `keys` where it is empty; and clean_label, where that is there.

    Raises UserError, with the list of `keys`, where it is not there, or not the only one.
    """
    fit = [name for name in keys if name != TRUE]
    if key in keys or (not key and len(fit) == 1):
        return list(dict.fromkeys([key or fit[0], *{TRUE}.intersection(keys)]))
    problem = f"has no {key!r}" if key else "holds several" if fit else "holds no labels"
    raise UserError(f"{path} {problem}: give {path}#KEY with KEY one of {listed(keys)}")


def listed(names):
    """Up to twenty names in one line, for an error."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in list(names)[:20])
    return (shown or "(there is none)") + (f" and {len(names) - 20:,} more" if len(names) > 20 else "")


def read_table(path, choose):
    """The columns of a CSV that `choose` (a function of the list of all columns' names) returns, as a Table.

    All is text, nothing becomes a number or is taken for a missing value. Empty lines are passed over. Raises UserError
    for a file that is missing, no CSV in UTF-8, or has rows longer or shorter than its first line.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip() for name in next(rows, [])]
            if len(set(header)) < len(header):
                raise UserError(f"{path} has two columns of one name in {listed(header)}: rename one")
            names, lines = choose(header), []
            chosen = [(header.index(name), []) for name in names]
            for row in rows:
                if not row:
                    continue
                if len(row) != len(header):
                    raise UserError(f"{path}, line {rows.line_num}: {len(row)} fields where the first line has "
                                    f"{len(header)}; add what is missing, or put what has commas in double quotes")
                lines.append(rows.line_num)
                for column, values in chosen:
                    values.append(row[column].strip())
    except UnicodeDecodeError:
        raise UserError(f"{path} is not encoded in UTF-8: save it so") from None
    except csv.Error as error:
        raise UserError(f"{path}, line {rows.line_num}: it is no CSV ({error}); mend that line") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return Table(dict(zip(names, (values for _, values in chosen))), lines)


@contextlib.contextmanager
def damage(problem):
    """Turns whatever a damaged file raises within the block into a UserError; zipfile and NumPy raise a dozen kinds."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = error if type(error) is pickle.UnpicklingError else type(error).__name__
        raise UserError(f"{problem} ({reason})") from None


def array_header(file):
    """Shape, whether it is in Fortran order, and dtype of the npy at the start of a binary file. ValueError: no npy."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("its format is newer")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def read_label_array(what, open_file, n):
    """The whole numbers or text of an npy, (n,) or (n, 1), as an array (n,). Objects are not read.

    what: its name, for errors. open_file: a function that opens it. n: how many there must be. Raises UserError.
    """
    with damage(f"{what} is damaged or no array of NumPy: save it anew"), open_file() as file:
        shape, _, dtype = array_header(file)
        if dtype.hasobject:
            raise UserError(f"{what} holds Python objects, which are not read: save it with .astype(int), or (str)")
        if dtype.kind not in "iuUS" or shape not in ((n,), (n, 1)):
            raise UserError(f"{what} must hold whole numbers or text, one for each of {n:,} images; it is {dtype} of "
                            f"shape {shape}")
        if dtype.itemsize > 1024:
            raise UserError(f"{what} holds texts of {dtype.itemsize:,} bytes: give labels")
        return np.frombuffer(file.read(n * dtype.itemsize), dtype, n)


def open_npz(path):
    """The zip file of an npz, and the names of the arrays in it. Raises UserError where it is none."""
    with damage(f"{path} is damaged or no npz: save it anew with numpy.savez"):
        archive = zipfile.ZipFile(path)
    return archive, [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _npy(path, key, n):
    if key:
        raise UserError(f"{path} holds one array without keys: give {path} without #{key}")
    return {"": read_label_array(path, lambda: open(path, "rb"), n)}


def _npz(path, key, n):
    archive, keys = open_npz(path)
    with archive:
        return {name: read_label_array(f"{path}: {name}", lambda name=name: archive.open(f"{name}.npy"), n)
                for name in _keys(path, key, keys)}


def _csv(path, key, n):
    table = read_table(path, lambda header: _keys(path, key, header))
    if len(table.lines) != n:
        raise UserError(f"{path} has {len(table.lines):,} labels beneath its line of names, but there are {n:,} "
                        "images: give one for each, and names in the first line")
    return table.columns


def _pt(path, key, n):
    """Of a torch file: a zip, uncompressed, with the pickle of a dictionary of arrays or tensors in it."""
    limit = 1000 * n + 2**20                                # bytes; CIFAR-10N's has 6 arrays, 72 bytes an image at most
    with damage(f"{path} is damaged, or no file of torch.save with a dictionary of labels: get it anew or give an npz"):
        with zipfile.ZipFile(path) as archive:
            members = {name.partition("/")[2]: name for name in archive.namelist()}

            def member(name):
                info = archive.getinfo(members[name])
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
                    raise ValueError("compressed, or too long")
                return archive.read(info)

            content = unpickle(member("data.pkl"), max_steps=100_000, torch=True)
            if type(content) is not dict:
                raise pickle.UnpicklingError("it holds no dictionary")
            arrays = {name.decode(): array for name, array in content.items() if type(array) in (Array, Tensor)}
            found = {name: _torch_numbers(arrays[name], member) for name in _keys(path, key, arrays)}
    for name, values in found.items():
        if values.shape not in ((n,), (n, 1)):
            raise UserError(f"{path}: {name} has the shape {values.shape}, but there are {n:,} images: "
                            "give a label for each")
    return found


def _torch_numbers(array, member):
    """The numbers of an Array or Tensor. member: a function that reads a file of the zip. Errors are of many kinds."""
    if type(array) is Tensor:
        if array.stride not in ((1,), (1, 1)):
            raise ValueError("a view of another tensor")
        numbers = np.frombuffer(member(f"data/{array.storage.key.decode()}"), "<i8")
        return numbers[array.offset:array.offset + array.size[0]].reshape(array.size)
    data = bytes(array.data.text).decode().encode("latin1") if type(array.data) is Latin1 else array.data
    return np.frombuffer(data, "<i8" if array.dtype == "int64" else array.dtype).reshape(array.shape)


def _indices(what, values, dataset):
    """Class indices int64 (n,) of labels: whole numbers or text, an array or a list."""
    classes, c = {name: k for k, name in enumerate(dataset.classes)}, dataset.n_classes
    numbers = [whole_number(name) for name in classes]
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        present, inverse = np.unique(values.reshape(-1), return_inverse=True)
        present, names = present.tolist(), all(name == str(number) for name, number in zip(classes, numbers))
    else:
        present, inverse = distinct(label_texts(what, values))
        names = any(number is not None for number in numbers) or any(whole_number(text) is None for text in present)
    codes = np.array([classes.get(str(label), -1) if names else k if 0 <= (k := int(label)) < c else -1
                      for label in present], np.int64)[inverse]
    bad = np.flatnonzero(codes < 0)
    if len(bad):
        expected = f"one of the classes {listed(dataset.classes)}" if names else f"an index from 0 to {c - 1}"
        raise UserError(f"{what} holds the label {str(present[inverse[bad[0]]])[:80]!a} at index {bad[0]}, which is "
                        f"not {expected}: give labels of {dataset.name}")
    return codes


def distinct(texts):
    """The different ones of a list of str, sorted, and for each of the list its place among them, int64 (n,)."""
    present = sorted(set(texts))
    rank = {text: k for k, text in enumerate(present)}
    return present, np.fromiter((rank[text] for text in texts), np.int64, len(texts))


def whole_number(text):
    """The int that a text is, such as -3 or 012; None where it is none."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None


def label_texts(what, values):
    """Labels, an array (n,) of whole numbers or text or a list of str, as a list of str. UserError: not in UTF-8."""
    try:
        values = values.tolist() if isinstance(values, np.ndarray) else values
        return [(value.decode() if isinstance(value, bytes) else str(value)).strip() for value in values]
    except UnicodeDecodeError:
        raise UserError(f"{what} holds text that is not encoded in UTF-8: save it with .astype(str)") from None


def class_codes(path, labels, truth):
    """The classes in their order, and the labels and the true labels as indices of them, int64 (n,).

    labels, truth: list of str, the latter None where it is not known, and then None comes back. The order is Python's
    of strings, or that of whole numbers where all classes are called by one. path: for errors. Raises UserError for a
    class whose name cannot be shown, fewer than two, and more than MAX_CLASSES.
    """
    present, codes = distinct(labels + (truth or []))
    for name in present:
        if not name or any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise UserError(f"{path}: the class {name[:80]!a} has no name, or a line break or another character in it "
                            "that cannot be shown: rename it")
    if len(present) < 2:
        raise UserError(f"{path} has one class alone, {listed(present)}: give images of two or more, and in a folder "
                        "those of each in a folder of its own at the top")
    if len(present) > MAX_CLASSES:
        raise UserError(f"{path} has {len(present):,} classes, such as {listed(present[:3])}, more than "
                        f"{MAX_CLASSES:,}: give the folder or column that holds the labels")
    numbers, order = [whole_number(name) for name in present], np.arange(len(present))
    if None not in numbers:
        order = np.array(sorted(order, key=numbers.__getitem__))
    codes = np.argsort(order)[codes]
    return tuple(present[k] for k in order), codes[:len(labels)], codes[len(labels):] if truth else None
