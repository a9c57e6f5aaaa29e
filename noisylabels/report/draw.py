"""Write all tables and figures from the CSVs. They can be drawn again without training.

Missing runs leave gaps. The functions return the paths that they wrote, or no path if there is
nothing to draw. Scores are fractions in the CSVs and per cent in table.md. Figures are PNGs unless
`set_format` has chosen another format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import rcParams

from noisylabels.methods import title_of
from noisylabels.noise import PROVIDED, Noise, transition_matrix
from noisylabels.report import figures, issues, published, review, run_list, tables
from noisylabels.report.aggregate import Summary, methods_of, summarise
from noisylabels.report.groups import common_settings, differences, identity_of, rows_of_records
from noisylabels.report.outputs import save, save_all
from noisylabels.report.read import (
    VERIFY_COLUMNS,
    finished_record,
    networks_of,
    read_csv,
    read_matrix,
    read_training,
)
from noisylabels.report.read_issues import SelectionResult, read_selection_result
from noisylabels.report.styles import with_difference
from noisylabels.runs.folders import find_runs, run_at
from noisylabels.selection.issues import CLASSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from noisylabels.data.dataset import Dataset


def set_format(name: str) -> None:
    """Set the format of all figures to png, pdf or svg."""
    rcParams["savefig.format"] = name


def verify_figures(results_dir: Path | str, dataset: str) -> list[Path]:
    """Write `Verify_Theory.csv`, `.md`, `.png` (with the curves of the theory) and `_M.png`.

    The last figure compares the confusion matrix M with the noise matrix T. M comes from the first
    run of a noise setting, preferably one with the settings of the most frequent recipe.
    """
    rows, confusion = {}, {}
    for run in find_runs(results_dir, dataset):
        record = finished_record(run.folder, "Verify_Theory")
        row = read_csv(run.folder / "Verify_Theory.csv", "seed", VERIFY_COLUMNS, record)
        M = read_matrix(run.folder / "Verify_Theory_M.csv", record)
        if row is not None:
            rows[run] = row[VERIFY_COLUMNS].iloc[0]
        if M is not None:
            confusion[run] = M
    identities = {run: identity_of(run, "Verify_Theory", {}) for run in rows}
    common = common_settings(identities.values())
    recipe = common.recipe
    differs = {run: differences(identities[run], "verify", common) for run in rows}
    never_averaged = {differs[run] for run in rows if identities[run]["data"] is None}
    comparable = [published.is_cifar10(identities[run]) for run in rows]
    table = pd.DataFrame(
        [
            {**run.noise._asdict(), "seed": run.seed, "differs": differs[run], **row}
            for run, row in rows.items()
        ]
    )
    recipe_first = sorted(confusion, key=lambda run: differs.get(run) != "")
    matrices = {run.noise: confusion[run] for run in reversed(recipe_first)}
    folder = Path(results_dir) / dataset
    written = []
    points = published.THEORY_POINTS if any(comparable) else None
    if len(table):
        written.append(save(table, folder / "Verify_Theory.csv"))
        marked = table.assign(comparable=comparable)
        text = tables.theory_markdown(marked, dataset, recipe, never_averaged)
        written.append(save(text, folder / "Verify_Theory.md"))
    if len(table) and matrices:
        n_classes = len(next(iter(matrices.values())))
        written.append(
            save(figures.theory_curves(table, n_classes, points), folder / "Verify_Theory.png")
        )
    if matrices:
        chosen = representative(list(dict.fromkeys(run.noise for run in confusion)))
        M = [(f"M, {noise}", matrices[noise]) for noise in chosen]
        T = [(f"T, {noise}", transition_matrix(*noise, len(matrices[noise]))) for noise in chosen]
        figure = figures.heat_maps([M, T], ["predicted class", "noisy label"])
        written.append(save(figure, folder / "Verify_Theory_M.png"))
    return written


def representative(settings: list[Noise], n: int = 4) -> list[Noise]:
    """Choose at most n settings for the confusion figure: the published ones, then some others."""
    chosen = [setting for setting in settings if setting in published.CONFUSION_SETTINGS]
    others = [setting for setting in settings if setting not in chosen]
    spread = np.linspace(0, len(others) - 1, min(n - len(chosen), len(others))).round().astype(int)
    return sorted(chosen + [others[i] for i in spread])


def training_figures(run_folder: Path, method: str) -> list[Path]:
    """Draw `<method>_training.png`: test accuracy, held-out scores, columns of the method.

    For f_correction also draw `f_correction_T.png`, the estimate of T next to the true T. Raises
    ValueError if the folder is not a run folder.
    """
    run = run_at(run_folder)
    contents = {}
    frame = read_training(run, method)
    if frame is not None:
        heldout = [column for column in frame if column.startswith("heldout_")]
        method_columns = frame.columns[frame.columns.get_loc("seconds") + 1 :]
        shown = frame[[*networks_of(frame), *heldout, *method_columns]]
        title = f"{title_of(method)}, {run.title}"
        contents[f"{method}_training.png"] = figures.training(shown, method, title)
    T = None
    if method == "f_correction":
        record = finished_record(run.folder, "f_correction_training")
        T = read_matrix(run.folder / "f_correction_T.csv", record)
    if T is not None:
        row = [("T, estimated", T)]
        if run.noise.pattern != PROVIDED:
            true = ("T, true", transition_matrix(*run.noise, len(T)))
            row = [true] if np.allclose(T, true[1]) else [*row, true]
        contents["f_correction_T.png"] = figures.heat_maps([row], ["noisy label"])
    return save_all(contents, run.folder)


def summary(results_dir: Path | str, dataset: str) -> list[Path]:
    """Write the tables and figures of all trainings of a data set, and the lists of its runs."""
    runs = find_runs(results_dir, dataset)
    contents = {}
    records = [row for run in runs for row in rows_of_records(run)]
    if records:
        contents["runs.csv"] = pd.DataFrame(records)
    if run_list_text := run_list.markdown(runs, dataset):
        contents["runs.md"] = run_list_text
    contents |= tables_and_figures(
        summarise(results_dir, dataset), dataset, table="table", curves="TestAcc", selections="INCV"
    )
    return save_all(contents, Path(results_dir) / dataset)


def tables_and_figures(
    found: Summary, dataset: str, table: str, curves: str, selections: str
) -> dict[str, Figure | pd.DataFrame | str]:
    """Return the contents of the files for a Summary, by file name.

    `table`, `curves` and `selections` are file names without suffix.
    """
    contents = {}
    if found.rows:
        contents[f"{table}.csv"] = frame = pd.DataFrame(found.rows)
        contents[f"{table}.md"] = tables.accuracy_markdown(frame, dataset, found.recipe)
    if found.curves:
        contents[f"{curves}.png"] = figures.test_accuracy(found.curves, found.doubtful)
    if found.selections:
        points = {noise: scores for (noise, _), scores in found.published.items()}
        contents[f"{selections}.png"] = figures.selection(found.selections, points)
        contents[f"{selections}.md"] = tables.selection_markdown(
            found.selections, found.published, dataset, found.recipe
        )
    return contents


def compare(results_dirs: list[Path], dataset: str) -> list[Path]:
    """Write a comparison of results folders to the first one: `compared.*`, `compared_*`."""
    summaries = {folder: summarise(folder, dataset) for folder in results_dirs}
    is_mixed = len({found.data for found in summaries.values()}) > 1
    recipes = []
    for folder, found in summaries.items():
        data = f" on data {found.data}" if is_mixed else ""
        recipes.append(f"{found.recipe}{data} in {folder}")
    merged = Summary(
        rows=[],
        curves={},
        selections={},
        published={},
        recipe=", ".join(recipes),
        doubtful=set(),
    )
    for folder, found in summaries.items():
        merged.doubtful.update(found.doubtful)
        merged.rows.extend(
            {**row, "differs": with_difference(folder, row["differs"])} for row in found.rows
        )
        for noise, lines in found.curves.items():
            merged.curves.setdefault(noise, {}).update(
                {
                    (method, with_difference(folder, differs)): frame
                    for (method, differs), frame in lines.items()
                }
            )
        merged.selections.update(
            {
                (noise, with_difference(folder, differs)): scores
                for (noise, differs), scores in found.selections.items()
            }
        )
        merged.published.update(
            {
                (noise, with_difference(folder, differs)): scores
                for (noise, differs), scores in found.published.items()
            }
        )
    contents = tables_and_figures(
        merged,
        dataset,
        table="compared",
        curves="compared_TestAcc",
        selections="compared_INCV",
    )
    return save_all(contents, Path(results_dirs[0]) / dataset)


def everything(results_dir: Path | str, dataset: str) -> list[Path]:
    """Draw the tables and figures of a data set, except those that show images."""
    written = verify_figures(results_dir, dataset)
    runs = find_runs(results_dir, dataset)
    methods = methods_of(runs)
    for run in runs:
        written += selection_files(read_selection_result(run.folder))
        for method in methods:
            written += training_figures(run.folder, method)
    return written + summary(results_dir, dataset)


def show_first_results(
    folder: Path, dataset: Dataset, done: int, iterations: int, reviewed: int
) -> None:
    """Write review page and figures of an unfinished selection; print the path of the page.

    Parameters
    ----------
    folder : Path
        The run folder.
    dataset : Dataset
        The data set.
    done, iterations : int
        Numbers of finished and of all iterations.
    reviewed : int
        Number of images on the review page.
    """
    so_far = f"after iteration {done} of {iterations}"
    note = f"Written {so_far}. Reload this page when INCV has finished; your decisions are kept."
    selection_files(read_selection_result(folder, dataset), dataset, reviewed, note)
    page = folder / "review.html"
    print(f"first results {so_far}: {page}; later iterations refine them", flush=True)


def selection_files(
    result: SelectionResult,
    dataset: Dataset | None = None,
    reviewed: int = review.DEFAULT_IMAGES,
    unfinished: str = "",
) -> list[Path]:
    """Write the files that are derived from a selection, the review page last.

    Parameters
    ----------
    result : SelectionResult
        The contents of the selection's files.
    dataset : Dataset, optional
        The data set. The review page needs it. A missing classes.json is then written again.
    reviewed : int
        Number of images on the review page.
    unfinished : str
        Note for the review page if more iterations follow. `INCV_iterations.png`, `cleaned.csv` and
        the files for Label Studio are then not written.

    Raises
    ------
    ValueError
        The folder of the selection is not a run folder.
    """
    contents = {}
    frame = result.iterations
    if dataset is not None and not (result.folder / CLASSES).exists():
        contents[CLASSES] = json.dumps(list(dataset.classes), indent=2) + "\n"
    if frame is not None and not unfinished:
        title = (
            f"INCV, {run_at(result.folder).title}: estimated noise ratio {frame.eps.iloc[-1]:.3f}"
        )
        contents["INCV_iterations.png"] = figures.iterations(frame, title)
    if result.issues is not None:
        contents |= issues.contents(
            result.issues,
            result.reliability,
            dataset,
            reviewed=reviewed,
            unfinished=unfinished,
        )
    return save_all(contents, result.folder)
