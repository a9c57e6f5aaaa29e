"""INCV.py from flags to files, with scripted networks."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, ROOT, SELECTION, InThisProcess, record_of

from noisylabels.errors import UserError
from noisylabels.selection.algorithm import Scores, incv
from noisylabels.selection.processes import Trainers
from noisylabels.theory import estimate_noise_ratio
from utils import corrupt_labels, load_dataset

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("undrawn")]


class Scripted(InThisProcess):
    """Find four tenths of the held-out samples in each training, and record the calls."""

    made = []

    def __init__(self, experiment, *rest):
        self.experiment, self.told = experiment, []
        self.made.append(self)

    def start(self):
        return CPU | {"threads": self.experiment.execution.threads}

    def train(self, folds, use_best):
        self.told += [
            (str(stage), samples.tolist(), held.tolist(), use_best)
            for stage, samples, held in folds
        ]
        return [
            (self.answer(held), [{"iteration": stage.iteration, "half": stage.half, "epoch": 0}])
            for stage, _, held in folds
        ]

    @staticmethod
    def answer(held):
        return Scores(held % 5 < 2, held * 7919 % 1437 / 1437, 0, 0, 0)


@pytest.fixture
def selected(call, tmp_path, monkeypatch):
    """Call INCV.py with these flags; return the calls, the CSV and the iterations."""
    monkeypatch.setattr(Scripted, "made", [])
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Scripted)

    def selected(*flags):
        ended = call("INCV", *flags, "--results_dir", tmp_path)
        assert (ended.code, ended.err) == (0, "")
        (script,) = Scripted.made
        return (
            script,
            pd.read_csv(tmp_path / SELECTION),
            pd.read_csv(tmp_path / SELECTION).eval_ratio[0],
        )

    return selected


@pytest.mark.parametrize(
    "flags, pattern, iterations, top_k",
    [
        ([], "sym", 4, 1),
        (["--INCV_iter", 3, "--top_k", 2], "sym", 3, 2),
        (["--assumed_pattern", "asym"], "asym", 4, 1),
    ],
)
def test_flags_reach_the_algorithm(flags, pattern, iterations, top_k, selected, tmp_path):
    script, csv, eps = selected(*flags)
    y = load_dataset("digits", "").y_train
    y_noisy = corrupt_labels(y, "sym", 0.5, 10, 0)
    told = []

    def train(folds, use_best):
        told.extend(
            (str(stage), samples.tolist(), held.tolist(), use_best)
            for stage, samples, held in folds
        )
        return [Scripted.answer(held) for _, _, held in folds]

    expected = incv(train, y, y_noisy, 10, pattern, iterations, top_k, seed=0)
    assert script.told == told and len(told) == 2 * iterations
    assert (csv.select == expected.select).all() and (csv.candidate == expected.candidate).all()
    assert eps == pytest.approx(
        estimate_noise_ratio(np.mean([h % 5 < 2 for h in told[0][2]]), 10, top_k)
    )
    removed = (~csv.select & ~csv.candidate).sum()
    assert (removed > 100) == (pattern == "sym")  # nothing is removed under asym noise
    assert [use_best for *_, use_best in told[2:4]] == [pattern == "sym"] * 2
    rows = pd.read_csv(tmp_path / "digits/sym/0.5/INCV_iterations.csv")
    assert list(rows.iteration) == list(range(1, iterations + 1)) and rows.LP.iloc[
        -1
    ] == pytest.approx((y == y_noisy)[expected.select].mean())
    history = pd.read_csv(tmp_path / "digits/sym/0.5/INCV_history.csv")
    assert [*zip(history.iteration, history.half)] == [
        (i, half) for i in rows.iteration for half in "ab"
    ]


def test_seed_draws_noise_and_halves(selected, tmp_path, call):
    script, _, _ = selected()
    Scripted.made.clear()
    assert call("INCV", "--seed", 1, "--results_dir", tmp_path).code == 0
    assert script.told[0][2] != Scripted.made[0].told[0][2]
    assert (tmp_path / "digits/sym/0.5/seed1/digits_sym0.5_INCV_results.csv").exists()


@pytest.mark.parametrize(
    "flags, processes, threads",
    [
        (["--parallel_halves", "on", "--threads", 3], 2, 3),
        (["--parallel_halves", "off", "--threads", 3], 1, 3),
        (["--parallel_halves", "on"], 2, 4),
        (["--parallel_halves", "off"], 1, 8),
        ([], 2, 4),
    ],
)
def test_halves_share_the_cores(flags, processes, threads, selected, tmp_path, monkeypatch):
    """Use eight cores and much memory; the record has the threads of a training."""
    monkeypatch.setattr("noisylabels.system.hardware.cores", lambda: 8)
    monkeypatch.setattr("noisylabels.system.hardware.gpus", lambda: 0)
    monkeypatch.setattr("noisylabels.system.hardware.free_memory", lambda: 1e10)
    script, _, _ = selected(*flags)
    assert (len(script.experiment.execution.gpu_ids), script.experiment.execution.threads) == (
        processes,
        threads,
    )
    assert record_of(tmp_path, "INCV")["sessions"][0]["hardware"]["threads"] == threads


@pytest.mark.parametrize(
    "script, smaller, task",
    [("INCV", 718, []), ("Verify_Theory", 718, []), ("INCV_main", 1437, ["--method", "standard"])],
)
def test_largest_possible_batch(script, smaller, task, call, tmp_path, monkeypatch):
    """A batch with one more sample is refused."""

    def begins(*_, **__):
        raise UserError("it begins")

    monkeypatch.setattr("noisylabels.selection.processes.Trainers.start", begins)
    monkeypatch.setattr("noisylabels.training.device.start_tensorflow", begins)
    batches = [
        call(script, *task, "--batch_size", n, "--results_dir", tmp_path)
        for n in (smaller, smaller + 1)
    ]
    assert batches[0].err == f"{script}.py: error: it begins\n"
    assert (
        f"--batch_size: {smaller + 1} is more than the {smaller:,} samples".replace(",", "")
        in batches[1].err
    )


TWO_GPUS = """
import sys
from types import ModuleType, SimpleNamespace

class FoldTrainer:
    def __init__(self, *_):
        pass

    def train(self, half, use_best):
        return half, *begun

begun = []
sys.modules["noisylabels.training"] = ModuleType("without TensorFlow")
sys.modules["noisylabels.training.device"] = device = ModuleType("device")
sys.modules["noisylabels.selection.fold_trainer"] = networks = ModuleType("networks")
device.start_tensorflow = lambda *how, **more: begun.append((*how, *more.values())) or begun[-1]
networks.FoldTrainer = FoldTrainer
from noisylabels.selection.processes import Trainers

settings = SimpleNamespace(batch_size=64, precision="mixed")
execution = SimpleNamespace(gpu_ids=("0", "2,3"), jit_compile=False, threads=2)
experiment = SimpleNamespace(execution=execution, settings=settings)
with Trainers(experiment, None, SimpleNamespace(begin=lambda: None)) as trainers:
    print(trainers.start(), *trainers.train([("a",), ("b",)], True), sep="\\n")
print([process.exitcode for process in trainers.processes])
"""


def test_each_half_trains_on_its_own_gpus():
    """Each half uses a process, which has ended afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", TWO_GPUS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "('0', False, 2, 64, 'mixed')",
        "('a', ('0', False, 2, 64, 'mixed'))",
        "('b', ('2,3', False, 2, 64, 'mixed'))",
        "[-9, -9]",
    ], done.stderr


@pytest.mark.parametrize(
    "platform, imported, method",
    [("linux", False, "fork"), ("linux", True, "spawn"), ("darwin", False, "spawn")],
)
def test_processes_are_forked_if_possible(platform, imported, method, monkeypatch):
    """Forks share the images; TensorFlow does not work in a fork."""

    def get_context(how):
        raise UserError(how)

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    if imported:
        monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("multiprocessing.get_context", get_context)
    with pytest.raises(UserError, match=f"^{method}$"):
        Trainers(None, None, None).start()
