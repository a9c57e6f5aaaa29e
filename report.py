"""Every table and figure, drawn from the CSVs alone: a picture can be made again without training again.

    python report.py --results_dir results --dataset digits

draws what the runs of that data set (without --dataset: of all) left in `results/<dataset>/<pattern>/<ratio>/` and in
`seed<k>/` beneath, and prints the paths; it takes seconds and no TensorFlow. Missing runs leave gaps; a file that is
damaged is named on standard error and left out. The functions return the paths that they wrote, none where there is
nothing to draw. Shares are fractions in the CSVs and per cent in table.md.
"""
import contextlib
import functools
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import cli
import figures
import published
import theory
from figures import METHODS, look
from runs import atomic, write_csv
from utils import UserError

VERIFY_COLUMNS = ["TA", "LP", "LR", "TA_theory", "LP_theory", "LR_theory", "test_accuracy"]
ITERATION_COLUMNS = ["iteration", "LP", "LR", "eps", "selected", "candidate", "removed"]
NETWORKS = ["test_accuracy_1", "test_accuracy_2"]
TRAINING_COLUMNS = ["epoch", *NETWORKS, "seconds"]
RESULT_COLUMNS = ["last", "last10", "best"]


class RunFolder(NamedTuple):
    """A run folder, known by its path alone."""

    dataset: str
    pattern: str
    ratio: float
    seed: int
    folder: Path

    @property
    def setting(self):
        return self.pattern, self.ratio

    @property
    def title(self):
        return f"{self.dataset}, {figures.setting_name(self.setting)}, seed {self.seed}"


def run_at(folder):
    """The run of a folder. ValueError: the path does not end like that of a run."""
    pattern = rf"([^/]+)/({'|'.join(theory.PATTERNS)})/(0(?:\.\d+)?|1(?:\.0+)?)(?:/seed([1-9]\d*))?"
    match = re.search(f"/{pattern}$", Path(folder).absolute().as_posix())
    if not match:
        raise ValueError(f"{folder} is not a run folder: <dataset>/<pattern>/<ratio> or seed<k> beneath")
    return RunFolder(match[1], match[2], float(match[3]), int(match[4] or 0), Path(folder))


def find_runs(results_dir, dataset):
    """All run folders of a data set, whatever is in them, by pattern, ratio and seed."""
    root = Path(results_dir) / dataset
    runs = []
    for folder in filter(Path.is_dir, [*root.glob("*/*"), *root.glob("*/*/*")]):
        with contextlib.suppress(ValueError):
            runs.append(run_at(folder))
    return sorted(runs, key=lambda run: (theory.PATTERNS.index(run.pattern), run.ratio, run.seed))


def verify_figures(results_dir, dataset):
    """`Verify_Theory.csv` (a row a run), `.png` (TA, LP, LR with the theory's curves) and `_M.png` (M over T)."""
    rows, matrices = [], {}
    for run in find_runs(results_dir, dataset):
        row = read_csv(run.folder / "Verify_Theory.csv", "seed", VERIFY_COLUMNS)
        M = read_matrix(run.folder / "Verify_Theory_M.csv")
        if row is not None:
            rows.append({"pattern": run.pattern, "ratio": run.ratio, "seed": run.seed, **row[VERIFY_COLUMNS].iloc[0]})
        if M is not None:
            matrices.setdefault(run.setting, M)
    folder, written, table = Path(results_dir) / dataset, [], pd.DataFrame(rows)
    if rows:
        written.append(save_csv(table, folder / "Verify_Theory.csv"))
    if rows and matrices:
        n_classes = len(next(iter(matrices.values())))
        points = published.THEORY_POINTS if dataset == "cifar10" else None
        written.append(save(figures.theory_curves(table, n_classes, points), folder / "Verify_Theory.png"))
    if matrices:
        chosen = {setting: figures.setting_name(setting) for setting in telling(list(matrices))}
        M = [(f"M, {name}", matrices[setting]) for setting, name in chosen.items()]
        T = [(f"T, {name}", true_T(setting, matrices[setting])) for setting, name in chosen.items()]
        figure = figures.heat_maps([M, T], ["predicted class", "noisy label"])
        written.append(save(figure, folder / "Verify_Theory_M.png"))
    return written


def telling(settings, n=4):
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
        figure = figures.training(frame[[*NETWORKS, *own]], method, f"{look(method).name}, {run.title}")
        written.append(save(figure, run.folder / f"{method}_training.png"))
    estimated = read_matrix(run.folder / "f_correction_T.csv") if method == "f_correction" else None
    if estimated is not None:
        row = [("T, estimated", estimated), ("T, true", true_T(run.setting, estimated))]
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
    rank = {setting: i for i, setting in enumerate(published.SETTINGS)}             # these come first
    runs = sorted(find_runs(results_dir, dataset), key=lambda run: rank.get(run.setting, len(rank)))
    rows, curves, selections = [], {}, {}
    for setting in dict.fromkeys(run.setting for run in runs):
        seeds = [run for run in runs if run.setting == setting]
        for method in methods_of(runs):
            results = {run: result for run in seeds if (result := read_result(run, method)) is not None}
            if results:
                rows.append(table_row(setting, method, results, dataset))
            lines = [line for run in results if (line := read_accuracy(run, method)) is not None]
            if lines:
                curves.setdefault(setting, {})[method] = over_seeds(lines)
        frames = [frame for run in seeds if (frame := read_iterations(run)) is not None]
        if frames:
            selections[setting] = {score: over_seeds([frame[score] for frame in frames]) for score in ("LP", "LR")}
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


def table_row(setting, method, results, dataset):
    """A row of table.csv. results: {run: Series of last, last10, best}. std: of a sample, blank for a single run."""
    frame = pd.DataFrame(list(results.values()))
    row = {"pattern": setting[0], "ratio": setting[1], "method": method, "n": len(results),
           "seeds": " ".join(str(run.seed) for run in results),
           "recipe": " ".join(dict.fromkeys(frame["recipe"].dropna().astype(str)))}
    for column in RESULT_COLUMNS:
        scores = frame[column].astype(float)
        row |= {f"{column}_mean": scores.mean(), f"{column}_std": scores.std()}
    if dataset == "cifar10":
        mean, std = published.TEST_ACCURACY.get(method, {}).get(setting, (None, None))
        row |= {"published_mean": mean, "published_std": std}
    return row


def markdown(table, dataset):
    """table.md: methods by settings, per cent; for cifar10 with the published values, where there are any."""
    columns = {}
    for setting, rows in table.groupby(["pattern", "ratio"], sort=False):
        name = figures.setting_name(setting)
        columns[name] = {row.method: f"{_percent(row.last_mean, row.last_std)} ({row.n})" for row in rows.itertuples()}
        if dataset == "cifar10" and setting in published.SETTINGS:
            columns[f"{name}, published"] = {method: _percent(*values[setting])
                                             for method, values in published.TEST_ACCURACY.items()}
    lines = [f"# Test accuracy on {dataset}", "",
             "Per cent, after the last epoch; of two networks, their mean. Mean ± sample standard deviation over the",
             "seeds found (how many). `table.csv` also has the mean of the last ten epochs, and the best epoch.",
             f"Recipe: {' '.join(dict.fromkeys(' '.join(table['recipe']).split())) or 'unknown'}."]
    if dataset == "cifar10":
        lines += ["Published: mean ± standard deviation of five runs; which epoch and which network is not stated."]
    lines += ["", f"| method | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    lines += [f"| {look(method).name} | {' | '.join(cells.get(method, '–') for cells in columns.values())} |"
              for method in dict.fromkeys([*METHODS, *table["method"]])]
    return "\n".join(lines) + "\n"


def over_seeds(lines):
    """Mean, sample std and count at each epoch or iteration, of Series indexed by it."""
    return pd.concat(lines).groupby(level=0).agg(["mean", "std", "count"])


def true_T(setting, like):
    """The true T of a setting, of the size of another matrix."""
    return theory.transition_matrix(*setting, len(like))


def read_result(run, method):
    """Series of last, last10, best of a finished run, the mean of its networks, and recipe; None if not finished."""
    frame = read_csv(run.folder / f"{method}_result.csv", "network", RESULT_COLUMNS)
    if frame is not None:
        scores = frame.loc["mean"] if "mean" in frame.index else frame.mean(numeric_only=True)
        return scores.reindex([*RESULT_COLUMNS, "recipe"])


def read_accuracy(run, method):
    """Series of test accuracy by epoch, the mean of the networks; None where there is none."""
    frame = read_training(run, method)
    if frame is not None:
        return frame[NETWORKS].mean(axis=1).dropna()


def read_training(run, method):
    """Frame of a method's training by epoch; None where there is none, or no test accuracy in it."""
    frame = read_csv(run.folder / f"{method}_training.csv", "epoch", TRAINING_COLUMNS)
    if frame is not None and frame[NETWORKS].notna().any(axis=None):
        return frame


def read_iterations(run):
    """Frame of a run's selection by iteration; None where there is none."""
    return read_csv(run.folder / "INCV_iterations.csv", "iteration", ITERATION_COLUMNS)


def read_csv(path, index, columns):
    """A frame by a unique `index`, with these columns at least, numbers or blank; None where there is no such."""
    with _skipping(path):
        frame = pd.read_csv(path, dtype=str).apply(_numbers)
        if index not in frame:
            raise ValueError(f"no column {index}")
        for column in columns:
            if column not in frame or frame[column].dtype != float:
                raise ValueError(f"no column {column} of numbers")
        if (frame.select_dtypes(float).abs() > 1e15).any(axis=None):
            raise ValueError("a number beyond all reason")
        frame = frame.dropna(subset=index).set_index(index, verify_integrity=True)
        return frame if len(frame) else None


def read_matrix(path):
    """A matrix of shares, (c, c), from a CSV with header and index; None where there is no such."""
    with _skipping(path):
        matrix = pd.read_csv(path, dtype=str).iloc[:, 1:].to_numpy(dtype=float)
        if len(matrix) < 2 or matrix.shape != (len(matrix), len(matrix)):
            raise ValueError("not a square matrix")
        if not (matrix > 0).any() or (matrix < 0).any() or (matrix > 1.001).any():
            raise ValueError("not shares of one")
        return matrix


def _numbers(column):
    """A column of text as float64, if it can be. Pandas' own parser crashes on a long exponent (its issue 63089)."""
    try:
        return column.astype(float)
    except ValueError:
        return column


@contextlib.contextmanager
def _skipping(path):
    """Leaves the block at a missing file silently, at an unreadable one with a warning."""
    try:
        yield
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        _warn(f"{path}: left out, {reason}")


@functools.cache
def _warn(line):
    """A line on standard error, once."""
    print(line, file=sys.stderr)


def save_csv(frame, path):
    write_csv(path, frame)
    return path


def save(figure, path):
    """Writes a figure as PNG; the same figure gives the same bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None})
    return path


def _percent(mean, std):
    return f"{100 * mean:.2f}" + ("" if np.isnan(std) else f" ± {100 * std:.2f}")


def everything(results_dir, dataset):
    """All of the above for all runs of a data set."""
    written = verify_figures(results_dir, dataset)
    runs = find_runs(results_dir, dataset)
    for run in runs:
        written += incv_figures(run.folder)
        for method in methods_of(runs):
            written += training_figures(run.folder, method)
    return written + summary(results_dir, dataset)


def arguments():
    parser = cli.Parser("Draws every table and figure of the runs found.")
    parser.add_argument("--results_dir", default="results", help="folder of the runs")
    parser.add_argument("--dataset", help="data set to draw; by default all that are found")
    return parser


def main(args):
    root = Path(args.results_dir)
    found = [folder.name for folder in sorted(root.glob("*")) if find_runs(root, folder.name)]
    if found and args.dataset and args.dataset not in found:
        raise UserError(f"argument --dataset: no runs of {args.dataset} in {root}, only of {', '.join(found)}")
    written = [path for dataset in found if args.dataset in (None, dataset) for path in everything(root, dataset)]
    if not written:
        raise UserError(f"argument --results_dir: no finished run in {root}; make one, with INCV_main.py for example")
    for path in written:
        print(f"wrote {path}")


if __name__ == "__main__":
    cli.main(arguments(), main)
