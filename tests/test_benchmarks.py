"""The benchmarks: small runs, or their functions with known answers."""

import json
import re
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext

import numpy as np
import pytest
from helpers import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import label_issues
import memory
import recipe_trial
import scaling

from models import ARCHITECTURES
from noisylabels.noise import Noise
from noisylabels.recipes import RECIPES
from noisylabels.sweep.tasks import Task

pytestmark = pytest.mark.runs
HOLDS = """
import subprocess, sys, time
held = b"x" * {held}
if len(sys.argv) < 2:
    subprocess.run([sys.executable, __file__, "child"])
time.sleep(1)
"""


def benchmark(name, *flags):
    """Return what a benchmark prints."""
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", *flags],
        text=True,
        check=True,
        capture_output=True,
    ).stdout


def test_memory_sums_all_processes(tmp_path):
    script = tmp_path / "holds.py"
    script.write_text(HOLDS.format(held=200_000_000))
    assert 0.4 < memory.peak_gb(script) < 0.5


def test_failing_script_has_no_peak(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit(1)")
    with pytest.raises(SystemExit, match="fails.py failed"):
        memory.peak_gb(script)


@pytest.mark.slow
def test_sweep_cost_is_printed(tmp_path, monkeypatch, capsys):
    """Empty tasks start no process, so they write no log."""
    monkeypatch.setattr(scaling.tempfile, "TemporaryDirectory", lambda: nullcontext(tmp_path))
    scaling.measure_cost(Namespace(runs=2, tasks=20))
    assert re.search(
        r"^empty script: 0\.\d{3} s alone, \d\.\d{3} s as a run of a sweep\n"
        r"20 empty tasks: \d+\.\d s, \d+\.\d\d ms per task$",
        capsys.readouterr().out,
        re.MULTILINE,
    )
    assert {path.name for path in tmp_path.glob("*.log")} == {"0.log", "1.log"}


def test_completion_time_is_that_of_the_last_gpu(tmp_path):
    """Four tasks of 1 s; two of them wait for one of 2 s."""
    first = Task("first", "x", [], tmp_path / "first.json", work=2)
    tasks = [
        first,
        *(
            Task(f"t{k}", "x", [], tmp_path / f"{k}.json", needs=first if k < 2 else None, work=1)
            for k in range(4)
        ),
    ]
    assert [scaling.completion_time(tasks, gpus, lambda task: task.work) for gpus in (1, 2, 8)] == [
        6,
        3,
        3,
    ]


@pytest.mark.slow
def test_paper_table_scales_to_its_longest_chain():
    """160 tasks: one GPU always works, and no number of GPUs is faster than a chain."""
    out = benchmark("scaling", "paper")
    rows = {
        int(row[0]): [float(cell) for cell in row[1:]]
        for row in re.findall(
            r"^\| (\d+) \| ([\d.]+) h \| ([\d.]+) h \| ([\d.]+) h \| (\d+)% \|$", out, re.MULTILINE
        )
    }
    assert out.startswith("160 runs, ") and [*rows] == [1, 8, 64]
    assert rows[1][0] == rows[1][1] and rows[1][3] == 100
    assert all(row[0] >= max(row[1], row[2]) for row in rows.values())


def test_a_trial_changes_settings_and_network(monkeypatch):
    monkeypatch.setattr(recipe_trial, "ARCHITECTURES", dict(ARCHITECTURES))
    recipe = RECIPES["fast"]["main"]
    settings = recipe_trial.changed(
        recipe, ["epochs=4", "weight_decay=0.5", "shift_tta=False"], 16, "relu"
    )
    assert (settings.epochs, settings.weight_decay, settings.shift_tta) == (4, 0.5, False)
    assert settings.optimizer == recipe.optimizer
    module, function, arguments = recipe_trial.ARCHITECTURES[settings.architecture]
    assert (module, function) == ("cnn", "identity_cnn")
    assert arguments == {"widths": (16, 64, 64), "activation": "relu"}


@pytest.mark.slow
def test_speed_prints_all_goals(tmp_path):
    out = benchmark("speed", "--repetitions", "1", "--data_dir", str(tmp_path))
    result = json.loads(out.splitlines()[-1])
    assert [*result] == [
        "incv_epoch",
        "co_teaching_epoch",
        "digits_incv_epoch",
        "digits_co_teaching_epoch",
        "conv_bound_share",
        "train_images_per_s",
        "predict_images_per_s",
    ]
    assert all(result[name] > 1 for name in [*result][:4]) and 0 < result["conv_bound_share"] < 1.1


def test_cleanlab_starts_no_processes(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("forks of a process that has run TensorFlow can deadlock")

    monkeypatch.setattr("multiprocessing.pool.Pool.__init__", refuse)
    y = np.arange(60) % 3
    pred_probs = np.full((60, 3), 0.1)
    pred_probs[np.arange(60), np.where(np.arange(60) < 6, (y + 1) % 3, y)] = 0.8
    found = label_issues.find_issues_cleanlab(y, pred_probs)
    assert {name: sum(issues) for name, (issues, _, _) in found.items()} == {
        "cleanlab find_label_issues": 6,
        "cleanlab Datalab": 6,
    }


def test_label_issues_are_those_of_the_script(call, undrawn, tmp_path, monkeypatch):
    """They include contradictory duplicates, and depend on the estimate for ridge regression."""
    rng, y = np.random.default_rng(0), np.arange(600) % 3
    x = (rng.normal(size=(600, 6)) + 2 * np.eye(3, 6)[y]).astype(np.float32)
    np.savez(tmp_path / "texts.npz", x=np.append(x, x[:60], axis=0), y=np.append(y, y[:60]))
    dataset = ["--dataset", str(tmp_path / "texts.npz"), "--trust_labels", "--INCV_iter", "2"]
    flags = [*dataset, "--noise_pattern", "sym", "--noise_ratio", "0.5"]
    results = tmp_path / "results"
    assert call("INCV", *flags, "--quiet", "--results_dir", results).code == 0
    expected = json.loads((results / "texts/sym/0.5/INCV.json").read_text())["results"]
    monkeypatch.setattr(label_issues, "SETTINGS", [Noise("sym", 0.5)])
    rows = [*label_issues.rows_of_settings(1, dataset, str(tmp_path / "benchmark"))]
    finished = [*label_issues.finished_rows(results)]
    assert [row["finder"] for row in rows[:3]] == [
        "INCV, 1 iteration",
        "INCV, 2 iterations",
        "cleanlab find_label_issues",
    ]
    assert [row["finder"] for row in finished[:2]] == ["INCV, all iterations", rows[2]["finder"]]
    for name in ("issue_precision", "issue_recall", "issue_average_precision"):
        assert rows[1][name] == pytest.approx(expected[name], abs=1e-6), name
        assert finished[0][name] == pytest.approx(expected[name], abs=1e-6), name
