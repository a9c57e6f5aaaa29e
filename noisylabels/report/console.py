"""The last output of the scripts: the result of a run, and the files to open next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from noisylabels.methods import METHODS
from noisylabels.metrics import issue_scores
from noisylabels.report.read import (
    RESULT_COLUMNS,
    VERIFY_COLUMNS,
    read_csv,
    read_labels,
)
from noisylabels.report.read_issues import Issues, SelectionResult
from noisylabels.selection.corrected_labels import scores_of
from noisylabels.selection.reliability import TITLE, Reliability


def print_files(to_open: Mapping[Path, str], *folders: Path) -> None:
    """Print which files to open next, and how many others are in some folders.

    Parameters
    ----------
    to_open : mapping
        {path: description}. Files that do not exist are left out.
    folders : Path
        Folders whose other files are counted, including subfolders. Hidden files do not count.
    """
    to_open = {path: what for path, what in to_open.items() if path.is_file()}
    if to_open:
        print("\nopen next:")
    width = max((len(str(path)) for path in to_open), default=0)
    for path, what in to_open.items():
        print(f"  {path!s:<{width}}  {what}")
    for folder in folders:
        others = [
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.name.startswith(".") and path not in to_open
        ]
        if others:
            print(f"{len(others):,} other files are in {folder}")


def print_selection(result: SelectionResult) -> None:
    """Print the result of a finished selection, from its files."""
    last = result.iterations.iloc[-1]
    print(
        f"\nestimated noise ratio  {last.eps:.3f}\n"
        f"selected               {last.selected:,.0f}, candidate {last.candidate:,.0f}, removed "
        f"{last.removed:,.0f}"
    )
    if np.isfinite([last.LP, last.LR]).any():  # the true labels are known
        print(f"label precision        {last.LP:.3f}\nlabel recall           {last.LR:.3f}")
    print_found(result.issues, result.reliability)


def print_found(issues: Issues, judged: Reliability) -> None:
    """Print how many labels are probably wrong, and the scores if the true labels are known.

    If the model cannot judge the labels, print why, and what would help.
    """
    frame = issues.frame
    found = f"label issues           {frame.is_label_issue.sum():,} of {len(frame):,}"
    if (frame.y_true != "").all():
        scores = issue_scores(
            frame.is_label_issue.to_numpy(), (frame.y_true != frame.given_label).to_numpy()
        )
        found += ": " + ", ".join(
            f"{name.removeprefix('issue_').replace('_', ' ')} {value:.3f}"
            for name, value in scores.items()
        )
    print(found)
    duplicates = (frame.duplicate_group >= 0).sum()
    if duplicates:
        two = f"{frame.duplicate_conflict.sum():,} of them with different labels"
        print(f"duplicates             {duplicates:,}, {two}")
    if not judged.can_judge:
        print(f"\n{TITLE.capitalize()}:")
        print(*(f"- {reason}" for reason in judged.reasons), sep="\n")
        print(f"What would help: {judged.remedy}.")
    if judged.notes:
        print("", *judged.notes, sep="\n")


def print_training(folder: Path, method: str, samples: int) -> None:
    """Print the test accuracies of a finished run and the scores of its labels, from its files."""
    columns = ["final", "last10_epochs", *RESULT_COLUMNS]
    result = read_csv(folder / f"{method}_result.csv", "network", columns, required=True)
    n_averaged = int(result.last10_epochs.iloc[0])
    averaged = "ten" if n_averaged == 10 else f"{n_averaged} evaluations"
    titles = {
        "final": "network saved",
        "last": "last epoch",
        "last10": f"mean of last {averaged}",
        "validated": "epoch by held-out labels",
        "best": "best epoch (by the test set)",
    }
    if (result.final == result["last"]).all():
        del titles["final"]
    if result.validated.isna().all():
        del titles["validated"]
    what = "test accuracy"
    is_tested = result["last"].notna().any()
    if "test_labels" in result and is_tested:
        what = "test agreement"
        print(
            "\nThe test labels may be wrong. The values are agreement with these labels, not "
            "accuracy."
        )
    if is_tested:
        print("", f"{what:<16}" + "   ".join(titles.values()), sep="\n")
    else:
        print("\nno test set: the accuracy of the networks is unknown")
    rows = result[result["last"].notna()].reset_index().to_dict("records")
    for row in rows if len(rows) > 2 else rows[:1]:  # the mean of one network is that network
        name = "mean of both" if row["network"] == "mean" else f"network {row['network']}"
        print(
            f"{name:<16}"
            + "   ".join(f"{row[key]:<{len(title)}.4f}" for key, title in titles.items()).rstrip()
        )
    if "labels" in METHODS[method].files:
        frame = read_labels(folder / f"{method}_labels.csv", samples)
        scores = "".join(
            f", {name.replace('_', ' ')} {value:.3f}" for name, value in scores_of(frame).items()
        )
        print(
            f"labels unchanged: {(frame.label == frame.y_noisy).sum():,} of {len(frame):,}{scores}"
        )


def print_theory(pattern: str, folders: Sequence[Path]) -> None:
    """Print the scores of finished runs, from their files."""
    print(f"\n{pattern}     TA  theory      LP  theory      LR  theory   clean test accuracy")
    found = [
        read_csv(folder / "Verify_Theory.csv", "ratio", VERIFY_COLUMNS, required=True)
        for folder in folders
    ]
    for row in pd.concat(found).itertuples():
        print(
            f"{row.Index:<4.2g}"
            + "".join(
                f"{a:>7.3f} {b:>7.3f} "
                for a, b in (
                    (row.TA, row.TA_theory),
                    (row.LP, row.LP_theory),
                    (row.LR, row.LR_theory),
                )
            )
            + ("  no test set" if np.isnan(row.test_accuracy) else f"{row.test_accuracy:>10.3f}")
        )
