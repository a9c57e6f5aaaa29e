"""What figures look like, in numbers: sizes, axes, lines, bands, legends, each as a person should
see it.
"""

import numpy as np
import pandas as pd
import pytest
from records import assert_nothing_is_clipped, band

from noisylabels.noise import ASSUMABLE_PATTERNS, Noise, transition_matrix
from noisylabels.report import figures, styles

SYM, ASYM = Noise("sym", 0.5), Noise("asym", 0.4)
MEASURED = {"linestyle": "None", "marker": "o", "markersize": 4.5}


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
LOOKS = {  # of the methods in all figures: they can be told apart in grey, and by the colour-blind
    "standard": ("#000000", (0, (1, 1)), "X"),
    "f_correction": ("#0060a8", (0, (5, 1.5)), "s"),
    "decoupling": ("#e69f00", (0, (6, 1.5, 1, 1.5)), "^"),
    "co_teaching": ("#00946b", (0, (3, 1)), "D"),
    "mentornet": ("#c0609a", (0, (4, 1, 1, 1, 1, 1)), "v"),
    "d2l": ("#7cc8f2", (0, (8, 2)), "P"),
    "incv": ("#a00000", "-", "o"),
    "gce": ("#30006e", (0, (2, 1, 1, 1)), "<"),
    "sce": ("#8a7a00", (0, (9, 1.5, 1, 1.5)), ">"),
    "elr": ("#ff6a4d", (0, (12, 2)), "p"),
    "incv_student": ("#1b541b", (0, (5, 1, 2, 1)), "h"),
    "newest": ("#777777", (0, (3, 1, 1, 1)), "*"),
}
SCORES = {
    "TA": ("#0072b2", "-", "o"),
    "LP": ("#a00000", (0, (5, 1.5)), "s"),
    "LR": ("#e69f00", (0, (6, 1.5, 1, 1.5)), "^"),
}
AXES = {  # width, height; of each panel the title, what is on its axes
    "theory": (8.4, 3.2, [("sym noise", "noise ratio", ""), ("asym noise", "noise ratio", "")]),
    "maps": (
        2.8,
        5.6,
        [("M", "predicted class", "true class"), ("T", "noisy label", "true class")],
    ),
    "iterations": (7.6, 3, [("", "iteration", "fraction"), ("", "iteration", "samples")]),
    "training": (
        11.4,
        3,
        [
            ("", "epoch", quantity)
            for quantity in (
                "test accuracy",
                "fraction of samples kept",
                "local intrinsic dimensionality",
            )
        ],
    ),
    "accuracy": (
        8.4,
        7.2,
        [
            (f"{setting} (n = 2)", "epoch", "test accuracy")
            for setting in ("sym 0.5", "asym 0.4", "sym 0.2")
        ],
    ),
    "selection": (
        8.4,
        3.2,
        [("label precision (LP)", "iteration", ""), ("label recall (LR)", "iteration", "")],
    ),
}
LEGENDS = {  # columns, and the entries in their order
    "theory": (
        3,
        [
            "test accuracy (TA)",
            "label precision (LP)",
            "label recall (LR)",
            "theory",
            "measured",
            "MLP",
            "published",
        ],
    ),
    "accuracy": (4, ["Standard", "INCV", "INCV, MLP", "newest"]),
    "selection": (3, ["sym 0.5 (n = 2)", "asym 0.4, MLP (n = 2)", "published"]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_sizes_titles_and_axes(name):
    figure = DRAWN[name]()
    *size, panels = AXES[name]
    if name in LEGENDS:  # its height comes on top
        figure.draw_without_rendering()
        size[1] += figure.legends[0].get_window_extent().height / figure.dpi
    assert figure.get_size_inches() == pytest.approx(size, abs=0.01)
    assert [
        (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes
    ] == panels
    assert {axes.get_axisbelow() for axes in figure.axes} <= {
        True,
        "line",
    }  # no grid over what is drawn
    assert figure.get_suptitle() == {
        "iterations": "INCV, digits",
        "training": "MentorNet, digits",
    }.get(name, "")


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
    """The ticks of the x axis that are seen."""
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


def test_an_axis_that_does_not_start_at_0_says_so():
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
        "selection: 5 epochs, 1 iteration, told asym, weight decay 0.0005, a name of its own, "
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


@pytest.mark.parametrize("name", LEGENDS)
def test_one_legend_below_all_panels(name):
    figure = DRAWN[name]()
    (legend,) = figure.legends
    assert (legend._ncols, [text.get_text() for text in legend.get_texts()]) == LEGENDS[name]
    figure.draw_without_rendering()
    assert legend.get_window_extent().y1 <= min(axes.get_tightbbox().y0 for axes in figure.axes) + 1
    assert not legend.get_frame_on() and legend.handlelength == 4


def test_looks():
    for method, look in LOOKS.items():
        assert styles.line_style(method)[1:] == (*look, "full")
        assert [styles.line_style(method, "MLP", number)[1:] for number in (0, 1)] == [
            (*look, "none"),
            (*look, "left"),
        ]
    assert {score: look[1:4] for score, look in styles.SCORES.items()} == SCORES


def test_the_legend_of_the_theory_shows_how_each_is_drawn():
    handles = dict(zip(LEGENDS["theory"][1], DRAWN["theory"]().legends[0].legend_handles))
    found = {
        name: (handle.get_linestyle(), handle.get_marker(), handle.get_markerfacecolor())
        for name, handle in list(handles.items())[3:]
    }
    assert found == {
        "theory": ("-", "None", "0.4"),
        "measured": ("None", "o", "0.4"),
        "MLP": ("None", "o", "white"),
        "published": ("None", "o", "none"),
    }
    assert [handle.get_color() for handle in handles.values()] == [
        look[0] for look in SCORES.values()
    ] + ["0.4"] * 4


def drawn_style(line):
    return {
        "linestyle": line.get_linestyle(),
        "marker": line.get_marker(),
        "markersize": line.get_markersize(),
    }


def test_theory_is_a_line_a_run_a_marker_and_what_is_published_an_empty_one():
    sym, asym = DRAWN["theory"]().axes
    for score, (curve, alike, unlike, others) in zip(
        ("TA", "LP", "LR"), np.reshape(sym.lines, (3, 4))
    ):
        color = styles.SCORES[score].color
        assert (
            curve.get_marker() == "None"
            and len(curve.get_xdata()) == 201
            and curve.get_color() == color
        )
        assert list(curve.get_xdata()[[0, 200]]) == [0, 1]
        for line, fill in ((alike, color), (unlike, "white")):
            assert drawn_style(line) == {**MEASURED, "marker": styles.SCORES[score].marker}
            assert (line.get_color(), line.get_markerfacecolor()) == (color, fill)
        assert others.get_markerfacecolor() == "none" and others.get_linestyle() == "None"
        assert (others.get_markersize(), others.get_markeredgewidth()) == (8, 0.8)
        assert list(others.get_xdata()) == pytest.approx(np.arange(11) / 10)
    assert [list(line.get_xdata()) for line in asym.lines[1:4]][0] == [0.4]
    assert sym.get_xlim() == sym.get_ylim() == asym.get_xlim() == (-0.03, 1.03)


def test_asym5_has_a_panel_where_there_are_runs_of_it():
    points = POINTS.replace({"pattern": {"asym": "asym5"}})
    figure = figures.theory_curves(
        points, 10, {pattern: published(pattern) for pattern in ASSUMABLE_PATTERNS}
    )
    assert [axes.get_title() for axes in figure.axes] == ["sym noise", "asym noise", "asym5 noise"]
    assert figure.get_figwidth() == pytest.approx(12.6)
    TA, LP, _ = np.reshape(figure.axes[2].lines, (3, 3))
    assert TA[0].get_ydata()[80] == pytest.approx(0.76) and list(TA[1].get_xdata()) == [0.4]


def test_a_band_is_one_deviation_on_each_side():
    for axes in DRAWN["accuracy"]().axes[:2]:
        edges = axes.collections[0].get_paths()[0].vertices
        for x, low, high in [
            (1, 0.5, 0.5),
            (2, 0.7 - 0.02**0.5, 0.7 + 0.02**0.5),
            (3, 0.8 - 0.02**0.5, 0.8 + 0.02**0.5),
        ]:
            at = edges[edges[:, 0] == x, 1]
            assert (at.min(), at.max()) == pytest.approx((low, high))
        assert axes.collections[0].get_alpha() == 0.18
        assert axes.lines[0].get_linewidth() == 1.4 and list(
            axes.lines[0].get_ydata()
        ) == pytest.approx([0.5, 0.7, 0.8])


def test_lines_of_other_settings_have_their_method_s_color_and_dash_and_hollow_markers():
    usual, other, newest = DRAWN["accuracy"]().axes[0].lines
    assert usual.get_color() == other.get_color() == styles.STYLES["incv"][0] != newest.get_color()
    assert usual.get_linestyle() == other.get_linestyle() == "-" and newest.get_linestyle() == "--"
    assert newest._dash_pattern[1] == pytest.approx([4.2, 1.4, 1.4, 1.4])
    assert [line.get_fillstyle() for line in (usual, other, newest)] == ["full", "none", "full"]
    assert newest.get_marker() == "*" and usual.get_marker() == other.get_marker() == "o"


@pytest.mark.parametrize("n, expected", [(31, [0, 0, 0]), (32, [0, 0, 1]), (80, [0, 1, 3])])
def test_some_sixteen_markers_a_line_that_do_not_hide_each_other(n, expected):
    curve = band(np.linspace(0.1, 0.9, n))
    lines = (
        figures.test_accuracy(
            {SYM: {(method, ""): curve for method in ("standard", "d2l", "incv")}}
        )
        .axes[0]
        .lines
    )
    assert [line.get_markevery() for line in lines] == [
        (first, max(1, n // 16)) for first in expected
    ]


def test_the_first_tenth_of_the_epochs_may_begin_below_the_panel():
    low = band([0.1, 0.2, *np.linspace(0.5, 0.9, 18)])
    axes = figures.test_accuracy(
        {SYM: {("incv", ""): low, ("standard", ""): band([0.7] * 20)}}
    ).axes[0]
    assert axes.get_ylim()[0] == pytest.approx(0.5 - 0.03)


def test_the_sets_of_an_iteration_stand_on_each_other():
    scores, counts = DRAWN["iterations"]().axes
    bars = [
        (bar.get_x() + bar.get_width() / 2, bar.get_y(), bar.get_height()) for bar in counts.patches
    ]
    assert bars == [
        (pytest.approx(x), y, h)
        for x, y, h in [(1, 0, 5), (2, 0, 7), (1, 5, 3), (2, 7, 1), (1, 8, 2), (2, 8, 2)]
    ]
    assert [bar.get_width() for bar in counts.patches] == pytest.approx([0.6] * 6)
    assert [text.get_text() for text in counts.get_legend().get_texts()] == [
        "selected",
        "candidate",
        "removed",
    ]
    assert [(line.get_label(), list(line.get_ydata())) for line in scores.lines] == [
        ("label precision (LP)", [0.9, 0.8]),
        ("label recall (LR)", [0.5, 0.7]),
    ]
    assert counts.get_ylim()[1] == pytest.approx(1.15 * 10) and scores.get_ylim()[1] < 1
    assert ticks(scores) == ticks(counts) == [1, 2]


def test_two_networks_are_two_lines_of_a_panel():
    accuracy, kept, lid = DRAWN["training"]().axes
    assert [line.get_label() for line in accuracy.lines] == [
        "network 1",
        "network 2",
    ] and accuracy.get_legend()
    assert [(line.get_marker(), line.get_fillstyle()) for line in accuracy.lines] == [
        ("v", "full"),
        ("v", "none"),
    ]
    assert {line.get_color() for line in accuracy.lines} == {styles.STYLES["mentornet"][0]}
    assert kept.get_legend() is None
    assert [line.get_linewidth() for axes in (accuracy, kept, lid) for line in axes.lines] == [
        1.2,
        0.7,
        1.2,
        1.2,
    ]
    assert (
        len(figures.training(pd.DataFrame({f"q{k}": [1, 2] for k in range(5)}), "incv", "").axes)
        == 5
    )


def test_shares_are_written_into_small_maps():
    """In per cent, white on dark and black on light; up to half a per cent nothing."""
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


def test_digits_in_maps_are_readable_where_a_page_shows_four_maps_in_830_pixels():
    figure = figures.heat_maps([[("M", MATRIX)] * 4], [""])
    pixels_a_point = 830 / (72 * figure.get_figwidth())
    assert (
        min(text.get_fontsize() for axes in figure.axes for text in axes.texts) * pixels_a_point
        > 8.5
    )


@pytest.mark.parametrize("c, most", [(10, 10), (100, 11)])
def test_a_map_of_many_classes_has_few_ticks(c, most):
    figure = figures.heat_maps([[("M", transition_matrix("sym", 0.3, c))]], [""])
    figure.draw_without_rendering()
    for ticks in (figure.axes[0].get_xticks(), figure.axes[0].get_yticks()):
        assert 5 <= sum(0 <= tick < c for tick in ticks) <= most
