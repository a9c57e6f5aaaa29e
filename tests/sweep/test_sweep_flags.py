"""Flags of sweep.py: settings, jobs, GPUs and errors."""

from argparse import ArgumentTypeError
from types import SimpleNamespace

import pytest
from helpers import (
    assert_is_one_line,
)

import sweep
from noisylabels.noise import Noise
from noisylabels.sweep import executors
from noisylabels.sweep.run_tasks import SerialExecutor
from noisylabels.system import hardware
from utils import load_dataset


@pytest.mark.parametrize(
    "text, expected",
    [
        ("sym:0", Noise("sym", 0.0)),
        ("asym5:1", Noise("asym5", 1.0)),
        ("asym:.25", Noise("asym", 0.25)),
        ("given", Noise("given")),
    ],
)
def test_settings_are_parsed(text, expected):
    assert sweep.setting(text.encode().decode()) == expected


@pytest.mark.parametrize(
    "text, words",
    [
        ("sym", "'sym' is not a setting such as"),
        ("pair:0.3", "'pair:0.3' is not a setting such as"),
        ("sym0.3", r"did you mean sym:0.3\?$"),
        ("asymm", r"did you mean asym:0.5\?$"),
        ("sym:", "'' is not a finite"),
        ("sym:-0.1", "'-0.1' is not a finite number of at least 0 and at most 1"),
        ("sym:1.1", "'1.1' is not"),
    ],
)
def test_invalid_setting_is_an_error(text, words):
    with pytest.raises(ArgumentTypeError, match=words):
        sweep.setting(text)


def test_run_may_use_a_share_of_a_gpu_or_several():
    assert [
        sweep.gpus_per_run(text) for text in ("1", "2", "8", "0.5", "0.25", "0.2", "0.3333333")
    ] == [1, 2, 8, 0.5, 0.25, 0.2, 0.3333333]
    for text in ("0", "0.3", "0.4", "0.6", "1.5", "2.1", "-1"):
        with pytest.raises(ArgumentTypeError, match=f"'{text}' is not a"):
            sweep.gpus_per_run(text)


@pytest.mark.parametrize(
    "flags, expected",
    [
        ([], "here"),
        (["--jobs", "1"], "here"),
        (["--jobs", "2"], (2, None)),
        (["--jobs", "4", "--gpus_per_run", ".5"], (4, 0.5)),
        (["--jobs", "2", "--gpu_id", "0"], (2, 0)),
        (["--scheduler", "a"], ("a", None, None)),
        (["--scheduler", "a", "--jobs", "1", "--gpus_per_run", "1"], ("a", 1, 1)),
        (["--gpus_per_run", "2"], (1, 2)),
    ],
)
def test_executor_depends_on_jobs_and_scheduler(flags, expected, monkeypatch, tmp_path):
    """A sweep uses one process, several on this machine, or a scheduler."""
    runs, leaving = SimpleNamespace(leave="leave"), []
    asked = []
    monkeypatch.setattr(executors, "on_this_machine", lambda root, *given: asked.append(given))
    monkeypatch.setattr(executors, "at_scheduler", lambda *given, **_: asked.append(given) or runs)
    monkeypatch.setattr(sweep, "fingerprint", lambda *_: {})
    monkeypatch.setattr("noisylabels.system.signals.LEAVING", leaving)
    args = sweep.build_parser().parse_args([*flags, "--results_dir", str(tmp_path)])
    found = sweep.executor(args, load_dataset("digits", ""))
    assert isinstance(found, SerialExecutor) == (expected == "here") and asked == [expected] * (
        expected != "here"
    )
    elsewhere = "--scheduler" in flags
    assert leaving == ["leave"] * elsewhere and (tmp_path / ".sweep").exists() == elsewhere


TINY = ["--settings", "sym:0.5", "--methods", "standard", "incv", "--seeds", "0", "1"]


@pytest.mark.parametrize(
    "flags, pattern",
    [
        (
            ["--seed", "1"],
            r"argument --seed: a sweep sets it; use --settings, --seeds and --methods \(see "
            r"--help\)$",
        ),
        (["--noise_ratio=.5"], "argument --noise_ratio: a sweep sets it"),
        (["--settings", "sym"], "'sym' is not a setting such as sym:0.5"),
        (["--settings", "symm0.3"], r"'symm0.3' is not a setting .*; did you mean sym:0.3\?"),
        (["--methods", "co_teachin"], r"'co_teachin' \(choose from .*; did you mean co_teaching\?"),
        (
            ["--metods", "incv"],
            r"unrecognized arguments: --metods incv; did you mean --methods\? \(see --help\)$",
        ),
        (["--jobs", "0"], "'0' is not a whole number of at least 1"),
        (
            ["--gpus_per_run", "0.3"],
            "'0.3' is not a whole number, nor a share such as 0.5, 0.25 or 0.2",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1", "--gpu_id", "0"],
            "argument --gpu_id: .* leave one of them out$",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1"],
            "argument --jobs: 2 runs with 1 GPU each need more than the 0 of this",
        ),
    ],
)
def test_mistakes_are_one_error(flags, pattern, call, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: 0)
    assert_is_one_line(call("sweep", *TINY, *flags, "--results_dir", tmp_path), f".*{pattern}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dry_run", [[], ["--dry_run"]])
@pytest.mark.parametrize(
    "flags, pattern",
    [
        (
            ["--jobs", "2", "--gpus_per_run", "1"],
            "argument --jobs: 2 runs with 1 GPU each need more than the 0 of this",
        ),
        (
            ["--jobs", "2", "--gpus_per_run", "1", "--gpu_id", "0"],
            "argument --gpu_id: .* leave one of them out$",
        ),
        (
            ["--scheduler", "none.yaml"],
            "argument --scheduler: none.yaml: No such file or directory",
        ),
        (
            ["--scheduler", "slurm.yaml"],
            "argument --scheduler: slurm.yaml: no option of slurm: cpus",
        ),
        (
            ["--scheduler", "tcp://127.0.0.1:9"],
            "argument --scheduler: no scheduler answers at tcp://127.0.0.1:9 ",
        ),
        (["--results_dir", "/proc/results"], "/proc: "),
    ],
)
def test_dry_run_has_the_errors_of_the_sweep(flags, pattern, dry_run, call, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: 0)
    monkeypatch.setattr("noisylabels.sweep.cluster.ANSWER", 0.5)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm.yaml").write_text("jobqueue: {slurm: {cores: 1, memory: 1GB, cpus: 1}}")
    assert_is_one_line(
        call("sweep", *TINY, "--results_dir", tmp_path / "results", *flags, *dry_run),
        f".*{pattern}",
    )


def test_dry_run_with_nothing_to_do_needs_no_cluster(call, monkeypatch, tmp_path):
    monkeypatch.setattr(sweep, "plan", lambda *_: [])
    ended = call(
        "sweep",
        "--results_dir",
        tmp_path,
        "--jobs",
        "2",
        "--gpus_per_run",
        "1",
        "--gpu_id",
        "0",
        "--dry_run",
    )
    assert ended == (0, "", "")
