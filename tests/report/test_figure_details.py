"""Figures in edge cases: many lines, long titles, missing values, large matrices."""

import numpy as np
import pandas as pd
import pytest
from records import band

from noisylabels.noise import Noise, transition_matrix
from noisylabels.report import figures

pytestmark = pytest.mark.runs
SYM, ASYM = Noise("sym", 0.5), Noise("asym", 0.4)


ONE = band([0.5, 0.8, 0.7])


def accuracy(*keys, frame=ONE):
    """Return the test accuracy figure of one setting with these lines."""
    return figures.test_accuracy({SYM: {key: frame for key in keys}})


# -------------------------------------------------------------------------------------------- looks


def test_other_settings_are_numbered_per_method():
    figure = accuracy(
        ("sce", "B"),
        ("incv", ""),
        ("standard", "A"),
        ("sce", "A"),
        ("standard", "B"),
        ("incv", "A"),
    )
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "Standard, A",
        "Standard, B",
        "INCV",
        "INCV, A",
        "SCE, A",
        "SCE, B",
    ]
    fills = [line.get_fillstyle() for line in figure.axes[0].lines]
    assert fills[0] == fills[4] != fills[1] == fills[5] and fills[2] == "full" != fills[3]


def test_many_settings_of_a_selection_can_be_told_apart():
    settings = {(Noise("sym", k / 10), ""): {"LP": ONE, "LR": ONE} for k in range(8)}
    lines = figures.selection(settings, {}).axes[0].lines
    assert len({tuple(line.get_color()) for line in lines}) == 8
    looks = {(line.get_marker(), str(line._unscaled_dash_pattern)) for line in lines}
    assert len(looks) == 8


# ---------------------------------------------------------------------------------------- what fits


def test_long_title_is_wrapped():
    """Ten characters per inch: 38 in 3.8 inches."""
    frame = pd.DataFrame({"lid": [1, 2]}, index=[1, 2])
    for length, lines in ((38, 1), (39, 2)):
        title = "x" * 20 + " " + "y" * (length - 21)
        assert figures.training(frame, "incv", title).get_suptitle().split("\n") == title.split(
            " ", lines - 1
        )
    figure = figures.training(frame, "standard", "Standard, prices_$100_vs_$200, sym 0.5")
    figure.draw_without_rendering()  # between the dollars stands no formula
    title = figures.training(
        frame, "standard", "Standard, cifar10, sym 0.5, fast, seed 0"
    ).get_suptitle()
    assert title == "Standard, cifar10, sym 0.5, fast,\nseed\N{NO-BREAK SPACE}0"


@pytest.mark.parametrize(
    "name, label",
    [
        ("aaaaaaaaa_bbbbbbbbb_cccccccccc", "aaaaaaaaa bbbbbbbbb cccccccccc"),
        ("aaaaaaaaa_bbbbbbbbb_ccccccccccc", "aaaaaaaaa bbbbbbbbb\nccccccccccc"),
        ("test_agreement_1", "agreement with noisy test\nlabels"),
    ],
)
def test_long_quantity_has_two_lines(name, label):
    frame = pd.DataFrame({name: [1, 2]}, index=[1, 2])
    assert figures.training(frame, "incv", "").axes[0].get_ylabel() == label


def test_legend_has_as_many_columns_as_fit():
    """Names wrap at twelve characters per inch."""
    few = accuracy(("standard", ""), ("incv", "")).legends[0]
    assert few._ncols == 2
    for length, lines in ((41, 1), (42, 2)):
        name = "INCV, " + "m" * 20 + " " + "m" * (length - 27)
        (legend,) = accuracy(("incv", name.removeprefix("INCV, ")), ("standard", "")).legends
        assert legend._ncols == 1
        assert legend.get_texts()[1].get_text().split("\n") == (
            [name] if lines == 1 else name.rsplit(" ", 1)
        )


@pytest.mark.parametrize("n, first", [(19, 1), (20, 2)])
def test_only_the_first_tenth_may_start_below_the_panel(n, first):
    (axes,) = accuracy(("incv", ""), frame=band(np.linspace(0.1, 0.9, n))).axes
    assert axes.get_ylim()[0] == pytest.approx(np.linspace(0.1, 0.9, n)[first] - 0.03)


def test_accuracy_axis_ends_at_one():
    (axes,) = accuracy(("incv", ""), frame=band([0.8] * 20, [1.0] * 20)).axes
    assert axes.get_ylim() == (pytest.approx(0.9 - 0.03), 1.01)


def test_first_tenth_counts_epochs_not_rows():
    (axes,) = accuracy(
        ("incv", ""), frame=band([0.1, *np.linspace(0.5, 0.9, 10)]).set_axis([4, *range(21, 31)])
    ).axes
    assert axes.get_ylim()[0] == pytest.approx(0.1 - 0.03)


# --------------------------------------------------------------------------------- what is left out


def test_iterations_without_true_labels_show_counts():
    frame = pd.DataFrame(
        {"LP": np.nan, "LR": np.nan, "selected": [5, 7], "candidate": [3, 1], "removed": [2, 2]},
        index=[1, 2],
    )
    figure = figures.iterations(frame, "INCV, pets")
    (axes,) = figure.axes
    assert axes.get_ylabel() == "samples" and len(axes.patches) == 6


def test_title_has_the_number_of_seeds():
    lines = {
        ("incv", ""): band([0.5, 0.6], [0.7, 0.8], [0.6, 0.7]),
        ("standard", ""): band([0.5, 0.6]),
    }
    figure = figures.test_accuracy({SYM: lines, ASYM: {("incv", ""): band([0.5], [0.7])}}, {ASYM})
    assert [axes.get_title() for axes in figure.axes] == ["sym 0.5 (n = 1–3)", "asym 0.4 (n = 2)"]
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "test accuracy",
        "agreement with noisy test labels",
    ]


PUBLISHED = {SYM: {"LP": (0.1, 0.2, 0.3, 0.4), "LR": (0.5, 0.6, 0.7, 0.8)}}


@pytest.mark.parametrize(
    "setting, last, names",
    [(SYM, 4.5, ["sym 0.5 (n = 1)", "published"]), (ASYM, 3.5, ["asym 0.4 (n = 1)"])],
)
def test_published_iterations_are_named_only_if_drawn(setting, last, names):
    figure = figures.selection({(setting, ""): {"LP": ONE, "LR": ONE}}, PUBLISHED)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    for axes, score in zip(figure.axes, ("LP", "LR")):
        assert axes.get_xlim() == (0.5, last)
        assert [(list(line.get_xdata()), tuple(line.get_ydata())) for line in axes.lines[1:]] == [
            ([1, 2, 3, 4], PUBLISHED[SYM][score])
        ] * (setting == SYM)


# --------------------------------------------------------------------------------------------- maps


def test_large_matrix_has_a_colour_bar_instead_of_numbers():
    T = transition_matrix("sym", 0.3, 11)
    figure = figures.heat_maps([[("M", T), ("T", T)]], ["noisy label"])
    left, right, bar = figure.axes
    assert not left.texts and not right.texts and bar.get_ylabel() == "per cent of the true class"
    assert figure.get_supxlabel() == ""
    assert (left.get_ylabel(), right.get_ylabel()) == ("true class", "")


def test_matrices_share_one_scale_and_class_labels():
    """Numbers are white on cells darker than half of the largest."""
    M, T = np.array([[0.7, 0.3], [0.65, 0.35]]), np.array([[0.2, 0.8], [0.4, 0.6]])
    for matrix, colors in (
        (M, ["white", "black", "white", "black"]),
        (T, ["black", "white", "black", "white"]),
    ):
        figure = figures.heat_maps([[("a", matrix), ("b", matrix)]], ["noisy label"])
        left, right = figure.axes
        np.testing.assert_allclose(left.images[0].get_array(), 100 * matrix)
        assert [text.get_color() for text in right.texts] == colors
        figure.draw_without_rendering()
        for axes in (left, right):
            ticks = axes.yaxis.get_major_ticks()
            assert {tick.label1.get_visible() for tick in ticks} == {axes is left}


def test_each_row_of_matrices_needs_label_and_equal_length():
    T = transition_matrix("sym", 0.3, 3)
    for rows, labels in (
        ([[("M", T)]], ["a", "b"]),
        ([[("M", T)], [("M", T), ("T", T)]], ["a", "b"]),
    ):
        with pytest.raises(ValueError):
            figures.heat_maps(rows, labels)
