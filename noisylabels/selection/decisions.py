"""A person's decisions on labels, in the format of the decisions.csv that review.html saves."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from noisylabels.csv_files import read_columns
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError
from noisylabels.names import file_key, places
from noisylabels.selection.issues import file_names

COLUMNS = ("index", "file", "given_label", "decision", "new_label")
DONE = {"keep": "kept", "drop": "dropped", "relabel": "relabelled", "unsure": "unsure"}  # in words


class Decisions(NamedTuple):
    """Valid decisions on samples of a data set."""

    path: Path
    digest: str  # of the file
    indices: np.ndarray  # of samples, int (m,)
    decided: np.ndarray  # one of DONE, str (m,)
    labels: np.ndarray  # new labels of relabelled samples, else the observed ones, int (m,)
    others: int = 0  # number of decisions on other files

    def of(self, decision: str) -> np.ndarray:
        """Return the indices of the samples with a decision."""
        return self.indices[self.decided == decision]

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a selection's frame after these decisions.

        Dropped samples are removed. Kept and relabelled samples are selected. Unsure ones do not
        change. Raises UserError if no sample is selected then.
        """
        frame = frame.copy()
        frame.loc[self.indices, "y_noisy"] = self.labels
        chosen = np.concatenate([self.of("keep"), self.of("relabel")])
        frame.loc[chosen, "select"] = True
        frame.loc[self.of("drop"), "select"] = False
        frame.loc[np.concatenate([chosen, self.of("drop")]), "candidate"] = False
        if not frame.select.any():
            raise UserError(f"{self.path} drops all selected samples: nothing is left to train on")
        return frame

    def __str__(self) -> str:
        counts = [f"{len(self.of(decision)):,} {done}" for decision, done in DONE.items()]
        others = (
            f"; {self.others:,} on files outside the training set are ignored"
            if self.others
            else ""
        )
        return f"decisions {self.path.name}: {', '.join(counts)}{others}"


def read_decisions(path: Path, dataset: Dataset, y_noisy: np.ndarray) -> Decisions:
    """Read a person's decisions from a CSV of COLUMNS.

    Image files are matched by name, so decisions remain valid when files are added or deleted. All
    other samples are matched by index.

    Parameters
    ----------
    path
        The CSV.
    dataset, y_noisy
        The data set, and its observed labels, int (n,).

    Raises
    ------
    UserError
        The CSV is invalid, contradicts itself, or belongs to another data set or to other labels.
    """
    advice = "give the decisions.csv that review.html of this selection saved"

    def fail(problem: str, row: int | None = None) -> None:
        if row is not None:
            raise UserError(f"{table.error(row, problem)}; {advice}")
        raise UserError(f"{path} {problem}; {advice}")

    if not path.is_file():
        fail("is not a file")
    try:
        table = read_columns(path, COLUMNS)
    except UserError as error:
        raise UserError(f"{error}; or {advice}") from None
    columns, names = table.columns, file_names(dataset, len(y_noisy))
    for row, text in enumerate(columns["index"]):
        if not re.fullmatch("[0-9]{1,9}", text.strip()):
            fail(f"has {text[:80]!a} as index, which is not a whole number", row)
    if dataset.are_files:
        indices = places(columns["file"], names, file_key)
        rows = np.flatnonzero(indices >= 0)
        if len(indices) and not len(rows):
            fail(
                f"belongs to another data set: it has the file {columns['file'][0][:80]!a}, but no "
                "file of this one"
            )
    else:
        indices = np.array([*map(int, columns["index"])], np.int64)
        rows = np.arange(len(indices))
    given, new = (places(columns[name], dataset.classes) for name in ("given_label", "new_label"))
    first = {}
    for row, k in zip(rows.tolist(), indices[rows].tolist()):
        decision = columns["decision"][row].strip()
        if k >= len(y_noisy):
            fail(
                f"belongs to another data set: it has index {k}, but there are {len(y_noisy):,} "
                "training samples",
                row,
            )
        if first.setdefault(k, row) != row:
            fail(
                f"decides more than once on the same sample, after line {table.lines[first[k]]}",
                row,
            )
        observed = dataset.classes[y_noisy[k]]
        for name, expected, agrees in (
            ("file", names[k], dataset.are_files or columns["file"][row].strip() == names[k]),
            ("given_label", observed, given[row] == y_noisy[k]),
        ):
            if not agrees:
                fail(
                    f"belongs to another data set or to other labels: at index "
                    f"{columns['index'][row]} its {name} is {columns[name][row][:80]!a}, but here "
                    f"it is {expected[:80]!a}",
                    row,
                )
        if decision not in DONE:
            fail(f"has the decision {decision[:80]!a}, which is not one of {', '.join(DONE)}", row)
        if decision == "relabel" and new[row] < 0:
            fail(
                f"relabels as {columns['new_label'][row][:80]!a}, which is not a class of "
                f"{dataset.name}",
                row,
            )
        if decision != "relabel" and columns["new_label"][row].strip():
            fail("has a new_label, but its decision is not relabel", row)
    decided = np.array([columns["decision"][row].strip() for row in rows], object)
    labels = np.where(decided == "relabel", new[rows], y_noisy[indices[rows]])
    return Decisions(
        path,
        hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        indices=indices[rows],
        decided=decided,
        labels=labels,
        others=len(indices) - len(rows),
    )
