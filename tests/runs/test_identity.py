"""The fingerprint of the data in a run's identity; runs on other data are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from cifar_files import contents, python2_pickle
from helpers import assert_is_one_line, files_in

import INCV
import INCV_main
import Verify_Theory
from noisylabels.data import cifar
from noisylabels.data.dataset import Dataset
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise, load_data, load_noisy_data
from noisylabels.pipeline.plan import plan_selection, plan_theory, plan_training
from utils import load_dataset

SMALL_CIFAR = replace(
    cifar.LAYOUTS["cifar10"], train={"data_batch_1": 60}, test={"test_batch": 20}, image=(3, 8, 8)
)
FLAGS = ["--dataset", "cifar10", "--batch_size", 4]


@pytest.fixture
def write_cifar(tmp_path, monkeypatch):
    """Write a small CIFAR-10 to tmp_path/<name>, changed by change(files); return the flags of a
    call on it.
    """
    monkeypatch.setattr(cifar, "LAYOUTS", {"cifar10": SMALL_CIFAR})

    def write_cifar(name, change=lambda files: None):
        files = contents(SMALL_CIFAR)
        change(files)
        folder = tmp_path / name / SMALL_CIFAR.folder
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(python2_pickle(content))
        return [*FLAGS, "--data_dir", tmp_path / name, "--results_dir", tmp_path / "results"]

    return write_cifar


def change_a_pixel(files):
    files["data_batch_1"][b"data"][0, 0] ^= 1


def selection_of(args):
    return plan_selection(args, load_noisy_data(args)).run


def training_of(args):
    return plan_training(args, load_noisy_data(args), args.method).run


def verification_of(args):
    dataset = load_data(args)
    return plan_theory(args, add_noise(dataset, Noise("sym", 0.5), args.seed)).run


RUNS = [
    (INCV, selection_of, []),
    (INCV_main, training_of, ["--method", "standard"]),
    (Verify_Theory, verification_of, []),
]


def leave(script, run_of, flags, finished=True):
    """Leave a run of these flags, finished or stopped, with empty files in place of its own."""
    args = script.build_parser().parse_args(list(map(str, flags)))
    run = run_of(args)
    with run.session(lambda: {"device": "CPU", "threads": 1}):
        if finished:
            for path in run.outputs:
                path.touch()
            run.finish()
    return run.record_path


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("script, run_of, flags", RUNS)
def test_run_on_other_images_is_refused(
    script, run_of, flags, finished, write_cifar, call, tmp_path, no_tensorflow
):
    """Neither print the first run's result, nor resume its checkpoint."""
    leave(script, run_of, write_cifar("first") + flags, finished)
    before = files_in(tmp_path / "results")
    ended = call(script.__name__, *write_cifar("second", change_a_pixel), *flags)
    assert_is_one_line(
        ended, r"\.json: the images or labels have changed since this run; give .* --overwrite\b"
    )
    assert "found" not in ended.err and files_in(tmp_path / "results") == before
    if finished:
        assert (
            "have changed"
            not in call(script.__name__, *write_cifar("copy of the first"), *flags).err
        )


@pytest.mark.parametrize("script, run_of, flags", RUNS)
def test_run_without_recorded_data_is_refused(
    script, run_of, flags, write_cifar, call, no_tensorflow
):
    flags = write_cifar("first") + flags
    path = leave(script, run_of, flags)
    record = json.loads(path.read_text())
    del record["arguments"]["data"]
    path.write_text(json.dumps(record))
    ended = call(script.__name__, *flags)
    assert_is_one_line(
        ended,
        r"\.json was written by an earlier version that did not record the images .* give .* "
        r"--overwrite\b",
    )


@pytest.mark.parametrize("named", [True, False])
def test_selection_from_other_images_is_refused(named, write_cifar, call, no_tensorflow):
    path = leave(INCV, selection_of, write_cifar("first"))
    csv = path.with_name("cifar10_sym0.5_INCV_results.csv")
    ended = call("INCV_main", *write_cifar("second", change_a_pixel), *["--selection", csv] * named)
    remedy = "another --selection" if named else ".* --overwrite_selection"
    assert_is_one_line(
        ended, rf"INCV\.json: the images or labels have changed since this run; give .* {remedy}$"
    )


@pytest.mark.parametrize(
    "file, key, to",
    [
        ("data_batch_1", b"labels", 1),
        ("test_batch", b"labels", 1),
        ("data_batch_1", b"data", None),
        ("test_batch", b"data", None),
        ("batches.meta", b"label_names", b"ship"),
    ],
)
def test_fingerprint_covers_images_labels_and_class_names(file, key, to, write_cifar):
    def change(files):
        values = files[file][key]
        if to is None:
            values[-1, -1] ^= 1
        else:
            values[0] = b"plane" if to == b"ship" else (values[0] + to) % 10

    first, second, again = (
        load_dataset("cifar10", write_cifar(name, changed)[5]).fingerprint
        for name, changed in (
            ("first", lambda files: None),
            ("second", change),
            ("again", lambda files: None),
        )
    )
    assert len(first) == 16 and first == again != second


def test_arrays_are_hashed_once_and_on_demand(monkeypatch):
    hashed = []
    monkeypatch.setattr(
        "noisylabels.data.dataset.digest_of", lambda *parts: hashed.append(parts) or "a"
    )
    digits = load_dataset("digits")
    assert hashed == [] and digits.fingerprint == digits.fingerprint == "a" and len(hashed) == 1
    assert (
        replace(digits, loaded=digits, given=digits.y_train).fingerprint == "a" and len(hashed) == 1
    )


def test_named_data_sets_are_not_custom_data():
    digits = load_dataset("digits")
    assert not digits.is_custom and Dataset.__dataclass_fields__["is_custom"].default is False


@pytest.mark.parametrize("part", ["x", "y", "x_test", "y_test"])
def test_fingerprint_of_custom_data_covers_the_test_set(part, tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (8, 8, 8), np.uint8),
        "y_train": np.arange(8) % 2,
        "x_test": rng.integers(0, 256, (4, 8, 8), np.uint8),
        "y_test": np.arange(4) % 2,
    }
    path = tmp_path / "pets.npz"

    def fingerprint():
        np.savez(path, **arrays)
        return load_dataset(path, report=str).fingerprint

    first = fingerprint()
    assert first == fingerprint()
    arrays[part if "_" in part else f"{part}_train"].flat[0] ^= 1
    assert first != fingerprint()


@pytest.mark.parametrize("options", [{"trust_labels": True}, {"noisy_labels": "labels.npy"}])
def test_fingerprint_is_of_the_data_as_loaded(options, tmp_path, monkeypatch):
    """Observed labels from a file have a digest of their own in the identity."""
    monkeypatch.chdir(tmp_path)
    np.savez("pets.npz", x=np.arange(640, dtype=np.uint8).reshape(10, 8, 8), y=np.arange(10) % 2)
    np.save("labels.npy", np.arange(10) % 2)
    plain, changed = (load_dataset("./pets.npz", report=str, **more) for more in ({}, options))
    assert changed.loaded is not None and changed.fingerprint == plain.fingerprint
