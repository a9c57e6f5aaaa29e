"""Tables of methods (table.csv, table.md), selections (INCV.md) and theory (Verify_Theory.md)."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from noisylabels.methods import METHODS, PAPER_METHODS, title_of
from noisylabels.noise import PATTERNS, PROVIDED, Noise
from noisylabels.report import published
from noisylabels.report.read import RESULT_COLUMNS
from noisylabels.report.styles import with_difference


def table_row(
    noise: Noise, method: str, differs: str, results: dict, published_accuracy: dict | None
) -> dict:
    """Return a row of table.csv: means and sample standard deviations over the seeds of a group.

    Parameters
    ----------
    differs : str
        Difference from the recipe, in words.
    results : dict
        {run: Series of read.read_result}.
    published_accuracy : dict or None
        Published {noise: (mean, std)} of the method. None for another data set than the published
        one.

    Returns
    -------
    dict
        {column: value}; std is blank for a single run. `test_labels` is "given" where the test
        labels may be wrong, and "none" without a test set.
    """
    frame = pd.DataFrame(list(results.values()))
    row = {
        **noise._asdict(),
        "method": method,
        "differs": differs,
        "n": len(results),
        "seeds": " ".join(str(run.seed) for run in results),
        "recipe": " ".join(dict.fromkeys(frame["recipe"].dropna().astype(str))),
        "steps": frame["steps"].mean(),
    }
    for column in ["final", *RESULT_COLUMNS, "validated"]:
        scores = frame[column].astype(float)
        row |= {f"{column}_mean": scores.mean(), f"{column}_std": scores.std()}
    if frame["test_labels"].notna().any():
        row["test_labels"] = frame["test_labels"].dropna().iloc[0]
    if published_accuracy is not None:
        row["published_mean"], row["published_std"] = published_accuracy.get(noise, (None, None))
    return row


def accuracy_markdown(table: pd.DataFrame, dataset: str, recipe: str) -> str:
    """Return table.md: methods by settings, in per cent, the paper's methods first.

    Runs of the published data set have the published values next to them.

    Parameters
    ----------
    table : DataFrame
        Rows from `table_row`.
    recipe : str
        Recipe of the rows that do not differ from it.
    """
    columns = {}
    has_noisy_test_labels = table.get("test_labels", pd.Series(index=table.index)).eq(PROVIDED)
    for setting, rows in table.assign(mark=np.where(has_noisy_test_labels, " †", "")).groupby(
        ["pattern", "ratio"], sort=False, dropna=False
    ):
        name = setting[0] if setting[0] == PROVIDED else str(Noise(*setting))
        columns[name] = {
            (
                row.method,
                row.differs,
            ): f"{_percent(row.final_mean, row.final_std)} ({row.n}){row.mark}"
            for row in rows.itertuples()
        }
        if "published_mean" in rows and rows.published_mean.notna().any():
            columns[f"{name}, published"] = {
                (row.method, ""): _percent(row.published_mean, row.published_std)
                for row in rows.dropna(subset="published_mean").itertuples()
            }
    lines = [
        f"# Test accuracy on {dataset}",
        "",
        "Per cent after the last epoch: mean ± sample standard deviation (number of seeds).",
    ]
    if table["method"].eq("f_correction").any():
        lines.append("F-correction: at the epoch with the lowest loss on held-out noisy labels.")
    lines += [
        "Methods with two networks: mean of both. Only runs with identical settings are averaged.",
        "`table.csv` also has the mean of the evaluations in the last ten epochs, the best epoch",
        "(selected on the test set) and the number of training batches.",
        f"Recipe: {recipe}, unless a row names another setting.",
    ]
    if any(name.endswith(", published") for name in columns):
        lines.append("Published: mean ± standard deviation of five runs; the epoch is not stated.")
    if has_noisy_test_labels.any():
        lines.append("†: agreement with noisy test labels, not accuracy.")
    order = [*METHODS, *sorted(set(table["method"]) - set(METHODS))]
    found = {row for cells in columns.values() for row in cells}
    later = [method for method in METHODS if method in dict(found) and method not in PAPER_METHODS]
    rows = []
    for method, differs in sorted(found, key=lambda row: (order.index(row[0]), row[1])):
        if method in later:
            rows.append(["*after 2019*"] + [""] * len(columns))
            later = []
        title = with_difference(title_of(method), differs)
        rows.append([title, *(cells.get((method, differs), "–") for cells in columns.values())])
    return "\n".join([*lines, "", *_table(["method", *columns], rows)])


def selection_markdown(found: dict, points: dict, dataset: str, recipe: str) -> str:
    """Return INCV.md: LP, LR and F-score after each iteration, next to published values.

    Parameters
    ----------
    found : dict
        {(noise, differs): {"LP" and "LR": frame by iteration, columns mean, std, count}}.
    points : dict
        {(noise, differs): {"LP" and "LR": published values}}, where comparable.
    """
    lines = [
        f"# Label precision and recall of INCV's selections on {dataset}",
        "",
        "After each iteration. LP: label precision. LR: label recall. F: F-score of both means. "
        "n: number of seeds.",
        "Mean ± sample standard deviation over the seeds, of selections with identical settings.",
        "A selection that ended early keeps its last value.",
        f"Recipe: {recipe}, unless a row names another setting.",
    ]
    if points:
        lines.append("Published: read off the paper's figure.")
    columns, rows = ["setting", "n", "iteration"], []
    for score in ("LP", "LR", "F"):
        columns += [score, f"{score}, published"] if points else [score]
    for (noise, differs), scores in found.items():
        known = list(zip(*points.get((noise, differs), {}).values(), strict=True))
        LPs, LRs = scores["LP"].itertuples(), scores["LR"].itertuples()
        for iteration, LP, LR in zip(scores["LP"].index.astype(int), LPs, LRs, strict=True):
            pair = known[iteration - 1] if iteration <= len(known) else (np.nan, np.nan)
            cells = [
                _fraction(LP.mean, LP.std),
                _fraction(pair[0]),
                _fraction(LR.mean, LR.std),
                _fraction(pair[1]),
                _fraction(_f_score(LP.mean, LR.mean)),
                _fraction(_f_score(*pair)),
            ]
            n = f"{max(LP.count, LR.count):.0f}"
            setting = with_difference(noise, differs)
            rows.append([setting, n, f"{iteration}", *(cells if points else cells[::2])])
    return "\n".join([*lines, "", *_table(columns, rows)])


def theory_markdown(
    table: pd.DataFrame, dataset: str, recipe: str, never_averaged: Collection[str] = ()
) -> str:
    """Return Verify_Theory.md: TA, LP and LR of each run, of the theory, and as published.

    The last rows of each pattern are the mean distances of runs and published values from the
    theory, over the noise ratios that have both. Only runs with identical settings are averaged.

    Parameters
    ----------
    table : DataFrame
        Verify_Theory.csv and a column `comparable`, whether a run used the published data set.
    never_averaged : collection of str
        Values of `differs` whose runs are never averaged.
    """
    has_published = table["comparable"].any()
    lines = [
        f"# Theory and measurement on {dataset}",
        "",
        "TA: test accuracy on held-out noisy labels. LP: label precision. LR: label recall. One "
        "row per run.",
        "Mean distance: mean absolute difference from the theory (number of runs).",
        f"Recipe: {recipe}, unless a row names another setting.",
    ]
    if has_published:
        lines.append("Published: read off the paper's figure, ±0.005.")
    columns, rows = ["noise", "seed"], []
    for score in ("TA", "LP", "LR"):
        columns += [score, f"{score}, theory"]
        if has_published:
            columns.append(f"{score}, published")
    table = table.sort_values(
        ["pattern", "ratio", "seed"],
        key=lambda column: column.map(PATTERNS.index) if column.name == "pattern" else column,
    )
    for pattern, runs in table.groupby("pattern", sort=False):
        distances = {
            differs: {score: [] for score in ("TA", "LP", "LR")} for differs in runs["differs"]
        }
        for row in runs.to_dict("records"):
            noise, cells = Noise(pattern, row["ratio"]), []
            for score, found in distances[row["differs"]].items():
                values = [row[score], row[f"{score}_theory"]]
                if has_published:
                    values.append(
                        published.theory_point(*noise, score) if row["comparable"] else np.nan
                    )
                cells += map(_fraction, values)
                found.append([abs(value - values[1]) for value in values[::2]])
            rows.append([with_difference(noise, row["differs"]), f"{row['seed']}", *cells])
        for differs, scores in distances.items():
            if differs in never_averaged:
                continue
            frames = [pd.DataFrame(found) for found in scores.values()]
            # Without published values, the distances are averaged over all runs.
            alone = all(frame.iloc[:, 1:].isna().all(axis=None) for frame in frames)
            cells = []
            for frame in frames:
                defined = frame[[0]].dropna() if alone else frame.dropna()
                distance, *known = defined.mean().reindex(frame.columns)
                cells += [f"{_fraction(distance)} ({len(defined)})", "", *map(_fraction, known)]
            rows.append([with_difference(f"mean distance, {pattern}", differs), "", *cells])
    return "\n".join([*lines, "", *_table(columns, rows)])


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table, and an empty one: a column of text, then numbers."""
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _f_score(LP: float, LR: float) -> float:
    """Return the harmonic mean of LP and LR, 0 if both are."""
    return 2 * LP * LR / (LP + LR) if LP or LR else 0.0


def _fraction(mean: float, std: float = np.nan) -> str:
    """Return 0.123, or 0.123 ± 0.004; a dash if undefined."""
    if np.isnan(mean):
        return "–"
    return f"{mean:.3f}" if np.isnan(std) else f"{mean:.3f} ± {std:.3f}"


def _percent(mean: float, std: float) -> str:
    """Return a fraction in per cent, 12.30 or 12.30 ± 0.40."""
    if np.isnan(mean):
        return "no test set"
    return f"{100 * mean:.2f}" if np.isnan(std) else f"{100 * mean:.2f} ± {100 * std:.2f}"
