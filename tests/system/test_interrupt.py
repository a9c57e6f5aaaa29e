"""Signals and standard streams: what ends a script, and missing terminals or readers."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from noisylabels import cli

pytestmark = pytest.mark.runs
SCRIPT = """
import sys, time
from pathlib import Path
from noisylabels import cli
def run(_):
    Path(sys.argv[1]).touch()
    time.sleep(float(sys.argv[2]))
    print("done")
cli.main(cli.Parser("script"), run, [])
"""


LINE = "-c: interrupted; finished epochs are saved, the same command continues from there\n"


def begun(path, seconds, prepare=None, stdout=subprocess.PIPE, **environment):
    """Start a script that works for some seconds, after `prepare` in its process."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, path, str(seconds)],
        cwd=ROOT,
        preexec_fn=prepare,
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )
    wait_for(path, process)
    return process


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


@pytest.mark.parametrize(
    "script",
    ["INCV", "INCV_main", "Verify_Theory", "apply_decisions", "predict", "report", "sweep"],
)
def test_ctrl_c_during_the_imports_is_one_line(script, tmp_path):
    """Use a NumPy whose import takes a minute."""
    (tmp_path / "numpy.py").write_text(
        f"import pathlib, time; pathlib.Path('{tmp_path}/up').touch(); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, ROOT / f"{script}.py", "--help"],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    wait_for(tmp_path / "up", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (
        130,
        "",
        f"{script}.py: interrupted; nothing is written\n",
    )


@pytest.mark.parametrize(
    "name, closed", [("SIGTERM", None), ("SIGHUP", None), ("SIGTERM", 1), ("SIGTERM", 2)], ids=str
)
def test_signal_ends_a_script_with_one_line(name, closed, tmp_path):
    def prepare():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # where nohup runs the tests
        if closed:
            os.close(closed)

    process = begun(tmp_path / "up", 60, prepare)
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (128 + getattr(signal, name), "")
    assert err == LINE * (closed != 2)


@pytest.mark.parametrize("term, shown", [("xterm", b"\x1b[?25h\r\n"), ("dumb", b"")])
def test_signal_shows_the_cursor_again(term, shown, tmp_path):
    """The sequence goes to standard output, if the terminal can hide the cursor."""
    ours, theirs = os.openpty()
    process = begun(tmp_path / "up", 60, stdout=theirs, TERM=term)
    process.terminate()
    assert process.communicate(timeout=20)[1] == LINE
    os.set_blocking(ours, False)
    try:
        found = os.read(ours, 99)
    except BlockingIOError:
        found = b""
    os.close(ours), os.close(theirs)
    assert found == shown


def test_signal_ends_a_script_without_readers(tmp_path):
    process = begun(tmp_path / "up", 60)
    process.stdout.close(), process.stderr.close()
    process.terminate()
    assert process.wait(20) == 143


OTHERS = """
import os, signal, time
from noisylabels import cli
def run(_):
    signal.signal(signal.SIGUSR1, lambda *_: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.3)
    print("done")
cli.main(cli.Parser("script"), run, [])
"""


def test_other_signals_and_those_of_children_end_no_script():
    ended = subprocess.run(
        [sys.executable, "-c", OTHERS], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_nohup_survives_the_end_of_the_terminal(tmp_path):
    process = begun(tmp_path / "up", 1, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=20) == ("done\n", "") and process.returncode == 0


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_script_needs_no_standard_streams(closed, tmp_path):
    process = begun(tmp_path / "up", 0, lambda: os.close(closed))
    assert (
        process.communicate(timeout=20) == ("done\n" * (closed != 1), "")
        and process.returncode == 0
    )


@pytest.mark.parametrize("errors, shown", [("strict", "?"), ("backslashreplace", "\\u2013")])
def test_unencodable_character_is_no_error(errors, shown, monkeypatch):
    """Follow the environment, or print a question mark."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="latin-1", errors=errors))
    monkeypatch.setattr(cli, "leave_on_signals", lambda line: None)
    cli.main(cli.Parser("script"), lambda args: print("± –"), [])
    assert written.getvalue() == f"± {shown}\n".encode("latin-1")
