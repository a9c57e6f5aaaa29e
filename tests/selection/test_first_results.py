"""Answers after the first iteration, doubt about them, and duplicates: INCV.py without networks."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers import CPU, InThisProcess, record_of
from PIL import Image

from noisylabels.errors import UserError
from noisylabels.report import draw, issue_figures
from noisylabels.runs.comparison import has_changed
from noisylabels.seeding import generator
from noisylabels.selection.algorithm import score_predictions

pytestmark = pytest.mark.runs
FOLDER = "digits/sym/0.5"
PAGE = "review.html"


class Guesses(InThisProcess):
    """Give random probabilities with some weight on the true or the observed label."""

    weight = 0.6
    stop_in = None  # iteration whose training fails

    def start(self):
        return CPU

    def train(self, folds, use_best):
        dataset, y_noisy = self.experiment.dataset, self.experiment.y_noisy
        known, c = dataset.y_train if dataset.y_train is not None else y_noisy, dataset.n_classes
        answers = []
        for stage, _, held in folds:
            if stage.iteration == self.stop_in:
                raise UserError("stopped")
            p = generator(0, "test", stage.iteration).dirichlet(np.full(c, 0.5), len(known))[held]
            p = np.float32((p + self.weight * np.eye(c)[known[held]]) / (1 + self.weight))
            answers.append((score_predictions(p, y_noisy[held]), [{"epoch": 0}]))
        return answers


@pytest.fixture
def select(call, tmp_path, monkeypatch):
    """Call INCV.py with these flags; each iteration counts as a long one."""
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Guesses)
    monkeypatch.setattr("noisylabels.selection.processes.FIRST_RESULTS_SECONDS", -1)

    def select(*flags, results_dir=tmp_path, **attributes):
        for name, value in attributes.items():
            monkeypatch.setattr(Guesses, name, value)
        return call("INCV", "--results_dir", results_dir, "--review_images", 20, *flags)

    return select


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr("noisylabels.report.outputs.save_figure", lambda figure, path: path)
    monkeypatch.setattr("noisylabels.report.draw.summary", lambda *_: [])


def contents(folder):
    """Return all files of a folder but its record, which contains times."""
    files = {path.name: path for path in folder.iterdir() if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if not name.startswith(".") and name != "INCV.json"
    }


def page_data(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text())[1])


def test_first_results_are_there_after_iteration_1(select, tmp_path):
    ended = select(stop_in=2)
    folder = tmp_path / FOLDER
    assert ended.code == 2 and "stopped" in ended.err
    assert (
        f"first results after iteration 1 of 4: {folder / PAGE}; later iterations refine them"
        in (ended.out)
    )
    found = {path.name for path in folder.iterdir()}
    assert {"label_issues.csv", "duplicates.csv", "label_issues.png", "reliability.json"} <= found
    assert not {"cleaned.csv", "labelstudio.xml", "digits_sym0.5_INCV_results.csv"} & found
    assert page_data(folder / PAGE)["notes"][0].startswith("Written after iteration 1 of 4.")
    frame = pd.read_csv(folder / "label_issues.csv")
    assert len(frame) == 1437 and set(frame.selected_iteration.dropna()) == {1}
    assert record_of(tmp_path, "INCV")["finished"] is False


def test_first_results_do_not_count_as_a_finished_selection(select, tmp_path, without_figures):
    select(stop_in=3)
    folder = tmp_path / FOLDER
    before = contents(folder)
    assert draw.everything(tmp_path, "digits") == [] and contents(folder) == before


@pytest.mark.slow
def test_resumed_run_has_the_files_of_an_uninterrupted_one(select, tmp_path, without_figures):
    select(stop_in=2)
    resumed = select(stop_in=None)
    assert resumed.code == 0 and resumed.out.count("first results after iteration") == 3
    select(results_dir=tmp_path / "once")
    found = contents(tmp_path / FOLDER)
    assert found == contents(tmp_path / "once" / FOLDER) and "cleaned.csv" in found
    assert page_data(tmp_path / FOLDER / PAGE)["notes"] == []
    record = record_of(tmp_path, "INCV")
    assert record["finished"] and {"label_issues.csv", "duplicates.csv"} <= {*record["files"]}
    assert not any(has_changed(record, tmp_path / FOLDER / name) for name in record["files"])


def test_quick_iterations_write_nothing_early(select, tmp_path, without_figures, monkeypatch):
    monkeypatch.setattr("noisylabels.selection.processes.FIRST_RESULTS_SECONDS", 60)
    assert "first results" not in select(stop_in=2).out
    assert contents(tmp_path / FOLDER) == {}


def test_one_iteration_is_no_first_answer(select, tmp_path, without_figures):
    assert "first results" not in select("--INCV_iter", 1).out
    assert page_data(tmp_path / FOLDER / PAGE)["notes"] == []


def test_a_finished_result_stays_until_the_new_one_is_whole(select, tmp_path, without_figures):
    select()
    before = contents(tmp_path / FOLDER)
    ended = select("--overwrite", stop_in=2, weight=0.5)
    assert ended.code == 2 and "first results" not in ended.out
    assert contents(tmp_path / FOLDER) == before


def test_a_page_of_other_settings_goes_when_the_run_begins(select, tmp_path, without_figures):
    select(stop_in=2)
    select("--overwrite", "--epochs", 3, stop_in=1)
    assert PAGE not in contents(tmp_path / FOLDER)


# ------------------------------------------------------------------------------------------- doubt


def test_doubt_near_chance_is_in_summary_page_and_file(select, tmp_path, without_figures):
    out = select(weight=0).out
    reliability = json.loads((tmp_path / FOLDER / "reliability.json").read_text())
    assert reliability["can_judge"] is False and 0.05 < reliability["agreement"] < 0.15
    said = out[out.index("This model cannot judge these labels:") :]
    assert all(f"- {reason}" in said for reason in reliability["reasons"])
    assert f"What would help: {reliability['remedy']}." in said
    doubt = page_data(tmp_path / FOLDER / PAGE)["warning"]
    assert doubt["reasons"] == reliability["reasons"]


def test_good_run_can_judge_the_labels(select, tmp_path, without_figures):
    out = select().out
    reliability = json.loads((tmp_path / FOLDER / "reliability.json").read_text())
    assert reliability["can_judge"] and "cannot judge" not in out
    assert page_data(tmp_path / FOLDER / PAGE)["warning"] is None


def test_picture_says_that_the_model_cannot_judge(select, tmp_path, without_figures, monkeypatch):
    titles = []

    def pictures(images, labels, doubt):
        titles.append(doubt)
        return draw_pictures(images, labels, doubt)

    draw_pictures = issue_figures.pictures
    monkeypatch.setattr(issue_figures, "pictures", pictures)
    select("--INCV_iter", 1, weight=0)
    select("--INCV_iter", 1, "--overwrite", weight=0.6)
    assert titles == ["This model cannot judge these labels", ""]
    figure = draw_pictures([Image.new("RGB", (8, 8))], [("a", "b")], titles[0])
    assert [text.get_text() for text in figure.texts[1:]] == titles[:1]


# -------------------------------------------------------------------------------------- duplicates


def test_duplicates_with_two_labels_are_always_issues(select, tmp_path, without_figures):
    """Samples 2 and 9 have one label, 5 and 6 two; all are selected."""
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
    x[9], x[6] = x[2], x[5]
    y = np.arange(60) % 2
    y[9] = y[2]
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    ended = select("--dataset", tmp_path / "own.npz", "--batch_size", 8, weight=50)
    assert (ended.code, ended.err) == (0, "")
    assert "duplicates             4, 2 of them with different labels" in ended.out
    folder = tmp_path / "own/given"
    table = pd.read_csv(folder / "duplicates.csv", dtype={"given_label": str})
    assert table.to_dict("list") == {
        "group": [0, 0, 1, 1],
        "index": [2, 9, 5, 6],
        "file": [f"x_train[{k}]" for k in (2, 9, 5, 6)],
        "given_label": ["0", "0", "1", "0"],
        "kind": ["exact"] * 4,
        "similarity": [1.0] * 4,
    }
    frame = pd.read_csv(folder / "label_issues.csv").set_index("index").sort_index()
    assert (frame.status == "selected").all()
    assert frame.index[frame.is_label_issue].tolist() == [5, 6]
    assert frame.index[frame.duplicate_conflict].tolist() == [5, 6]
    assert frame.duplicate_group.dropna().to_dict() == {2: 0, 5: 1, 6: 1, 9: 0}
    assert len(pd.read_csv(folder / "cleaned.csv")) == 58
    data = page_data(folder / PAGE)
    assert [row[0] for row in data["rows"][:2]] == sorted([5, 6], key=frame.label_score.get)
    assert len(data["groups"]["1"]) == 2 and data["issues"] == 2
