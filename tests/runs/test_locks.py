"""One process per run: others name the holder or wait; runs of one folder are independent."""

import errno
import os
import platform
import re
import subprocess
import sys
import threading

import pytest
from helpers import CPU, ROOT, files_in, held

from noisylabels.errors import UserError
from noisylabels.runs.record import read_record
from noisylabels.runs.run import Run

pytestmark = pytest.mark.runs
HERE = f"process {os.getpid()} on {platform.node()}"


def never():
    raise AssertionError


def lock(folder, name="INCV"):
    """Return the holder's name, which follows the locked byte."""
    return (folder / f".{name}.lock").read_text()[1:]


def soon(action):
    """Do something in half a second, while this thread waits."""
    threading.Timer(0.5, action).start()


def test_second_process_names_the_holder_and_stops(tmp_path):
    """When the holder is killed, the run is free at once."""
    with held(tmp_path) as holder:
        before, run = files_in(tmp_path), Run(tmp_path, "INCV", {})
        with pytest.raises(UserError) as error, run.session(never):
            never()
        path = re.escape(str(tmp_path / "INCV.json"))
        assert re.fullmatch(
            rf"{path} is in use by process {holder.pid} on \S+: wait for it, or .*",
            str(error.value),
        )
        assert files_in(tmp_path) == before
    with run.session(lambda: CPU):
        assert lock(tmp_path) == f"{HERE}\n"


def test_another_run_in_the_folder_is_free(tmp_path):
    with held(tmp_path) as holder:
        before = files_in(tmp_path)
        with Run(tmp_path, "incv_training", {}).session(lambda: CPU):
            assert lock(
                tmp_path, "incv_training"
            ) == f"{HERE}\n" and f"process {holder.pid} " in lock(tmp_path)
        found = files_in(tmp_path)
        assert {path: found[path] for path in before} == before


def test_run_is_free_after_a_session_or_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Run(tmp_path, "INCV", {}).session(lambda: CPU):
            raise ZeroDivisionError
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        pass


def test_holder_name_follows_the_locked_byte(tmp_path):
    """On Windows no other process can read a locked byte."""
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        assert (tmp_path / ".INCV.lock").read_text() == f"\n{HERE}\n"
    assert (tmp_path / ".INCV.lock").read_text() == ""


@pytest.mark.parametrize(
    "left, said",
    [
        ("", False),
        (f"\n{HERE}\n", False),
        ("\nprocess 7 on another\n", True),
        (f"\nprocess 7 on a{platform.node()}\n", True),
    ],
    ids=["nobody", "this", "another", "alike"],
)
def test_lost_holder_on_another_machine_is_named(left, said, tmp_path, capsys):
    """The system notices the death of a local process only."""
    (tmp_path / ".INCV.lock").write_text(left)
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        assert lock(tmp_path) == f"{HERE}\n"
    line = (
        f"{tmp_path / 'INCV.json'}: {left.strip()} left this run unfinished; if it is still at "
        "work, these two machines share no locks, see docs/running.md\n"
    )
    assert capsys.readouterr().err == line * said


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_file_system_without_locks_is_one_error(number, tmp_path, monkeypatch):
    def lock_descriptor(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("noisylabels.runs.locks.lock_descriptor", lock_descriptor)
    with pytest.raises(
        UserError, match=rf"\.INCV\.lock: {os.strerror(number)}; fix that or write elsewhere"
    ):
        with Run(tmp_path, "INCV", {}).session(never):
            never()
    assert files_in(tmp_path) == {".INCV.lock": b""}


def test_full_disk_error_names_the_lock(tmp_path, monkeypatch):

    def write(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("noisylabels.runs.locks.os.write", write)
    with pytest.raises(
        UserError, match=r"\.INCV\.lock: No space left on device; fix that or write elsewhere"
    ):
        with Run(tmp_path, "INCV", {}).session(never):
            never()


WORKER = """
import sys, time
from pathlib import Path
from noisylabels.runs.run import Run
folder = Path(sys.argv[1])
(folder / sys.argv[2]).touch()
while len(list(folder.glob("ready*"))) < 4:
    time.sleep(.01)
run = Run(folder / "run", "INCV", {})
with run.session(dict, wait=True):
    if not run.finished:
        print("mine")
        run.finish()
"""


def test_one_of_several_processes_does_the_run(tmp_path):
    """The others wait and find it finished."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, tmp_path, f"ready{k}"],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for k in range(4)
    ]
    ended = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4 and [err for _, err in ended] == [
        ""
    ] * 4
    assert sum("mine\n" in out for out, _ in ended) == 1
    assert len(read_record(tmp_path / "run/INCV.json")["sessions"]) == 1


def test_start_is_called_while_the_run_is_held(tmp_path):
    seen = []
    with Run(tmp_path, "INCV", {}).session(lambda: seen.append(lock(tmp_path)) or CPU):
        pass
    assert seen == [f"{HERE}\n"]


# ------------------------------------------------------------------------------------------ waiting


@pytest.mark.parametrize("overwrite", [False, True])
def test_run_finished_by_another_process_is_not_repeated(overwrite, tmp_path, capsys):
    """This is also true with overwrite, since the other process has just done that."""
    with held(tmp_path, arguments={"epochs": 2}) as holder:
        run = Run(tmp_path, "INCV", {"epochs": 2}, overwrite=overwrite)
        soon(lambda: print("finish", file=holder.stdin, flush=True))
        with run.session(never, wait=True):
            assert run.finished
            assert len(read_record(run.record_path)["sessions"]) == 1
        path = tmp_path / "INCV.json"
        assert (
            capsys.readouterr().out
            == f"waiting for process {holder.pid} on {platform.node()}, which is at {path}\n"
        )


def test_run_left_unfinished_by_another_process_is_done(tmp_path):
    with held(tmp_path) as holder:
        soon(holder.kill)
        run, begun = Run(tmp_path, "INCV", {}), []
        with run.session(lambda: begun.append(lock(tmp_path)) or CPU, wait=True):
            assert not run.finished and begun == [f"{HERE}\n"]
            assert len(read_record(run.record_path)["sessions"]) == 2


@pytest.mark.parametrize("finished", [False, True])
def test_run_with_other_arguments_meanwhile_is_an_error(finished, tmp_path):
    run = Run(tmp_path, "INCV", {"epochs": 3})
    with held(tmp_path, arguments={"epochs": 2}) as holder:
        soon((lambda: print("finish", file=holder.stdin, flush=True)) if finished else holder.kill)
        with (
            pytest.raises(UserError, match=r"epochs \(found 2, given 3\)"),
            run.session(never, wait=True),
        ):
            never()
        found = read_record(run.record_path)
        assert (
            found["finished"] == finished
            and found["arguments"] == {"epochs": 2}
            and len(found["sessions"]) == 1
        )


@pytest.mark.parametrize("wait", [False, True])
def test_free_run_is_not_waited_for(wait, tmp_path, capsys):
    """A run finished since is not repeated, except with overwrite."""
    run, late = Run(tmp_path, "INCV", {}), Run(tmp_path, "INCV", {})
    with run.session(lambda: CPU, wait):
        assert not run.finished
        run.finish()
    with late.session(never, wait):
        assert late.finished
    assert read_record(run.record_path)["finished"]
    run = Run(tmp_path, "INCV", {}, overwrite=True)
    with run.session(lambda: CPU, wait):
        assert not run.finished and len(read_record(run.record_path)["sessions"]) == 1
    assert capsys.readouterr().out == ""
