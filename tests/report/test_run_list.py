"""runs.md and runs.csv: finished runs with repeatable commands, and all records."""

import json

import pandas as pd
import pytest
from records import INCV, lines_of, write_record, write_run

from noisylabels.report import draw
from noisylabels.report.run_list import command_of

pytestmark = pytest.mark.usefixtures("without_figures")

SESSION = {
    "started": "2026-11-30T23:50:00Z",
    "git": "abc1234",
    "seconds": 5400,
    "hardware": {"device": "CPU with bfloat16", "processor": "Some CPU", "threads": 1},
    "command": ["/home/me/project/INCV_main.py", "--seed", "1", "--results_dir", "/home/me/out"],
}

HEADER = (
    "| setting | run | seed | recipe | command | revision | processor | threads | hours | date |"
)

MADE = "abc1234 | Some CPU | 1"


def write_sessions(folder, name, sessions, finished=True, recipe="fast"):
    """Write the record of a run with these sessions."""
    write_record(folder, name, {"recipe": recipe, "dataset": "pets"}, finished=finished)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sessions": sessions}))


def rows_of(tmp_path):
    """Return the rows of runs.md."""
    draw.summary(tmp_path, "pets")
    lines = lines_of(tmp_path / "pets/runs.md")
    assert lines[0] == "# Runs on pets"
    header = lines.index(HEADER)
    return lines[header + 2 :]


def test_run_list_has_one_row_per_finished_run(tmp_path):
    write_sessions(tmp_path / "pets/sym/0.5/seed1", "elr_training", [SESSION])
    write_sessions(tmp_path / "pets/sym/0.5", "sce_training", [SESSION], finished=False)
    write_sessions(tmp_path / "pets/given", "INCV", [SESSION | {"command": ["INCV.py"]}])
    assert rows_of(tmp_path) == [
        f"| sym 0.5 | ELR | 1 | fast | `python INCV_main.py --seed 1` | {MADE} | 1.50 | 2026-11-30 "
        "|",
        f"| given | INCV selection | 0 | fast | `python INCV.py` | {MADE} | 1.50 | 2026-11-30 |",
    ]


def test_run_list_states_number_of_runs_and_total_hours(tmp_path):
    write_sessions(tmp_path / "pets/sym/0.5/seed1", "elr_training", [SESSION, SESSION])
    write_sessions(tmp_path / "pets/sym/0.5", "sce_training", [SESSION], finished=False)
    write_sessions(tmp_path / "pets/given", "INCV", [SESSION, {"seconds": None}])
    rows_of(tmp_path)
    assert (
        "2 finished runs, at least 4.5 hours in total." in (tmp_path / "pets/runs.md").read_text()
    )


def test_interrupted_session_makes_hours_a_lower_bound(tmp_path):
    later = {"git": "def5678", "hardware": {"device": "Some GPU"}, "seconds": 7200}
    write_sessions(tmp_path / "pets/sym/0.5", "INCV", [SESSION | {"seconds": None}, later])
    assert rows_of(tmp_path) == [
        "| sym 0.5 | INCV selection | 0 | fast | – | abc1234, def5678 | Some GPU | – "
        "| ≥ 2.00 | 2026-11-30 |"
    ]


def test_run_list_shows_dashes_for_what_is_not_recorded(tmp_path):
    write_sessions(tmp_path / "pets/sym/0.5", "INCV", [], recipe=None)
    old = [{"hardware": {"device": "CPU"}, "seconds": 36}]
    write_sessions(tmp_path / "pets/sym/0.5", "Verify_Theory", old)
    assert rows_of(tmp_path) == [
        "| sym 0.5 | INCV selection | 0 | – | – | unknown | unknown | – | ≥ 0.00 | – |",
        "| sym 0.5 | theory | 0 | fast | – | unknown | CPU, model unknown | – | 0.01 | – |",
    ]


def test_no_run_list_without_a_finished_run(tmp_path):
    write_sessions(tmp_path / "pets/sym/0.5", "INCV", [SESSION], finished=False)
    draw.summary(tmp_path, "pets")
    assert not (tmp_path / "pets/runs.md").exists()


@pytest.mark.parametrize(
    "argv, command",
    [
        (
            [
                "/a/b/INCV.py",
                "--data_dir",
                "/data",
                "--noise_ratio",
                "0.2",
                "--results_dir=/out",
                "--overwrite",
            ],
            "python INCV.py --noise_ratio 0.2",
        ),
        (
            ["Verify_Theory.py", "--noise_ratio", "0", "0.1", "--quiet", "--format", "pdf"],
            "python Verify_Theory.py --noise_ratio 0 0.1",
        ),
        (
            [
                "C:\\code\\INCV_main.py",
                "--selection",
                "C:\\mine\\s.csv",
                "--dataset=/a/my photos",
                "--wait",
            ],
            "python INCV_main.py --selection ./s.csv '--dataset=./my photos'",
        ),
        (
            ["INCV.py", "--dataset", "photos/cats", "--noisy_labels", "/l.npz#clean"],
            "python INCV.py --dataset photos/cats --noisy_labels './l.npz#clean'",
        ),
        (["/usr/lib/ipykernel_launcher.py", "-f", "/run/kernel.json"], ""),
        ([], ""),
    ],
)
def test_command_has_flags_and_no_machine_paths(argv, command):
    assert command_of(argv) == command


def test_pipe_in_a_command_does_not_end_its_cell(tmp_path):
    write_sessions(
        tmp_path / "pets/sym/0.5", "INCV", [SESSION | {"command": ["INCV.py", "--dataset", "/a|b"]}]
    )
    assert "`python INCV.py --dataset './a\\|b'` |" in rows_of(tmp_path)[0]


def test_runs_csv_has_a_flat_row_per_record(tmp_path):
    """Include unfinished runs; seconds are those of all sessions."""
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "standard", 0.8)
    write_run(folder / "name/seed1", "incv", 0.9, seed=1, selection={"digest": "b", **INCV})
    write_record(
        folder / "name/seed1", "INCV", INCV | {"seed": 1}, seconds=[1, None, 3.5], finished=False
    )
    draw.summary(tmp_path, "digits")
    rows = pd.read_csv(tmp_path / "digits/runs.csv").set_index("run")
    assert list(rows.index) == ["standard_training", "INCV", "incv_training"]
    assert rows.finished.tolist() == [True, False, True] and rows.seconds.tolist() == [
        2.5,
        4.5,
        2.5,
    ]
    assert rows.loc[
        "incv_training",
        [
            "pattern",
            "ratio",
            "name",
            "seed",
            "epochs",
            "selection_epochs",
            "selection_digest",
            "last",
            "git",
            "keras",
            "device",
            "threads",
        ],
    ].tolist() == ["sym", 0.5, "name", 1, 40, 25, "b", 0.9, "abc", 3, "CPU", 2]


def test_runs_csv_uses_the_last_session(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_record(folder, "INCV", INCV, seconds=[1, 2, 3])
    path = folder / "INCV.json"
    record = json.loads(path.read_text())
    for session, git in zip(record["sessions"], "xyz"):
        session["git"] = git
    path.write_text(json.dumps(record))
    write_record(folder / "seed1", "INCV", INCV, seconds=[])
    draw.summary(tmp_path, "digits")
    rows = pd.read_csv(tmp_path / "digits/runs.csv", keep_default_na=False)
    assert (
        rows.git.tolist() == ["z", ""]
        and rows.seconds.tolist() == [6, 0]
        and rows.device.tolist() == ["CPU", ""]
    )
