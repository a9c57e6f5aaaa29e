"""One process a run: a second one says who is at it, or waits; and two runs of one folder go side by side."""
import os
import platform
import re
import threading

import pytest
from helpers import CPU, files_in, held

from noisylabels.errors import UserError
from noisylabels.runs.record import Run, read_record

HERE = f"process {os.getpid()} on {platform.node()}"


def never():
    raise AssertionError


def lock(folder, name="INCV"):
    return (folder / f".{name}.lock").read_text()


def soon(action):
    """Does it in half a second, while this thread waits for something."""
    threading.Timer(.5, action).start()


def test_a_run_held_by_another_process(tmp_path):
    """The second says who holds it and stops; when the holder is killed the run is free at once."""
    with held(tmp_path) as holder:
        before, run = files_in(tmp_path), Run(tmp_path, "INCV", {})
        with pytest.raises(UserError) as error, run.session(never):
            never()
        path = re.escape(str(tmp_path / "INCV.json"))
        assert re.fullmatch(rf"{path} is in use by process {holder.pid} on \S+: wait for it, or .*", str(error.value))
        assert files_in(tmp_path) == before
    with run.session(lambda: CPU):
        assert lock(tmp_path) == f"{HERE}\n"


def test_another_run_of_the_same_folder_is_free(tmp_path):
    with held(tmp_path) as holder:
        before = files_in(tmp_path)
        with Run(tmp_path, "incv_training", {}).session(lambda: CPU):
            assert lock(tmp_path, "incv_training") == f"{HERE}\n" and f"process {holder.pid} " in lock(tmp_path)
        found = files_in(tmp_path)
        assert {path: found[path] for path in before} == before


def test_a_run_is_free_after_a_session_and_after_an_error(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), Run(tmp_path, "INCV", {}).session(lambda: CPU):
            raise ZeroDivisionError
    with Run(tmp_path, "INCV", {}).session(lambda: CPU):
        pass


def test_start_is_called_once_the_run_is_held(tmp_path):
    seen = []
    with Run(tmp_path, "INCV", {}).session(lambda: seen.append(lock(tmp_path)) or CPU):
        pass
    assert seen == [f"{HERE}\n"]


# -------------------------------------------------------------------------------------------------------------- waiting


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
        assert capsys.readouterr().out == f"waiting for process {holder.pid} on {platform.node()}, which is at {path}\n"


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
        with pytest.raises(UserError, match=r"epochs \(found 2, given 3\)"), run.session(never, wait=True):
            never()
        found = read_record(run.record_path)
        assert found["finished"] == finished and found["arguments"] == {"epochs": 2} and len(found["sessions"]) == 1


def test_a_run_that_nobody_holds_is_not_waited_for(tmp_path, capsys):
    """What another has finished since this one looked is not done again, what is to be overwritten is."""
    run, late = Run(tmp_path, "INCV", {}), Run(tmp_path, "INCV", {})
    with run.session(lambda: CPU, wait=True):
        assert not run.finished
        run.finish()
    with late.session(never, wait=True):
        assert late.finished
    run = Run(tmp_path, "INCV", {}, overwrite=True)
    with run.session(lambda: CPU, wait=True):
        assert not run.finished and len(read_record(run.record_path)["sessions"]) == 1
    assert capsys.readouterr().out == ""
