"""Fixtures: a script called in this process, or run to its end once for all tests that look at its files."""
import functools
import sys

import pytest
from helpers import NO_NETWORK, QUICK, TINY, Ended, shell, write_tiny

from noisylabels import cli
from noisylabels.data import cifar


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


@pytest.fixture
def unstarted(monkeypatch):
    """Scripts called in this process leave its TensorFlow as it is."""
    for module in ("training.device", "selection.networks"):
        monkeypatch.setattr(f"noisylabels.{module}.start_tensorflow", lambda *_: "CPU")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The results folder of a script's quick run, and how the call ended: finished(script). To be looked at only."""
    @functools.cache
    def finished(script):
        folder = tmp_path_factory.mktemp(script)
        return folder, shell(script, *QUICK[script], "--results_dir", folder)
    return finished


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The folder and contents of a tiny CIFAR-10, with the loader told of its size; load it from tmp_path."""
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    return write_tiny(tmp_path, "cifar10")
