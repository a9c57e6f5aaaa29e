"""Hostile and damaged label files run no code and use little memory and time."""

import pickle
import random
import time
import tracemalloc

import numpy as np
import pytest
from helpers import mutated
from hostile_pickles import SMALL_BOMBS, attacks
from label_sets import CIFAR_N, NOISY, N, complaint, dataset, tensor_pickle, torch_file

from noisylabels.data.label_files import read_labels
from noisylabels.data.pickles import unpickle
from noisylabels.errors import UserError

pytestmark = pytest.mark.runs


@pytest.mark.parametrize("attack", attacks("x"))
def test_attacks_are_refused_and_run_nothing(attack, tmp_path):
    content = attacks(tmp_path / "witness")[attack]
    message = complaint(torch_file(tmp_path / "own.pt", content))
    assert str(tmp_path / "own.pt") in message and not (tmp_path / "witness").exists()


@pytest.mark.parametrize("bomb", SMALL_BOMBS)
def test_bombs_are_refused_quickly(bomb, tmp_path):
    path = torch_file(tmp_path / "own.pt", SMALL_BOMBS[bomb])
    tracemalloc.start()
    start = time.monotonic()
    complaint(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - start < 100 and peak < 50e6


def test_repeated_encoding_is_refused_quickly(tmp_path):
    """Make each step of the pickle as costly as 200,000 characters allow."""
    text = b"X" + (200_000).to_bytes(4, "little") + b"a" * 200_000 + b"q\x01"
    again = b"c_codecs\nencode\nh\x01X\x06\0\0\0latin1\x86R"
    start = time.monotonic()
    assert "no dictionary" in complaint(
        torch_file(tmp_path / "own.pt", b"\x80\x02" + text + again * 1000 + b".")
    )
    assert time.monotonic() - start < 10


def test_torch_globals_are_refused_in_cifar_files():
    for content in (pickle.dumps({"data": NOISY}, 2), tensor_pickle(data=("0", 0, (N,), (1,)))):
        with pytest.raises(
            pickle.UnpicklingError, match="which no data set needs|other than a uint8 array"
        ):
            unpickle(content, 1000)
        assert list(unpickle(content, 1000, torch=True)) == [b"data"]


def test_mutated_files_load_or_are_refused(tmp_path):
    rng = random.Random(0)
    whole = torch_file(tmp_path / "own.pt", CIFAR_N).read_bytes()
    numpy_rng, valid = np.random.default_rng(0), 0
    for case in range(500):
        (tmp_path / "own.pt").write_bytes(mutated(whole, numpy_rng))
        start = time.monotonic()
        try:
            labels = read_labels(f"{tmp_path}/own.pt#{rng.choice(list(CIFAR_N))}", dataset())
            assert (
                labels.shape == (N,)
                and labels.dtype == np.int64
                and 0 <= labels.min()
                and labels.max() < 4
            ), case
            valid += 1
        except UserError as error:
            assert len(str(error).splitlines()) == 1, case
        assert time.monotonic() - start < 10, case
    assert 0 < valid < 500
