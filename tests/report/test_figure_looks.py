"""Figures as a reader sees them: labels, legends, lines, bands, and nothing clipped."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from records import assert_nothing_is_clipped, band

from noisylabels.noise import ASSUMABLE_PATTERNS, Noise, transition_matrix
from noisylabels.report import figures

pytestmark = pytest.mark.runs
SYM, ASYM = Noise("sym", 0.5), Noise("asym", 0.4)


TWO = band([0.5, 0.8, 0.7], [0.5, 0.6, 0.9])  # mean .5, .7, .8; std 0, .1 √2, .1 √2
POINTS = pd.DataFrame(
    {
        "pattern": ["sym", "sym", "asym"],
        "ratio": [0.5, 1.0, 0.4],
        "differs": ["", "MLP", ""],
        "TA": [0.3, 0.1, 0.5],
        "LP": [0.9, 0.2, 0.8],
        "LR": [0.5, 0.1, 0.6],
    }
)
ITERATIONS = pd.DataFrame(
    {
        "LP": [0.9, 0.8],
        "LR": [0.5, 0.7],
        "selected": [5, 7],
        "candidate": [3, 1],
        "removed": [2, 2],
    },
    index=[1, 2],
)
TRAINING = pd.DataFrame(
    {"test_accuracy_1": [0.5, 0.6], "test_accuracy_2": [0.4, 0.7], "kept": [64, 60], "lid": [3, 2]},
    index=[1, 2],
)
MATRIX = transition_matrix("sym", 0.3, 3)


def published(pattern):
    return {score: np.linspace(0, 1, 11) for score in ("TA", "LP", "LR")}


DRAWN = {
    "theory": lambda: figures.theory_curves(
        POINTS, 10, {pattern: published(pattern) for pattern in ASSUMABLE_PATTERNS}
    ),
    "maps": lambda: figures.heat_maps(
        [[("M", MATRIX)], [("T", MATRIX)]], ["predicted class", "noisy label"]
    ),
    "iterations": lambda: figures.iterations(ITERATIONS, "INCV, digits"),
    "training": lambda: figures.training(TRAINING, "mentornet", "MentorNet, digits"),
    "accuracy": lambda: figures.test_accuracy(
        {
            SYM: {("incv", ""): TWO, ("incv", "MLP"): TWO, ("newest", ""): TWO},
            ASYM: {("standard", ""): TWO},
            Noise("sym", 0.2): {("incv", ""): TWO},
        }
    ),
    "selection": lambda: figures.selection(
        {(SYM, ""): {"LP": TWO, "LR": TWO}, (ASYM, "MLP"): {"LP": TWO, "LR": TWO}},
        {SYM: {"LP": (1, 1, 1, 1), "LR": (0, 0, 0, 0)}},
    ),
}


LABELS = {  # of each panel the title and what is on its axes
    "theory": [("sym noise", "noise ratio", ""), ("asym noise", "noise ratio", "")],
    "maps": [("M", "predicted class", "true class"), ("T", "noisy label", "true class")],
    "iterations": [("", "iteration", "fraction"), ("", "iteration", "samples")],
    "training": [
        ("", "epoch", quantity)
        for quantity in (
            "test accuracy",
            "fraction of samples kept",
            "local intrinsic dimensionality",
        )
    ],
    "accuracy": [
        (f"{setting} (n = 2)", "epoch", "test accuracy")
        for setting in ("sym 0.5", "asym 0.4", "sym 0.2")
    ],
    "selection": [
        ("label precision (LP)", "iteration", ""),
        ("label recall (LR)", "iteration", ""),
    ],
}
LEGENDS = {
    "theory": [
        "test accuracy (TA)",
        "label precision (LP)",
        "label recall (LR)",
        "theory",
        "measured",
        "MLP",
        "published",
    ],
    "accuracy": ["Standard", "INCV", "INCV, MLP", "newest"],
    "selection": ["sym 0.5 (n = 2)", "asym 0.4, MLP (n = 2)", "published"],
}


@pytest.mark.parametrize("name", DRAWN)
def test_panels_are_labelled(name):
    figure = DRAWN[name]()
    found = [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    assert found == LABELS[name]
    titles = {"iterations": "INCV, digits", "training": "MentorNet, digits"}
    assert figure.get_suptitle() == titles.get(name, "")


@pytest.mark.parametrize("name", LEGENDS)
def test_one_legend_names_all_lines_below_the_panels(name):
    figure = DRAWN[name]()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == LEGENDS[name]
    figure.draw_without_rendering()
    assert legend.get_window_extent().y1 <= min(axes.get_tightbbox().y0 for axes in figure.axes) + 1


def test_theory_figure_has_curves_runs_and_published_points():
    sym, asym = DRAWN["theory"]().axes
    for curve, alike, unlike, others in np.reshape(sym.lines, (3, 4)):
        assert list(curve.get_xdata()[[0, -1]]) == [0, 1]
        assert list(alike.get_xdata()) == [0.5] and list(unlike.get_xdata()) == [1.0]
        assert list(others.get_xdata()) == pytest.approx(np.arange(11) / 10)
        assert len({line.get_markerfacecolor() for line in (alike, unlike, others)}) == 3
    assert list(asym.lines[1].get_xdata()) == [0.4]


def test_other_settings_have_equal_colour_and_hollow_markers():
    usual, other, newest = DRAWN["accuracy"]().axes[0].lines
    assert usual.get_color() == other.get_color() != newest.get_color()
    assert usual.get_fillstyle() == newest.get_fillstyle() == "full" != other.get_fillstyle()


def test_two_networks_are_two_lines_of_one_panel():
    accuracy, kept, _ = DRAWN["training"]().axes
    assert [line.get_label() for line in accuracy.lines] == ["network 1", "network 2"]
    assert len({line.get_fillstyle() for line in accuracy.lines}) == 2
    assert accuracy.get_legend() and kept.get_legend() is None


@pytest.mark.parametrize("name", DRAWN)
def test_epochs_iterations_and_classes_are_whole_numbers(name):
    figure = DRAWN[name]()
    figure.draw_without_rendering()
    for axes in figure.axes:
        if axes.get_xlabel() in ("epoch", "iteration", "predicted class", "noisy label"):
            assert all(tick == round(tick) for tick in axes.get_xticks())
        if axes.get_ylabel() == "true class":
            assert all(tick == round(tick) for tick in axes.get_yticks())


def ticks(axes):
    """Return the visible ticks of the x axis."""
    low, high = axes.get_xlim()
    return [tick for tick in axes.get_xticks() if low <= tick <= high]


@pytest.mark.parametrize(
    "n, expected", [(1, [1]), (2, [1, 2]), (12, [2, 4, 6, 8, 10, 12]), (40, [*range(5, 41, 5)])]
)
def test_epochs_are_counted_from_1(n, expected):
    frame = pd.DataFrame({"test_accuracy_1": np.linspace(0.5, 0.9, n)}, index=range(1, n + 1))
    for figure in (
        figures.training(frame, "incv", ""),
        figures.test_accuracy({SYM: {("incv", ""): band(frame.test_accuracy_1.to_numpy())}}),
    ):
        figure.draw_without_rendering()
        assert ticks(figure.axes[0]) == expected and figure.axes[0].get_xlim() == (0.5, n + 0.5)


def test_axis_that_does_not_start_at_0_says_so():
    share = figures.training(
        pd.DataFrame({"alpha": [0.5, 0.9], "kept": [0, 1], "lid": [3, 9]}, index=[1, 2]), "incv", ""
    )
    assert [axes.get_title(loc="left") for axes in share.axes] == [
        "y axis from 0.48",
        "",
        "y axis from 2.7",
    ]
    for name in ("iterations", "training", "accuracy", "selection"):
        for axes in DRAWN[name]().axes:
            assert axes.get_title(loc="left").startswith("y axis from ") == (axes.get_ylim()[0] > 0)


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_clipped(name):
    assert_nothing_is_clipped(DRAWN[name]())


def test_long_names_are_not_clipped():
    words = (
        "selection: 5 epochs, 1 iteration, assumes asym, weight decay 0.0005, a name of its own, "
        "no record"
    )
    lines = {("incv", ""): TWO, ("incv", words): TWO, ("co_teaching", words): TWO}
    for figure in (
        figures.test_accuracy({SYM: lines}),
        figures.test_accuracy({SYM: lines, ASYM: lines}),
        figures.selection({(SYM, words): {"LP": TWO, "LR": TWO}}, {}),
        figures.training(
            TRAINING[["lid"]].rename(columns={"lid": "a_" * 20 + "quantity"}), "incv", words
        ),
    ):
        assert_nothing_is_clipped(figure)


def test_asym5_has_a_panel_if_there_are_runs():
    points = POINTS.replace({"pattern": {"asym": "asym5"}})
    figure = figures.theory_curves(
        points, 10, {pattern: published(pattern) for pattern in ASSUMABLE_PATTERNS}
    )
    assert [axes.get_title() for axes in figure.axes] == ["sym noise", "asym noise", "asym5 noise"]
    TA, LP, _ = np.reshape(figure.axes[2].lines, (3, 3))
    assert TA[0].get_ydata()[80] == pytest.approx(0.76) and list(TA[1].get_xdata()) == [0.4]


def test_band_is_one_standard_deviation_on_each_side():
    for axes in DRAWN["accuracy"]().axes[:2]:
        edges = axes.collections[0].get_paths()[0].vertices
        for x, low, high in [
            (1, 0.5, 0.5),
            (2, 0.7 - 0.02**0.5, 0.7 + 0.02**0.5),
            (3, 0.8 - 0.02**0.5, 0.8 + 0.02**0.5),
        ]:
            at = edges[edges[:, 0] == x, 1]
            assert (at.min(), at.max()) == pytest.approx((low, high))
        assert list(axes.lines[0].get_ydata()) == pytest.approx([0.5, 0.7, 0.8])


def test_first_tenth_of_the_epochs_may_be_below_the_panel():
    low = band([0.1, 0.2, *np.linspace(0.5, 0.9, 18)])
    axes = figures.test_accuracy(
        {SYM: {("incv", ""): low, ("standard", ""): band([0.7] * 20)}}
    ).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(0.5 - 0.03)


def test_sets_of_an_iteration_are_stacked():
    scores, counts = DRAWN["iterations"]().axes
    bars = [
        (bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_height()) for bar in counts.patches
    ]
    assert bars == [
        (pytest.approx(x), y, h)
        for x, y, h in [(1, 0, 5), (2, 0, 7), (1, 5, 3), (2, 7, 1), (1, 8, 2), (2, 8, 2)]
    ]
    assert [text.get_text() for text in counts.get_legend().get_texts()] == [
        "selected",
        "candidate",
        "removed",
    ]
    assert [(line.get_label(), list(line.get_ydata())) for line in scores.lines] == [
        ("label precision (LP)", [0.9, 0.8]),
        ("label recall (LR)", [0.5, 0.7]),
    ]
    assert ticks(scores) == ticks(counts) == [1, 2]


def test_small_matrix_shows_percentages():
    """White on dark, black on light; nothing up to 0.5 %."""
    texts = DRAWN["maps"]().axes[0].texts
    assert [(text.get_position(), text.get_text(), text.get_color()) for text in texts[:2]] == [
        ((0, 0), "70", "white"),
        ((1, 0), "15", "black"),
    ] and len(texts) == 9
    sparse = np.array([[0.995, 0.005], [0.006, 0.994]])
    figure = figures.heat_maps([[("M", sparse)], [("T", sparse / 2)]], ["", ""])
    assert [text.get_text() for text in figure.axes[0].texts] == ["100", "1", "99"]
    assert {axes.images[0].get_clim() for axes in figure.axes[:2]} == {(0, 99.5)}
    assert figure.get_supxlabel() == "values in per cent of the true class"


@pytest.mark.parametrize("c, most", [(10, 10), (100, 11), (150, 6), (1000, 6)])
def test_matrix_of_many_classes_has_few_ticks(c, most):
    figure = figures.heat_maps([[("M", transition_matrix("sym", 0.3, c))] * 2], [""])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for ticks in (axes.get_xticks(), axes.get_yticks()):
        assert 4 <= sum(0 <= tick < c for tick in ticks) <= most
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(one.x1 < two.x0 for one, two in pairwise(boxes))
