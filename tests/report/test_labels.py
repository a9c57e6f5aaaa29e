"""Rows and lines of runs that look alike, are old, or have unknown settings."""

import json

import pandas as pd
import pytest
from matplotlib.figure import Figure
from records import INCV, lines_of, write_run, write_selection, write_training, write_verify

from noisylabels.noise import Noise
from noisylabels.recipes import resolve
from noisylabels.report import aggregate, draw, figures

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("without_figures")]
SYM = Noise("sym", 0.5)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "digits/sym/0.5"


def rows_of(tmp_path, dataset="digits"):
    """Return {(method, differs): (last, n)} of the table; its text and figure have as many."""
    found = aggregate.summarise(tmp_path, dataset)
    draw.summary(tmp_path, dataset)
    text = (tmp_path / dataset / "table.md").read_text(encoding="utf-8")
    assert len(found.curves[SYM]) == len(found.rows) == text.count(" (1) |") + text.count(" (2) |")
    return {(row["method"], row["differs"]): (row["last_mean"], row["n"]) for row in found.rows}


def without(folder, name, *arguments):
    """Remove arguments from a record, as in older versions."""
    record = json.loads((folder / f"{name}.json").read_text())
    for argument in arguments:
        del record["arguments"][argument]
    (folder / f"{name}.json").write_text(json.dumps(record))


def test_runs_without_a_record_are_not_averaged(folder, tmp_path):
    """Only their recipe and their number of epochs are known."""
    write_run(folder, "standard", 0.9)
    for seed, accuracy, epochs, recipe in [
        (1, 0.8, 40, "digits"),
        (2, 0.6, 40, "digits"),
        (3, 0.5, 6, "digits"),
        (4, 0.4, 40, "fast"),
    ]:
        write_training(folder / f"seed{seed}", "standard", [accuracy] * epochs, recipe=recipe)
    assert rows_of(tmp_path) == {
        ("standard", ""): (0.9, 1),
        ("standard", "no record"): (0.8, 1),
        ("standard", "no record, seed 2"): (0.6, 1),
        ("standard", "6 epochs, no record"): (0.5, 1),
        ("standard", "fast, 40 epochs, no record"): (0.4, 1),
    }


def test_result_without_a_recipe_has_a_row(folder, tmp_path):
    write_run(folder, "standard", 0.9)
    write_training(folder / "seed1", "standard", [0.8] * 40)
    path = folder / "seed1/standard_result.csv"
    pd.read_csv(path).drop(columns="recipe").to_csv(path, index=False)
    assert rows_of(tmp_path) == {("standard", ""): (0.9, 1), ("standard", "no record"): (0.8, 1)}


def test_unknown_setting_is_named_by_its_key(folder, tmp_path):
    write_run(folder, "standard", 0.9)
    write_run(folder / "seed1", "standard", 0.8, seed=1, newest=3)
    write_run(folder / "seed2", "standard", 0.7, seed=2, newest=4)
    assert rows_of(tmp_path) == {
        ("standard", ""): (0.9, 1),
        ("standard", "newest 3"): (0.8, 1),
        ("standard", "newest 4"): (0.7, 1),
    }


@pytest.mark.parametrize(
    "dataset, recipe, changes, differs",
    [
        ("cifar10", "paper", {"augmentation": "none"}, "augmentation none"),
        ("cifar10", "fast", {"mirror": False}, "mirror False"),
        (
            "cifar10",
            "fast",
            {"augmentation": "none", "mirror": False, "shift_tta": False},
            "augmentation none",
        ),
        ("digits", "fast", {"augmentation": "flip"}, "augmentation flip"),
    ],
)
def test_recipe_depends_on_whether_flips_are_allowed(dataset, recipe, changes, differs, tmp_path):
    """Digits use no augmentation, so forbidding flips changes nothing."""
    folder, usual = (
        tmp_path / dataset / "sym/0.5",
        resolve(recipe, "main", dataset != "digits").values,
    )
    for seed in range(3):
        more = changes if seed == 2 else {}
        write_run(
            folder / f"seed{seed}" if seed else folder,
            "standard",
            0.9 - seed / 10,
            seed,
            **{"recipe": recipe, "dataset": dataset, **usual, **more},
        )
    assert rows_of(tmp_path, dataset) == {
        ("standard", ""): (pytest.approx(0.85), 2),
        ("standard", differs): (0.7, 1),
    }


def test_old_record_has_the_defaults_of_its_time(folder, tmp_path):
    write_run(folder, "standard", 0.9)
    write_run(folder / "seed1", "standard", 0.7, seed=1)
    without(folder / "seed1", "standard_training", "validation_split", "mirror", "precision")
    assert rows_of(tmp_path) == {("standard", ""): (pytest.approx(0.8), 2)}


def test_digest_alone_uses_the_selection_s_record(folder, tmp_path):
    write_run(folder, "incv", 0.9, selection={"digest": "a", **INCV})
    write_run(folder / "seed1", "incv", 0.7, seed=1, selection="b")
    write_selection(folder / "seed1", [0.9], [0.8], seed=1)
    write_run(folder / "seed2", "incv", 0.6, seed=2, selection="c")
    assert rows_of(tmp_path) == {
        ("incv", ""): (pytest.approx(0.8), 2),
        ("incv", "unknown selection"): (0.6, 1),
    }
    rows = pd.read_csv(tmp_path / "digits/runs.csv").set_index(["run", "seed"])
    assert rows.selection_digest["incv_training", 1] == "b"


def test_selection_of_another_recipe_is_named(folder, tmp_path):
    fast = {**INCV, "recipe": "fast", **resolve("fast", "INCV", False).values}
    write_run(folder, "incv", 0.9, selection={"digest": "a", **INCV})
    write_run(folder / "seed1", "incv", 0.7, seed=1, selection={"digest": "b", **fast})
    write_run(
        folder / "seed2",
        "incv",
        0.6,
        seed=2,
        selection={"digest": "b", **fast, "top_k": 2, "epochs": 1},
    )
    assert rows_of(tmp_path) == {
        ("incv", ""): (0.9, 1),
        ("incv", "selection: fast"): (0.7, 1),
        ("incv", "selection: fast, 1 epoch, top 2"): (0.6, 1),
    }


def test_unfinished_runs_are_left_out(folder, tmp_path):
    write_run(folder, "standard", 0.9)
    write_run(folder / "seed1", "standard", 0.1, seed=1)
    (folder / "seed1/standard_result.csv").unlink()
    curves = aggregate.summarise(tmp_path, "digits").curves[SYM]
    assert {key: line["mean"].iloc[-1] for key, line in curves.items()} == {("standard", ""): 0.9}
    assert rows_of(tmp_path) == {("standard", ""): (0.9, 1)}


def test_rows_are_sorted_by_method_then_difference(folder, tmp_path):
    """Show the result of the chosen epoch if that is not the last."""
    write_run(folder, "f_correction", 0.5, final=(0.8, 0.7, 480), f_correction_T="estimated")
    for seed, changes in enumerate([{"epochs": 6}, {"architecture": "MLP"}, {}]):
        write_run(folder / f"seed{seed + 1}", "standard", 0.5, seed=seed + 1, **changes)
    assert len(rows_of(tmp_path)) == 4
    lines = lines_of(tmp_path / "digits/table.md")
    found = [line for line in lines if "(1)" in line]
    assert found == [
        "| Standard | 50.00 (1) |",
        "| Standard, 6 epochs | 50.00 (1) |",
        "| Standard, MLP | 50.00 (1) |",
        "| F-correction | 80.00 (1) |",
    ]
    row = pd.read_csv(tmp_path / "digits/table.csv").set_index("method").loc["f_correction"]
    assert (row.final_mean, row.last_mean, row.validated_mean, row.steps) == (0.8, 0.5, 0.7, 480)


# ------------------------------------------------------------------------------------------ figures


def test_figure_title_has_the_number_of_runs():
    one, two = (
        aggregate.over_seeds([pd.Series([0.5, 0.8])]),
        aggregate.over_seeds([pd.Series([0.5, 0.8]), pd.Series([0.5, 0.6])]),
    )
    figure = figures.test_accuracy(
        {SYM: {("incv", ""): one, ("standard", ""): two}, Noise("asym", 0.4): {("incv", ""): two}}
    )
    assert [axes.get_title() for axes in figure.axes] == ["sym 0.5 (n = 1–2)", "asym 0.4 (n = 2)"]


def test_early_ended_selections_stay_in_the_mean(folder, tmp_path):
    write_selection(folder, [0.9, 0.8], [0.5, 0.7], seed=0)
    write_selection(folder / "seed1", [0.7], [0.9], seed=1)
    write_selection(folder / "seed2", [0.2], [0.2], seed=2, epochs=5)
    write_selection(folder / "seed3", [0.1], [0.1])
    found = aggregate.summarise(tmp_path, "digits").selections
    assert list(found) == [(SYM, ""), (SYM, "5 epochs"), (SYM, "no record")]
    assert found[SYM, ""]["LP"]["mean"].tolist() == pytest.approx([0.8, 0.75])
    assert found[SYM, ""]["LR"][["mean", "count"]].to_numpy().tolist() == [[0.7, 2], [0.8, 2]]
    figure = figures.selection(found, {})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "sym 0.5 (n = 2)",
        "sym 0.5, 5 epochs (n = 1)",
        "sym 0.5, no record (n = 1)",
    ]


def test_published_selections_match_their_settings():
    lines = {score: aggregate.over_seeds([pd.Series([0.5, 0.6], [1, 2])]) for score in ("LP", "LR")}
    found = {(SYM, ""): lines, (Noise("sym", 0.3), ""): lines}
    scores = {SYM: {"LP": (0.1, 0.2, 0.3, 0.4), "LR": (0.5, 0.6, 0.7, 0.8)}}
    for axes, score in zip(figures.selection(found, scores).axes, ("LP", "LR"), strict=True):
        assert [list(line.get_ydata()) for line in axes.lines] == [
            [0.5, 0.6],
            [0.5, 0.6],
            list(scores[SYM][score]),
        ]


def test_published_selections_are_drawn_once():
    lines = {
        score: aggregate.over_seeds([pd.Series([0.5] * 6, range(1, 7))]) for score in ("LP", "LR")
    }
    scores = {SYM: {"LP": (0.1, 0.2, 0.3, 0.4), "LR": (0.5, 0.6, 0.7, 0.8)}}
    axes, _ = figures.selection({(SYM, ""): lines, (SYM, "6 iterations"): lines}, scores).axes
    assert [len(line.get_ydata()) for line in axes.lines] == [6, 6, 4] and axes.get_xlim()[1] > 6
    assert axes.lines[2].get_marker() == axes.lines[0].get_marker() != axes.lines[1].get_marker()


def test_unchanged_recipe_comes_first(tmp_path):
    fast = {"recipe": "fast", **resolve("fast", "INCV", False).values}
    write_selection(tmp_path / "digits/sym/0.5/a", [0.8], [0.7], seed=0)
    for ratio in (0.2, 0.5):
        write_selection(
            tmp_path / f"digits/sym/{ratio}/fast", [0.8], [0.7], seed=0, **fast, noise_ratio=ratio
        )
    assert [
        differs
        for noise, differs in aggregate.summarise(tmp_path, "digits").selections
        if noise == SYM
    ] == ["", "a, digits"]


def test_selections_of_several_folders_are_compared(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(draw.figures, "selection", lambda found, _: drawn.append(found) or Figure())
    for tree, LP in (("A", 0.9), ("B", 0.8)):
        write_selection(tmp_path / tree / "digits/sym/0.5", [LP], [0.5], seed=0)
    draw.compare([tmp_path / "A", tmp_path / "B"], "digits")
    assert {
        differs: scores["LP"]["mean"].tolist() for (_, differs), scores in drawn[0].items()
    } == {f"{tmp_path}/A": [0.9], f"{tmp_path}/B": [0.8]}


def test_differing_theory_runs_are_marked(tmp_path):
    """The table names the difference, and the figure has hollow markers."""
    for name, ratio, more in [
        ("", 0.2, {}),
        ("", 0.5, {"epochs": 6}),
        ("mine", 0.5, {}),
        ("fast", 0.5, {"recipe": "fast", **resolve("fast", "verify", False).values}),
    ]:
        write_verify(
            tmp_path / f"digits/sym/{ratio}/{name}", "sym", ratio, **{"dataset": "digits", **more}
        )
    draw.verify_figures(tmp_path, "digits")
    table = pd.read_csv(tmp_path / "digits/Verify_Theory.csv", keep_default_na=False)
    assert [*zip(table.ratio, table.differs)] == [
        (0.2, ""),
        (0.5, "6 epochs"),
        (0.5, "fast"),
        (0.5, "mine"),
    ]
    figure = figures.theory_curves(table, 10)
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == [
        "measured",
        "measured, other settings",
    ]
    other = figures.theory_curves(table[:2], 10)
    assert [text.get_text() for text in other.legends[0].get_texts()][-2:] == [
        "measured",
        "6 epochs",
    ]
    _, alike, unlike = figure.axes[0].lines[:3]
    assert (list(alike.get_xdata()), list(unlike.get_xdata())) == ([0.2], [0.5, 0.5, 0.5])
    assert unlike.get_markerfacecolor() == "white" != alike.get_markerfacecolor()


def test_recipe_is_that_of_most_runs(folder, tmp_path):
    fast = {"recipe": "fast", **resolve("fast", "main", False).values}
    write_run(folder / "fast", "standard", 0.9, **fast)
    write_run(folder / "fast/seed1", "standard", 0.8, seed=1, **fast)
    write_run(folder, "standard", 0.7)
    assert rows_of(tmp_path) == {
        ("standard", ""): (pytest.approx(0.85), 2),
        ("standard", "digits"): (0.7, 1),
    }
    assert "Recipe: fast," in (tmp_path / "digits/table.md").read_text(encoding="utf-8")
