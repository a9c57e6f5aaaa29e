"""The selection's files: the CSV of 2019, which INCV writes and INCV_main reads, and the logs beside it."""
import pandas as pd

from noisylabels.errors import UserError
from noisylabels.runs.files import write_csv
from noisylabels.runs.record import Run

COLUMNS = {"y": float, "y_noisy": float, "select": bool, "candidate": bool, "eval_ratio": float}
HISTORY, ITERATIONS = "INCV_history.csv", "INCV_iterations.csv"


def csv_path(experiment):
    """Where the selection is, under its name of 2019."""
    noise = experiment.noise
    return experiment.folder / f"{experiment.dataset.name}_{noise.pattern}{noise.ratio}_INCV_results.csv"


def selection_run(experiment):
    """The selection as a run: finished where its files are there. Raises UserError, see `Run`."""
    return Run(experiment.folder, "INCV", experiment.identity, experiment.overwrite,
               [csv_path(experiment).name, HISTORY, ITERATIONS])


def write_selection(experiment, result, history):
    """The files of a finished selection. result: an algorithm.Selection. history: rows, one an epoch."""
    write_csv(experiment.folder / HISTORY, pd.DataFrame(history))
    write_csv(experiment.folder / ITERATIONS, pd.DataFrame(result.iterations))
    write_csv(csv_path(experiment), pd.DataFrame({
        "y": experiment.dataset.y_train, "y_noisy": experiment.y_noisy, "select": result.select,
        "candidate": result.candidate, "eval_ratio": result.eval_ratio}))


def read_selection(path, y, y_noisy):
    """The CSV as a data frame, after checking that it is of this data set and this noise.

    y, y_noisy: int (n,), what it must hold. Raises UserError, with the path, where it does not fit.
    """
    def fail(problem):
        raise UserError(f"{path} {problem}: remove it to run INCV again, or give the arguments it was made with")

    if not path.is_file() or path.stat().st_size > 1000 * (1 + len(y)):
        fail("is no file, or far too long")
    try:
        text = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        fail(f"cannot be read as CSV ({error})")
    missing = [name for name in COLUMNS if name not in text]
    if missing:
        fail(f"lacks the column {', '.join(missing)}")
    if len(text) != len(y):
        fail(f"has {len(text):,} rows, but the training set {len(y):,} samples")
    frame = pd.DataFrame()
    for name, kind in COLUMNS.items():
        column = text[name].str.lower().map({"true": 1, "false": 0}) if kind is bool else text[name]
        try:
            column = column.astype(float)
            whole = column.notna().all()
        except ValueError:
            whole = False
        if not whole:
            fail(f"has something else than {'True and False' if kind is bool else 'numbers'} in {name}")
        frame[name] = column.astype(kind)
    if (frame.y != y).any():
        fail("has other true labels (y) than the data set")
    if (frame.y_noisy != y_noisy).any():
        fail("has other noisy labels (y_noisy) than this pattern, ratio and seed give")
    if (frame.select & frame.candidate).any():
        fail("has samples that are both selected and candidates")
    if not frame.eval_ratio.between(0, 1).all() or frame.eval_ratio.nunique() > 1:
        fail("needs one eval_ratio between 0 and 1 in all rows")
    if not frame.select.any():
        fail("selects nothing, so there is nothing to train on")
    return frame
