"""Calling the scripts: as a user does, in a process of their own, or in this one where they end before TensorFlow."""
import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import cli

ROOT = Path(__file__).resolve().parent.parent
SMALL = ["--architecture", "MLP", "--batch_size", "128"]
QUICK = {                               # settings for whole runs of the scripts: seconds, after TensorFlow's start
    "INCV": [*SMALL, "--INCV_epochs", "5", "--INCV_iter", "2"],
    "INCV_main": [*SMALL, "--INCV_epochs", "5", "--INCV_iter", "2", "--epochs", "8"],
    "Verify_Theory": [*SMALL, "--epochs", "8", "--noise_ratio", "0.2", "0.5"],
}
SCRIPTS = tuple(QUICK)
NO_NETWORK = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}      # nobody listens there


class Ended(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


def start(script, *arguments, **keywords):
    """Starts a script in a process of its own: without network, GPU, or byte code that is written."""
    environment = {**os.environ, **NO_NETWORK, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, ROOT / f"{script}.py", *map(str, arguments)], env=environment, text=True,
                            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords})


def end(process, timeout):
    """Waits for it, and ends it if it takes longer."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def shell(script, *arguments, timeout=300, **keywords):
    """Calls a script as a user does."""
    return end(start(script, *arguments, **keywords), timeout)


@pytest.fixture
def call(monkeypatch, capsys):
    """Calls a script's main in this process, with the same result as `shell`."""
    monkeypatch.setattr(cli, "leave_on_signals", lambda prog: None)
    monkeypatch.setattr("warnings.showwarning", None)           # cli.main sets its own: this brings the old one back
    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)

    def call(script, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{script}.py"])
        code = 0
        try:
            __import__(script).main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        return Ended(code, *capsys.readouterr())
    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The results folder of a script's quick run, and how the call ended: finished(script). To be looked at only."""
    @functools.cache
    def finished(script):
        folder = tmp_path_factory.mktemp(script)
        return folder, shell(script, *QUICK[script], "--results_dir", folder)
    return finished


HOLDER = """
import sys, time
from runs import Run
with Run(sys.argv[1], "INCV", {}).session("CPU"):
    print("ready", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def held(folder):
    """A run folder while another process holds it: yields its id; in the end it is killed."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


def files_in(folder):
    """{path relative to folder: content} of all files beneath it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def weights(content):
    """{path in the file: bytes} of a network as Keras saves it, in an HDF5 file within a zip."""
    import h5py

    arrays = {}
    with h5py.File(io.BytesIO(zipfile.ZipFile(io.BytesIO(content)).read("model.weights.h5"))) as file:
        file.visititems(lambda path, item: arrays.update({path: item[()].tobytes()} if hasattr(item, "dtype") else {}))
    return arrays


def results_in(folder):
    """`files_in`, without what may differ between two runs of the same arguments.

    That is times, sessions, locks, and the pictures that a killed process was drawing.
    """
    def timeless(path, content):
        if path.endswith(".csv"):
            return pd.read_csv(io.BytesIO(content), dtype=str).drop(columns="seconds", errors="ignore").to_csv()
        if path.endswith(".json"):
            return {name: value for name, value in json.loads(content).items() if name != "sessions"}
        if path.endswith(".keras"):
            return weights(content)
        return content
    return {path: timeless(path, content) for path, content in files_in(folder).items()
            if not path.endswith((".lock", ".part.png"))}


def mutated(content, rng):
    """Bytes with a few of them changed, inserted or lost."""
    content = bytearray(content)
    for position in rng.integers(len(content), size=rng.integers(1, 4)):
        content[position] = rng.integers(256)
    start, lost, new = rng.integers(len(content)), rng.integers(3), rng.integers(256, size=rng.integers(3))
    content[start:start + lost] = new.astype(np.uint8).tobytes()
    return bytes(content)
