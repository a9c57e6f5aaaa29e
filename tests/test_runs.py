"""Run folders: whole files or none, one process a folder, and nothing believed that does not fit."""
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
from helpers import ROOT, files_in, held, mutated

from noisylabels.errors import UserError
from noisylabels.runs.files import atomic, load_arrays, save_arrays, write_csv, write_json
from noisylabels.runs.folders import run_folder
from noisylabels.runs.record import Run
from noisylabels.theory import Noise

ARGUMENTS = {"dataset": "digits", "epochs": 2, "learning_rate": .1}
ARRAYS = {"state0": np.arange(6.).reshape(2, 3), "training": np.array('[0, "1a", []]')}


def python(code, *arguments):
    """Runs code, in a process that can import the modules here. It prints "ready" when it is."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_folders():
    assert str(run_folder("results", "digits", Noise("sym", .5), 0)) == "results/digits/sym/0.5"
    assert str(run_folder("results", "cifar10", Noise("asym", 1), 3)) == "results/cifar10/asym/1.0/seed3"


# --------------------------------------------------------------------------------------------------------------- files


def test_atomic_replaces_the_old_file_at_the_end(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with atomic(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".csv" and temporary.name.startswith(".")
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


def test_csv_brings_floats_back_exactly(tmp_path):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=100) * 10. ** np.arange(-50, 50), "n": range(100)})
    write_csv(tmp_path / "a.csv", frame)
    assert (pd.read_csv(tmp_path / "a.csv", float_precision="round_trip") == frame).all(axis=None)
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


FULL = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from noisylabels.runs.files import save_arrays, write_csv, write_json
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
def test_a_full_disk_leaves_the_old_file(kind, tmp_path):
    """The limit of a file's size stands for the disk's: to the writer both are an OSError in the middle of a write."""
    (tmp_path / f"old.{kind}").write_text("old")
    out, err = python(FULL, tmp_path, kind).communicate(timeout=60)
    assert err == "" and re.fullmatch(f".*old.{kind}: File too large; mend that or give another --results_dir.*\n", out)
    assert files_in(tmp_path) == {f"old.{kind}": b"old"}


def test_a_folder_that_is_gone_or_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(UserError, match=f"{folder}/a.json: .*; mend that or give another --results_dir"):
            write_json(folder / "a.json", {})
    (tmp_path / "a.json").mkdir()
    with pytest.raises(UserError, match="a.json: Is a directory"):
        write_json(tmp_path / "a.json", {})


# --------------------------------------------------------------------------------------------------------- checkpoints


class Malicious:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_arrays_come_back(tmp_path):
    save_arrays(tmp_path / "a.npz", ARRAYS)
    found = load_arrays(tmp_path / "a.npz")
    assert found.keys() == ARRAYS.keys() and all((found[name] == ARRAYS[name]).all() for name in ARRAYS)
    assert load_arrays(tmp_path / "missing.npz") is None and files_in(tmp_path).keys() == {"a.npz"}


def damaged(kind, path, witness):
    """Writes a file that is no checkpoint."""
    save_arrays(path, ARRAYS)
    good = path.read_bytes()
    if kind == "pickle within":
        np.savez(path, state0=np.array([Malicious(witness)], dtype=object))
    elif kind == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("state0.npy", "w") as member:
            np.lib.format.write_array(member, np.zeros(10_000_000))
    elif kind == "claims a terabyte":
        with zipfile.ZipFile(path, "w") as archive, archive.open("state0.npy", "w") as member:
            np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (2**37,)})
    else:
        path.write_bytes({"truncated": good[:-30], "half": good[:len(good) // 2], "empty": b"",
                          "one bit": flipped(good, len(good) // 3), "garbage": os.urandom(1000),
                          "pickle": pickle.dumps(Malicious(witness)),
                          "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}", "text": b"epoch,loss\n"}[kind])


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 64]) + content[position + 1:]


@pytest.mark.parametrize("kind", ["truncated", "half", "one bit", "empty", "garbage", "pickle", "pickle within", "npy",
                                  "text", "bomb", "claims a terabyte"])
def test_what_is_no_checkpoint_is_named_and_set_aside(kind, tmp_path, capsys):
    path, witness = tmp_path / "INCV_1a.npz", tmp_path / "witness"
    damaged(kind, path, witness)
    content = path.read_bytes()
    assert load_arrays(path) is None
    assert files_in(tmp_path) == {"INCV_1a.npz.unusable": content} and not witness.exists()
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith(f"{path}: it is damaged or no checkpoint") and "starts again" in err


@pytest.mark.parametrize("cases", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutated_checkpoints_are_whole_or_set_aside(cases, tmp_path):
    """A few bytes changed, inserted or lost: what is read is what was written, or nothing is."""
    path, aside = tmp_path / "a.npz", tmp_path / "a.npz.unusable"
    save_arrays(path, ARRAYS)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(cases):
        path.write_bytes(mutated(good, rng))
        found = load_arrays(path)
        assert path.exists() == (found is not None) != aside.exists()
        for name in {*ARRAYS} & {*(found or {})}:                       # a changed name is a missing one
            assert np.array_equal(found[name], ARRAYS[name])
        aside.unlink(missing_ok=True)


def test_a_checkpoint_that_cannot_be_opened_is_no_riddle(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(UserError, match="a.npz: Is a directory; mend that"):
        load_arrays(tmp_path / "a.npz")


# ---------------------------------------------------------------------------------------------------------------- runs


def start(folder, arguments=ARGUMENTS, **keywords):
    return Run(folder, "INCV", arguments, outputs=["a.csv"], **keywords)


def finish(folder, arguments=ARGUMENTS, **keywords):
    """A run from begin to end."""
    run = start(folder, arguments, **keywords)
    with run.session("CPU"):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        (folder / "a.csv").write_text("a")
        run.finish(LP=.9, LR=float("nan"))


def interrupt(folder, arguments=ARGUMENTS, **keywords):
    """A run that ends after its first checkpoint."""
    run = start(folder, arguments, **keywords)
    with pytest.raises(KeyboardInterrupt), run.session("CPU"):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        raise KeyboardInterrupt


def checkpoint(folder):
    return folder / "checkpoints" / "INCV_1a.npz"


def record(folder):
    return json.loads((folder / "INCV.json").read_text())


def test_to_look_at_a_run_writes_nothing(tmp_path):
    assert not start(tmp_path / "new").finished and files_in(tmp_path) == {} and not (tmp_path / "new").exists()


def test_a_finished_run(tmp_path):
    finish(tmp_path)
    assert start(tmp_path).finished
    assert not (tmp_path / "checkpoints").exists()
    found = record(tmp_path)
    assert found["arguments"] == ARGUMENTS and found["finished"] is True and found["results"] == {"LP": .9, "LR": None}
    (session,) = found["sessions"]
    assert session["seconds"] >= 0 and session["hardware"]["device"] == "CPU" and session["hardware"]["cores"] >= 1
    assert session["versions"]["numpy"] == np.__version__ and "git" in session and session["command"] == sys.argv


def test_a_run_without_its_outputs_is_not_finished(tmp_path):
    finish(tmp_path)
    (tmp_path / "a.csv").unlink()
    assert not start(tmp_path).finished


def test_an_interrupted_run_goes_on(tmp_path):
    interrupt(tmp_path)
    assert not start(tmp_path).finished and not record(tmp_path)["finished"]
    interrupt(tmp_path)
    assert checkpoint(tmp_path).exists()
    finish(tmp_path)
    assert [session["seconds"] is None for session in record(tmp_path)["sessions"]] == [True, True, False]


def test_differing_arguments_are_named(tmp_path):
    interrupt(tmp_path)
    before = files_in(tmp_path)
    with pytest.raises(UserError) as error:
        start(tmp_path, {"dataset": "digits", "epochs": 3, "top_k": 1})
    text = one_line(error)
    assert "epochs (found 2, given 3), learning_rate (found 0.1, given None), top_k (found None, given 1)" in text
    assert str(tmp_path / "INCV.json") in text and "--overwrite" in text and "dataset" not in text
    assert files_in(tmp_path) == before


def test_they_are_compared_again_when_the_folder_is_held(tmp_path):
    """Another process may have begun in the meantime."""
    run = start(tmp_path, {**ARGUMENTS, "epochs": 3})
    interrupt(tmp_path)
    with pytest.raises(UserError, match="epochs"), run.session("CPU"):
        raise AssertionError


def test_overwrite_forgets_a_finished_run(tmp_path):
    finish(tmp_path)
    run = start(tmp_path, overwrite=True)
    assert not run.finished
    with run.session("CPU"):
        assert not (tmp_path / "a.csv").exists() and len(record(tmp_path)["sessions"]) == 1


def test_overwrite_forgets_a_run_with_other_arguments(tmp_path):
    interrupt(tmp_path)
    (tmp_path / "a.csv").write_text("of the other")
    with start(tmp_path, {**ARGUMENTS, "epochs": 3}, overwrite=True).session("CPU"):
        assert not checkpoint(tmp_path).exists() and not (tmp_path / "a.csv").exists()
        assert record(tmp_path)["arguments"]["epochs"] == 3


def test_overwrite_goes_on_with_its_own_interrupted_run(tmp_path):
    """So that the same command goes on where it was killed, whatever it is."""
    finish(tmp_path)
    interrupt(tmp_path, overwrite=True)
    with start(tmp_path, overwrite=True).session("CPU"):
        assert checkpoint(tmp_path).exists()


def test_other_runs_in_the_folder_are_left_alone(tmp_path):
    interrupt(tmp_path)
    with Run(tmp_path, "standard_training", ARGUMENTS, overwrite=True).session("CPU"):
        pass
    assert checkpoint(tmp_path).exists()


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b'{"arguments": {}, "sessions": []}',
    b'{"arguments": [], "sessions": [], "finished": true}', b'{"arguments": {}, "sessions": 1, "finished": true}'])
def test_a_foreign_record_is_set_aside_and_checkpoints_with_it(content, tmp_path, capsys):
    """Without a record nobody knows of what arguments a checkpoint is."""
    interrupt(tmp_path)
    (tmp_path / "INCV.json").write_bytes(content)
    run = start(tmp_path)
    assert not run.finished
    with run.session("CPU"):
        assert not checkpoint(tmp_path).exists()
        assert record(tmp_path)["arguments"] == ARGUMENTS
    assert (tmp_path / "INCV.json.unusable").read_bytes() == content
    assert capsys.readouterr().err.count("\n") == 1


def test_what_a_killed_process_was_writing_is_removed(tmp_path):
    interrupt(tmp_path)
    leftovers = [tmp_path / ".a.1.part.csv", tmp_path / ".incv_1.1.part.keras", tmp_path / ".INCV.1.part.json",
                 tmp_path / "checkpoints" / ".INCV_1a.1.part.npz"]
    for path in leftovers:
        path.write_text("half")
    finish(tmp_path)
    assert files_in(tmp_path).keys() == {"a.csv", "INCV.json", ".lock"}


# ---------------------------------------------------------------------------------------------------------------- lock


def test_a_folder_held_by_another_process(tmp_path):
    """The second says who holds it and stops; when the holder is killed the folder is free at once."""
    with held(tmp_path) as holder:
        before = files_in(tmp_path)
        with pytest.raises(UserError) as error, Run(tmp_path, "standard_training", {}).session("CPU"):
            raise AssertionError
        assert re.search(rf"{tmp_path} is in use by process {holder} on \S+ \(INCV\): wait for it", one_line(error))
        assert files_in(tmp_path) == before
    with Run(tmp_path, "standard_training", {}).session("CPU"):
        assert f"process {os.getpid()} " in (tmp_path / ".lock").read_text()


def test_a_folder_is_free_after_a_session_and_after_an_error(tmp_path):
    interrupt(tmp_path)
    finish(tmp_path)
    with Run(tmp_path, "other", {}).session("CPU"):
        pass


WRITER = """
import sys
from pathlib import Path
import numpy as np
from noisylabels.runs.files import save_arrays, write_json
folder, n = Path(sys.argv[1]), 0
print("ready", flush=True)
while True:
    n += 1
    save_arrays(folder / "a.npz", {"x": np.full(200_000, n)})
    write_json(folder / "a.json", [n] * 100_000)
"""


def test_killed_at_any_moment_files_are_whole(tmp_path):
    """SIGKILL into a process that does nothing but write."""
    for pause in np.random.default_rng(0).uniform(.01, .1, 5):
        writer = python(WRITER, tmp_path)
        assert writer.stdout.readline() == "ready\n"
        time.sleep(pause)
        while not (tmp_path / "a.json").exists():
            time.sleep(.01)
        writer.kill()
        writer.communicate()
        x, numbers = load_arrays(tmp_path / "a.npz")["x"], json.loads((tmp_path / "a.json").read_text())
        assert len(x) == 200_000 and len(set(x)) == 1 and len(numbers) == 100_000 and len(set(numbers)) == 1
        assert not list(tmp_path.glob("*.unusable"))
