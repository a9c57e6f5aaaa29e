"""The tables: methods by noise settings (table.csv, table.md), selections (INCV.md), theory (Verify_Theory.md)."""
import numpy as np
import pandas as pd

from noisylabels.methods import METHODS, PAPER, title_of
from noisylabels.report import published
from noisylabels.report.looks import named
from noisylabels.report.read import RESULT_COLUMNS
from noisylabels.theory import GIVEN, PATTERNS, Noise


def table_row(noise, method, differs, results, dataset):
    """A row of table.csv, over seeds of runs that agree in all else. std: of a sample, blank for a single run.

    differs: in what they differ from the recipe, in words. test_labels, where it is not known which of these are true:
    given. results: {run: Series of read.read_result}.
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
    if dataset == "cifar10":
        mean, std = published.TEST_ACCURACY.get(method, {}).get(noise, (None, None))
        row |= {"published_mean": mean, "published_std": std}
    return row


def markdown(table, dataset, recipe):
    """table.md: methods by settings, per cent; for cifar10 with the published values, where there are any.

    The paper's methods first, those without a run too; then, if any have run, later ones.

    recipe: that of the rows that do not say in what they differ.
    """
    columns = {}
    doubtful = table.get("test_labels", pd.Series(index=table.index)).eq(GIVEN)
    for setting, rows in table.assign(mark=np.where(doubtful, " †", "")).groupby(
            ["pattern", "ratio"], sort=False, dropna=False):
        name = setting[0] if setting[0] == GIVEN else str(Noise(*setting))
        columns[name] = {(row.method, row.differs): f"{_percent(row.final_mean, row.final_std)} ({row.n}){row.mark}"
                         for row in rows.itertuples()}
        if dataset == "cifar10" and setting in published.SETTINGS:
            columns[f"{name}, published"] = {(method, ""): _percent(*values[setting])
                                             for method, values in published.TEST_ACCURACY.items()}
    lines = [f"# Test accuracy on {dataset}", "",
             "Per cent, after the last epoch, of F-correction at the epoch that its held-out noisy labels choose; of",
             "two networks, their mean. Mean ± sample standard deviation over the seeds found (how many), of runs that",
             "agree in all else. `table.csv` also has the mean of the last ten epochs, the best epoch (which the test",
             "set chose), and the optimizer's steps.", f"Recipe: {recipe}; rows that differ from it say in what."]
    if dataset == "cifar10":
        lines += ["Published: mean ± standard deviation of five runs; which epoch and which network is not stated."]
    if doubtful.any():
        lines += ["†: agreement with test labels that are as noisy as the rest, not accuracy."]
    lines += ["", f"| method | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    order = [*METHODS, *sorted(set(table["method"]) - set(METHODS))]
    found = {*zip(table["method"], table["differs"])}
    rows = found | {(method, "") for method in PAPER if dataset == "cifar10" or method not in dict(found)}
    later = [method for method in METHODS if method in dict(found) and method not in PAPER]
    for method, differs in sorted(rows, key=lambda row: (order.index(row[0]), row[1])):
        if method in later:
            lines.append(f"| *after 2019* |{' |' * len(columns)}")
            later = []
        title = named(title_of(method), differs)
        lines.append(f"| {title} | {' | '.join(cells.get((method, differs), '–') for cells in columns.values())} |")
    return "\n".join(lines) + "\n"


def selections(found, points, dataset, recipe):
    """INCV.md: LP, LR and their F-score after each iteration, with the published ones where there are any.

    found, points: as the figure's, {(noise, differs): {"LP" and "LR": frame by iteration, columns mean, std, count}},
    and published.SELECTION or empty.
    """
    lines = [f"# Label precision and recall of INCV's selections on {dataset}", "",
             "After each iteration; F: the F-score of the two. Mean ± sample standard deviation over the seeds found",
             "(how many), of selections that agree in all else; one that ended early stays at its last value.",
             f"Recipe: {recipe}; rows that differ from it say in what.",
             *["Published: read off the figure."] * bool(points), "",
             "| setting | iteration | LP | LR | F |", "|---|---:|---:|---:|---:|"]
    for (noise, differs), scores in found.items():
        known = list(zip(*points.get(noise, {}).values(), strict=True))
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


def verified(table, points, dataset, recipe, unknown=()):
    """Verify_Theory.md: TA, LP and LR of each run beside the theory's and the published ones, if there are any.

    table: that of Verify_Theory.csv. points: published.THEORY_POINTS or None. After the runs of a pattern stand the
    mean distances from the theory, and those of the published points beside them, over the runs that define both, like
    with like; where none is published, ours alone. unknown: values of `differs` whose runs are never averaged.
    """
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
                    values.append(published.theory_point(*noise, score))
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
