"""The parts that figures share: panels, titles, legends, lines with bands."""

import math
import textwrap
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from noisylabels.report.styles import GREY, LineStyle


def new_panels(n: int, width: float, height: float, columns: int = 2) -> tuple[Figure, list[Axes]]:
    """Return a figure of n panels, with width and height in inches, and its axes."""
    columns = min(n, columns)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[n:]:
        axes.remove()
    for axes in panels[:n]:
        axes.grid(color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels[:n]


def finish_panels(panels: Iterable[Axes], name: str, last: int) -> None:
    """Set the x axis of panels from 1 to `last`, and label y axes that do not start at 0."""
    for axes in panels:
        axes.set(xlabel=name, xlim=(0.5, last + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        start = axes.get_ylim()[0]
        if start > 0:
            axes.set_title(f"y axis from {start:.2g}", loc="left", fontsize=7, color="0.4")


def set_title(figure: Figure, text: str) -> None:
    whole = text.replace("seed ", "seed\N{NO-BREAK SPACE}")
    figure.suptitle(textwrap.fill(whole, round(10 * figure.get_figwidth())), parse_math=False)


def add_legend(
    figure: Figure,
    styles: Iterable[LineStyle],
    columns: int,
    more: Iterable[Line2D] = (),
    published: bool = False,
) -> None:
    """Add one legend below all panels, in as many columns as fit.

    The figure grows by its height.
    """
    handles = [Line2D([], [], label=entry.name, **entry.style()) for entry in styles] + list(more)
    if published:
        handles.append(Line2D([], [], label="published", **GREY.hollow()))
    width, height = figure.get_size_inches()
    for handle in handles:
        handle.set_label(textwrap.fill(handle.get_label(), round(12 * (width - 0.8))))
    for ncols in range(columns, 0, -1):
        legend = figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=ncols,
            fontsize=9,
            handlelength=4,
            frameon=False,
        )
        with warnings.catch_warnings():  # the legend may be higher than the figure before it grows
            warnings.filterwarnings("ignore", "constrained_layout not applied")
            figure.draw_without_rendering()
        box = legend.get_window_extent()
        if box.width <= figure.bbox.width or ncols == 1:
            break
        legend.remove()
    figure.set_size_inches(width, height + box.height / figure.dpi)


def draw_line(axes: Axes, frame: pd.DataFrame, drawn_as: LineStyle, markevery: Any = 1) -> None:
    """Draw the mean over seeds, with a band of one standard deviation for several seeds."""
    axes.plot(frame.index, frame["mean"], markevery=markevery, **drawn_as.style(linewidth=1.4))
    axes.fill_between(
        frame.index,
        frame["mean"] - frame["std"],
        frame["mean"] + frame["std"],
        color=drawn_as.color,
        alpha=0.18,
        linewidth=0,
    )


def sparse_markers(frame: pd.DataFrame, offset: float = 0.0) -> tuple[int, int]:
    """Return `markevery`: all points up to 31, else about 16, shifted by a share of a step."""
    step = max(1, len(frame) // 16)
    return int(offset * step), step


def write_values(axes: Axes, matrix: np.ndarray, dark: float) -> None:
    """Write the percentages into the cells, in white where they are above `dark`."""
    for (row, column), per_cent in np.ndenumerate(matrix):
        if per_cent > 0.5:  # and not nan
            axes.text(
                column,
                row,
                f"{per_cent:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if per_cent > dark else "black",
            )
