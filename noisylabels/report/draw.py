"""Every table and figure, drawn from the CSVs alone: a picture can be made again without training again.

Missing runs leave gaps. The functions return the paths that they wrote, none where there is nothing to draw. Shares are
fractions in the CSVs and per cent in table.md.
"""
from pathlib import Path

import numpy as np
import pandas as pd

from noisylabels import theory
from noisylabels.methods import METHODS, title_of
from noisylabels.report import figures, published
from noisylabels.report.read import (
    VERIFY_COLUMNS,
    networks_of,
    read_accuracy,
    read_csv,
    read_iterations,
    read_matrix,
    read_result,
    read_training,
)
from noisylabels.report.tables import markdown, table_row
from noisylabels.runs.files import atomic, write_csv
from noisylabels.runs.folders import find_runs, run_at


def verify_figures(results_dir, dataset):
    """`Verify_Theory.csv` (a row a run), `.png` (TA, LP, LR with the theory's curves) and `_M.png` (M over T)."""
    rows, matrices = [], {}
    for run in find_runs(results_dir, dataset):
        row = read_csv(run.folder / "Verify_Theory.csv", "seed", VERIFY_COLUMNS)
        M = read_matrix(run.folder / "Verify_Theory_M.csv")
        if row is not None:
            rows.append({**run.noise._asdict(), "seed": run.seed, **row[VERIFY_COLUMNS].iloc[0]})
        if M is not None:
            matrices.setdefault(run.noise, M)
    folder, written, table = Path(results_dir) / dataset, [], pd.DataFrame(rows)
    if rows:
        written.append(save_csv(table, folder / "Verify_Theory.csv"))
    if rows and matrices:
        n_classes = len(next(iter(matrices.values())))
        points = published.THEORY_POINTS if dataset == "cifar10" else None
        written.append(save(figures.theory_curves(table, n_classes, points), folder / "Verify_Theory.png"))
    if matrices:
        chosen = representative(list(matrices))
        M = [(f"M, {noise}", matrices[noise]) for noise in chosen]
        T = [(f"T, {noise}", true_T(noise, matrices[noise])) for noise in chosen]
        figure = figures.heat_maps([M, T], ["predicted class", "noisy label"])
        written.append(save(figure, folder / "Verify_Theory_M.png"))
    return written


def representative(settings, n=4):
    """At most n settings for the confusion figure, sorted: published ones, then others spread over what there is."""
    chosen = [setting for setting in published.CONFUSION_SETTINGS if setting in settings]
    others = [setting for setting in settings if setting not in chosen]
    spread = np.linspace(0, len(others) - 1, min(n - len(chosen), len(others))).round().astype(int)
    return sorted(chosen + [others[i] for i in spread])


def incv_figures(run_folder):
    """`INCV_iterations.png`: LP, LR and the sizes of the sets after each iteration of one run. ValueError: `run_at`."""
    run = run_at(run_folder)
    frame = read_iterations(run)
    if frame is None:
        return []
    title = f"INCV, {run.title}: estimated noise ratio {frame['eps'].iloc[-1]:.3f}"
    return [save(figures.iterations(frame, title), run.folder / "INCV_iterations.png")]


def training_figures(run_folder, method):
    """`<method>_training.png`, test accuracy by epoch and the method's own columns, which are those after `seconds`.

    Of f_correction also `f_correction_T.png`, its T beside the true one. ValueError: `run_at`.
    """
    run, written = run_at(run_folder), []
    frame = read_training(run, method)
    if frame is not None:
        own = frame.columns[frame.columns.get_loc("seconds") + 1:]
        figure = figures.training(frame[[*networks_of(frame), *own]], method, f"{title_of(method)}, {run.title}")
        written.append(save(figure, run.folder / f"{method}_training.png"))
    estimated = read_matrix(run.folder / "f_correction_T.csv") if method == "f_correction" else None
    if estimated is not None:
        row = [("T, estimated", estimated), ("T, true", true_T(run.noise, estimated))]
        written.append(save(figures.heat_maps([row], ["noisy label"]), run.folder / "f_correction_T.png"))
    return written


def methods_of(runs):
    """The methods of the paper, then all others that have left a training log."""
    found = {path.name.removesuffix("_training.csv") for run in runs for path in run.folder.glob("*_training.csv")}
    return [*METHODS, *sorted(found - set(METHODS))]


def summary(results_dir, dataset):
    """The data set's methods by settings: `table.csv`, `table.md`, `TestAcc.png`; and its selections: `INCV.png`.

    Tables and test accuracies are of finished runs alone, and of the mean of both networks where a method has two.
    """
    rank = {noise: i for i, noise in enumerate(published.SETTINGS)}             # these come first
    runs = sorted(find_runs(results_dir, dataset), key=lambda run: rank.get(run.noise, len(rank)))
    rows, curves, selections = [], {}, {}
    for noise in dict.fromkeys(run.noise for run in runs):
        seeds = [run for run in runs if run.noise == noise]
        for method in methods_of(runs):
            results = {run: result for run in seeds if (result := read_result(run, method)) is not None}
            if results:
                rows.append(table_row(noise, method, results, dataset))
            lines = [line for run in results if (line := read_accuracy(run, method)) is not None]
            if lines:
                curves.setdefault(noise, {})[method] = over_seeds(lines)
        frames = [frame for run in seeds if (frame := read_iterations(run)) is not None]
        if frames:
            selections[noise] = {score: over_seeds([frame[score] for frame in frames]) for score in ("LP", "LR")}
    folder, written = Path(results_dir) / dataset, []
    if rows:
        table = pd.DataFrame(rows)
        written.append(save_csv(table, folder / "table.csv"))
        with atomic(folder / "table.md") as temporary:
            temporary.write_text(markdown(table, dataset), encoding="utf-8")
        written.append(folder / "table.md")
    if curves:
        written.append(save(figures.test_accuracy(curves), folder / "TestAcc.png"))
    if selections:
        points = published.SELECTION if dataset == "cifar10" else {}
        written.append(save(figures.selection(selections, points), folder / "INCV.png"))
    return written


def over_seeds(lines):
    """Mean, sample std and count at each epoch or iteration, of Series indexed by it."""
    return pd.concat(lines).groupby(level=0).agg(["mean", "std", "count"])


def true_T(noise, like):
    """The true T of a noise setting, of the size of another matrix."""
    return theory.transition_matrix(*noise, len(like))


def save_csv(frame, path):
    write_csv(path, frame)
    return path


def save(figure, path):
    """Writes a figure as PNG; the same figure gives the same bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None})
    return path


def everything(results_dir, dataset):
    """All of the above for all runs of a data set."""
    written = verify_figures(results_dir, dataset)
    runs = find_runs(results_dir, dataset)
    for run in runs:
        written += incv_figures(run.folder)
        for method in methods_of(runs):
            written += training_figures(run.folder, method)
    return written + summary(results_dir, dataset)


def print_selection(csv):
    """What a finished selection found, from the files beside its CSV, and the paths of these."""
    files = [csv, csv.with_name("INCV_history.csv"), csv.with_name("INCV_iterations.csv")]
    last = pd.read_csv(files[-1]).iloc[-1]
    print(f"\nestimated noise ratio  {last.eps:.3f}\n"
          f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, removed {last.removed:,.0f}\n"
          f"label precision        {last.LP:.3f}\nlabel recall           {last.LR:.3f}")
    print_paths([*files, *incv_figures(csv.parent)])


def print_paths(paths):
    """The last lines of every script: what it wrote."""
    for path in paths:
        print(f"wrote {path}")
