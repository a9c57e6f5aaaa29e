"""A person's decisions on labels: the decisions.csv of review.html, or one that was written otherwise."""
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from noisylabels.errors import UserError
from noisylabels.selection.issues import file_names

COLUMNS = ("index", "file", "given_label", "decision", "new_label")
DONE = {"keep": "kept", "drop": "dropped", "relabel": "relabelled", "unsure": "unsure"}


class Decisions(NamedTuple):
    """Decisions on samples of a data set, read and checked."""

    path: Path
    digest: str                 # of the file
    indices: np.ndarray         # of samples, int (m,)
    decided: np.ndarray         # one of DONE, str (m,)
    labels: np.ndarray          # the new ones of those that are relabelled, the observed ones of the others, int (m,)
    others: int = 0             # decisions on files that are not among the samples

    def of(self, decision):
        """The samples of one decision: indices."""
        return self.indices[self.decided == decision]

    def apply(self, frame):
        """A selection's frame, see files.COLUMNS, as it is with these decisions.

        Dropped samples are neither selected nor candidates, kept and relabelled ones are selected; unsure ones stay as
        they were. Raises UserError where nothing is selected then.
        """
        frame = frame.copy()
        frame.loc[self.indices, "y_noisy"] = self.labels
        chosen = np.concatenate([self.of("keep"), self.of("relabel")])
        frame.loc[chosen, "select"] = True
        frame.loc[self.of("drop"), "select"] = False
        frame.loc[np.concatenate([chosen, self.of("drop")]), "candidate"] = False
        if not frame.select.any():
            raise UserError(f"{self.path} drops all that is selected: there is nothing left to train on")
        return frame

    def __str__(self):
        counts = [f"{len(self.of(decision)):,} {done}" for decision, done in DONE.items()]
        others = f"; {self.others:,} on files that are not trained on are passed over" if self.others else ""
        return f"decisions {self.path.name}: {', '.join(counts)}{others}"


def read_decisions(path, dataset, y_noisy):
    """The Decisions in a CSV of COLUMNS, of a Dataset with observed labels int (n,).

    Image files are known by their names, so that decisions outlast files that come or go; all else by its index.
    Raises UserError where it is no such CSV, of another data set or of other labels, or contradicts itself.
    """
    def fail(problem):
        raise UserError(f"{path} {problem}; give the decisions.csv that review.html beside this selection made")

    if not path.is_file():
        fail("is no file")
    content = path.read_bytes()
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        fail(f"cannot be read as CSV ({str(error).splitlines()[0]})")
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        fail(f"lacks the column {', '.join(missing)}")
    numbers = frame["index"].where(frame["index"].str.fullmatch("[0-9]{1,9}"))
    if numbers.isna().any():
        fail("has something else than whole numbers in index")
    indices, others = numbers.astype(int).to_numpy(), 0
    names, classes = np.array(file_names(dataset, len(y_noisy)), object), np.array(dataset.classes, object)
    if dataset.are_files:
        indices = pd.Index(names).get_indexer(frame.file)
        others = int((indices < 0).sum())
        if 0 < len(frame) == others:
            fail(f"is of another data set: it has the file {frame.file[0]!a:.80}, and none of these")
        frame, indices = frame[indices >= 0].reset_index(drop=True), indices[indices >= 0]
    if len(indices) and indices.max() >= len(y_noisy):
        fail(f"is of another data set: it has index {indices.max()}, but there are {len(y_noisy):,} training samples")
    if len(np.unique(indices)) < len(indices):
        fail("decides more than once on the same sample")
    for column, found in (("file", names[indices]), ("given_label", classes[y_noisy[indices]])):
        differ = np.flatnonzero(frame[column] != found)
        if len(differ):
            k = differ[0]
            fail(f"is of another data set or of other labels: at index {frame['index'][k]} it has the {column} "
                 f"{frame[column][k]!a:.80}, here that is {found[k]!a:.80}")
    unknown = set(frame.decision) - set(DONE)
    if unknown:
        fail(f"has the decision {min(unknown)!a:.80}, which is none of {', '.join(DONE)}")
    relabelled = (frame.decision == "relabel").to_numpy()
    new = pd.Index(dataset.classes).get_indexer(frame.new_label)
    nameless = np.flatnonzero(relabelled & (new < 0))
    if len(nameless):
        fail(f"relabels as {frame.new_label[nameless[0]]!a:.80}, which is no class of {dataset.name}")
    if (frame.new_label[~relabelled] != "").any():
        fail("has a new_label where the decision is not relabel")
    return Decisions(path, hashlib.sha256(content).hexdigest()[:16], indices, frame.decision.to_numpy(),
                     np.where(relabelled, new, y_noisy[indices]), others)
