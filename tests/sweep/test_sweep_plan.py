"""The tasks of a sweep: which runs, with which flags, in which order."""

import re

import pytest
from helpers import (
    QUICK,
)

import sweep
from noisylabels.pipeline.load import load_data
from noisylabels.sweep.tasks import TaskQueue
from utils import load_dataset


def test_default_is_seeds_0_to_2_of_the_paper_s_settings(tmp_path):
    args = sweep.build_parser().parse_args(
        ["--methods", "standard", "--results_dir", str(tmp_path)]
    )
    plan = sweep.plan(args, load_dataset("digits", ""))
    assert [task.title for task in plan] == [
        f"standard {noise} seed {seed}"
        for noise in ("sym 0.2", "sym 0.5", "sym 0.8", "asym 0.4")
        for seed in (0, 1, 2)
    ]
    assert sweep.build_parser().parse_args(["--seeds", "0", "--jobs", "1"]).jobs == 1
    with pytest.raises(SystemExit):
        sweep.build_parser().parse_args(["--seeds", "-1"])


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("--epochs 9 --batch_size 64", "--batch_size 64"),
        ("--epochs=9 --batch_size=64 --top_k 2", "--batch_size 64 --top_k 2"),
        (
            "--validation_split .1 --INCV_epochs 3 --overwrite --f_correction_T true",
            "--INCV_epochs 3",
        ),
        ("--overwrite_selection --epochs 3 --jit_compile", "--jit_compile --overwrite"),
        ("--decisions decisions.csv --wait --evaluate_every 2", ""),
        ("", ""),
    ],
)
def test_selection_gets_the_flags_of_incv(flags, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decisions.csv").write_text("index,file,given_label,decision,new_label\n")
    argv = ["--settings", "sym:0.5", "--seeds", "4", "--results_dir", str(tmp_path), *flags.split()]
    selection = sweep.plan(sweep.build_parser().parse_args(argv), load_dataset("digits", ""))[0]
    axes = "--noise_pattern sym --noise_ratio 0.5 --seed 4".split()
    assert selection.script == "INCV" and selection.flags[:6] == axes
    given = selection.flags[6:]
    at = given.index("--results_dir")
    assert given[:at] + given[at + 2 :] == expected.split()


@pytest.mark.parametrize(
    "methods, expected",
    [
        (
            ["standard", "incv", "incv_student"],
            [
                ("selection", "--overwrite"),
                ("standard",),
                ("incv", "--overwrite"),
                ("incv_student", "--overwrite"),
            ],
        ),
        (["incv_student"], [("incv_student", "--overwrite_selection")]),
    ],
)
def test_overwritten_selection_is_made_once(methods, expected, tmp_path):
    """Its trainings do not repeat it; a student without teacher task makes all three."""
    args = sweep.build_parser().parse_args(
        [
            "--settings",
            "sym:0.5",
            "--seeds",
            "0",
            "--methods",
            *methods,
            "--overwrite_selection",
            "--results_dir",
            str(tmp_path),
        ]
    )
    plan = {
        task.title.split()[0]: task.flags for task in sweep.plan(args, load_dataset("digits", ""))
    }
    assert [
        (name, *(flag for flag in flags if flag.startswith("--overwrite")))
        for name, flags in plan.items()
    ] == expected


def planned(*argv):
    args = sweep.build_parser().parse_args(list(map(str, argv)))
    return sweep.plan(args, load_data(args))


def test_plan_is_the_paper_s_table(tmp_path):
    """It has four settings, seven methods and three seeds; each INCV run needs a selection."""
    tasks = planned("--results_dir", tmp_path)
    selections, trainings = tasks[:12], tasks[12:]
    assert {task.script for task in selections} == {"INCV"} and len(trainings) == 4 * 3 * 7
    assert not any(task.done for task in tasks)
    needing = {task.title: task.needs for task in trainings if task.needs}
    assert len(needing) == 12 and set(needing.values()) == set(selections)
    for title, selection in needing.items():
        assert title.removeprefix("incv ") == selection.title.removeprefix("selection ")
        assert title.startswith("incv ") and selection.record.name == "INCV.json"
    assert trainings[0].command == (
        "INCV_main.py --noise_pattern sym --noise_ratio 0.2 --seed 0 --method standard "
        f"--results_dir {tmp_path}"
    )
    assert trainings[0].log == tmp_path / "digits/sym/0.2/standard_training.log"


def test_work_depends_on_the_method(tmp_path):
    """Work is samples times epochs times the cost of the method."""
    tasks = planned(
        "--settings",
        "sym:0.2",
        "--seeds",
        0,
        "--results_dir",
        tmp_path,
        "--epochs",
        60,
        "--INCV_epochs",
        10,
    )
    work = {task.title.split()[0]: task.work / 1437 for task in tasks}
    assert work == pytest.approx(
        {
            "selection": 10 * (0.5 + 3 * 0.7) * 2,
            "standard": 60,
            "f_correction": 120,
            "decoupling": 120,
            "co_teaching": 162,
            "mentornet": 60,
            "d2l": 60,
            "incv": 90,
        }
    )


def test_finished_tasks_are_recognised(finished, call):
    axes = ["--settings", "sym:0.5", "--methods", "standard", "incv", "--seeds", "0", "1"]
    flags = [*axes, *QUICK["INCV_main"], "--results_dir", finished("INCV_main")[0]]
    ended = call("sweep", "--dry_run", *flags)
    lines = re.findall(
        r"^(done|to do) +(\w+)\.py .*--seed (\d)(?: --method (\w+))?", ended.out, re.MULTILINE
    )
    assert ended.code == 0 and lines == [
        ("to do", "INCV", "1", ""),
        ("to do", "INCV_main", "0", "standard"),
        ("done", "INCV_main", "0", "incv"),
        ("to do", "INCV_main", "1", "standard"),
        ("to do", "INCV_main", "1", "incv"),
    ]


def test_order_is_by_dependency_then_length(task):
    long, short = task("long", work=3), task("short", work=1)
    selection, other = task("selection"), task("other", work=2)
    after = task("after", work=2, needs=selection)
    made = task("made")
    made.done = True
    order = TaskQueue(
        [selection, other, made, short, long, after, task("free", work=2, needs=made)]
    )
    assert [order.next().title for _ in range(5)] == ["selection", "long", "other", "free", "short"]
    assert order.next() is None
    order.succeeded(selection)
    assert order.next() is after and order.next() is None
