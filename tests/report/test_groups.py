"""How runs are grouped for averaging, and how rows name their differences."""

import numpy as np
import pandas as pd
import pytest
from helpers import names
from matplotlib.figure import Figure
from records import INCV, lines_of, write_record, write_run

from noisylabels.recipes import RECIPES, resolve
from noisylabels.report import aggregate, draw
from noisylabels.report.groups import CommonSettings, common_settings, labelled_groups
from noisylabels.report.styles import line_style

pytestmark = [pytest.mark.runs, pytest.mark.usefixtures("without_figures")]


def table_of(tmp_path, dataset="digits"):
    draw.summary(tmp_path, dataset)
    table = pd.read_csv(tmp_path / dataset / "table.csv", keep_default_na=False)
    return {(row.method, row.differs): (float(row.final_mean), row.n) for row in table.itertuples()}


def test_only_the_seed_may_differ(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "standard", 0.8)
    write_run(folder / "seed1", "standard", 0.9, seed=1)
    assert table_of(tmp_path) == {("standard", ""): (pytest.approx(0.85), 2)}


@pytest.mark.parametrize(
    "changes, differs",
    [
        ({"epochs": 6}, "6 epochs"),
        ({"epochs": 1}, "1 epoch"),
        ({"architecture": "MLP"}, "MLP"),
        ({"learning_rate": 0.01, "batch_size": 64}, "rate 0.01, batch 64"),
        ({"validation_split": 0.1}, "0.1 held out"),
        ({"evaluate_every": 5}, "evaluated every 5"),
        ({"assumed_pattern": "asym"}, "assumes asym"),
        ({"optimizer": "nesterov"}, "nesterov"),  # of an earlier version
        (
            {
                "recipe": "fast",
                **resolve("fast", "main", False, n_samples=300, optimizer="adam").values,
                "samples": 300,
            },
            "fast, adam",
        ),
        (
            {
                "recipe": "fast",
                **RECIPES["fast"]["main"].values,
                "augmentation": "none",
                "mirror": False,
                "shift_tta": False,
            },
            "fast",
        ),
    ],
)
def test_row_names_differing_arguments(tmp_path, changes, differs):
    folder = tmp_path / "digits/sym/0.5"
    for seed in (0, 1):
        write_run(folder / f"seed{seed}" if seed else folder, "standard", 0.8, seed=seed)
    write_run(folder / "seed2", "standard", 0.2, seed=2, **changes)
    assert table_of(tmp_path) == {
        ("standard", ""): (pytest.approx(0.8), 2),
        ("standard", differs): (0.2, 1),
    }
    text = (tmp_path / "digits/table.md").read_text(encoding="utf-8")
    assert (
        "| Standard | 80.00 ± 0.00 (2) |" in text and f"| Standard, {differs} | 20.00 (1) |" in text
    )


@pytest.mark.parametrize(
    "pattern, assumed, differs",
    [("asym5", "asym", ""), ("asym5", "sym", "assumes sym"), ("asym", "asym", "")],
)
def test_default_assumed_pattern_makes_no_difference(tmp_path, pattern, assumed, differs):
    write_run(
        tmp_path / f"digits/{pattern}/0.4",
        "standard",
        0.8,
        noise_pattern=pattern,
        noise_ratio=0.4,
        assumed_pattern=assumed,
    )
    assert table_of(tmp_path) == {("standard", differs): (0.8, 1)}


def test_method_options_make_separate_rows(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "f_correction", 0.8, f_correction_T="estimated")
    write_run(folder / "seed1", "f_correction", 0.9, seed=1, f_correction_T="true")
    assert table_of(tmp_path) == {
        ("f_correction", ""): (0.8, 1),
        ("f_correction", "T true"): (0.9, 1),
    }


def test_selections_are_grouped_by_settings_not_digest(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "incv", 0.8, selection={"digest": "a", "LP": 0.9, "LR": 0.9, **INCV})
    write_run(
        folder / "seed1",
        "incv",
        0.9,
        seed=1,
        selection={"digest": "b", "LP": 0.8, "LR": 0.7, **INCV},
    )
    write_run(
        folder / "seed2",
        "incv",
        0.7,
        seed=2,
        selection={"digest": "c", **INCV, "epochs": 5, "INCV_iter": 1},
    )
    write_run(folder / "seed3", "incv", 0.6, seed=3, selection={"digest": "d"})
    assert table_of(tmp_path) == {
        ("incv", ""): (pytest.approx(0.85), 2),
        ("incv", "unknown selection"): (0.6, 1),
        ("incv", "selection: 5 epochs, 1 iteration"): (0.7, 1),
    }


def test_selection_of_another_recipe_is_named(tmp_path):
    fast = {
        **RECIPES["fast"]["INCV"].values,
        "recipe": "fast",
        "augmentation": "none",
        "mirror": False,
    }
    write_run(tmp_path / "digits/sym/0.5", "incv", 0.8, selection={"digest": "a", **INCV, **fast})
    write_run(
        tmp_path / "digits/sym/0.5/seed1",
        "incv",
        0.7,
        seed=1,
        decisions="abc",
        selection={"digest": "b", **INCV, **fast, "epochs": 9, "top_k": 2},
    )
    assert table_of(tmp_path) == {
        ("incv", "selection: fast"): (0.8, 1),
        ("incv", "reviewed, selection: fast, 9 epochs, top 2"): (0.7, 1),
    }


def test_old_selection_uses_the_record_next_to_it(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "incv", 0.8, selection="a")
    write_record(folder, "INCV", INCV | {"seed": 0})
    write_run(folder / "seed1", "incv", 0.6, seed=1, selection="b")
    assert table_of(tmp_path) == {("incv", ""): (0.8, 1), ("incv", "unknown selection"): (0.6, 1)}
    rows = pd.read_csv(tmp_path / "digits/runs.csv")
    assert rows[rows.run == "incv_training"].selection_digest.tolist() == ["a", "b"]


def test_option_missing_in_an_old_record_is_unknown(
    tmp_path,
):
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "f_correction", 0.8)
    write_run(folder, "co_teaching", 0.7)
    write_run(
        folder / "seed1",
        "co_teaching",
        0.6,
        seed=1,
        co_teaching_variant="harness",
        co_teaching_noise_ratio=0.4,
    )
    assert table_of(tmp_path) == {
        ("f_correction", "T unknown"): (0.8, 1),
        ("co_teaching", "variant unknown"): (0.7, 1),
        ("co_teaching", "noise_ratio 0.4"): (0.6, 1),
    }


def test_rows_begin_with_the_unchanged_recipe(tmp_path):
    folder = tmp_path / "digits/sym/0.5"
    for seed, changes in enumerate([{"architecture": "MLP"}, {"epochs": 6}, {}, {}]):
        write_run(folder / f"seed{seed}" if seed else folder, "standard", 0.8, seed=seed, **changes)
    table_of(tmp_path)
    lines = lines_of(tmp_path / "digits/table.md")
    found = [line.split(" | ")[0] for line in lines if line.startswith("| Standard")]
    assert found == ["| Standard", "| Standard, 6 epochs", "| Standard, MLP"]


def test_runs_differing_in_unnamed_settings_are_separate():
    """Name the record keys in which the later run differs."""
    changes = {
        "a": {"x": 1},
        "b": {"x": 2},
        "c": {"epochs": 6, "x": 1},
        "d": {},
        "e": {"x": 2},
        "f": {"epochs": 6, "y": 3},
        "g": {"x": 1},
    }
    identities = {
        run: {"recipe": "digits", "dataset": "digits", "data": "a", "seed": seed, **changes[run]}
        for seed, run in enumerate(changes)
    }
    assert labelled_groups(identities, "main", CommonSettings("digits", "a")) == [
        ("", ["a", "g"]),
        ("x 2", ["b", "e"]),
        ("6 epochs", ["c"]),
        ("x None", ["d"]),
        ("6 epochs, x None, y 3", ["f"]),
    ]


def test_usual_recipe_and_data_are_the_most_frequent():
    identities = [
        {"recipe": "fast", "data": "a"},
        {"recipe": "digits", "data": "b"},
        {},
        {"recipe": "digits"},
    ]
    assert common_settings([*identities, {"data": "b"}])[:2] == ("digits", "b")
    assert (
        common_settings([{}, {"recipe": None, "data": None}])[:2]
        == common_settings([])[:2]
        == ("unknown", None)
    )


def test_name_is_a_difference_and_a_recipe_folder_is_not(tmp_path):
    folder = tmp_path / "cifar10/sym/0.5"
    fast = {"recipe": "fast", **RECIPES["fast"]["main"].values, "dataset": "cifar10"}
    for name, seed in (("fast", 0), ("fast/seed1", 1), ("again", 0)):
        write_run(folder / name, "standard", 0.8 if name != "again" else 0.6, seed=seed, **fast)
    assert table_of(tmp_path, "cifar10") == {
        ("standard", ""): (pytest.approx(0.8), 2),
        ("standard", "again"): (0.6, 1),
    }


def test_differing_runs_have_separate_lines(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "noisylabels.report.draw.figures.test_accuracy",
        lambda curves, _: drawn.update(curves) or Figure(),
    )
    folder = tmp_path / "digits/sym/0.5"
    write_run(folder, "standard", 0.8)
    write_run(folder / "seed1", "standard", 0.4, seed=1, epochs=6)
    draw.summary(tmp_path, "digits")
    ((_, lines),) = drawn.items()
    assert {key: (len(line), line["mean"].iloc[-1]) for key, line in lines.items()} == {
        ("standard", ""): (40, 0.8),
        ("standard", "6 epochs"): (6, 0.4),
    }
    usual, other = line_style("standard"), line_style("standard", "6 epochs")
    assert (
        other.name == "Standard, 6 epochs" and other[1:4] == usual[1:4] and other.fill != usual.fill
    )


@pytest.mark.parametrize("hold, expected", [(False, [[0.7, 2]]), (True, [[0.7, 2], [0.8, 2]])])
def test_every_run_stays_in_the_band(hold, expected):
    """Cut curves to common epochs; a selection that ended early keeps its last value."""
    band = aggregate.over_seeds([pd.Series([0.8, 1.0]), pd.Series([0.6])], hold)
    np.testing.assert_allclose(band[["mean", "count"]], expected)


def test_comparison_is_written_to_the_first_folder(tmp_path, call):
    for tree, accuracy in (("A", 0.8), ("B", 0.6)):
        write_run(tmp_path / tree / "digits/sym/0.5", "standard", accuracy)
    ended = call("report", "--results_dir", tmp_path / "A", tmp_path / "B")
    assert (ended.code, ended.err) == (0, "")
    assert f"  {tmp_path}/A/digits/compared.md  the comp" in ended.out
    table = pd.read_csv(tmp_path / "A/digits/compared.csv").set_index("differs")
    assert table.final_mean.to_dict() == {f"{tmp_path}/A": 0.8, f"{tmp_path}/B": 0.6}
    assert {"compared.csv", "compared.md", "compared_TestAcc.png"} == {
        name for name in names((tmp_path / "A/digits").iterdir()) if name.startswith("compared")
    }
