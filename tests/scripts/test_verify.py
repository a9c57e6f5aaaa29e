"""Verify_Theory.py with a scripted network: its training and test sets, and its scores."""

import functools
import json
import threading

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, held

from noisylabels.seeding import generator
from utils import corrupt_labels, load_dataset

pytestmark = pytest.mark.runs
N, EPOCHS, RATIOS = 1437, 13, (0.2, 0.5)
TOLD = [
    "--augmentation",
    "flip",
    "--learning_rate",
    0.125,
    "--gpu_id",
    -1,
    "--threads",
    3,
    "--jit_compile",
]


class Script:
    """Predict the next class for every fourth sample in the last epoch, class 0 before."""

    images = "the images"

    def __init__(self, dataset):
        self.dataset, self.restarts, self.labels, self.tested, self.meanwhile = (
            dataset,
            [],
            [],
            [],
            [],
        )
        self.started = []
        self.predictions = (dataset.y_train + (np.arange(N) % 4 == 0)) % 10

    def build(self, method, inputs, settings, seed, stage):
        self.inputs, self.stage = inputs, (seed, stage)
        return self

    def trainer(self, method, is_clean, augmentation, rate, jit_compile, on_event):
        self.told = augmentation, rate(0, EPOCHS), jit_compile
        return self

    def start(self, *inputs, **more):
        self.started.append((*inputs, *more.values()))
        return CPU

    def relabel(self, labels, clean):
        self.labels.append((labels, clean))

    def restart(self, samples):
        self.restarts.append(samples)

    def probabilities(self, images, indices=None):
        if indices is None:
            assert images == "the test images"
            return np.eye(10)[
                np.where(np.arange(360) < 90, self.dataset.y_test, (self.dataset.y_test + 1) % 10)
            ]
        assert images == self.images
        self.tested.append(indices)
        return np.eye(10)[self.predictions[indices] if self.epoch == EPOCHS - 1 else 0 * indices]

    def fit(self, epochs, seed, stage, checkpoint, after_epoch, name):
        assert (epochs, seed, stage) == (EPOCHS, 3, "verify")
        while self.meanwhile:
            self.meanwhile.pop()()
        memory, rows = {}, []
        for self.epoch in range(epochs):
            rows.append({"epoch": self.epoch, **after_epoch(self.epoch, memory)})
        return rows, memory


@pytest.fixture
def script(monkeypatch):
    from noisylabels.training import device

    script = Script(load_dataset("digits", ""))
    monkeypatch.setattr(device, "start_tensorflow", script.start)
    monkeypatch.setattr("noisylabels.pipeline.verify.build_method", script.build)
    monkeypatch.setattr("noisylabels.pipeline.verify.Trainer", script.trainer)
    monkeypatch.setattr(device, "as_tensor", lambda images: "the test images")
    return script


@pytest.fixture
def verify(script, call, undrawn, tmp_path):
    """Call Verify_Theory.py with these ratios, seed 3, and more flags; return how it ended."""
    return lambda *ratios, flags=(): call(
        "Verify_Theory",
        "--noise_ratio",
        *ratios,
        "--seed",
        3,
        "--epochs",
        EPOCHS,
        "--evaluate_every",
        3,
        "--results_dir",
        tmp_path,
        *TOLD,
        *flags,
    )


@pytest.fixture
def ran(script, verify, tmp_path):
    """Return the script and the results folder after a call with two ratios."""
    ended = verify(*RATIOS)
    assert (ended.code, ended.err) == (0, "")
    return script, tmp_path / "digits/sym"


def test_trains_on_one_half_and_tests_the_other(ran):
    """Each ratio has the same halves and initial weights, and its own observed labels."""
    script, _ = ran
    trained, held_out = script.restarts[0], script.tested[0]
    assert (
        sorted([*trained, *held_out]) == list(range(N)) and abs(len(trained) - len(held_out)) == 1
    )
    assert sorted(trained) == sorted(np.array_split(generator(3, "halves").permutation(N), 2)[0])
    assert len(script.restarts) == len(RATIOS)
    assert len(script.tested) == 5 * len(RATIOS)  # after epochs 3, 6, 9, 12 and 13
    assert all((samples == trained).all() for samples in script.restarts)
    assert all((samples == held_out).all() for samples in script.tested)
    y = script.dataset.y_train
    for ratio, (labels, clean) in zip(RATIOS, script.labels, strict=True):
        assert (labels == corrupt_labels(y, "sym", ratio, 10, 3)).all() and (
            clean == (labels == y)
        ).all()
    assert script.told == ("flip", 0.125, True) and script.started == [
        ("-1", True, 3, 128, "float32")
    ]
    assert script.stage == (3, "verify") and (script.inputs.images == script.dataset.x_train).all()


def test_scores_of_the_last_epoch_by_hand(ran):
    script, folder = ran
    held = script.tested[0]
    y, predicted = script.dataset.y_train[held], script.predictions[held]
    for ratio in RATIOS:
        y_noisy = corrupt_labels(script.dataset.y_train, "sym", ratio, 10, 3)[held]
        hit, clean = predicted == y_noisy, y == y_noisy
        row = pd.read_csv(folder / f"{ratio}/seed3/Verify_Theory.csv").iloc[0]
        assert (row.TA, row.LP, row.LR) == pytest.approx(
            (hit.mean(), clean[hit].mean(), hit[clean].mean())
        )
        assert (row.ratio, row.seed, row.test_accuracy) == (ratio, 3, 0.25)
        history = pd.read_csv(folder / f"{ratio}/seed3/Verify_Theory_history.csv")
        zero = y_noisy == 0
        first, last = (
            [values.mean(), values[clean].mean(), values[~clean].mean()] for values in (zero, hit)
        )
        found = history[["acc_mix", "acc_clean", "acc_noisy"]].to_numpy()
        skipped = [3 * [np.nan]] * 2
        np.testing.assert_allclose(found, [*skipped, first] * 4 + [last])


def test_rows_of_M_are_true_classes(ran):
    """A quarter of each class is predicted as the next one."""
    script, folder = ran
    held = script.tested[0]
    M = pd.read_csv(folder / "0.5/seed3/Verify_Theory_M.csv", index_col=0).to_numpy()
    for c in range(10):
        of_class = held[script.dataset.y_train[held] == c]
        share = np.mean(of_class % 4 == 0)
        expected = np.zeros(10)
        expected[[c, (c + 1) % 10]] = 1 - share, share
        assert M[c] == pytest.approx(expected) and 0.1 < share < 0.4


def test_ratio_finished_by_another_process_is_not_repeated(script, verify):
    script.meanwhile.append(lambda: verify(0.5))  # while the first one is trained
    assert verify(*RATIOS).code == 0 and len(script.restarts) == 2


@pytest.mark.parametrize("finishes", [False, True])
def test_wait_flag_waits_for_another_process(finishes, ran, verify, tmp_path):
    """Then resume what that process leaves, or find it finished."""
    script, folder = ran
    folder = folder / "0.5/seed3"
    record = json.loads((folder / "Verify_Theory.json").read_text())
    (folder / "Verify_Theory.json").write_text(json.dumps(record | {"finished": False}))
    with held(folder, "Verify_Theory", record["arguments"]) as holder:
        ended = verify(0.5)
        assert ended.code == 2 and "is in use by" in ended.err
        end = (
            functools.partial(print, "finish", file=holder.stdin, flush=True)
            if finishes
            else holder.kill
        )
        threading.Timer(1, end).start()
        ended = verify(0.5, flags=["--wait"])
    assert ended.code == 0 and "waiting for process" in ended.out
    assert len(script.restarts) == len(RATIOS) + (not finishes)
