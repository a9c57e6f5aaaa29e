"""Hostile and damaged data files end in UserError or load as a valid data set.

    python -m pytest -m slow tests/data/test_fuzz_loaders.py  # 12,000 mutations, by default 500

The mutations run in a subprocess, this file as a script, with a limited address space.
"""

import gc
import os
import pickle
import pickletools
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from cifar_files import TINY, complaint, write_tiny
from helpers import ROOT
from hostile_pickles import SMALL_BOMBS, attacks

from noisylabels.data import cifar
from noisylabels.errors import UserError
from utils import load_dataset

pytestmark = pytest.mark.runs
MEMORY = 2 * 2**30  # bytes
SECONDS = 10  # for one case; a usual one takes 2 ms


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return the folder of a tiny CIFAR-10 that loads from tmp_path."""
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    return write_tiny(tmp_path, "cifar10")[0]


@pytest.mark.parametrize("file", ["data_batch_1", "batches.meta"])
@pytest.mark.parametrize("attack", attacks("x"))
def test_attacks_are_refused_and_run_nothing(attack, file, tiny, tmp_path):
    witness = tmp_path / "witness"
    path = tiny / file
    path.write_bytes(attacks(witness)[attack])
    message = complaint(tmp_path)
    assert str(path) in message
    assert not witness.exists()


@pytest.mark.parametrize(
    "attack", ["GLOBAL os.system", "STACK_GLOBAL os.system", "INST", "OBJ", "in the data"]
)
def test_attacks_work_with_pickle_itself(attack, tmp_path):
    witness = tmp_path / "witness"
    pickle.loads(attacks(witness)[attack])
    assert witness.exists()


@pytest.mark.slow
@pytest.mark.parametrize("bomb", SMALL_BOMBS)
def test_small_bombs_are_refused_quickly(bomb, tiny, tmp_path):
    """Refuse small files that would use unlimited memory or time."""
    path = tiny / "data_batch_1"
    path.write_bytes(SMALL_BOMBS[bomb])
    tracemalloc.start()
    start = time.monotonic()
    message = complaint(tmp_path)
    gc.collect()
    seconds, (_, peak) = time.monotonic() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(path) in message
    assert seconds < 20 and peak < 50e6


# ---------------------------------------------------------------------------------------- mutations


def run_apart(*arguments):
    """Return what this file prints as a script."""
    command = [sys.executable, __file__, *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.slow
@pytest.mark.parametrize("cases", [500, 12_000])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_mutated_files_load_or_are_refused(name, cases):
    valid, refused = map(int, run_apart("mutations", name, cases).split())
    assert valid + refused == cases
    assert valid > cases / 100 and refused > cases / 2  # the mutations reach both sides


BIG_BOMBS = [
    b"]",
    b"}",
    b"(",
    b"}\x94",
    b"N\x85",
    b"J\xff\xff\xff\x7f\x94",
]  # \x94 keeps each in the memo, too
BIG_BOMBS += [b"U\xff%255d\x94" % 0, b"T\0\1\0\0%256d\x94" % 0]


@pytest.mark.slow
def test_full_size_bombs_are_refused(tmp_path):
    """Write files as large as the largest published one."""
    assert run_apart("bombs", tmp_path).split() == ["refused"] * len(BIG_BOMBS)


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
LENGTHS = [0, 1, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1]


def snippet(rng):
    """Return a few bytes that matter to an unpickler: opcodes, arguments, names, bombs."""
    number = struct.pack("<I", rng.choice(LENGTHS))
    return rng.choice(
        [
            rng.choice(OPCODES),
            rng.choice(OPCODES) + number,
            rng.choice(OPCODES) + number + bytes(4),
            rng.choice(OPCODES) + rng.randbytes(rng.randrange(8)),
            rng.choice([b"r", b"j", b"T", b"B", b"X", b"J"]) + number,
            rng.choice([b"(", b"]", b"}", b")", b"\x85", b"e", b"u", b"0", b"2", b"N"])
            * rng.randrange(1, 2000),
            b"q\x01h\x01\x86" * rng.randrange(1, 100),
            b"cos\nsystem\nU\x01:\x85R",
            b"cnumpy\n" + rng.choice([b"ndarray", b"dtype", b"load", b"array", b"void"]) + b"\n",
            b"cnumpy.core.multiarray\n"
            + rng.choice([b"_reconstruct", b"scalar", b"frombuffer"])
            + b"\n",
            b"cnumpy\ndtype\nU\x02"
            + rng.choice([b"u1", b"O8", b"V9", b"f8", b"M8"])
            + b"K\x00K\x01\x87R",
            b"U\x04data",
            b"U\x06labels",
            pickle.dumps(np.zeros(rng.randrange(9), rng.choice("BbfOU")), rng.randrange(6))[:-1],
        ]
    )


def mutate(data, other, rng):
    """Return `data` with one to four kinds of damage; `other` is a second file to splice from."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(8):
            case 0:  # flip bits
                for _ in range(rng.randrange(1, 6)):
                    if data:
                        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:  # truncate
                del data[at:]
            case 2:  # cut out
                del data[at:to]
            case 3:  # repeat
                data[at:at] = data[at:to]
            case 4:  # splice
                start = rng.randrange(len(other))
                data[at:to] = other[start : start + rng.randrange(200)]
            case 5:  # insert
                data[at:at] = snippet(rng)
            case 6:  # overwrite
                new = snippet(rng)
                data[at : at + len(new)] = new
            case 7:  # begin well, then anything
                data = (
                    data[:at]
                    + b"".join(snippet(rng) for _ in range(rng.randrange(1, 30)))
                    + data[at:]
                )
    return bytes(data)


def mutations(name, cases):
    """Print how many of `cases` mutated tiny files load and how many are refused; fail if anything
    else happens.
    """
    cifar.LAYOUTS = TINY
    cases, layout, rng = int(cases), TINY[name], random.Random(f"{name} {cases}")
    valid = 0
    with tempfile.TemporaryDirectory() as data_dir:
        folder, _ = write_tiny(Path(data_dir), name)
        originals = {file: (folder / file).read_bytes() for file in layout.files}
        for case in range(cases):
            file, other = rng.choice(layout.files), rng.choice(layout.files)
            damaged = mutate(originals[file], originals[other], rng)
            (folder / file).write_bytes(damaged)
            start = time.monotonic()
            try:
                data = load_dataset(name, data_dir)
            except UserError as error:
                assert str(folder / file) in str(error) and len(str(error).splitlines()) == 1, (
                    case,
                    error,
                )
            else:
                valid += 1
                for x, y, rows in (
                    (data.x_train, data.y_train, layout.train),
                    (data.x_test, data.y_test, layout.test),
                ):
                    assert x.shape == (sum(rows.values()), 2, 2, 3) and x.dtype == np.uint8, case
                    assert y.shape == x.shape[:1] and y.dtype == np.int64, case
                    assert y.min() >= 0 and y.max() < data.n_classes, case
                assert len(set(data.classes)) == len(layout.classes), case
            assert time.monotonic() - start < SECONDS, (case, damaged[:200])
            (folder / file).write_bytes(originals[file])
    print(valid, cases - valid)


def bombs(data_dir):
    """Print "refused" for each of BIG_BOMBS, written as CIFAR-100's training file."""
    layout = cifar.LAYOUTS["cifar100"]
    path = Path(data_dir) / layout.folder / "train"
    path.parent.mkdir()
    for bomb in BIG_BOMBS:
        path.write_bytes(bomb * (160_000_000 // len(bomb)))
        start = time.monotonic()
        try:
            load_dataset("cifar100", data_dir)
        except UserError:
            print("refused")
        assert time.monotonic() - start < SECONDS, bomb


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    {"mutations": mutations, "bombs": bombs}[sys.argv[1]](*sys.argv[2:])
