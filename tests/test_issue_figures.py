"""The figures of label issues: their sizes, and that a person sees all that should be seen."""
import numpy as np
import pytest
from records import assert_nothing_is_clipped

from noisylabels.report import issue_figures


@pytest.mark.parametrize("height, width", [(8, 16), (16, 8), (8, 8)])
def test_pictures_of_any_shape_keep_it_in_a_square_of_their_own(height, width):
    figure = issue_figures.pictures(np.zeros((10, height, width, 3), np.uint8), [("cat", "dog")] * 10)
    left, right, bottom, top = np.transpose([image.get_extent() for image in figure.axes[0].images])
    assert right - left == pytest.approx([width / max(height, width)] * 10)
    assert top - bottom == pytest.approx([height / max(height, width)] * 10)
    assert (top == [0] * 8 + [-1.5] * 2).all()
    assert_nothing_is_clipped(figure)


@pytest.mark.parametrize("c, size", [(3, 5.04), (20, 9.8), (41, 12)])
def test_the_map_of_given_and_predicted_labels(c, size):
    """Up to 20 classes with their numbers, white where it is dark; up to 40 with their names."""
    counts = 10 * np.arange(c) + np.arange(c)[:, None]              # row 1: 1, 11, 21
    figure = issue_figures.matrix(counts, [f"class {k}" for k in range(c)])
    figure.draw_without_rendering()
    axes, bar = figure.axes
    assert figure.get_size_inches() == pytest.approx([size + 1, size])
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("predicted label", "given label", "samples")
    names = [[label.get_text() for label in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis)]
    assert names == [[f"class {k}" for k in range(c)]] * 2 or (c == 41 and max(map(len, names)) < 15)
    others = counts[~np.eye(c, dtype=bool)].max()
    assert axes.images[0].get_clim() == (0, others)                 # the diagonal would drown them
    assert {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts} == {
        (column, row): (str(count), "white" if count > .6 * others else "black")
        for (row, column), count in np.ndenumerate(counts) if count and c <= 20}


def test_the_histogram_of_label_scores():
    figure = issue_figures.histogram(np.array([.01, .02, .5, .99]), np.array([True, True, False, False]))
    axes, = figure.axes
    assert [text.get_text() for text in axes.get_legend().texts] == ["label issues: 2", "others: 2",
                                                                     "highest of an issue: 0.020"]
    assert [sum(bar.get_height() for bar in bars) for bars in axes.containers] == [2, 2]
    assert axes.lines[0].get_xdata()[0] == .02 and axes.get_xlim() == (0, 1) and axes.get_yscale() == "log"
