"""The table of methods by noise settings: table.csv and table.md."""
import numpy as np
import pandas as pd

from noisylabels.methods import METHODS, title_of
from noisylabels.report import published
from noisylabels.report.read import RESULT_COLUMNS
from noisylabels.theory import Noise


def table_row(noise, method, results, dataset):
    """A row of table.csv. results: {run: Series of last, last10, best}. std: of a sample, blank for a single run."""
    frame = pd.DataFrame(list(results.values()))
    row = {**noise._asdict(), "method": method, "n": len(results),
           "seeds": " ".join(str(run.seed) for run in results),
           "recipe": " ".join(dict.fromkeys(frame["recipe"].dropna().astype(str)))}
    for column in RESULT_COLUMNS:
        scores = frame[column].astype(float)
        row |= {f"{column}_mean": scores.mean(), f"{column}_std": scores.std()}
    if dataset == "cifar10":
        mean, std = published.TEST_ACCURACY.get(method, {}).get(noise, (None, None))
        row |= {"published_mean": mean, "published_std": std}
    return row


def markdown(table, dataset):
    """table.md: methods by settings, per cent; for cifar10 with the published values, where there are any."""
    columns = {}
    for setting, rows in table.groupby(["pattern", "ratio"], sort=False):
        name = str(Noise(*setting))
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
    lines += [f"| {title_of(method)} | {' | '.join(cells.get(method, '–') for cells in columns.values())} |"
              for method in dict.fromkeys([*METHODS, *table["method"]])]
    return "\n".join(lines) + "\n"


def _percent(mean, std):
    return f"{100 * mean:.2f}" + ("" if np.isnan(std) else f" ± {100 * std:.2f}")
