"""Draw matplotlib figures of label issues from numbers and images."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from noisylabels.names import shortened

COLUMNS = 8  # of pictures
NAMED = 40  # largest number of classes whose names the matrix shows; otherwise it shows indices
ISSUE, OTHER = "#a00000", "#0072b2"
AGREEING = "0.93"  # colour of the diagonal of the matrix


def pictures(
    images: Sequence[Image.Image], labels: list[tuple[str, str]], doubt: str = ""
) -> Figure:
    """Draw images with the observed and the predicted label of each.

    `doubt` is a second, red line of the title; "" for none.
    """
    rows = -(-len(images) // COLUMNS)
    top = 0.8 if doubt else 0.4
    figure = Figure(figsize=(1.15 * COLUMNS, 1.5 * rows + top))
    axes = figure.add_axes([0, 0, 1, 1 - top / (1.5 * rows + top)])
    for k, (image, (given, predicted)) in enumerate(zip(images, labels)):
        row, column = divmod(k, COLUMNS)
        x, y = 1.15 * column + 0.575, -1.5 * row
        width, height = (side / max(image.size) for side in image.size)
        extent = (x - width / 2, x + width / 2, y - height, y)
        axes.imshow(np.asarray(image), extent=extent)
        parts = shortened(given), shortened(predicted)
        caption = (" → " if len("".join(parts)) < 12 else " →\n").join(parts)
        axes.text(
            x, y - height - 0.05, caption, ha="center", va="top", fontsize=8, parse_math=False
        )
    axes.set(xlim=(0, 1.15 * COLUMNS), ylim=(-1.5 * rows, 0))
    axes.axis("off")
    title = f"The {len(images)} labels most probably wrong: given → predicted"
    figure.suptitle(title, fontsize=11, y=1 - 0.1 / rows)
    if doubt:
        y = (1.5 * rows + 0.12) / figure.get_figheight()
        figure.text(0.5, y, doubt, fontsize=11, ha="center", color=ISSUE)
    return figure


def matrix(counts: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw the numbers of samples by observed label (rows) and predicted label (columns).

    The diagonal, where the two agree, is grey, so that the colours show the differences.

    Parameters
    ----------
    counts : ndarray
        int (c, c).
    classes : sequence of str
        Names of the c classes.
    """
    c = len(classes)
    agree = np.eye(c, dtype=bool)
    size = min(4.2 + 0.28 * c, 12)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    most = max(counts[~agree].max(), 1)
    colors = colormaps["Blues"].with_extremes(bad=AGREEING)
    others = np.ma.masked_array(counts, agree)
    # Any other interpolation would fade single cells of many classes.
    image = axes.imshow(others, vmin=0, vmax=most, cmap=colors, interpolation="nearest")
    axes.set(xlabel="predicted label", ylabel="given label")
    if c <= NAMED:
        names = [shortened(name) for name in classes]
        axes.set_xticks(
            range(c), names, rotation=0 if max(map(len, names)) < 3 else 90, parse_math=False
        )
        axes.set_yticks(range(c), names, parse_math=False)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(10, integer=True))
    if c <= 20:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(
                    column,
                    row,
                    f"{count}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if row != column and count > 0.6 * most else "black",
                )
    figure.colorbar(
        image,
        ax=axes,
        shrink=0.7,
        label="samples; grey: both labels agree",
        ticks=MaxNLocator(integer=True),
    )
    return figure


def histogram(scores: np.ndarray, issue: np.ndarray) -> Figure:
    """Draw the label_score of issues and of other samples, and the highest score of an issue.

    Parameters
    ----------
    scores : ndarray
        Probabilities, float (n,).
    issue : ndarray
        Whether a sample is an issue, bool (n,).
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, 1, 41)
    for chosen, name, color in ((issue, "label issues", ISSUE), (~issue, "others", OTHER)):
        axes.hist(scores[chosen], bins, color=color, alpha=0.55, label=f"{name}: {chosen.sum():,}")
    if issue.any():
        axes.axvline(
            scores[issue].max(),
            color="black",
            linestyle="--",
            linewidth=1,
            label=f"highest of an issue: {scores[issue].max():.3f}",
        )
    axes.set(
        xlabel="label_score, the probability of the given label",
        ylabel="samples",
        yscale="log",
        xlim=(0, 1),
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return figure
