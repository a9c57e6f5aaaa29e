"""Built-in data sets: valid files and errors; test_fuzz_loaders.py has hostile files."""

import hashlib
import os
import pickle
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from cifar_files import TINY, complaint, contents, python2_pickle, write_tiny
from helpers import ROOT

from noisylabels.data import cifar
from noisylabels.data.cifar import LAYOUTS
from utils import load_dataset

pytestmark = pytest.mark.runs
REAL = ROOT.parent / "shared" / "cifar10" / "unpack.py"

COARSE = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
household_furniture insects large_carnivores large_man-made_outdoor_things
large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates
people reptiles small_mammals trees vehicles_1 vehicles_2
"""


# --------------------------------------------------------------------------------------- good files


def test_digits_have_the_documented_shape():
    data = load_dataset("digits", "no such folder")
    assert (data.name, data.n_classes, data.input_shape) == ("digits", 10, (8, 8, 1))
    assert data.classes == tuple("0123456789")
    assert data.x_train.shape == (1437, 8, 8, 1) and data.x_test.shape == (360, 8, 8, 1)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.dtype == np.uint8 and y.dtype == np.int64 and len(x) == len(y)
        assert x.min() == 0 and x.max() == 255
    shares = [np.bincount(y) / len(y) for y in (data.y_train, data.y_test)]
    assert np.abs(shares[0] - shares[1]).max() < 1 / 360  # stratified


def test_digits_split_is_the_recorded_one():
    """Keep results comparable across versions of scikit-learn."""
    data = load_dataset("digits", "")
    assert data.y_test[:12].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3, 2, 6]
    assert (int(data.x_train.sum()), int(data.x_test.sum())) == (7162982, 1790819)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_published_layout_is_loaded(name, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    _, files = write_tiny(tmp_path, name)
    data, layout = load_dataset(name, str(tmp_path)), TINY[name]
    assert (data.name, data.input_shape, data.classes) == (name, (2, 2, 3), layout.classes)
    for x, y, part in (
        (data.x_train, data.y_train, layout.train),
        (data.x_test, data.y_test, layout.test),
    ):
        rows = np.concatenate([files[file][b"data"] for file in part])
        assert y.tolist() == sum((files[file][layout.labels] for file in part), [])
        assert x.dtype == np.uint8 and y.dtype == np.int64
        assert (
            x.flags.c_contiguous and x.flags.writeable and x.ctypes.data % 64 == 0
        )  # a tensor can share it
        for channel, plane in enumerate(
            np.split(rows, 3, axis=1)
        ):  # all red, then all green, then all blue
            assert np.array_equal(x[..., channel].reshape(len(x), -1), plane)


def test_published_files_have_the_expected_rows():
    assert {name: (sum(x.train.values()), sum(x.test.values())) for name, x in LAYOUTS.items()} == {
        "cifar10": (50_000, 10_000),
        "cifar100": (50_000, 10_000),
    }
    assert {name: (len(x.classes), len(set(x.classes))) for name, x in LAYOUTS.items()} == {
        "cifar10": (10, 10),
        "cifar100": (100, 100),
    }


def test_tiny_file_is_not_accepted_as_published(tmp_path):
    write_tiny(tmp_path, "cifar10")
    assert "data_batch_1: 'data' must be an array of 10000 x 3072" in complaint(tmp_path)


def test_published_meta_files_are_reproduced_exactly():
    """Compare with torchvision's md5 sums."""
    fine, coarse = (
        [name.encode() for name in names] for names in (LAYOUTS["cifar100"].classes, COARSE.split())
    )
    names = [name.encode() for name in LAYOUTS["cifar10"].classes]
    cifar10 = python2_pickle(
        {b"num_cases_per_batch": 10000, b"label_names": names, b"num_vis": 3072}
    )
    cifar100 = python2_pickle({b"fine_label_names": fine, b"coarse_label_names": coarse})
    assert hashlib.md5(cifar10).hexdigest() == "5ff9c542aee3614f3951f8cda6e48888"
    assert hashlib.md5(cifar100).hexdigest() == "7973b15100ade9c7d40fb424638fde48"


@pytest.mark.parametrize("protocol", [3, 4])
def test_files_repickled_by_python_3_load(tiny, tmp_path, protocol):
    folder, files = tiny
    for file, content in files.items():
        (folder / file).write_bytes(pickle.dumps(content, protocol))
    assert load_dataset("cifar10", tmp_path).y_test.tolist() == files["test_batch"][b"labels"]


def test_column_major_arrays_load(tiny, tmp_path):
    folder, files = tiny
    expected = load_dataset("cifar10", tmp_path).x_test
    content = files["test_batch"] | {b"data": np.asfortranarray(files["test_batch"][b"data"])}
    (folder / "test_batch").write_bytes(python2_pickle(content))
    assert np.array_equal(load_dataset("cifar10", tmp_path).x_test, expected)


def test_class_names_come_from_a_complete_meta_file(tiny, tmp_path):
    folder, _ = tiny
    known = TINY["cifar10"].classes

    def classes(content):
        (folder / "batches.meta").write_bytes(python2_pickle(content))
        return load_dataset("cifar10", tmp_path).classes

    own = [b"class %d" % i for i in range(10)]
    assert classes({b"label_names": own}) == tuple(f"class {i}" for i in range(10))
    for names in (
        own[:9],
        [*own, b"one more"],
        [*own[:9], own[0]],
        [*own[:9], 7],
        [*own[:9], b"\xff"],
        [*own[:9], b"a\nb"],
        b"names",
    ):
        assert classes({b"label_names": names}) == known
    assert classes({b"other": own}) == known
    (folder / "batches.meta").unlink()
    assert load_dataset("cifar10", tmp_path).classes == known


def test_importing_utils_loads_no_heavy_library():
    code = (
        "import sys, utils\n"
        "print(sorted({'tensorflow', 'sklearn', 'pandas', 'scipy', 'ssl'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.skipif(not REAL.exists(), reason="the real images are not here")
def test_real_cifar10(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, REAL, folder], check=True, stdout=subprocess.DEVNULL)
    tracemalloc.start()
    data = load_dataset("cifar10", folder)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert data.x_train.shape == (50_000, 32, 32, 3) and data.x_test.shape == (10_000, 32, 32, 3)
    assert np.bincount(data.y_train).tolist() == [5000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    assert 100 < data.x_train.mean() < 140
    assert (
        held < 190e6 and peak < 240e6
    )  # 184 MB of images; while loading one file of 31 MB and its labels, too


# ---------------------------------------------------------------------------------------- bad files


def test_unknown_data_set_name_is_an_error(tmp_path):
    assert "digits, cifar10, cifar100" in complaint(tmp_path, "mnist")


PIXELS = np.zeros((4, 12), np.uint8)
WRONG_CONTENT = {
    "not a dictionary": ([1, 2], "no dictionary"),
    "no data": ({b"labels": [0] * 4}, "'data'"),
    "no labels": ({b"data": PIXELS}, "'labels'"),
    "labels of the other data set": ({b"data": PIXELS, b"fine_labels": [0] * 4}, "'labels'"),
    "data is a list": (
        {b"data": [0] * 48, b"labels": [0] * 4},
        "'data' must be an array of 4 x 12 bytes",
    ),
    "too few rows": ({b"data": PIXELS[:3], b"labels": [0] * 3}, "4 x 12"),
    "too many rows": ({b"data": np.zeros((5, 12), np.uint8), b"labels": [0] * 5}, "4 x 12"),
    "rows too long": ({b"data": np.zeros((4, 13), np.uint8), b"labels": [0] * 4}, "4 x 12"),
    "other rows of as many bytes": (
        {b"data": np.zeros((2, 24), np.uint8), b"labels": [0] * 4},
        "4 x 12",
    ),
    "more rows of as many bytes": (
        {b"data": np.zeros((6, 8), np.uint8), b"labels": [0] * 4},
        "4 x 12",
    ),
    "flat array": ({b"data": np.zeros(48, np.uint8), b"labels": [0] * 4}, "4 x 12"),
    "signed pixels": (
        {b"data": PIXELS.astype(np.int8), b"labels": [0] * 4},
        "other than a uint8 array",
    ),
    "float pixels": (
        {b"data": PIXELS.astype(np.float64), b"labels": [0] * 4},
        "other than a uint8 array",
    ),
    "too few labels": ({b"data": PIXELS, b"labels": [0] * 3}, "a list of 4 labels"),
    "too many labels": ({b"data": PIXELS, b"labels": [0] * 5}, "a list of 4 labels"),
    "label too large": ({b"data": PIXELS, b"labels": [0, 1, 2, 10]}, "between 0 and 9"),
    "label much too large": ({b"data": PIXELS, b"labels": [0, 1, 2, 255]}, "between 0 and 9"),
    "negative label": ({b"data": PIXELS, b"labels": [0, 1, 2, -1]}, "between 0 and 9"),
    "label is text": ({b"data": PIXELS, b"labels": [0, 1, 2, b"3"]}, "between 0 and 9"),
    "labels are an array": (
        {b"data": PIXELS, b"labels": np.zeros((1, 4), np.uint8)},
        "a list of 4 labels",
    ),
}


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_wrong_content_is_named(case, tiny, tmp_path):
    content, expected = WRONG_CONTENT[case]
    path = tiny[0] / "data_batch_1"
    path.write_bytes(python2_pickle(content))
    message = complaint(tmp_path)
    assert str(path) in message and expected in message


def test_every_truncation_is_an_error(tiny, tmp_path):
    path = tiny[0] / "data_batch_2"
    whole = path.read_bytes()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        assert f"{path} is damaged or not in the published layout" in complaint(tmp_path)


def test_pixel_data_must_match_its_shape(tiny, tmp_path):
    path = tiny[0] / "data_batch_1"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"K\x04K\x0c\x86", b"J\x00\x00\x00\x7fJ\x00\x00\x00\x7f\x86"))
    assert "4 x 12" in complaint(tmp_path)
    data = bytes([48]) + contents(TINY["cifar10"])["data_batch_1"][b"data"].tobytes()
    for other in (bytes([47]) + data[1:48], bytes([49]) + data[1:] + b"x"):
        path.write_bytes(whole.replace(data, other))
        assert "4 x 12" in complaint(tmp_path)


@pytest.mark.parametrize(
    "file, limit", [("data_batch_1", 2**20 + 4 * 3328), ("batches.meta", 2**20)]
)
def test_oversized_file_is_an_error(file, limit, tiny, tmp_path):
    """Ignore what follows the end of the pickle."""
    expected, path = load_dataset("cifar10", tmp_path), tiny[0] / file
    path.write_bytes(path.read_bytes().ljust(limit, b"."))
    data = load_dataset("cifar10", tmp_path)
    assert np.array_equal(data.x_train, expected.x_train) and data.classes == expected.classes
    path.write_bytes(path.read_bytes() + b".")
    assert complaint(tmp_path).endswith(f"downloaded again (it is longer than {limit} bytes)")


def test_pickle_with_too_many_steps_is_an_error(tiny, tmp_path):
    (tiny[0] / "data_batch_1").write_bytes(b"\x80\x02" + b"]" * 110_000)
    assert complaint(tmp_path).endswith("(its pickle has more than 100064 steps)")


def test_labels_of_all_classes_and_many_rows_load(tmp_path, monkeypatch):
    monkeypatch.setitem(TINY, "cifar10", replace(TINY["cifar10"], train={"data_batch_1": 300}))
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    folder, files = write_tiny(tmp_path, "cifar10")
    files["data_batch_1"][b"labels"] = [*range(10)] * 30
    (folder / "data_batch_1").write_bytes(python2_pickle(files["data_batch_1"]))
    assert load_dataset("cifar10", tmp_path).y_train.tolist() == [*range(10)] * 30


def test_unreadable_file_is_an_error(tiny, tmp_path):
    path = tiny[0] / "data_batch_1"
    whole = path.read_bytes()
    path.unlink()
    assert f"{path} is missing" in complaint(tmp_path)
    path.mkdir()
    assert f"{path} is missing or not a file" in complaint(tmp_path)
    path.rmdir()
    os.mkfifo(path)  # opening it would wait forever
    assert f"{path} is missing or not a file" in complaint(tmp_path)
    path.unlink()
    path.symlink_to("/proc/self/mem")
    if path.is_file():  # on Linux, where nobody can read its first byte
        assert complaint(tmp_path) == f"cannot read {path}: Input/output error"
    path.unlink()
    path.write_bytes(whole)
    path.chmod(0)
    if not os.access(path, os.R_OK):  # root reads all the same
        assert f"cannot read {path}" in complaint(tmp_path)
