"""The figures of label issues: pictures, confusion matrix and histogram."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from records import assert_nothing_is_clipped

from noisylabels.report import issue_figures

pytestmark = pytest.mark.runs


@pytest.mark.parametrize("height, width", [(8, 16), (16, 8), (8, 8)])
def test_pictures_keep_their_proportions(height, width):
    images = [Image.new("RGB", (width, height))] * 10
    figure = issue_figures.pictures(images, [("cat", "dog")] * 10)
    left, right, bottom, top = np.transpose([image.get_extent() for image in figure.axes[0].images])
    assert right - left == pytest.approx([width / max(height, width)] * 10)
    assert top - bottom == pytest.approx([height / max(height, width)] * 10)
    for row in (slice(8), slice(8, 10)):
        assert (np.diff(left[row]) >= (right - left)[0]).all()  # next to each other
    assert bottom[:8].min() > top[8:].max()  # ten in two rows
    assert_nothing_is_clipped(figure)


def test_captions_are_short_and_literal():
    labels = [
        ("abcdef", "ghijk"),
        ("abcdef", "ghijkl"),
        ("$x$", "a  b"),
        ("fourteen words", "fifteen letters"),
    ]
    (axes,) = issue_figures.pictures([Image.new("RGB", (16, 8))] * 4, labels).axes
    assert [text.get_text() for text in axes.texts] == [
        "abcdef → ghijk",
        "abcdef →\nghijkl",
        "$x$ → a b",
        "fourteen words →\nfiftee…letters",
    ]
    assert {text.get_parse_math() for text in axes.texts} == {False}
    assert {picture.get_array().shape for picture in axes.images} == {(8, 16, 3)}


@pytest.mark.parametrize("c", [3, 20, 21, 40, 41])
def test_matrix_of_given_and_predicted_labels(c):
    """Show numbers for up to 20 classes, and names for up to 40."""
    counts = 10 * np.arange(c) + np.arange(c)[:, None]  # row 1: 1, 11, 21
    figure = issue_figures.matrix(counts, [f"class {k}" for k in range(c)])
    figure.draw_without_rendering()
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted label", "given label")
    names = [
        [label.get_text() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis)
    ]
    if c <= 40:
        assert names == [[f"class {k}" for k in range(c)]] * 2
    else:
        assert (
            [k for k in axes.get_xticks() if 0 <= k < c]
            == [*range(0, c, 5)]
            == [k for k in axes.get_yticks() if 0 <= k < c]
        )
    others = counts[~np.eye(c, dtype=bool)].max()
    assert {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts} == {
        (column, row): (
            str(count),
            "white" if row != column and count > 0.6 * others else "black",
        )
        for (row, column), count in np.ndenumerate(counts)
        if count and c <= 20
    }


@pytest.mark.parametrize(
    "counts, highest, colors",
    [
        ([[9, 0], [0, 8]], 1, ["black", "black"]),
        ([[90, 10], [6, 7]], 10, ["black", "white", "black", "black"]),
    ],
)
def test_matrix_is_coloured_only_off_the_diagonal(counts, highest, colors):
    """The darkest cell is the most frequent difference."""
    figure = issue_figures.matrix(np.array(counts), ["a", "b"])
    image, texts = figure.axes[0].images[0], figure.axes[0].texts
    figure.draw_without_rendering()
    drawn = image.to_rgba(image.get_array())
    assert image.get_clim() == (0, highest) and [text.get_color() for text in texts] == colors
    for k in range(2):
        assert np.ptp(drawn[k, k, :3]) < 0.01 and drawn[k, k, 0] > 0.85  # a light grey
    assert highest == 1 or drawn[0, 1, 0] < 0.1 < drawn[1, 0, 0]


def test_single_difference_of_many_classes_is_visible():
    counts = np.zeros((1000, 1000), int)
    counts[300, 700] = 1
    figure = issue_figures.matrix(counts, [str(k) for k in range(1000)])
    figure.set_dpi(150)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba()).astype(int)[::-1]
    (left, low), (right, high) = figure.axes[0].get_window_extent().shrunk(0.98, 0.98).get_points()
    inside = pixels[int(low) : int(high), int(left) : int(right)]
    assert (inside[..., 2] - inside[..., 0]).max() > 90  # dark blue


def test_long_class_names_keep_their_ends():
    """Tell classes apart whose names begin alike."""
    names = ["Pepper,_bell___healthy", "Pepper,_bell___Bacterial_spot"]
    axes, _ = issue_figures.matrix(np.eye(2, dtype=int), names).axes
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["Pepper…healthy", "Pepper…al_spot"]


@pytest.mark.parametrize("names, rotation", [(["0", "10"], 0), (["a", "$b$"], 90)])
def test_matrix_class_names_are_literal(names, rotation):
    figure = issue_figures.matrix(np.array([[1, 2], [3, 4]]), names)
    figure.draw_without_rendering()
    axes, bar = figure.axes
    for axis, turned in ((axes.xaxis, rotation), (axes.yaxis, 0)):
        assert [
            (label.get_text(), label.get_rotation(), label.get_parse_math())
            for label in axis.get_ticklabels()
        ] == [(name, turned, False) for name in names]
    assert all(tick == round(tick) for tick in bar.get_yticks())


def test_histogram_of_label_scores():
    figure = issue_figures.histogram(
        np.array([0.01, 0.02, 0.5, 0.99]), np.array([True, True, False, False])
    )
    figure.draw_without_rendering()
    (axes,), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in legend.texts] == [
        "label issues: 2",
        "others: 2",
        "highest of an issue: 0.020",
    ]
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())  # it would hide bars
    assert [sum(bar.get_height() for bar in bars) for bars in axes.containers] == [2, 2]
    assert (
        axes.lines[0].get_xdata()[0] == 0.02
        and axes.get_xlim() == (0, 1)
        and axes.get_yscale() == "log"
    )
    for bars, (low, height) in zip(axes.containers, [(0, 2), (0.5, 1)]):
        assert [bar.get_height() for bar in bars if bar.get_x() == pytest.approx(low)] == [height]
    assert_nothing_is_clipped(figure)


def test_histogram_without_label_issues():
    figure = issue_figures.histogram(np.array([0.5, 0.99]), np.array([False, False]))
    assert [text.get_text() for text in figure.legends[0].texts] == ["label issues: 0", "others: 2"]
    assert not figure.axes[0].lines
