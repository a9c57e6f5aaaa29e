"""The files of a run are whole or absent, and a damaged checkpoint is set aside."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
from helpers import ARRAYS, ROOT, files_in, mutated

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import atomic, load_arrays, save_arrays, write_csv, write_json

pytestmark = pytest.mark.runs


def python(code, *arguments):
    """Run code in a process that can import the modules here; it prints "ready"."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


# -------------------------------------------------------------------------------------------- files


def test_atomic_replaces_the_old_file_at_the_end(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with atomic(path) as temporary:
        assert (
            temporary.parent == tmp_path
            and temporary.suffix == ".csv"
            and temporary.name.startswith(".")
        )
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert files_in(tmp_path) == {"a.csv": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_leaves_the_old_file_when_the_block_fails(error, tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(error), atomic(tmp_path / "a.csv") as temporary:
        temporary.write_text("new")
        raise error
    assert files_in(tmp_path) == {"a.csv": b"old"}


def test_atomic_write_removes_leftovers_but_nothing_in_progress(
    tmp_path,
):
    for name, age in (
        (".a[1].7.part.csv", 3700),
        (".a[1].8.part.csv", 3500),
        (".a1.7.part.csv", 3700),
        (".a[1]b.7.part.csv", 3700),
        (".a[1].7.part.md", 3700),
    ):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, 2 * (time.time() - age,))
    write_csv(tmp_path / "a[1].csv", pd.DataFrame({"n": [1]}))
    assert set(files_in(tmp_path)) == {
        "a[1].csv",
        ".a[1].8.part.csv",
        ".a1.7.part.csv",
        ".a[1]b.7.part.csv",
        ".a[1].7.part.md",
    }


def test_csv_restores_floats_exactly(tmp_path):
    frame = pd.DataFrame(
        {
            "x": np.random.default_rng(0).normal(size=100) * 10.0 ** np.arange(-50, 50),
            "n": range(100),
        }
    )
    write_csv(tmp_path / "a.csv", frame)
    assert (pd.read_csv(tmp_path / "a.csv", float_precision="round_trip") == frame).all(axis=None)
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


def test_json_is_indented(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "x": [\n    1\n  ]\n}\n'


FULL = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from noisylabels.runs.atomic_io import save_arrays, write_csv, write_json
from noisylabels.errors import UserError
folder, kind = Path(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    if kind == "csv":
        write_csv(folder / "old.csv", pd.DataFrame({"x": np.random.rand(10_000)}))
    elif kind == "json":
        write_json(folder / "old.json", {"x": "y" * 30_000})
    else:
        save_arrays(folder / "old.npz", {"x": np.random.rand(10_000)})
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["csv", "json", "npz"])
def test_full_disk_leaves_the_old_file(kind, tmp_path):
    """Limit the file size to simulate a full disk; both raise OSError during a write."""
    (tmp_path / f"old.{kind}").write_text("old")
    out, err = python(FULL, tmp_path, kind).communicate(timeout=60)
    assert err == "" and re.fullmatch(
        f".*old.{kind}: File too large; fix that or write elsewhere.*\n", out
    )
    assert files_in(tmp_path) == {f"old.{kind}": b"old"}


def test_missing_folder_or_file_in_its_place_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(UserError, match=f"{folder}/a.json: .*; fix that or write elsewhere"):
            write_json(folder / "a.json", {})
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match="a.json is a device or a folder"):
        write_json(tmp_path / "a.json", {})


def test_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(
            UserError,
            match=f"{name} is a device or a folder, not a file; .* write elsewhere",
        ):
            write_json(tmp_path / name, {})
    assert (
        (tmp_path / "pipe").is_fifo()
        and (tmp_path / "link").is_symlink()
        and len(files_in(tmp_path)) == 0
    )


WRITER = """
import sys
from pathlib import Path
import numpy as np
from noisylabels.runs.atomic_io import save_arrays, write_json
folder, n = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    n += 1
    save_arrays(folder / "a.npz", {"x": np.full(200_000, n)})
    write_json(folder / "a.json", [n] * 100_000)
"""


def test_files_are_whole_after_sigkill(tmp_path):
    """Kill a process that only writes."""
    for pause in np.random.default_rng(0).uniform(0.01, 0.1, 5):
        writer = python(WRITER, tmp_path)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause)
        while not (tmp_path / "a.json").exists():
            time.sleep(0.01)
        writer.kill()
        writer.communicate()
        x, numbers = (
            load_arrays(tmp_path / "a.npz")["x"],
            json.loads((tmp_path / "a.json").read_text()),
        )
        assert (
            len(x) == 200_000
            and len(set(x)) == 1
            and len(numbers) == 100_000
            and len(set(numbers)) == 1
        )
        assert not list(tmp_path.glob("*.unusable"))


# -------------------------------------------------------------------------------------- checkpoints


class Malicious:
    """Create a file when this object is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_arrays_are_restored(tmp_path):
    save_arrays(tmp_path / "a.npz", ARRAYS)
    found = load_arrays(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys() and all(
        (found[name] == ARRAYS[name]).all() for name in ARRAYS
    )
    assert load_arrays(tmp_path / "missing.npz") is None and files_in(tmp_path).keys() == {"a.npz"}


def damaged(kind, path, witness):
    """Write a file that is no checkpoint."""
    save_arrays(path, ARRAYS)
    good = path.read_bytes()
    if kind == "pickle within":
        np.savez(path, state0=np.array([Malicious(witness)], dtype=object))
    elif kind == "bomb":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("state0.npy", "w") as member,
        ):
            np.lib.format.write_array(member, np.zeros(10_000_000))
    elif kind == "claims a terabyte":
        with zipfile.ZipFile(path, "w") as archive, archive.open("state0.npy", "w") as member:
            np.lib.format.write_array_header_1_0(
                member, {"descr": "<f8", "fortran_order": False, "shape": (2**37,)}
            )
    else:
        path.write_bytes(
            {
                "truncated": good[:-30],
                "half": good[: len(good) // 2],
                "empty": b"",
                "one bit": flipped(good, len(good) // 3),
                "garbage": os.urandom(1000),
                "pickle": pickle.dumps(Malicious(witness)),
                "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}",
                "text": b"epoch,loss\n",
            }[kind]
        )


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 64]) + content[position + 1 :]


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "half",
        "one bit",
        "empty",
        "garbage",
        "pickle",
        "pickle within",
        "npy",
        "text",
        "bomb",
        "claims a terabyte",
    ],
)
def test_invalid_checkpoint_is_named_and_set_aside(kind, tmp_path, capsys):
    path, witness = tmp_path / "INCV_1a.npz", tmp_path / "witness"
    damaged(kind, path, witness)
    content = path.read_bytes()
    assert load_arrays(path) is None
    assert files_in(tmp_path) == {"INCV_1a.npz.unusable": content} and not witness.exists()
    err = capsys.readouterr().err
    assert (
        err.count("\n") == 1
        and err.startswith(f"{path}: it is damaged or no checkpoint")
        and "starts again" in err
    )


@pytest.mark.parametrize("cases", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_checkpoint_is_whole_or_set_aside(cases, tmp_path):
    path, aside = tmp_path / "a.npz", tmp_path / "a.npz.unusable"
    save_arrays(path, ARRAYS)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(cases):
        path.write_bytes(mutated(good, rng))
        found = load_arrays(path)
        assert path.exists() == (found is not None) != aside.exists()
        for name in {*ARRAYS} & {*(found or {})}:  # a changed name is a missing one
            assert np.array_equal(found[name], ARRAYS[name])
        aside.unlink(missing_ok=True)


def test_unreadable_checkpoint_is_one_clear_error(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(UserError, match="a.npz: Is a directory; fix that"):
        load_arrays(tmp_path / "a.npz")
