"""The files of label issues, and cleanlab on them."""

import functools
import json
import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, SELECTION, Halves, files_in, record_of
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score

from noisylabels.report import draw, read
from noisylabels.report.read_issues import read_selection_result
from noisylabels.seeding import generator
from noisylabels.selection.algorithm import score_predictions

pytestmark = pytest.mark.runs
FOLDER = "digits/sym/0.5"
MADE = {
    "label_issues.csv",
    "pred_probs.npy",
    "classes.json",
    "cleaned.csv",
    "labelstudio_tasks.json",
    "labelstudio.xml",
    "label_issues_classes.png",
    "label_issues_scores.png",
    "label_issues.png",
}


class Random(Halves):
    """Give each sample random probabilities with some weight on its true label."""

    def train(self, folds, use_best):
        dataset, answers = self.experiment.dataset, []
        for stage, _, held in folds:
            p = generator(0, "test", stage.iteration).dirichlet(
                np.full(10, 0.5), len(self.experiment.y_noisy)
            )[held]
            p = np.float32((p + 0.6 * np.eye(10)[dataset.y_train[held]]) / 1.6)
            answers.append((score_predictions(p, self.experiment.y_noisy[held]), [{"epoch": 0}]))
        return answers


@pytest.fixture
def select(call, tmp_path, monkeypatch):
    """Call INCV.py with these flags, without networks."""
    monkeypatch.setattr("noisylabels.selection.processes.Trainers", Random)
    monkeypatch.setattr("noisylabels.report.draw.summary", lambda *_: [])
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    return lambda *flags: call("INCV", "--results_dir", tmp_path, *flags)


def table(path):
    return pd.read_csv(path, dtype={"given_label": str, "predicted_label": str, "y_true": str})


# ---------------------------------------------------------------------------------------- the files


def test_files_of_a_selection_agree(select, tmp_path):
    """Compare them with each other, the CSV of 2019, the output and the record."""
    ended = select("--noise_ratio", 0.5)
    assert (ended.code, ended.err) == (0, "") and MADE <= {
        path.name for path in (tmp_path / FOLDER).iterdir()
    }
    folder, csv = tmp_path / FOLDER, pd.read_csv(tmp_path / SELECTION)
    frame, p = table(folder / "label_issues.csv"), np.load(folder / "pred_probs.npy")
    columns = (
        "index file given_label predicted_label label_score is_label_issue status "
        "selected_iteration y_true duplicate_group duplicate_conflict"
    )
    assert " ".join(frame) == columns
    assert json.loads((folder / "classes.json").read_text()) == list("0123456789")
    assert (
        p.shape == (1437, 10) and p.dtype == np.float32 and np.abs(p.sum(axis=1) - 1).max() < 1e-6
    )
    assert frame.label_score.is_monotonic_increasing and (frame.file == frame["index"]).all()
    ordered = frame.sort_values("index", ignore_index=True)
    assert (ordered.given_label.astype(int) == csv.y_noisy).all() and (
        ordered.y_true.astype(int) == csv.y
    ).all()
    assert (ordered.is_label_issue.to_numpy() == ~csv.select).all()
    assert ((ordered.status == "candidate").to_numpy() == csv.candidate).all()
    assert (ordered.selected_iteration.notna().to_numpy() == csv.select).all()
    once = (ordered.selected_iteration == 1).to_numpy()  # scored by one network alone
    assert (
        np.float32(ordered.label_score)[once] == p[np.arange(1437), csv.y_noisy][once]
    ).all() and once.sum() > 300
    assert (p.argmax(axis=1) == csv.y_noisy)[once].all() and not (p.argmax(axis=1) == csv.y_noisy)[
        ~once
    ].any()
    cleaned = pd.read_csv(folder / "cleaned.csv")
    assert cleaned.file_name.tolist() == np.flatnonzero(csv.select).tolist()
    assert cleaned.label.tolist() == csv.y_noisy[csv.select].tolist()
    results = record_of(tmp_path, "INCV")["results"]
    wrong = (frame.y_true != frame.given_label).to_numpy()
    assert results["issue_average_precision"] == pytest.approx(
        average_precision_score(wrong, -np.arange(1437))
    )
    assert results["issue_precision"] == pytest.approx(wrong[frame.is_label_issue].mean())
    assert results["issue_recall"] == pytest.approx(frame.is_label_issue[wrong].mean())
    assert (
        f"label issues           {frame.is_label_issue.sum():,} of 1,437: precision "
        f"{results['issue_precision']:.3f}, recall {results['issue_recall']:.3f}, average "
        f"precision {results['issue_average_precision']:.3f}\n"
    ) in ended.out


def test_removed_class_names_are_written_again(select, tmp_path):
    select()
    folder = tmp_path / FOLDER
    before = files_in(folder)
    for name in ("classes.json", "review.html"):
        (folder / name).unlink()
    assert select().code == 0 and files_in(folder) == before


def test_label_studio_tasks_match_the_interface(select, tmp_path):
    """List the issues, worst first."""
    from xml.etree import ElementTree

    select()
    folder = tmp_path / FOLDER
    frame, tasks = (
        table(folder / "label_issues.csv"),
        json.loads((folder / "labelstudio_tasks.json").read_text()),
    )
    worst = frame[frame.is_label_issue]
    assert [task["data"]["index"] for task in tasks] == worst["index"].tolist()
    assert tasks[0]["data"] == {
        "image": f"/data/local-files/?d={worst.file.iloc[0]}",
        "index": worst["index"].iloc[0],
        "given_label": worst.given_label.iloc[0],
    }
    (prediction,), view = (
        tasks[0]["predictions"],
        ElementTree.parse(folder / "labelstudio.xml").getroot(),
    )
    assert prediction["score"] == pytest.approx(1 - worst.label_score.iloc[0], abs=1e-6)
    (result,) = prediction["result"]
    image, choices = view.find("Image"), view.find("Choices")
    assert (result["to_name"], result["from_name"]) == (image.get("name"), choices.get("name"))
    assert choices.get("toName") == image.get("name") and image.get("value") == "$image"
    assert result["type"] == "choices" and result["value"] == {
        "choices": [worst.predicted_label.iloc[0]]
    }
    assert [choice.get("value") for choice in choices] == list("0123456789")


def test_report_repeats_files_without_images(select, tmp_path):
    select()
    folder = tmp_path / FOLDER
    before = files_in(folder)
    for name in MADE - {"label_issues.csv", "pred_probs.npy", "classes.json", "label_issues.png"}:
        (folder / name).unlink()
    draw.everything(tmp_path, "digits")
    assert files_in(folder) == before


@pytest.mark.slow
def test_same_command_completes_files_after_a_kill(select, tmp_path, monkeypatch):
    """Kill before the first, a middle and the last file."""
    from noisylabels.runs import atomic_io

    def results():
        return {
            path: content
            for path, content in files_in(tmp_path / FOLDER).items()
            if not path.startswith("INCV.") and not path.startswith(".")
        }

    whole_replace, select_anew = atomic_io.Path.replace, lambda: select("--overwrite")
    assert select().code == 0
    expected = results()
    for last in ("pred_probs.npy", "label_issues.csv", "cleaned.csv"):

        def replacing(path, target, last=last):
            if target.name == last:
                raise KeyboardInterrupt
            return whole_replace(path, target)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(atomic_io.Path, "replace", replacing)
            select_anew()
        assert select().code == 0 and results() == expected


def test_damaged_file_is_named_and_left_out(select, tmp_path, capsys):
    select()
    found = tmp_path / FOLDER / "label_issues.csv"
    for name, change, reason in [
        (
            found.name,
            lambda text: text.replace("label_score", "score", 1),
            "lacks the column label_score;",
        ),
        (
            found.name,
            lambda text: text.rsplit("\n", 2)[0],
            "left out, not one row for each of 1,437 indices",
        ),
        (
            found.name,
            lambda text: text.replace("\n", "\n-", 1),
            "left out, not one row for each of 1,437 indices",
        ),
        (
            found.name,
            lambda text: text.replace(",0.", ",7.", 1),
            ", line .* the label_score 7.* is not a probability;",
        ),
        (
            "classes.json",
            lambda text: text.replace('"9"', '"x"'),
            ", line .*'9' as .* not in classes.json;",
        ),
        ("classes.json", lambda text: text[:9], "left out, (Expecting|Unterminated)"),
    ]:
        path = found.with_name(name)
        before = path.read_text()
        path.write_text(change(before))
        read.warn.cache_clear()
        assert read_selection_result(tmp_path / FOLDER).issues is None
        said = capsys.readouterr().err
        of_classes = path != found and "left out" in reason  # and the issues without them
        named = path if of_classes else found
        assert re.match(f"{named}[:,]? ?({reason})", said) and said.count("\n") == 1 + of_classes
        path.write_text(before)
    assert len(read_selection_result(tmp_path / FOLDER).issues.frame) == 1437


# ----------------------------------------------------------------------------------------- cleanlab


def cleanlab_on(folder, monkeypatch):
    """Return a Datalab and its frame of label issues, with the code of benchmarks/README.md."""
    import datasets
    from cleanlab import Datalab

    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    start = text.index("    frame = pd.read_csv")
    monkeypatch.chdir(folder)
    # Its pool of processes would fork this one, whose threads may hold locks.
    monkeypatch.setattr("psutil.cpu_count", lambda logical=True: 1)
    names = {
        "pd": pd,
        "np": np,
        "json": json,
        "datasets": datasets,
        "Datalab": functools.partial(Datalab, verbosity=0),
    }
    exec(textwrap.dedent(text[start : text.index("\n\n", start)]), names)
    return names["lab"], names["lab"].get_issues("label")


def test_cleanlab_reads_the_files_as_documented(select, tmp_path, monkeypatch):
    """Both ways to call cleanlab find mislabelled samples."""
    from cleanlab.filter import find_label_issues

    select()
    folder = tmp_path / FOLDER
    frame = pd.read_csv(
        folder / "label_issues.csv", dtype={"given_label": str}, keep_default_na=False
    )
    frame = frame.sort_values("index")
    p, classes = (
        np.load(folder / "pred_probs.npy"),
        json.loads((folder / "classes.json").read_text()),
    )
    lab, found = cleanlab_on(folder, monkeypatch)
    assert (
        list(lab.class_names) == classes
        and found.given_label.tolist() == frame.given_label.tolist()
    )
    wrong = (frame.y_true.astype(str) != frame.given_label).to_numpy()
    filtered = find_label_issues(frame.given_label.map(classes.index).to_numpy(), p)
    for flagged in (found.is_label_issue.to_numpy(), filtered):
        assert wrong[flagged].mean() > wrong.mean() + 0.2 and flagged[wrong].mean() > 0.5


def test_cleanlab_gets_classes_in_the_right_order(tmp_path, monkeypatch):
    """Numeric names sort differently as text; one class is absent. Every tenth label is wrong."""
    true = np.arange(600) % 12
    true[true == 5] = 4
    given = np.where(np.arange(600) % 10 == 0, np.where(true == 10, 11, 10), true)
    pd.DataFrame({"index": np.arange(600), "given_label": given}).to_csv(
        tmp_path / "label_issues.csv", index=False
    )
    (tmp_path / "classes.json").write_text(json.dumps([str(k) for k in range(12)]))
    np.save(tmp_path / "pred_probs.npy", np.float32(0.88 * np.eye(12)[true] + 0.01))
    _, found = cleanlab_on(tmp_path, monkeypatch)
    assert found.given_label.tolist() == [str(k) for k in given]
    assert (found.is_label_issue == (given != true)).all()
