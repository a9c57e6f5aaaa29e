"""Fixtures: scripts in this process or run once for all tests, a server, small results."""

import functools
import hashlib
import http.server
import json
import os
import sys
import threading
from types import SimpleNamespace

import pytest
from archives import Handler, archive, published
from cifar_files import TINY, write_tiny
from filelock import FileLock
from helpers import (
    CPU,
    QUICK,
    Ended,
    Halves,
    exit_code,
    leave_tensorflow,
    prepare_calls,
    shell,
)
from matplotlib.figure import Figure

# One thread each: two processes test at a time, and results are those of --threads 1.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# Some tests import TensorFlow before training/device.py sets this.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from noisylabels.data import cifar, download
from noisylabels.errors import UserError


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests that wait for whole runs, and put the files of long tests first."""
    for item in items:
        if "finished" in item.fixturenames or "real_cifar10" in item.name:
            item.add_marker(pytest.mark.runs)
    first = {item.path for item in items if item.get_closest_marker("runs")}
    items.sort(key=lambda item: item.path not in first)


@pytest.fixture(scope="session", autouse=True)
def no_pretrained_weights(tmp_path_factory):
    """Let Keras find no pretrained weights, whatever this user has downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Let scripts called in this process draw nothing, to save time."""
    for name in ("summary", "selection_files", "training_figures", "verify_figures"):
        monkeypatch.setattr(f"noisylabels.report.draw.{name}", lambda *_: [])


@pytest.fixture
def without_figures(monkeypatch):
    """Let the report write its tables without figures."""
    names = "theory_curves heat_maps iterations training test_accuracy selection".split()
    empty = SimpleNamespace(**dict.fromkeys(names, lambda *_: Figure()))
    monkeypatch.setattr("noisylabels.report.draw.figures", empty)
    monkeypatch.setattr(
        "noisylabels.report.outputs.save_figure", lambda figure, path: path.touch() or path
    )


@pytest.fixture
def call(monkeypatch, capsys):
    """Return a function that calls a script's main in this process, with the result of `shell`."""
    prepare_calls(monkeypatch)
    return lambda script, *arguments: Ended(
        exit_code(monkeypatch, script, arguments), *capsys.readouterr()
    )


@pytest.fixture
def unstarted(monkeypatch):
    """Let scripts called in this process use its TensorFlow, and start no other process."""
    leave_tensorflow(monkeypatch)


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Forbid the import of TensorFlow, and processes that import it."""
    for module in ("training.trainer", "pipeline.train", "pipeline.verify"):
        monkeypatch.setitem(sys.modules, f"noisylabels.{module}", None)
    monkeypatch.delattr("noisylabels.selection.processes.Trainers.start")


@pytest.fixture
def select(call, tmp_path, monkeypatch):
    """Call INCV.py with these flags, without networks."""

    def select(*flags, results_dir=tmp_path):
        monkeypatch.setattr("noisylabels.selection.processes.Trainers", Halves)
        ended = call("INCV", *flags, "--results_dir", results_dir)
        assert (ended.code, ended.err) == (0, "")

    return select


@pytest.fixture
def train(call, tmp_path, monkeypatch):
    """Call INCV_main.py until it selects or builds its networks.

    Return how it ended, and ("selection", its Experiment) or ("training", the method's inputs).
    """
    from noisylabels.training import device

    begun, told = [], []

    def select(experiment, *_):
        begun.append(("selection", experiment))
        raise UserError("stop")

    def build(method, inputs, *_, **__):
        begun.append(("training", inputs))
        return SimpleNamespace(
            lr_schedule=None, held_out=[], exclude=lambda _: None, prepare=lambda *_: None
        )

    def stop(method, is_clean, augmentation, learning_rate, jit_compile, on_event):
        told.append((augmentation, learning_rate, jit_compile))
        raise UserError("stop")

    monkeypatch.setattr("INCV_main.select", select)
    monkeypatch.setattr(
        device, "start_tensorflow", lambda *how, **more: told.append((*how, *more.values())) or CPU
    )
    monkeypatch.setattr("noisylabels.pipeline.train.build_method", build)
    monkeypatch.setattr("noisylabels.pipeline.train.Trainer", stop)

    def train(*flags):
        begun.clear(), told.clear()
        ended = call("INCV_main", *flags, "--results_dir", tmp_path)
        return ended, *(begun or [None])

    train.told = told
    return train


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return the results folder of a script's quick run, and how the call ended; read only.

    The first of several test processes that needs it runs the script.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    @functools.cache
    def finished(script):
        folder, how = shared / script, shared / f"{script}.json"
        with FileLock(shared / f"{script}.lock"):
            if not how.exists():
                how.write_text(json.dumps(shell(script, *QUICK[script], "--results_dir", folder)))
        return folder, Ended(*json.loads(how.read_text()))

    return finished


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return folder and contents of a tiny CIFAR-10 that loads from tmp_path."""
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    return write_tiny(tmp_path, "cifar10")


@pytest.fixture
def server(monkeypatch):
    """Start a local server; serve(payload) makes it the home of cifar10.

    `true` is the archive that the loader expects.
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.breaks, server.status = [], [], 200
        server.hold = threading.Event()  # what the bodies wait for
        server.hold.set()

        def serve(payload, true=None):
            server.payload, true = payload, true or payload
            url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
            entry = cifar.Archive(url, len(true), hashlib.sha256(true).hexdigest())
            monkeypatch.setitem(cifar.ARCHIVES, "cifar10", entry)

        server.serve = serve
        serve(archive(published()))
        monkeypatch.setattr(cifar, "LAYOUTS", TINY)
        monkeypatch.setattr(download, "RETRIES", 0)  # each waits for seconds
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
