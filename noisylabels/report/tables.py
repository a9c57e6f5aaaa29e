"""The tables: methods by noise settings (table.csv, table.md), selections (INCV.md), theory (Verify_Theory.md)."""
from collections.abc import Collection

import numpy as np
import pandas as pd

from noisylabels.methods import METHODS, PAPER_METHODS, title_of
from noisylabels.report import published
from noisylabels.report.looks import named
from noisylabels.report.read import RESULT_COLUMNS
from noisylabels.theory import GIVEN, PATTERNS, Noise


def table_row(noise: Noise, method: str, differs: str, results: dict, known: dict | None) -> dict:
    """Return a row of table.csv: means and sample standard deviations over the seeds of runs that agree in all else.

    Parameters
    ----------
    differs : str
        Difference from the recipe, in words.
    results : dict
        {run: Series of read.read_result}.
    known : dict or None
        {noise: (mean, std)} as published of this method; None where the data set is not the published one.

    Returns
    -------
    dict
        {column: value}; std is blank for a single run. `test_labels` is "given" where the test labels may be wrong.
    """
    frame = pd.DataFrame(list(results.values()))
    row = {**noise._asdict(), "method": method, "differs": differs, "n": len(results),
           "seeds": " ".join(str(run.seed) for run in results),
           "recipe": " ".join(dict.fromkeys(frame["recipe"].dropna().astype(str))), "steps": frame["steps"].mean()}
    for column in ["final", *RESULT_COLUMNS, "validated"]:
        scores = frame[column].astype(float)
        row |= {f"{column}_mean": scores.mean(), f"{column}_std": scores.std()}
    if frame["test_labels"].notna().any():
        row["test_labels"] = GIVEN
    if known is not None:
        row["published_mean"], row["published_std"] = known.get(noise, (None, None))
    return row


def markdown(table: pd.DataFrame, dataset: str, recipe: str) -> str:
    """Return table.md: the methods that have run by settings, in per cent, the paper's methods first.

    Published values stand next to runs of the same data set.

    Parameters
    ----------
    table : DataFrame
        Rows as of table_row.
    recipe : str
        Recipe of the rows that do not differ from it.
    """
    columns = {}
    doubtful = table.get("test_labels", pd.Series(index=table.index)).eq(GIVEN)
    for setting, rows in table.assign(mark=np.where(doubtful, " †", "")).groupby(
            ["pattern", "ratio"], sort=False, dropna=False):
        name = setting[0] if setting[0] == GIVEN else str(Noise(*setting))
        columns[name] = {(row.method, row.differs): f"{_percent(row.final_mean, row.final_std)} ({row.n}){row.mark}"
                         for row in rows.itertuples()}
        if "published_mean" in rows and rows.published_mean.notna().any():
            columns[f"{name}, published"] = {(row.method, ""): _percent(row.published_mean, row.published_std)
                                             for row in rows.dropna(subset="published_mean").itertuples()}
    lines = [f"# Test accuracy on {dataset}", "",
             "Per cent, after the last epoch, of F-correction at the epoch that its held-out noisy labels choose; of",
             "two networks, their mean. Mean ± sample standard deviation over the seeds found (how many), of runs that",
             "agree in all else. `table.csv` also has the mean of the last ten epochs, the best epoch (which the test",
             "set chose), and the optimizer's steps.", f"Recipe: {recipe}; rows that differ from it say in what."]
    if any(name.endswith(", published") for name in columns):
        lines += ["Published: mean ± standard deviation of five runs; which epoch and which network is not stated."]
    if doubtful.any():
        lines += ["†: agreement with test labels that are as noisy as the rest, not accuracy."]
    lines += ["", f"| method | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    order = [*METHODS, *sorted(set(table["method"]) - set(METHODS))]
    found = {row for cells in columns.values() for row in cells}
    later = [method for method in METHODS if method in dict(found) and method not in PAPER_METHODS]
    for method, differs in sorted(found, key=lambda row: (order.index(row[0]), row[1])):
        if method in later:
            lines.append(f"| *after 2019* |{' |' * len(columns)}")
            later = []
        title = named(title_of(method), differs)
        lines.append(f"| {title} | {' | '.join(cells.get((method, differs), '–') for cells in columns.values())} |")
    return "\n".join(lines) + "\n"


def selections(found: dict, points: dict, dataset: str, recipe: str) -> str:
    """Return INCV.md: LP, LR and their F-score after each iteration, next to the published ones if there are any.

    Parameters
    ----------
    found : dict
        {(noise, differs): {"LP" and "LR": frame by iteration, columns mean, std, count}}.
    points : dict
        {(noise, differs): {"LP" and "LR": published values}} of those that can be compared.
    """
    lines = [f"# Label precision and recall of INCV's selections on {dataset}", "",
             "After each iteration; F: the F-score of the two. Mean ± sample standard deviation over the seeds found",
             "(how many), of selections that agree in all else; one that ended early stays at its last value.",
             f"Recipe: {recipe}; rows that differ from it say in what.",
             *["Published: read off the figure."] * bool(points), "",
             "| setting | iteration | LP | LR | F |", "|---|---:|---:|---:|---:|"]
    for (noise, differs), scores in found.items():
        known = list(zip(*points.get((noise, differs), {}).values(), strict=True))
        for iteration, LP, LR in zip(scores["LP"].index.astype(int), scores["LP"].itertuples(),
                                     scores["LR"].itertuples(), strict=True):
            cells = [_fraction(LP.mean, LP.std), _fraction(LR.mean, LR.std), _f_score(LP.mean, LR.mean)]
            if iteration <= len(known):
                pair = known[iteration - 1]
                theirs = [*map(_fraction, pair), _f_score(*pair)]
                cells = [f"{cell} (published {value})" for cell, value in zip(cells, theirs, strict=True)]
            name = f"{named(noise, differs)} ({max(LP.count, LR.count):.0f})"
            lines.append(f"| {name} | {iteration} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def verified(table: pd.DataFrame, dataset: str, recipe: str, unknown: Collection[str] = ()) -> str:
    """Return Verify_Theory.md: TA, LP and LR of each run, of the theory, and as published if there are such values.

    After the runs of each pattern follow the mean distances from the theory, also those of the published values, over
    the runs that define both. Only runs with identical settings are averaged.

    Parameters
    ----------
    table : DataFrame
        Verify_Theory.csv and a column `comparable`, whether a run is of the data set of the published values.
    unknown : collection of str
        Values of `differs` whose runs are never averaged.
    """
    points = table["comparable"].any()
    lines = [f"# Theory and measurement on {dataset}", "",
             f"Measured, theory{', published (read off the figure, ±.005)' * bool(points)}; a row a run.",
             f"Recipe: {recipe}; rows that differ from it say in what.", "",
             "| setting, seed | TA | LP | LR |", "|---|---:|---:|---:|"]
    table = table.sort_values(["pattern", "ratio", "seed"],
                              key=lambda column: column.map(PATTERNS.index) if column.name == "pattern" else column)
    for pattern, runs in table.groupby("pattern", sort=False):
        distances = {differs: {score: [] for score in ("TA", "LP", "LR")} for differs in runs["differs"]}
        for row in runs.to_dict("records"):
            noise, cells = Noise(pattern, row["ratio"]), []
            for score, found in distances[row["differs"]].items():
                values = [row[score], row[f"{score}_theory"]]
                if points:
                    values.append(published.theory_point(*noise, score) if row["comparable"] else np.nan)
                cells.append(", ".join(map(_fraction, values)))
                found.append([abs(value - values[1]) for value in values[::2]])
            name = named(f"{noise}, {row['seed']}", row["differs"])
            lines.append(f"| {name} | {' | '.join(cells)} |")
        for differs, scores in distances.items():
            if differs in unknown:
                continue
            frames = [pd.DataFrame(found) for found in scores.values()]
            alone = all(frame.iloc[:, 1:].isna().all(axis=None) for frame in frames)        # nothing is published
            defined = [(frame[[0]] if alone else frame).dropna() for frame in frames]
            means = [f"{', '.join(map(_fraction, found.mean()))} ({len(found)})" for found in defined]
            name = named(f"mean distance from theory, {pattern}", differs)
            lines.append(f"| {name} (over how many) | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def _f_score(LP, LR):
    return _fraction(2 * LP * LR / (LP + LR) if LP or LR else 0)


def _fraction(mean, std=np.nan):
    """As .123, or .123 ± .004; a dash for what is not defined."""
    spread = "" if np.isnan(std) else f" ± {_fraction(std)}"
    return "–" if np.isnan(mean) else f"{mean:.3f}".removeprefix("0") + spread


def _percent(mean, std):
    return f"{100 * mean:.2f}" + ("" if np.isnan(std) else f" ± {100 * std:.2f}")
