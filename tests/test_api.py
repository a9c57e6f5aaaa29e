"""The Python API: what it returns, how it trains, and what it says of arguments that do not fit."""

import json
import re
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, InThisProcess

from noisylabels import api
from noisylabels.errors import UserError
from noisylabels.report.read_issues import DUPLICATE_COLUMNS, ISSUE_COLUMNS
from noisylabels.selection.algorithm import score_predictions
from noisylabels.selection.local_trainers import LocalTrainers

pytestmark = pytest.mark.runs
N = 60
TRUE = np.arange(N) % 3
LABELS = np.where(np.arange(N) % 10 == 0, (TRUE + 1) % 3, TRUE)  # six are wrong
IMAGES = np.zeros((N, 8, 8), np.uint8)
IMAGES[np.arange(N)[:, None], TRUE[:, None] * 2 + np.arange(2)] = 250  # two rows by class
IMAGES[np.arange(N), 7, 7] = np.arange(N)  # no duplicates


class Oracle(InThisProcess):
    """Train networks that know the true labels, with less certainty for later samples."""

    def start(self):
        Oracle.experiment = self.experiment
        return {"device": "CPU", "threads": 1}

    def train(self, folds, use_best):
        answers = []
        for _, _, held_out in folds:
            sure = 0.9 - 0.5 * held_out / N
            p = np.eye(3)[TRUE[held_out]] * (sure - 0.05)[:, None] + 0.05
            answers.append((score_predictions(p, self.experiment.y_noisy[held_out]), []))
        return answers


@pytest.fixture
def oracle(monkeypatch, tmp_path):
    """Use the API without networks, with temporary files in tmp_path."""
    monkeypatch.setattr(api, "choose_trainers", lambda experiment: Oracle)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Oracle


@pytest.fixture
def local(monkeypatch):
    monkeypatch.setattr(api, "choose_trainers", lambda experiment: LocalTrainers)


def linear(input_shape, n_classes):
    import keras

    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)]
    )


def test_issues_have_the_columns_of_the_csv_and_the_worst_first(oracle, tmp_path):
    issues = api.find_label_issues(LABELS, IMAGES, quiet=True)
    assert [*issues] == ISSUE_COLUMNS + DUPLICATE_COLUMNS and sorted(issues["index"]) == [*range(N)]
    assert sorted(issues["index"][:6]) == [0, 10, 20, 30, 40, 50]
    assert issues.is_label_issue.tolist() == [True] * 6 + [False] * (N - 6)
    assert issues.label_score.is_monotonic_increasing
    row = issues.set_index("index").loc[10]
    assert (row.given_label, row.predicted_label, row.file) == ("2", "1", "10")
    assert issues.y_true.isna().all() and 0 < issues.attrs["noise_ratio"] < 0.2
    assert [*tmp_path.iterdir()] == []


def test_issues_are_those_of_the_script(oracle, call, tmp_path, monkeypatch):
    images = IMAGES.copy()
    images[5] = images[8]
    np.savez(tmp_path / "x.npz", x=images, y=LABELS)
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Oracle)
    flags = ["--results_dir", tmp_path / "results", "--assumed_pattern", "sym"]
    assert call("INCV", "--dataset", tmp_path / "x.npz", *flags).code == 0
    text = {"given_label": str, "predicted_label": str}
    written = pd.read_csv(tmp_path / "results/x/given/label_issues.csv", dtype=text)
    found = api.find_label_issues(LABELS, images, assumed_pattern="sym", quiet=True)
    assert found.duplicate_group.notna().sum() == 2 and "removed" in {*found.status}
    pd.testing.assert_frame_equal(
        written.drop(columns=["file", "y_true"]),
        found.drop(columns=["file", "y_true"]),
        check_dtype=False,
    )


def test_clean_samples_are_masks_in_the_order_of_the_labels(oracle):
    clean = api.select_clean(LABELS, IMAGES, quiet=True)
    assert (clean.selected == (LABELS == TRUE)).all() and clean.selected.dtype == bool
    assert (clean.selected.astype(int) + clean.candidate + clean.removed == 1).all()
    sym = api.select_clean(LABELS, IMAGES, assumed_pattern="sym", quiet=True)
    assert sym.removed.any() and sym.noise_ratio == clean.noise_ratio


def test_duplicates_with_different_labels_are_not_clean(oracle):
    images = IMAGES.copy()
    first, other = 0, np.flatnonzero(LABELS != LABELS[0])[0]
    images[other] = images[first]
    issues = api.find_label_issues(LABELS, images, quiet=True).sort_values("index")
    clean = api.select_clean(LABELS, images, quiet=True)
    assert not clean.selected[[first, other]].any()
    assert (clean.selected == ~issues.is_label_issue).all()
    assert (clean.selected.astype(int) + clean.candidate + clean.removed == 1).all()


def test_settings_are_those_of_the_recipe_but_for_the_arguments(oracle):
    api.find_label_issues(LABELS, IMAGES[..., None], epochs=3, top_k=2, seed=7, quiet=True)
    made = oracle.experiment
    assert (made.recipe, made.settings.epochs, made.seed) == ("fast", 3, 7)
    assert made.arguments["top_k"] == 2 and made.settings.batch_size == 3  # 8 steps an epoch
    assert made.settings.augmentation == "alternate"
    api.find_label_issues(LABELS, IMAGES, recipe="paper", may_be_mirrored=False, quiet=True)
    assert oracle.experiment.settings.augmentation == "none"
    assert oracle.experiment.settings.architecture == "ResNet32"


def test_whole_numbers_of_any_type_fit(oracle):
    numbers = {"iterations": 2.0, "top_k": 1, "epochs": 3, "batch_size": 4, "threads": 1, "seed": 5}
    for kind in (float, np.int64):
        options = {name: kind(number) for name, number in numbers.items()}
        api.find_label_issues(LABELS, IMAGES, quiet=True, **options)
        made = oracle.experiment
        found = (*made.arguments.values(), made.settings.epochs, made.settings.batch_size)
        found = (*found, made.execution.threads, made.seed)
        assert json.dumps(found) == '[2, 1, "asym", 3, 4, 1, 5]'


@pytest.mark.parametrize(
    "data, method, expected",
    [
        ({"images": IMAGES}, "fork", "auto"),
        ({"images": IMAGES}, "spawn", "off"),
        ({"features": np.eye(3)[TRUE]}, "fork", "off"),
    ],
)
def test_only_parallel_trainings_share_the_cores(data, method, expected, oracle, monkeypatch):
    """Ridge regression and trainings in this process run one after the other."""
    asked = []

    def share_machine(parallel, gpu_id, threads):
        asked.append(parallel)
        return (gpu_id,), 1

    monkeypatch.setattr(api, "share_machine", share_machine)
    monkeypatch.setattr(api, "start_method", lambda: method)
    api.find_label_issues(LABELS, **data, quiet=True)
    assert asked == [expected]


def test_progress_is_shown_unless_quiet(monkeypatch, oracle):
    quiet = []
    monkeypatch.setattr(api.Progress, "begin", lambda self: quiet.append(self.quiet))
    monkeypatch.setattr(Oracle, "start", lambda self: self.progress.begin() or {})
    monkeypatch.setattr(
        Oracle, "__init__", lambda self, e, r, p: vars(self).update(experiment=e, progress=p)
    )
    api.find_label_issues(LABELS, IMAGES)
    api.find_label_issues(LABELS, IMAGES, quiet=True)
    assert quiet == [False, True]


BAD = {
    "recipe": ((LABELS, IMAGES), {"recipe": "slow"}, "recipe is 'slow': give one of paper, fast"),
    "pattern": ((LABELS, IMAGES), {"assumed_pattern": "x"}, "assumed_pattern is 'x': give one of"),
    "top_k": ((LABELS, IMAGES), {"top_k": 3}, "top_k is 3: give a whole number, 1 to 2"),
    "epochs": ((LABELS, IMAGES), {"epochs": 1.5}, "epochs is 1.5: give a whole number, 1 to"),
    "no epochs": ((LABELS, IMAGES), {"epochs": 0}, "epochs is 0: give a whole number, 1 to"),
    "batch": ((LABELS, IMAGES), {"batch_size": 31}, "batch_size is 31: .* 2 to 30"),
    "iterations": ((LABELS, IMAGES), {"iterations": 0}, "iterations is 0: give a whole number"),
    "seed": ((LABELS, IMAGES), {"seed": -1}, "seed is -1: give a whole number, 0 to 2,147"),
}


@pytest.mark.parametrize("kind", BAD)
def test_arguments_that_do_not_fit(kind, oracle):
    arguments, options, message = BAD[kind]
    with pytest.raises(ValueError, match=f"^{message}") as error:
        api.find_label_issues(*arguments, quiet=True, **options)
    assert "\n" not in str(error.value)


FEATURES = np.random.default_rng(0).normal(size=(N, 5)) + 5 * np.eye(3, 5)[TRUE]
BAD_FEATURES = {
    "recipe": (FEATURES, {"recipe": "fast"}, "recipe is 'fast': give one of features$"),
    "epochs": (FEATURES, {"epochs": 3}, "epochs and batch_size have no effect on ridge"),
}


@pytest.mark.parametrize("kind", BAD_FEATURES)
def test_arguments_that_do_not_fit_features(kind, oracle):
    features, options, message = BAD_FEATURES[kind]
    with pytest.raises(ValueError, match=f"^{message}") as error:
        api.find_label_issues(LABELS, features=features, quiet=True, **options)
    assert "\n" not in str(error.value)


def test_features_are_judged_by_ridge_regression(capsys):
    """No network is trained, and the images are not used."""
    issues = api.find_label_issues(LABELS, IMAGES[:, :1, :1], FEATURES, iterations=2)
    assert set(issues["index"][:6]) == {0, 10, 20, 30, 40, 50}
    assert issues.predicted_label[0] == str(TRUE[issues["index"][0]])
    assert "INCV 1a" in capsys.readouterr().out


def test_imports_are_light():
    code = (
        "import sys, noisylabels; assert not {'numpy', 'pandas'} & {*sys.modules}\n"
        "from noisylabels import CleanSamples, find_label_issues, select_clean\n"
        "assert not {'tensorflow', 'keras'} & {*sys.modules}; noisylabels.nothing"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "AttributeError: module 'noisylabels' has no attribute 'nothing'" in ended.stderr


def test_example_of_the_documentation_runs(oracle, capsys):
    page = (ROOT / "docs/data.md").read_text()
    (example,) = re.findall(r"(?m)^    from noisylabels import .*\n(?:(?:    .*)?\n)+", page)
    names = {"labels": LABELS, "images": IMAGES, "build": linear}
    exec("\n".join(line[4:] for line in example.splitlines()), names)
    assert len(names["issues"]) == N and len(names["images"]) == 54


# --- with networks ---


def test_network_of_the_user_is_trained(local, capsys):
    shapes = []

    def build(input_shape, n_classes):
        shapes.append((input_shape, n_classes))
        return linear(input_shape, n_classes)

    clean = api.select_clean(LABELS, IMAGES, build=build, epochs=40, iterations=1)
    assert shapes == [((8, 8, 1), 3)]
    assert clean.selected[LABELS == TRUE].mean() > 0.8 > clean.selected[LABELS != TRUE].mean()
    assert "INCV 1a  epoch 40/40" in capsys.readouterr().out


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda shape, n: 1 / 0, r"build\(\(8, 8, 1\), 3\): ZeroDivisionError: division by zero"),
        (lambda shape, n: "a network", "build returns str: return a keras.Model"),
        (lambda shape, n: linear(shape, 4), r"to \(None, 4\): return one from .* to \(None, 3\)"),
        (lambda shape, n: linear((4, 4, 1), n), r"from \(None, 4, 4, 1\) to .* return one from"),
    ],
)
def test_networks_that_do_not_fit(build, message, local):
    with pytest.raises(UserError, match=message) as error:
        api.find_label_issues(LABELS, IMAGES, build=build, quiet=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("is_layer", [False, True])
def test_network_with_softmax_is_refused(is_layer, local):
    def build(input_shape, n_classes):
        import keras

        network = linear(input_shape, n_classes)
        if is_layer:
            return keras.Sequential([network, keras.layers.Softmax()])
        network.layers[-1].activation = keras.activations.softmax
        return network

    with pytest.raises(UserError, match="ends with softmax: return logits"):
        api.find_label_issues(LABELS, IMAGES, build=build, quiet=True)


def test_network_of_the_user_is_trained_on_features(local):
    def build(input_shape, n_classes):
        import keras

        assert (input_shape, n_classes) == ((5,), 3)
        layer = keras.layers.Dense(n_classes, kernel_initializer="zeros")
        return keras.Sequential([keras.Input(input_shape), layer])

    clean = api.select_clean(
        LABELS, None, FEATURES, build=build, epochs=30, batch_size=4, iterations=1, quiet=True
    )
    assert clean.selected[LABELS == TRUE].mean() > 0.8 > clean.selected[LABELS != TRUE].mean()
