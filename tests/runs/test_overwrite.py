"""--overwrite keeps the finished result until the new one is complete."""

import json
from pathlib import Path

import pytest
from helpers import ARRAYS, CPU, files_in

from noisylabels.errors import UserError
from noisylabels.runs.atomic_io import save_arrays
from noisylabels.runs.run import Run

pytestmark = pytest.mark.runs
OLD, NEW, OTHER = {"epochs": 2}, {"epochs": 3}, {"epochs": 4}

STAGES = ("start", "training", "trained", "removing", "writing", "finishing")


class Killed(Exception):
    pass


def run_of(folder, arguments, overwrite=True):
    return Run(folder, "INCV", arguments, overwrite, ["a.csv", "b.csv"])


def work(folder, arguments=OLD, until=None, overwrite=True):
    """Do a run up to one of STAGES, where it is killed; outputs are the number of epochs."""

    def reach(stage):
        if stage == until:
            raise Killed

    def replace(path, target, plain=Path.replace):
        if path.parent.name == "INCV_checkpoints" and path.name == "INCV.json":
            reach("removing")
        return plain(path, target)

    run = run_of(folder, arguments, overwrite)
    with pytest.MonkeyPatch.context() as patch, run.session(lambda: CPU):
        patch.setattr(Path, "replace", replace)
        reach("start")
        save_arrays(run.checkpoint(f"{arguments['epochs']}"), ARRAYS)
        reach("training")
        reach("trained")
        run.begin_outputs()
        reach("writing")
        (folder / "a.csv").write_text(str(arguments["epochs"]))
        reach("finishing")
        (folder / "b.csv").write_text(str(arguments["epochs"]))
        run.finish(LP=arguments["epochs"])


@pytest.fixture
def killed(tmp_path):
    """Return a folder with a finished run of two epochs whose replacement was killed."""

    def killed(until, arguments=NEW):
        work(tmp_path)
        (tmp_path / "INCV_checkpoints").mkdir(exist_ok=True)
        (tmp_path / "INCV_checkpoints/left.npz").touch()  # of the finished one, killed as it ended
        with pytest.raises(Killed):
            work(tmp_path, arguments, until)
        assert not (tmp_path / "INCV_checkpoints/left.npz").exists()
        return tmp_path

    return killed


def record(folder):
    return json.loads((folder / "INCV.json").read_text())


def outputs(folder):
    return {
        path: content.decode()
        for path, content in files_in(folder).items()
        if path.endswith(".csv")
    }


def checkpoints(folder):
    return sorted(path.name for path in (folder / "INCV_checkpoints").glob("*.npz"))


@pytest.mark.parametrize("until", ["start", "training", "trained"])
@pytest.mark.parametrize("arguments", [OLD, NEW])
def test_kill_before_the_outputs_keeps_the_old_result(until, arguments, killed):
    folder = killed(until, arguments)
    assert outputs(folder) == {"a.csv": "2", "b.csv": "2"} and record(folder)["finished"]
    assert (record(folder)["arguments"], record(folder)["results"]) == (OLD, {"LP": 2})
    left = checkpoints(folder)
    assert run_of(folder, OLD, overwrite=False).finished and checkpoints(folder) == left
    assert left == ([] if until == "start" else [f"{arguments['epochs']}.npz"])
    with pytest.raises(UserError, match="epochs"):
        run_of(folder, OTHER, overwrite=False)


@pytest.mark.parametrize("until", ["removing", "writing", "finishing"])
@pytest.mark.parametrize("arguments", [OLD, NEW])
def test_kill_at_the_outputs_never_mixes_old_and_new(until, arguments, killed):
    folder = killed(until, arguments)
    assert outputs(folder) == ({"a.csv": str(arguments["epochs"])} if until == "finishing" else {})
    assert not run_of(folder, arguments).finished and checkpoints(folder) == [
        f"{arguments['epochs']}.npz"
    ]
    if until != "removing":
        assert record(folder)["arguments"] == arguments and not record(folder)["finished"]


@pytest.mark.parametrize("until", STAGES[1:])
@pytest.mark.parametrize("arguments", [OLD, NEW])
def test_same_command_resumes(until, arguments, killed, monkeypatch):
    folder = killed(until, arguments)
    run = run_of(folder, arguments)
    with run.session(lambda: CPU):
        assert not run.finished and run.checkpoint(f"{arguments['epochs']}").exists()
        assert len(run.record["sessions"]) == 2
    work(folder, arguments)
    assert outputs(folder) == dict.fromkeys(("a.csv", "b.csv"), str(arguments["epochs"]))
    assert record(folder)["arguments"] == arguments and len(record(folder)["sessions"]) == 3
    assert (
        not (folder / "INCV_checkpoints").exists()
        and run_of(folder, arguments, overwrite=False).finished
    )


@pytest.mark.parametrize("until", ["removing", "writing", "finishing"])
def test_without_the_flag_it_resumes_once_old_outputs_are_gone(until, killed):
    folder = killed(until, OLD)
    run = run_of(folder, OLD, overwrite=False)
    with run.session(lambda: CPU):
        assert (
            not run.finished and run.checkpoint("2").exists() and len(run.record["sessions"]) == 2
        )


@pytest.mark.parametrize("until", STAGES)
@pytest.mark.parametrize("first", [OLD, NEW])
def test_other_arguments_begin_anew(until, first, killed):
    """Never mix checkpoints of two runs, and keep results until the third is complete."""
    folder = killed(until, first)
    kept = outputs(folder) if until in STAGES[:3] else {}
    with pytest.raises(Killed):
        work(folder, OTHER, "training")
    assert checkpoints(folder) == ["4.npz"] and outputs(folder) == kept
    work(folder, OTHER)
    assert outputs(folder) == {"a.csv": "4", "b.csv": "4"} and len(record(folder)["sessions"]) == 2


@pytest.mark.parametrize("until", ["start", "trained"])
@pytest.mark.parametrize("arguments, overwrite", [(NEW, True), (OLD, False)])
def test_lost_output_does_not_cost_the_others(until, arguments, overwrite, tmp_path):
    work(tmp_path)
    (tmp_path / "b.csv").unlink()
    with pytest.raises(Killed):
        work(tmp_path, arguments, until, overwrite)
    assert outputs(tmp_path) == {"a.csv": "2"}
    assert record(tmp_path)["finished"] and record(tmp_path)["arguments"] == OLD
    work(tmp_path, arguments, overwrite=overwrite)
    assert outputs(tmp_path) == dict.fromkeys(("a.csv", "b.csv"), str(arguments["epochs"]))
    assert record(tmp_path)["arguments"] == arguments and len(record(tmp_path)["sessions"]) == 2


@pytest.mark.parametrize("name", ["b.csv", "c_1.keras"])
def test_folder_in_place_of_an_output_ends_before_the_work(name, tmp_path):
    work(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name} is not a file: move it away, or give another"):
        Run(tmp_path, "INCV", NEW, True, ["a.csv", "b.csv"], ["c_?.keras"])
    assert outputs(tmp_path)["a.csv"] == "2"


def test_old_arguments_do_not_use_new_checkpoints(killed):
    folder = killed("removing", NEW)
    run = run_of(folder, OLD, overwrite=False)
    with run.session(lambda: CPU):
        assert checkpoints(folder) == [] and run.record["arguments"] == OLD


def test_damaged_record_of_the_new_run_is_set_aside(killed, capsys):
    folder = killed("training")
    (folder / "INCV_checkpoints/INCV.json").write_text("{")
    work(folder, NEW)
    assert capsys.readouterr().err.endswith(
        "INCV_checkpoints/INCV.json: it is not the record of a run; renamed to INCV.json.unusable; "
        "the run starts again\n"
    )
    assert outputs(folder) == {"a.csv": "3", "b.csv": "3"} and len(record(folder)["sessions"]) == 1


def test_overwrite_by_another_process_is_not_repeated(tmp_path, monkeypatch):
    work(tmp_path)
    second = run_of(tmp_path, OLD)
    monkeypatch.setattr("noisylabels.runs.record.time.strftime", lambda *_: "2030-01-01T00:00:00Z")
    work(tmp_path)
    with second.session(lambda: CPU):
        assert second.finished


def test_failed_overwrite_by_another_process_is_repeated(tmp_path):
    work(tmp_path)
    second = run_of(tmp_path, OLD)
    with pytest.raises(Killed):
        work(tmp_path, OLD, "training")
    with second.session(lambda: CPU):
        assert not second.finished and second.checkpoint("2").exists()
