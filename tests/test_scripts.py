"""The three scripts through the command line, on digits with small settings: what they write, print and recognise."""
import json
import os
import pty
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers import QUICK, ROOT, SCRIPTS, end, files_in, held, results_in, shell, start
from PIL import Image

from noisylabels.errors import UserError
from noisylabels.runs.folders import run_folder
from noisylabels.selection.algorithm import best_epoch_iterations
from noisylabels.theory import Noise
from utils import corrupt_labels, load_dataset

REAL = ROOT.parent / "shared" / "cifar10" / "unpack.py"
SELECTION = "digits/sym/0.5/digits_sym0.5_INCV_results.csv"
MEASURED = [f"{name}_{k}" for k in (1, 2) for name in ("test_accuracy", "loss_all", "accuracy_all", "loss_clean",
                                                       "accuracy_clean", "loss_noisy", "accuracy_noisy")]
FILES = {
    "INCV": {f"digits/sym/0.5/{name}" for name in (
        "digits_sym0.5_INCV_results.csv", "INCV_history.csv", "INCV_iterations.csv", "INCV_iterations.png", "INCV.json",
        ".lock")} | {"digits/INCV.png"},
    "Verify_Theory": {f"digits/sym/{ratio}/{name}" for ratio in (0.2, 0.5) for name in (
        "Verify_Theory.csv", "Verify_Theory_M.csv", "Verify_Theory_history.csv", "Verify_Theory.json", ".lock")}
        | {f"digits/{name}" for name in ("Verify_Theory.csv", "Verify_Theory.png", "Verify_Theory_M.png")},
}
FILES["INCV_main"] = FILES["INCV"] | {f"digits/sym/0.5/{name}" for name in (
    "incv_training.csv", "incv_training.png", "incv_training.json", "incv_result.csv", "incv_1.keras", "incv_2.keras")
} | {f"digits/{name}" for name in ("table.csv", "table.md", "TestAcc.png")}


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", "")


def record_of(folder, name):
    return json.loads((folder / "digits/sym/0.5" / f"{name}.json").read_text())


# ----------------------------------------------------------------------------------------------------- what they write


@pytest.mark.parametrize("script", SCRIPTS)
def test_files_and_terminal(script, finished):
    folder, ended = finished(script)
    assert (ended.code, ended.err) == (0, "")
    assert files_in(folder).keys() == FILES[script]
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 160 and all(line.isprintable() for line in lines)
    epoch = r"^(INCV 1a, 719 samples|sym 0.2)  epoch 1/\d  loss \d.\d{4}  accuracy 0.\d{4}  .* s  ETA \d:\d\d$"
    assert re.search(epoch, ended.out, re.MULTILINE)
    written = {line.removeprefix(f"wrote {folder}/") for line in lines if line.startswith("wrote ")}
    assert all((folder / name).is_file() for name in written)
    assert {name for name in FILES[script] if name.endswith((".csv", ".md", ".png", ".keras"))} == {
        name for name in written if not name.endswith(".json")}
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG" and min(image.size) > 300


def test_selection_csv(finished, digits):
    """The documented path, name, columns, order and types: one row a training sample, in data set order."""
    path = finished("INCV")[0] / SELECTION
    assert path.read_text().splitlines()[0] == "y,y_noisy,select,candidate,eval_ratio"
    frame = pd.read_csv(path)
    assert [str(kind) for kind in frame.dtypes] == ["int64", "int64", "bool", "bool", "float64"]
    assert (frame.y == digits.y_train).all()
    assert (frame.y_noisy == corrupt_labels(digits.y_train, "sym", .5, 10, 0)).all()
    assert not (frame.select & frame.candidate).any()
    assert frame.eval_ratio.nunique() == 1 and .3 < frame.eval_ratio[0] < .8
    clean = frame.y == frame.y_noisy
    last = pd.read_csv(path.with_name("INCV_iterations.csv")).iloc[-1]
    assert (last.selected, last.candidate) == (frame.select.sum(), frame.candidate.sum())
    assert last.LP == pytest.approx(clean[frame.select].mean()) and last.LR == pytest.approx(frame.select[clean].mean())
    assert last.LP > .8 and last.LR > .7


def test_selection_history_and_summary(finished):
    folder, ended = finished("INCV")
    history = pd.read_csv(folder / "digits/sym/0.5/INCV_history.csv")
    assert list(history) == ["iteration", "half", "epoch", "learning_rate", "loss", "accuracy", "heldout_accuracy",
                             "seconds"]
    assert [*zip(history.iteration, history.half, history.epoch)] == [
        (i, half, epoch) for i in (1, 2) for half in "ab" for epoch in range(5)]
    iterations = pd.read_csv(folder / "digits/sym/0.5/INCV_iterations.csv")
    assert list(iterations) == ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
    assert (iterations[["selected", "candidate", "removed"]].sum(axis=1) == 1437).all()
    last = iterations.iloc[-1]
    needed = (history.iteration <= best_epoch_iterations(last.eps, "sym")) | (history.epoch == 4)
    assert (history.heldout_accuracy.notna() == needed).all()           # predicted only where something uses it
    for line in (f"estimated noise ratio  {last.eps:.3f}", f"label precision        {last.LP:.3f}",
                 f"label recall           {last.LR:.3f}",
                 f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, "
                 f"removed {last.removed:,.0f}"):
        assert line in ended.out


def test_training_csvs_and_summary(finished):
    folder, ended = finished("INCV_main")
    history = pd.read_csv(folder / "digits/sym/0.5/incv_training.csv")
    assert list(history) == ["epoch", "learning_rate", "loss", "accuracy", *MEASURED, "seconds", "kept_precision_1",
                             "kept_precision_2"]
    assert (history.epoch == range(8)).all() and history.notna().all(axis=None)
    assert history[[name for name in history if "accuracy" in name or "kept" in name]].stack().between(0, 1).all()
    result = pd.read_csv(folder / "digits/sym/0.5/incv_result.csv", dtype={"network": str}).set_index("network")
    assert list(result.index) == ["1", "2", "mean"] and list(result) == ["last", "last10", "best", "recipe"]
    curves = {"1": history.test_accuracy_1, "2": history.test_accuracy_2,
              "mean": (history.test_accuracy_1 + history.test_accuracy_2) / 2}
    for name, curve in curves.items():
        *scores, recipe = result.loc[name]
        assert scores == pytest.approx([curve.iloc[7], curve.mean(), curve.max()]) and recipe == "digits"
        assert result.loc[name, "best"] > .7
        title = "mean of both" if name == "mean" else f"network {name}"
        assert re.search(rf"^{title} +{curve.iloc[7]:.4f} +{curve.mean():.4f} +{curve.max():.4f}$", ended.out,
                         re.MULTILINE)


def test_the_networks_can_be_loaded(finished, digits):
    """In Keras' safe mode, with the recorded test accuracy."""
    import keras

    folder = finished("INCV_main")[0] / "digits/sym/0.5"
    network = keras.models.load_model(folder / "incv_2.keras", safe_mode=True)
    hit = network.predict(digits.x_test / np.float32(255), verbose=0).argmax(axis=1) == digits.y_test
    assert hit.mean() == pytest.approx(pd.read_csv(folder / "incv_training.csv").test_accuracy_2.iloc[-1])


def test_theory_csvs_and_summary(finished):
    folder, ended = finished("Verify_Theory")
    scores = ["TA", "LP", "LR"]
    columns = ["pattern", "ratio", "seed", *scores, *(f"{score}_theory" for score in scores), "test_accuracy"]
    rows = []
    for ratio in (0.2, 0.5):
        row = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory.csv")
        assert list(row) == columns and len(row) == 1
        assert (row.pattern[0], row.ratio[0], row.seed[0]) == ("sym", ratio, 0)
        assert row.TA_theory[0] == pytest.approx((1 - ratio) ** 2 + ratio ** 2 / 9)
        assert row.LR_theory[0] == pytest.approx(1 - ratio)
        assert row.LP_theory[0] == pytest.approx((1 - ratio) ** 2 / row.TA_theory[0])
        history = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_history.csv")
        assert list(history) == ["epoch", "learning_rate", "loss", "accuracy", "acc_mix", "acc_clean", "acc_noisy",
                                 "seconds"]
        assert len(history) == 8 and (history.acc_mix.iloc[-1], history.acc_clean.iloc[-1]) == (row.TA[0], row.LR[0])
        M = pd.read_csv(folder / f"digits/sym/{ratio}/Verify_Theory_M.csv", index_col=0)
        assert M.shape == (10, 10) and list(M.index) == list(map(int, M)) == list(range(10))
        assert M.sum(axis=1).tolist() == pytest.approx([1] * 10)
        rows.append(row)
        line = rf"^{ratio} +{row.TA[0]:.3f} +{row.TA_theory[0]:.3f} +{row.LP[0]:.3f} "
        assert re.search(line, ended.out, re.MULTILINE)
    everything = pd.read_csv(folder / "digits/Verify_Theory.csv")
    assert list(everything.ratio) == [.2, .5] and everything.TA.tolist() == pd.concat(rows).TA.tolist()


@pytest.mark.parametrize("script, name, arguments", [
    ("INCV", "INCV", {"epochs": 5, "INCV_iter": 2, "top_k": 1, "assumed_pattern": "sym", "learning_rate": .003}),
    ("INCV_main", "incv_training", {"epochs": 8, "method": "incv"}),
    ("Verify_Theory", "Verify_Theory", {"epochs": 8, "noise_ratio": .5}),
])
def test_records(script, name, arguments, finished):
    record = record_of(finished(script)[0], name)
    expected = {"dataset": "digits", "noise_pattern": "sym", "noise_ratio": .5, "seed": 0, "recipe": "digits",
                "architecture": "MLP", "batch_size": 128, "optimizer": "adam", "augmentation": "none", **arguments}
    assert expected.items() <= record["arguments"].items()
    assert record["finished"] is True and all(np.isfinite(value) for value in record["results"].values())
    (session,) = record["sessions"]
    assert session["command"][0].endswith(f"{script}.py") and session["command"][1:3] == ["--architecture", "MLP"]
    assert session["hardware"]["device"].startswith("CPU") and all(session["versions"].values())
    assert session["seconds"] > 0
    assert session["python"].count(".") == 2 and "git" in session and re.match(r"\d{4}-\d\d-\d\dT", session["started"])


# ------------------------------------------------------------------------------------------------------------- seeds


def test_the_same_seed_gives_the_same_selection(finished):
    """INCV alone, and INCV as INCV_main calls it, to the last byte."""
    alone, called = finished("INCV")[0], finished("INCV_main")[0]
    assert (alone / SELECTION).read_bytes() == (called / SELECTION).read_bytes()
    called = results_in(called)
    assert {path: content == called[path] for path, content in results_in(alone).items()} == dict.fromkeys(
        results_in(alone), True)


def test_a_selection_made_beforehand_is_used_and_the_same_seed_gives_the_same_networks(finished, tmp_path):
    """The CSV without INCV's other files, as somebody else may have made it."""
    (tmp_path / SELECTION).parent.mkdir(parents=True)
    shutil.copy(finished("INCV")[0] / SELECTION, tmp_path / SELECTION)
    ended = shell("INCV_main", *QUICK["INCV_main"], "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "") and "INCV 1a" not in ended.out
    found, expected = results_in(tmp_path), results_in(finished("INCV_main")[0])
    assert expected.keys() - found.keys() == {"digits/INCV.png"} | {f"digits/sym/0.5/INCV{name}" for name in (
        ".json", "_history.csv", "_iterations.csv", "_iterations.png")}
    assert [path for path in found if found[path] != expected.get(path)] == []


def test_another_seed_gives_other_results_in_its_own_folder(finished, tmp_path):
    ended = shell("INCV_main", *QUICK["INCV_main"], "--seed", 1, "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    first = finished("INCV_main")[0] / "digits/sym/0.5"
    for name in ("digits_sym0.5_INCV_results.csv", "INCV_history.csv", "incv_training.csv"):
        found, other = pd.read_csv(tmp_path / "digits/sym/0.5/seed1" / name), pd.read_csv(first / name)
        assert list(found) == list(other) and len(found) == len(other)
        column = "y_noisy" if "y_noisy" in found else "loss"
        assert (found[column] != other[column]).any()


def test_verify_theory_with_another_seed(finished, tmp_path):
    ended = shell("Verify_Theory", *QUICK["Verify_Theory"][:-2], "0.5", "--seed", 1, "--results_dir", tmp_path)
    assert (ended.code, ended.err) == (0, "")
    found = pd.read_csv(tmp_path / "digits/sym/0.5/seed1/Verify_Theory.csv")
    other = pd.read_csv(finished("Verify_Theory")[0] / "digits/sym/0.5/Verify_Theory.csv")
    assert found.seed[0] == 1 and (found[["TA", "LP", "LR"]] != other[["TA", "LP", "LR"]]).any(axis=None)


# -------------------------------------------------------------------------------------------- what has been done before


@pytest.fixture
def no_tensorflow(monkeypatch):
    monkeypatch.setitem(sys.modules, "noisylabels.training.trainer", None)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_finished_run_is_recognised(script, finished, call, no_tensorflow):
    """Without TensorFlow, so within seconds: the same summary, and nothing changes."""
    folder, first = finished(script)
    before = files_in(folder)
    ended = call(script, *QUICK[script], "--results_dir", folder)
    assert (ended.code, ended.err) == (0, "")
    assert files_in(folder) == before
    assert " epoch 1/" in first.out and " epoch 1/" not in ended.out
    assert ended.out.strip() and ended.out.strip() in first.out


@pytest.mark.parametrize("script, arguments, differ", [
    ("INCV", ["--INCV_epochs", 6], r"INCV.json .*: epochs \(found 5, given 6\);"),
    ("INCV", ["--INCV_iter", 3], r"INCV.json .*: INCV_iter \(found 2, given 3\);"),
    ("INCV", ["--top_k", 2, "--learning_rate", .01],
     r"INCV.json .*: learning_rate \(found 0.003, given 0.01\), top_k \(found 1, given 2\);"),
    ("INCV", ["--assumed_pattern", "asym"], r"INCV.json .*: assumed_pattern \(found sym, given asym\);"),
    ("INCV_main", ["--epochs", 9], r"incv_training.json .*: epochs \(found 8, given 9\);"),
    ("INCV_main", ["--architecture", "SmallCNN"], r"incv_training.json .*: architecture \(found MLP, given Sm"),
    ("INCV_main", ["--INCV_epochs", 6], r"INCV.json .*: epochs \(found 5, given 6\);"),
    ("INCV_main", ["--INCV_iter", 4], r"INCV.json .*: INCV_iter \(found 2, given 4\);"),
    ("INCV_main", ["--assumed_pattern", "asym"], r"INCV.json .*: assumed_pattern \(found sym, given asym\);"),
    ("Verify_Theory", ["--epochs", 9], r"0.2/Verify_Theory.json .*: epochs \(found 8, given 9\);"),
    ("Verify_Theory", ["--noise_ratio", .7, .5, "--recipe", "fast"], r"0.5/Verify_Theory.json .*: mirror|optimizer"),
])
def test_differing_arguments_are_named(script, arguments, differ, finished, call, no_tensorflow):
    folder = finished(script)[0]
    before = files_in(folder)
    ended = call(script, *QUICK[script], *arguments, "--results_dir", folder)
    assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1 and re.search(differ, ended.err)
    assert "--overwrite" in ended.err and files_in(folder) == before


def test_the_selection_s_flags_need_not_be_given_again(finished, call, no_tensorflow):
    """What INCV_main is not told of the selection is as it is recorded."""
    ended = call("INCV_main", *QUICK["INCV_main"][:4], "--epochs", 8, "--results_dir", finished("INCV_main")[0])
    assert (ended.code, ended.err) == (0, "")


@pytest.fixture
def begins(finished, tmp_path, call, monkeypatch):
    """With what INCV_main begins after these flags, in a copy of the finished run: "selection" or "training"."""
    shutil.copytree(finished("INCV_main")[0], tmp_path, dirs_exist_ok=True)

    def begin(what):
        def end(*_):
            raise UserError(what)
        return end

    def begins(*flags):
        monkeypatch.setattr("noisylabels.selection.networks.select", begin("selection"))
        monkeypatch.setattr("noisylabels.training.device.start_tensorflow", begin("training"))
        ended = call("INCV_main", *QUICK["INCV_main"], *flags, "--results_dir", tmp_path)
        return ended.err.removeprefix("INCV_main.py: error: ").strip()
    return begins


def test_the_selection_is_made_again_where_it_must(begins, tmp_path):
    record = tmp_path / "digits/sym/0.5/INCV.json"
    assert begins() == ""                                                                       # all is done
    (tmp_path / "digits/sym/0.5/incv_result.csv").unlink()
    assert begins() == "training"
    assert begins("--overwrite") == begins("--overwrite", "--INCV_epochs", 5) == "training"
    assert begins("--overwrite", "--INCV_epochs", 6) == "selection"
    record.write_text(record.read_text().replace('"finished": true', '"finished": false'))      # killed at the very end
    assert begins() == "selection"
    record.unlink()                                                                             # made by somebody else
    assert begins() == "training"
    (tmp_path / SELECTION).unlink()
    assert begins() == "selection"


def test_overwrite_repeats_a_finished_run_on_a_terminal(finished, tmp_path):
    """With the same result; and with Keras' bar, since the output is a terminal here."""
    shutil.copytree(finished("Verify_Theory")[0], tmp_path, dirs_exist_ok=True)
    before = record_of(tmp_path, "Verify_Theory")["sessions"]
    main, terminal = pty.openpty()
    process = start("Verify_Theory", *QUICK["Verify_Theory"], "--overwrite", "--results_dir", tmp_path, stdout=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 10_000)
        except OSError:                         # the other side is closed
            break
    os.close(main)
    ended = end(process, timeout=60)
    assert (ended.code, ended.err) == (0, "")
    shown = shown.decode()
    assert shown.count("━") > 20 and shown.count("48/48") == 2                   # 6 steps in each of 8 epochs
    last = pd.read_csv(tmp_path / "digits/sym/0.5/Verify_Theory.csv").TA[0]
    assert re.findall(r"acc_mix: (\d\.\d+)", shown)[-1] == f"{last:.4f}"         # of this epoch, not averaged
    (session,) = record_of(tmp_path, "Verify_Theory")["sessions"]
    assert session != before[0]
    assert results_in(tmp_path) == results_in(finished("Verify_Theory")[0])


# ------------------------------------------------------------------------------------------------ more than one process


def test_a_second_process_says_who_holds_the_folder(tmp_path, call, unstarted):
    folder = run_folder(tmp_path, "digits", Noise("sym", .5), 0)
    with held(folder) as holder:
        (folder / "INCV.json").unlink()                 # of other arguments, which would be noticed first
        for script in ("INCV", "INCV_main"):
            ended = call(script, "--results_dir", tmp_path)
            assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1
            assert f"{folder} is in use by process {holder} on " in ended.err


@pytest.mark.parametrize("output, reason", [("full disk", "No space left on device"), ("closed pipe", "Broken pipe")])
def test_output_that_cannot_be_written(output, reason, finished):
    """A full disk behind `>`, or a `| head` that has seen enough: one line, and no traceback at exit."""
    reader, writer = os.pipe()
    os.close(reader)
    with open("/dev/full" if output == "full disk" else writer, "w") as stdout:
        ended = shell("INCV", *QUICK["INCV"], "--results_dir", finished("INCV")[0], stdout=stdout)
    assert ended.code == 2 and ended.err.count("\n") == 1
    assert f"standard output: {reason}; mend that" in ended.err


# -------------------------------------------------------------------------------------------------------- real images


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="no CIFAR-10 in ../shared/cifar10")
def test_real_cifar10(tmp_path):
    """One epoch of everything with a small network: the path of the big data set, not its accuracy."""
    subprocess.run([sys.executable, REAL, tmp_path / "data"], check=True)
    common = ["--dataset", "cifar10", "--data_dir", tmp_path / "data", "--results_dir", tmp_path / "results",
              "--architecture", "SmallCNN"]
    for script, more in (("INCV", ["--INCV_epochs", 1, "--INCV_iter", 1]), ("INCV_main", ["--epochs", 1]),
                         ("Verify_Theory", ["--epochs", 1])):
        ended = shell(script, *common, *more, timeout=3600)
        assert (ended.code, ended.err) == (0, "")
    frame = pd.read_csv(tmp_path / "results/cifar10/sym/0.5/cifar10_sym0.5_INCV_results.csv")
    assert len(frame) == 50_000 and frame.select.any()
