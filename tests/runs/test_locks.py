"""One process a run: a second one says who is at it, or waits; and two runs of one folder go side
by side.
"""

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

HERE = f"process {os.getpid()} on {platform.node()}"


def never():
    raise AssertionError


def lock(folder, name="INCV"):
    """Who holds a run, or held it: behind the byte that is locked."""
    return (folder / f".{name}.lock").read_text()[1:]


def soon(action):
    """Does it in half a second, while this thread waits for something."""
    threading.Timer(0.5, action).start()


def test_a_run_held_by_another_process(tmp_path):
    """The second says who holds it and stops; when the holder is killed the run is free at once."""
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


def test_another_run_of_the_same_folder_is_free(tmp_path):
    with held(tmp_path) as holder:
        before = files_in(tmp_path)
        with Run(tmp_path, "incv_training", {}).session(lambda: CPU):
            assert lock(
                tmp_path, "incv_training"
            ) == f"{HERE}\n" and f"process {holder.pid} " in lock(tmp_path)
        found = files_in(tmp_path)
        assert {path: found[path] for path in before} == before


def test_a_run_is_free_after_a_session_and_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Run(tmp_path, "INCV", {}).session(lambda: CPU):
            raise ZeroDivisionError
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        pass


def test_the_name_of_the_holder_is_behind_the_locked_byte_and_goes_with_it(tmp_path):
    """On Windows nobody can read a byte that another has locked."""
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
def test_a_holder_on_another_machine_that_has_gone_is_named(left, said, tmp_path, capsys):
    """Of this machine the system knows that it has died; of another it does only if the file system
    shares locks.
    """
    (tmp_path / ".INCV.lock").write_text(left)
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        assert lock(tmp_path) == f"{HERE}\n"
    line = (
        f"{tmp_path / 'INCV.json'}: {left.strip()} left this run unfinished; if it is still at "
        "work, these two machines share no locks, see docs/running.md\n"
    )
    assert capsys.readouterr().err == line * said


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_an_error_of_one_line(number, tmp_path, monkeypatch):
    def lock_descriptor(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("noisylabels.runs.locks.lock_descriptor", lock_descriptor)
    with pytest.raises(
        UserError, match=rf"\.INCV\.lock: {os.strerror(number)}; fix that or write elsewhere"
    ):
        with Run(tmp_path, "INCV", {}).session(never):
            never()
    assert files_in(tmp_path) == {".INCV.lock": b""}


def test_a_full_disk_at_the_lock_is_said_of_the_lock(tmp_path, monkeypatch):
    """Not of what is closed after it."""

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


def test_of_processes_that_want_the_same_run_one_does_it(tmp_path):
    """They begin together; the others wait for it and find it done."""
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


def test_start_is_called_once_the_run_is_held(tmp_path):
    seen = []
    with Run(tmp_path, "INCV", {}).session(lambda: seen.append(lock(tmp_path)) or CPU):
        pass
    assert seen == [f"{HERE}\n"]


# ------------------------------------------------------------------------------------------ waiting


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_another_process_has_finished_is_not_done_again(overwrite, tmp_path, capsys):
    """Even if it is to be made again: that is what the other has done."""
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


def test_what_another_process_has_left_unfinished_is_done(tmp_path):
    with held(tmp_path) as holder:
        soon(holder.kill)
        run, begun = Run(tmp_path, "INCV", {}), []
        with run.session(lambda: begun.append(lock(tmp_path)) or CPU, wait=True):
            assert not run.finished and begun == [f"{HERE}\n"]
            assert len(read_record(run.record_path)["sessions"]) == 2


@pytest.mark.parametrize("finished", [False, True])
def test_what_another_process_has_made_of_other_arguments_is_an_error(finished, tmp_path):
    """It began while this one looked."""
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
def test_a_run_that_nobody_holds_is_not_waited_for(wait, tmp_path, capsys):
    """What another has finished since this one looked is not done again, what is to be overwritten
    is.
    """
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
