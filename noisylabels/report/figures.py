"""Draw matplotlib figures from numbers; no files are read or written.

Line styles are in `styles`.
"""

import re
import textwrap
from collections.abc import Collection

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from noisylabels import theory
from noisylabels.methods import METHODS
from noisylabels.noise import ASSUMABLE_PATTERNS, PATTERNS, Noise, transition_matrix
from noisylabels.report.panels import (
    add_legend,
    draw_line,
    finish_panels,
    new_panels,
    set_title,
    sparse_markers,
    write_values,
)
from noisylabels.report.styles import (
    GREY,
    QUANTITIES,
    SCORES,
    SETS,
    LineStyle,
    line_style,
    with_difference,
)


def theory_curves(points: pd.DataFrame, n_classes: int, published: dict | None = None) -> Figure:
    """Draw TA, LP and LR over the noise ratio: the theory as lines, runs as markers.

    There is one panel per pattern: sym, asym, and other patterns with runs. Every panel shows the
    runs without noise.

    Parameters
    ----------
    points : pd.DataFrame
        Columns pattern, ratio, differs, TA, LP, LR. Runs that differ from the recipe are hollow.
    n_classes : int
        Number of classes.
    published : dict, optional
        `published.THEORY_POINTS`.
    """
    patterns = [
        *ASSUMABLE_PATTERNS,
        *(other for other in PATTERNS[2:] if other in {*points["pattern"]}),
    ]
    figure, panels = new_panels(len(patterns), width=4.2, height=3.2, columns=3)
    ratios = np.linspace(0, 1, 201)
    formulas = {"TA": theory.test_accuracy, "LP": theory.label_precision, "LR": theory.label_recall}
    for axes, pattern in zip(panels, patterns, strict=True):
        matrices = [transition_matrix(pattern, ratio, n_classes) for ratio in ratios]
        runs = points[(points["pattern"] == pattern) | (points["ratio"] == 0)]
        by_recipe = runs["differs"] == ""
        for score, formula in formulas.items():
            axes.plot(ratios, [formula(T) for T in matrices], **SCORES[score].style(marker=None))
            for chosen, fill in (
                (runs[by_recipe], SCORES[score].color),
                (runs[~by_recipe], "white"),
            ):
                axes.plot(
                    chosen["ratio"],
                    chosen[score],
                    **SCORES[score].style(linestyle="none", markerfacecolor=fill),
                )
            if published and pattern in published:
                axes.plot(
                    np.linspace(0, 1, 11), published[pattern][score], **SCORES[score].hollow()
                )
        axes.set(
            title=f"{pattern} noise", xlabel="noise ratio", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03)
        )
    handles = [
        Line2D([], [], label="theory", **GREY.style(marker=None)),
        Line2D([], [], label="measured", **GREY.style(linestyle="none")),
    ]
    others = [differs for differs in points["differs"].unique() if differs]
    if others:
        name = others[0] if len(others) == 1 else "measured, other settings"
        handles.append(
            Line2D([], [], label=name, **GREY.style(linestyle="none", markerfacecolor="white"))
        )
    add_legend(figure, SCORES.values(), columns=3, more=handles, published=published)
    return figure


def heat_maps(rows: list[list[tuple[str, np.ndarray]]], labels: list[str]) -> Figure:
    """Draw matrices of shares as heat maps on one scale, in per cent.

    Up to ten classes have numbers in the cells, more have a colour bar.

    Parameters
    ----------
    rows : list of list of (str, np.ndarray)
        Title and matrix (c, c) of each panel.
    labels : list of str
        Label of the x axes, one per row.
    """
    largest = 100 * max(np.nanmax(matrix) for row in rows for _, matrix in row)
    written = len(rows[0][0][1]) <= 10
    ticks = 10 if len(rows[0][0][1]) <= 100 else 5  # with two digits, or with more
    figure = Figure(
        figsize=(2.4 * len(rows[0]) + (0.4 if written else 1), 2.8 * len(rows)),
        layout="constrained",
    )
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False, sharey=True)
    for row, label, panels in zip(rows, labels, grid, strict=True):
        panels[0].set_ylabel("true class")
        for (title, matrix), axes in zip(row, panels, strict=True):
            image = axes.imshow(100 * matrix, vmin=0, vmax=largest, cmap="Blues")
            axes.set(xlabel=label)
            axes.set_title(title, fontsize=10)
            axes.tick_params(labelsize=8)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(ticks, integer=True))
            if written:
                write_values(axes, 100 * matrix, dark=largest / 2)
    if written:
        figure.supxlabel("values in per cent of the true class", fontsize=9)
    else:
        figure.colorbar(image, ax=grid, shrink=0.7, label="per cent of the true class")
    return figure


def iterations(frame: pd.DataFrame, title: str) -> Figure:
    """Draw LP, LR and the sizes of the sets after each iteration of one run of INCV.

    The frame is indexed by iteration, with columns LP, LR, selected, candidate, removed. LP and LR
    are not drawn if they are blank, as for unknown true labels.
    """
    known = frame[["LP", "LR"]].notna().any(axis=None)
    figure, panels = new_panels(1 + known, width=3.8 if known else 6.4, height=3)
    for score in ("LP", "LR") if known else ():
        panels[0].plot(frame.index, frame[score], label=SCORES[score].name, **SCORES[score].style())
        panels[0].set(ylabel="fraction")
        panels[0].legend(fontsize=8)
    counts = panels[-1]
    below = np.zeros(len(frame))
    for name, color in SETS.items():
        counts.bar(frame.index, frame[name], bottom=below, color=color, width=0.6, label=name)
        below = below + frame[name]
    counts.set(ylabel="samples", ylim=(0, 1.15 * max(below)))
    counts.legend(fontsize=8, loc="upper center", ncols=3, frameon=False)
    finish_panels(panels, "iteration", len(frame))
    set_title(figure, title)
    return figure


def training(frame: pd.DataFrame, method: str, title: str) -> Figure:
    """Draw the log of one training: one panel per quantity, one line per network.

    Parameters
    ----------
    frame : pd.DataFrame
        Log with the index epoch, from 1. Its columns are `<quantity>`, or `<quantity>_1` and `_2`
        by network. Text and blank columns are left out.
    method : str
        The method, for its colour.
    title : str
        Title of the figure.
    """
    quantities = {}
    for column in frame.select_dtypes("number").dropna(axis="columns", how="all"):
        quantity, network = re.fullmatch(r"(?s)(.*?)(_[12])?", column).groups()
        quantities.setdefault(quantity, {})["network 2" if network == "_2" else "network 1"] = (
            frame[column]
        )
    figure, panels = new_panels(len(quantities), width=3.8, height=3, columns=4)
    for axes, (quantity, lines) in zip(panels, quantities.items(), strict=True):
        for name, line in lines.items():
            style = (
                {"fillstyle": "none", "linewidth": 0.7}
                if name == "network 2"
                else {"linewidth": 1.2}
            )
            line = line.dropna()
            axes.plot(
                line.index,
                line,
                label=name,
                markevery=sparse_markers(line),
                **line_style(method).style(**style),
            )
        axes.set_ylabel(textwrap.fill(QUANTITIES.get(quantity, quantity.replace("_", " ")), 30))
        if len(lines) > 1:
            axes.legend(fontsize=8)
    finish_panels(panels, "epoch", frame.index.max())
    set_title(figure, title)
    return figure


def test_accuracy(settings: dict, doubtful: Collection[Noise] = ()) -> Figure:
    """Draw test accuracy over the epochs: one panel per setting, one line per method.

    The band is one standard deviation, cut off above 1. The first tenth of the epochs may lie below
    the panel.

    Parameters
    ----------
    settings : dict
        {noise: {(method, differs): frame}}. A frame has the index epoch and the columns mean, std
        and count over the seeds.
    doubtful : collection of Noise
        Settings with test labels that may be wrong.
    """
    figure, panels = new_panels(len(settings), width=4.2, height=3.6)
    drawn = {key for lines in settings.values() for key in lines}
    methods = [*METHODS, *sorted({method for method, _ in drawn} - set(METHODS))]
    order = sorted(drawn, key=lambda key: (methods.index(key[0]), key[1]))
    numbers = [
        sum(other == method and bool(differs) for other, differs in order[:i])
        for i, (method, _) in enumerate(order)
    ]
    styles = {key: line_style(*key, number) for key, number in zip(order, numbers, strict=True)}
    for axes, (noise, lines) in zip(panels, settings.items(), strict=True):
        for position, key in enumerate(order):
            if key in lines:
                draw_line(
                    axes, lines[key], styles[key], sparse_markers(lines[key], position / len(order))
                )
        counts = [frame["count"].max() for frame in lines.values()]
        seeds = "–".join(f"{count:.0f}" for count in sorted({min(counts), max(counts)}))
        axes.set(
            title=f"{noise} (n = {seeds})",
            ylabel="agreement with noisy test labels" if noise in doubtful else "test accuracy",
        )
        later = [frame["mean"][frame.index > frame.index.max() // 10] for frame in lines.values()]
        axes.set_ylim(min(line.min() for line in later) - 0.03, min(axes.get_ylim()[1], 1.01))
        finish_panels([axes], "epoch", max(frame.index.max() for frame in lines.values()))
    add_legend(figure, styles.values(), 2 * min(len(panels), 2))
    return figure


def selection(settings: dict, published: dict) -> Figure:
    """Draw LP and LR after each iteration of INCV, one line per setting.

    Parameters
    ----------
    settings : dict
        {(noise, differs): {"LP" and "LR": frame}}. A frame has the index iteration and the columns
        mean, std and count.
    published : dict
        Scores by noise, as in `published.SELECTION`. They have the style of their noise's first
        line.
    """
    figure, panels = new_panels(2, width=4.2, height=3.2)
    colors = colormaps["viridis"](np.linspace(0, 0.85, len(settings)))
    dashes, markers = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5))), "osD^vPX"
    names = []
    for (noise, differs), scores in settings.items():
        n = max(frame["count"].max() for frame in scores.values())
        names.append(f"{with_difference(noise, differs)} (n = {n:.0f})")
    styles = [
        LineStyle(name, color, dashes[i % len(dashes)], markers[i % len(markers)])
        for i, (name, color) in enumerate(zip(names, colors, strict=True))
    ]
    first = {}
    for drawn_as, (noise, _) in zip(styles, settings, strict=True):
        first.setdefault(noise, drawn_as)
    known = [noise for noise in first if noise in published]
    for axes, score in zip(panels, ("LP", "LR"), strict=True):
        for drawn_as, scores in zip(styles, settings.values(), strict=True):
            draw_line(axes, scores[score], drawn_as)
        for noise in known:
            axes.plot(range(1, 5), published[noise][score], **first[noise].hollow())
        axes.set_title(SCORES[score].name)
    finish_panels(
        panels,
        "iteration",
        max(4 if known else 1, *(scores["LR"].index.max() for scores in settings.values())),
    )
    add_legend(figure, styles, 3, published=known)
    return figure
