"""The CSV of a selection, which INCV.py writes and INCV_main.py reads, and the logs."""

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_columns
from noisylabels.data.duplicates import Duplicates
from noisylabels.errors import UserError
from noisylabels.experiment import Experiment
from noisylabels.metrics import label_scores
from noisylabels.runs.atomic_io import write_csv
from noisylabels.runs.comparison import (
    compare,
    computed_in,
    file_digest,
    has_changed,
    warn_if_unchecked,
)
from noisylabels.runs.record import read_record, remove_checkpoints
from noisylabels.runs.run import Run
from noisylabels.selection.algorithm import Selection
from noisylabels.selection.decisions import Decisions
from noisylabels.selection.issues import ISSUES, PROBABILITIES, write_issues

COLUMNS = ("y", "y_noisy", "select", "candidate", "eval_ratio")
OF_THE_DATA = (
    "dataset",
    "noise_pattern",
    "noise_ratio",
    "seed",
    "labels",
    "data",
    "image",
    "may_be_mirrored",
    "may_be_shifted",
)  # record keys that the selection shares with the training
HISTORY, ITERATIONS, RECORD = "INCV_history.csv", "INCV_iterations.csv", "INCV.json"


class Selected(NamedTuple):
    """A valid selection to train on."""

    path: Path  # the CSV
    frame: pd.DataFrame  # its rows, with a person's decisions applied
    made: dict  # settings of the selection in its record; {} if they are unknown
    decisions: Decisions | None = None
    edited: bool = False  # whether the CSV has changed since INCV wrote it

    @property
    def dropped(self) -> np.ndarray:
        """Indices of the samples that a person has dropped."""
        return np.array([], int) if self.decisions is None else self.decisions.of("drop")

    @property
    def identity(self) -> dict[str, Any]:
        """Plain values that identify the selection in the record of a training."""
        scores = {  # JSON has no nan
            name: None if value != value else float(value) for name, value in self.scores.items()
        }
        return {
            "digest": file_digest(self.path),
            **scores,
            **{name: value for name, value in self.made.items() if name not in OF_THE_DATA},
        }

    @property
    def scores(self) -> dict[str, float]:
        """LP and LR, nan if the true labels are unknown."""
        if self.frame.y.isna().all():
            return {"LP": float("nan"), "LR": float("nan")}
        return label_scores(self.frame.select, self.frame.y == self.frame.y_noisy)

    def __str__(self) -> str:
        how = "edited since INCV wrote it" if self.edited else "how it was made is unknown"
        with contextlib.suppress(KeyError):
            how = (
                "{recipe}, {architecture}, {epochs} epochs, {INCV_iter} iterations, "
                "assumes {assumed_pattern}"
            ).format_map(self.made)
        scores = "".join(
            f", {name} {value:.3f}" for name, value in self.scores.items() if value == value
        )
        line = f"selection {self.path.name}: {how}; {self.frame.select.sum():,} selected{scores}"
        return f"{self.decisions}\n{line}" if self.decisions else line


def find_selection(
    experiment: Experiment, path: Path | None = None, decisions: Decisions | None = None
) -> Selected | None:
    """Find the selection to train on.

    Parameters
    ----------
    experiment : Experiment
        The configuration of the selection. What flags have requested must agree with the record of
        a finished selection. With an unfinished one, everything must agree.
    path : Path, optional
        A CSV named by the user. Its settings count as unknown if INCV did not write it, or if it
        was edited.
    decisions : Decisions, optional
        Decisions of a person on the selection.

    Returns
    -------
    Selected or None
        None if the selection has to be made, or made again.

    Raises
    ------
    UserError
        The settings differ, the CSV was edited in place, or it does not fit the data.
    """
    if path is None and experiment.overwrite:
        return None
    usual, identity = csv_path(experiment), experiment.identity
    csv = path or usual
    record = read_record(csv.with_name(RECORD)) if csv.name == usual.name else None
    if csv.name == usual.name and record is None and csv.with_name(RECORD).exists():
        raise UserError(
            f"{csv.with_name(RECORD)} is damaged, it is not the record of a run: restore it; or "
            "move it away, and the settings of the selection count as unknown; or give "
            f"{'another --selection' if path else '--overwrite_selection'}"
        )
    made = record["arguments"] if record else {}
    if record:
        names = {*made, *identity}
        if path:
            names = ["assumed_pattern"]
        elif record["finished"]:
            names = experiment.requested
        names = [*names, "data", "labels"]  # always those of the data
        compare(
            csv.with_name(RECORD),
            {name: made.get(name) for name in names},
            {name: identity.get(name) for name in names},
            "another --selection"
            if path
            else "another --name, a --selection, or --overwrite_selection",
        )
    finished = bool(record and record["finished"])
    if path is None and (not csv.exists() or record and not finished):
        return None
    if finished:
        warn_if_unchecked(record, csv.with_name(RECORD))
    edited = finished and csv.is_file() and has_changed(record, csv)
    if edited and path is None:
        raise UserError(
            f"{csv} is damaged, or was edited since INCV wrote it: restore it; or give it to "
            "--selection to train on it, or --overwrite_selection to make it again"
        )
    if path is None and record:  # a process that was killed at its end left some
        remove_checkpoints(csv.with_name(RECORD))
    known = record if finished and not edited else None
    selected = load_selection(experiment, csv, known, decisions, named=path is not None)
    return selected._replace(edited=edited)


def load_selection(
    experiment: Experiment,
    csv: Path,
    record: dict | None,
    decisions: Decisions | None = None,
    named: bool = False,
) -> Selected:
    """Read a selection and apply decisions to it. Its settings are those of the record, if known.

    `named` is whether a flag names the CSV. Raises UserError if the CSV does not fit the data.
    """
    frame = read_selection(csv, experiment.dataset.y_train, experiment.y_noisy, named)
    made = dict(record["arguments"]) if record else {}
    if record and (number_format := computed_in(record)):
        made["computed_in"] = number_format
    return Selected(csv, decisions.apply(frame) if decisions else frame, made, decisions)


def csv_path(experiment: Experiment) -> Path:
    """Return the path of the selection's CSV, which has the name of the 2019 code."""
    setting = str(experiment.noise).replace(" ", "")
    return experiment.folder / f"{experiment.dataset.name}_{setting}_INCV_results.csv"


def selection_run(experiment: Experiment) -> Run:
    """Return the run of a selection. Errors are those of `Run`."""
    csv = csv_path(experiment)
    return Run(
        csv.parent,
        RECORD.removesuffix(".json"),
        arguments=experiment.identity,
        overwrite=experiment.overwrite,
        outputs=[csv.name, HISTORY, ITERATIONS, ISSUES, PROBABILITIES],
        editable=[ISSUES],
        remedy="another --name or --results_dir, or --overwrite (INCV_main.py: "
        "--overwrite_selection)",
    )


def write_first_results(experiment: Experiment, result: Selection, duplicates: Duplicates) -> None:
    """Write the label issues and scores so far, for review while later iterations run."""
    write_issues(experiment, result, duplicates)
    write_csv(experiment.folder / ITERATIONS, pd.DataFrame(result.iteration_log))


def write_selection(
    experiment: Experiment, result: Selection, duplicates: Duplicates, history: list[dict]
) -> None:
    """Write the files of a finished selection; `history` has one row per epoch."""
    write_first_results(experiment, result, duplicates)
    write_csv(experiment.folder / HISTORY, pd.DataFrame(history))
    write_csv(
        csv_path(experiment),
        pd.DataFrame(
            {
                "y": experiment.dataset.y_train,
                "y_noisy": experiment.y_noisy,
                "select": result.select,
                "candidate": result.candidate,
                "eval_ratio": result.eval_ratio,
            }
        ),
    )


def read_selection(
    path: Path, y: np.ndarray | None, y_noisy: np.ndarray, named: bool = False
) -> pd.DataFrame:
    """Read the CSV of a selection, and check that it belongs to this data set and this noise.

    Parameters
    ----------
    path
        The CSV.
    y, y_noisy
        The labels that it must contain, int (n,). Unknown true labels, None, must be blank.
    named
        Whether the user named the CSV by a flag.

    Returns
    -------
    pandas.DataFrame
        The n rows with the columns COLUMNS.

    Raises
    ------
    UserError
        The CSV does not fit. The message names the path and, if possible, the line.
    """
    other = "give another --selection" if named else "remove it to run INCV again"
    advice = f"{other}, or give the arguments that made it"

    def fail(problem: str, row: int | None = None) -> None:
        where = path if row is None else f"{path}, line {table.lines[row]}"
        raise UserError(f"{where} {problem}: {advice}")

    if not path.is_file():
        fail("is not a file")
    if path.stat().st_size > 1000 * (1 + len(y_noisy)):
        fail("is far too long")
    try:
        table = read_columns(path, COLUMNS)
        frame = pd.DataFrame(
            {
                "y": table.blanks("y") if y is None else table.numbers("y"),
                "y_noisy": table.numbers("y_noisy"),
                "select": table.booleans("select"),
                "candidate": table.booleans("candidate"),
                "eval_ratio": table.numbers("eval_ratio"),
            }
        )
    except UserError as error:
        raise UserError(f"{error}; or {advice}") from None
    if len(frame) != len(y_noisy):
        fail(f"has {len(frame):,} rows, but the training set {len(y_noisy):,} samples")
    for expected, name, problem in (
        (y, "y", "true label (y) than the data set"),
        (y_noisy, "y_noisy", "noisy label (y_noisy) than this pattern, ratio and seed produce"),
    ):
        if expected is not None and (frame[name] != expected).any():
            fail(f"has another {problem}", int((frame[name] != expected).argmax()))
    both = frame.select & frame.candidate
    if both.any():
        fail("has a sample that is both selected and a candidate", int(both.argmax()))
    if not frame.eval_ratio.between(0, 1).all() or frame.eval_ratio.nunique() > 1:
        fail("needs one eval_ratio between 0 and 1 in all rows")
    if not frame.select.any():
        fail("selects nothing, so there is nothing to train on")
    return frame
