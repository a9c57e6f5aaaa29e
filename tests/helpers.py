"""Shared helpers: call the scripts as users do, read their files, write small results."""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from noisylabels.selection.algorithm import Scores

ROOT = Path(__file__).resolve().parent.parent
SMALL = ["--architecture", "MLP", "--batch_size", "128", "--threads", "1"]
SELECTING = [*SMALL, "--INCV_epochs", "5", "--INCV_iter", "2", "--parallel_halves", "off"]
QUICK = {  # settings for whole runs of the scripts: seconds, after TensorFlow's start
    "INCV": [*SELECTING[:-1], "on"],
    "INCV_main": [*SELECTING, "--epochs", "12"],
    "Verify_Theory": [*SMALL, "--epochs", "8", "--noise_ratio", "0.2", "0.5"],
}
SCRIPTS = tuple(QUICK)
EPOCH_COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "steps")  # of every training log
RESULT_COLUMNS = ("final", "last", "last10", "last10_epochs", "best", "validated", "steps")
SELECTION = "digits/sym/0.5/digits_sym0.5_INCV_results.csv"  # where INCV writes it, by default
NO_NETWORK = {
    f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")
}  # no proxy listens there
ARRAYS = {
    "state0": np.arange(6.0).reshape(2, 3),
    "training": np.array('[0, "1a", []]'),
}  # a checkpoint


class Ended(NamedTuple):
    """How a call ended."""

    code: int
    out: str
    err: str


def start(script, *arguments, **keywords):
    """Start a script in a process of its own, without network, GPU or written byte code."""
    environment = {
        **os.environ,
        **NO_NETWORK,
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [sys.executable, ROOT / f"{script}.py", *map(str, arguments)],
        env=environment,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **keywords},
    )


def end(process, timeout):
    """Wait for a process, and end it after the timeout."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Ended(process.returncode, out, err)


def run_command(script, *arguments):
    """Run a script that ends within seconds; return what subprocess.run returns."""
    return subprocess.run(
        [sys.executable, ROOT / script, *map(str, arguments)], capture_output=True, text=True
    )


def shell(script, *arguments, timeout=300, **keywords):
    """Run a script as a user does."""
    return end(start(script, *arguments, **keywords), timeout)


def prepare_calls(patch):
    """Let scripts be called in this process, without network."""
    patch.setattr("noisylabels.cli.leave_on_signals", lambda line: None)
    patch.setattr("warnings.showwarning", None)  # restores it after cli.main, which sets its own
    for name, value in NO_NETWORK.items():
        patch.setenv(name, value)


def leave_tensorflow(patch):
    """Let scripts called in this process use its TensorFlow, and start no other process."""
    patch.setattr("noisylabels.training.device.start_tensorflow", lambda *_, **__: CPU)
    patch.setattr("noisylabels.selection.processes.Trainers", InThisProcess)


def exit_code(patch, script, arguments):
    """Call a script's main in this process, with arguments as from a shell."""
    patch.setattr(sys, "argv", [f"{script}.py"])
    try:
        __import__(script).main([os.fsdecode(os.fsencode(str(each))) for each in arguments])
    except SystemExit as stop:
        return stop.code
    return 0


def called(script, *arguments):
    """Run a script in this process; for fixtures of a module, where others take `call`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        prepare_calls(patch)
        leave_tensorflow(patch)
        code = exit_code(patch, script, arguments)
    return Ended(code, out.getvalue(), err.getvalue())


def assert_is_one_line(ended, pattern):
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.endswith("\n") and ended.err.count("\n") == 1, ended.err
    assert re.match(r"\w+\.py: error: ", ended.err) and re.search(pattern, ended.err), ended.err


CPU = {"device": "CPU", "threads": 1}  # what a session's start returns
HOLDER = """
import json, sys
from noisylabels.runs.run import Run
run = Run(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
with run.session(dict):
    print("ready", flush=True)
    if sys.stdin.readline():
        run.finish()
"""


@contextlib.contextmanager
def held(folder, name="INCV", arguments=None):
    """Hold a run in another process in the block; yield that process.

    It finishes the run when it reads a line, and is killed at the end.
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder, name, json.dumps(arguments or {})],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "ready\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


class InThisProcess(contextlib.AbstractContextManager):
    """Train the folds in this process, one after the other, instead of in child processes."""

    def __init__(self, experiment, run, progress=None):
        self.experiment, self.run = experiment, run

    def start(self):
        from noisylabels.selection.fold_trainer import FoldTrainer

        self.trainer = FoldTrainer(self.experiment, self.run, lambda event: None)
        return CPU

    def train(self, folds, use_best):
        return [self.trainer.train(*fold, use_best) for fold in folds]

    def __exit__(self, *_):
        pass


class Halves(InThisProcess):
    """Select half of the held-out digits without networks."""

    def start(self):
        return CPU

    def train(self, folds, use_best):
        return [(Scores(held % 2 == 0, held / 1437, 0, 0, 0), []) for _, _, held in folds]


def processes(folder):
    """Return the ids of all processes that write to a folder, children included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def assert_all_have_ended(folder):
    """Assert that all have ended within seconds, since a killed process needs a while."""
    deadline = time.monotonic() + 10
    while left := processes(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def files_in(folder):
    """Return {relative path: content} of all files in a folder and its subfolders."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def record_of(folder, name):
    return json.loads((folder / "digits/sym/0.5" / f"{name}.json").read_text())


def weights(content):
    """Return {path in the file: bytes} of a network that Keras saved."""
    import h5py

    arrays = {}
    with h5py.File(
        io.BytesIO(zipfile.ZipFile(io.BytesIO(content)).read("model.weights.h5"))
    ) as file:
        file.visititems(
            lambda path, item: arrays.update(
                {path: item[()].tobytes()} if hasattr(item, "dtype") else {}
            )
        )
    return arrays


def results_in(folder):
    """Return `files_in` without what may differ between runs of the same arguments.

    That is times, sessions, revision, runs.md, digests of networks (which contain the date), locks
    and temporary figures.
    """

    def timeless(path, content):
        if path.endswith(".csv"):
            frame = pd.read_csv(io.BytesIO(content), dtype=str)
            return frame.drop(columns=["seconds", "git"], errors="ignore").to_csv()
        if path.endswith(".json") and isinstance(json.loads(content), dict):
            return {
                name: value
                for name, value in json.loads(content).items()
                if name not in ("sessions", "files")
            }
        if path.endswith(".keras"):
            return weights(content)
        return content

    return {
        path: timeless(path, content)
        for path, content in files_in(folder).items()
        if not path.endswith((".lock", ".part.png", "runs.md"))
    }


def mutated(content, rng):
    """Return bytes with a few of them changed, inserted or removed."""
    content = bytearray(content)
    for position in rng.integers(len(content), size=rng.integers(1, 4)):
        content[position] = rng.integers(256)
    start, lost, new = (
        rng.integers(len(content)),
        rng.integers(3),
        rng.integers(256, size=rng.integers(3)),
    )
    content[start : start + lost] = new.astype(np.uint8).tobytes()
    return bytes(content)


def names(paths):
    return [path.name for path in paths]
