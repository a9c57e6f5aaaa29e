"""Average the results of runs over seeds, from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from noisylabels.methods import METHODS
from noisylabels.noise import PROVIDED
from noisylabels.report import published, tables
from noisylabels.report.groups import common_settings, identity_of, labelled_groups
from noisylabels.report.read import read_accuracy, read_iterations, read_result, read_training
from noisylabels.runs.folders import RunFolder, find_runs
from noisylabels.runs.record import read_record
from noisylabels.selection.selection_csv import RECORD


class Summary(NamedTuple):
    """The results of a data set, averaged over runs with identical settings."""

    rows: list  # of table.csv
    curves: dict  # {noise: {(method, differs): frame of test accuracy by epoch}}
    selections: dict  # {(noise, differs): {"LP" and "LR": frame by iteration}}
    published: dict  # {(noise, differs): {"LP" and "LR": 4 values}}, for the same data
    recipe: str  # of most runs
    doubtful: set  # noise settings with test labels that may be mislabelled
    data: str | None = None  # fingerprint of the data of most runs


def summarise(results_dir: Path | str, dataset: str) -> Summary:
    """Average the finished runs of a data set over seeds, and over the networks of a run."""
    rank = {noise: i for i, noise in enumerate(published.SETTINGS)}  # these come first
    runs = sorted(find_runs(results_dir, dataset), key=lambda run: rank.get(run.noise, len(rank)))
    results = {
        method: {run: result for run in runs if (result := read_result(run, method)) is not None}
        for method in methods_of(runs)
    }
    identities = {
        method: {
            run: identity_of(run, f"{method}_training", known_without_record(run, method, result))
            for run, result in found.items()
        }
        for method, found in results.items()
    }
    common = common_settings(
        [identity for found in identities.values() for identity in found.values()]
        + [identity_of(run, "INCV", {}) for run in runs]
    )
    summary = Summary(
        [], {}, selections={}, published={}, recipe=common.recipe, doubtful=set(), data=common.data
    )
    for noise in dict.fromkeys(run.noise for run in runs):
        for method, found in identities.items():
            for differs, group in labelled_groups(
                {run: found[run] for run in found if run.noise == noise}, "main", common
            ):
                published_accuracy = (
                    published.TEST_ACCURACY.get(method, {})
                    if published.is_cifar10(found[group[0]])
                    else None
                )
                row = tables.table_row(
                    noise,
                    method,
                    differs=differs,
                    results={run: results[method][run] for run in group},
                    published_accuracy=published_accuracy,
                )
                summary.rows.append(row)
                if row.get("test_labels") == PROVIDED:
                    summary.doubtful.add(noise)
                curves = [
                    curve for run in group if (curve := read_accuracy(run, method)) is not None
                ]
                if curves:
                    summary.curves.setdefault(noise, {})[method, differs] = over_seeds(curves)
        frames = {
            run: frame
            for run in runs
            if run.noise == noise
            and (frame := read_iterations(run.folder, read_record(run.folder / RECORD))) is not None
            and frame[["LP", "LR"]].notna().any(axis=None)
        }  # blank where the true labels are not known
        selected = {run: identity_of(run, "INCV", {"recipe": common.recipe}) for run in frames}
        for differs, group in sorted(
            labelled_groups(selected, "INCV", common), key=lambda found: found[0]
        ):
            summary.selections[noise, differs] = {
                score: over_seeds([frames[run][score] for run in group], extend=True)
                for score in ("LP", "LR")
            }
            if published.is_cifar10(selected[group[0]]) and noise in published.SELECTION:
                summary.published[noise, differs] = published.SELECTION[noise]
    return summary


def methods_of(runs: list[RunFolder]) -> list[str]:
    """Return the registered methods, then all others with a training log."""
    found = {
        path.name.removesuffix("_training.csv")
        for run in runs
        for path in run.folder.glob("*_training.csv")
    }
    return [*METHODS, *sorted(found - set(METHODS))]


def known_without_record(run: RunFolder, method: str, result: pd.Series) -> dict[str, Any]:
    """Return the settings of a training without a record, as far as its files show them."""
    log = read_training(run, method)
    recipe = {"recipe": result["recipe"]} if isinstance(result["recipe"], str) else {}
    return recipe | ({} if log is None else {"epochs": len(log)})


def over_seeds(curves: list[pd.Series], extend: bool = False) -> pd.DataFrame:
    """Return mean, sample standard deviation and count of several runs by epoch or iteration.

    Only epochs that all runs have are kept. With `extend`, a run that ended early keeps its last
    value instead. Selections may end early.
    """
    if extend:  # blanks within a curve stay blank
        longest = max(curves, key=len).index
        together = pd.concat([curve.reindex(longest, method="ffill") for curve in curves], axis=1)
    else:
        together = pd.concat(curves, axis=1).dropna()
    return together.T.agg(["mean", "std", "count"]).T
