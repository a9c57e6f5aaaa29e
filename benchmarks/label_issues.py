"""Compare INCV with cleanlab and with nearest neighbours at finding label issues.

    python benchmarks/label_issues.py                         # digits, 12 selections, 4 minutes
    python benchmarks/label_issues.py --dataset cifar10 --features embeddings.npy
    python benchmarks/label_issues.py --results_dir results   # finished runs of INCV.py

Other flags are those of INCV.py. The settings are sym 0.2, 0.5, 0.8 and asym 0.4, or the labels of
--noisy_labels.

INCV is measured after each iteration. Its label issues are those of label_issues.csv, with
contradictory duplicates. Its first iteration is 2-fold noisy cross-validation.
cleanlab receives the same out-of-sample probabilities, those of pred_probs.npy.
Nearest neighbours are the 10 with the highest cosine similarity of images or embeddings. A label
is an issue if another class has more of them (the vote of SimiFeat, Zhu et al., ICML 2022).

With --results_dir, only the first and the last iteration are measured, because a finished run has
the scores of these alone. A run of ridge regression has only those of the last iteration. Runs
without known true labels are left out.

Prints a Markdown table of the means over the seeds: F1 of the issues / average precision of the
ranking. Writes one row per run and method to --output. Seconds include what a method builds on.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cleanlab import Datalab
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.neighbors import NearestNeighbors

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import INCV
from models import RIDGE
from noisylabels.data.duplicates import Duplicates
from noisylabels.experiment import Experiment
from noisylabels.metrics import issue_scores
from noisylabels.noise import PROVIDED, Noise
from noisylabels.pipeline.load import add_noise, load_data
from noisylabels.pipeline.resolve import selection_experiment
from noisylabels.report.read_issues import read_selection_result
from noisylabels.runs.folders import find_runs
from noisylabels.runs.record import read_record
from noisylabels.selection.algorithm import Selection
from noisylabels.selection.issues import label_issues
from noisylabels.selection.processes import (
    choose_trainers,
    duplicates_of,
    expected_work,
    run_incv,
)
from noisylabels.selection.selection_csv import RECORD, selection_run
from noisylabels.system.progress import Progress

SETTINGS = (Noise("sym", 0.2), Noise("sym", 0.5), Noise("sym", 0.8), Noise("asym", 0.4))
NEIGHBOURS = 10

# By name of the method: the issues, bool (n,), the label scores (n,), low for likely issues, and
# the seconds.
Findings = dict[str, tuple[np.ndarray, np.ndarray, float]]


def rows_of_settings(seeds: int, flags: list[str], folder: str) -> Iterator[dict[str, Any]]:
    """Run INCV with these flags of INCV.py for all settings and seeds, and yield the rows."""
    args = INCV.build_parser().parse_args([*flags, "--results_dir", folder])
    dataset = load_data(args, set_aside=False)
    title = dataset.name
    if args.features:
        title += f", {Path(args.features).stem}"
    if args.noisy_labels:
        title += f", {args.noisy_labels.rpartition('#')[2]}"
    start = time.perf_counter()
    duplicates = duplicates_of(dataset)
    seconds = time.perf_counter() - start
    neighbours = find_neighbours(dataset.x_train)
    for args.seed in range(seeds):
        for noise in [Noise(PROVIDED)] if args.noisy_labels else SETTINGS:
            data = add_noise(dataset, noise, args.seed)
            experiment = selection_experiment(args, data, args.overwrite)
            findings = find_issues(experiment, duplicates, seconds)
            findings |= find_issues_neighbours(data.y_noisy, *neighbours)
            yield from score_findings(
                title, noise, seed=args.seed, findings=findings, is_mislabelled=~data.is_clean
            )


def find_issues(experiment: Experiment, duplicates: Duplicates, seconds: float) -> Findings:
    """Return the findings of INCV after each iteration, and those of cleanlab.

    `seconds` is the time that the search for duplicates took.
    """
    start, y = time.perf_counter(), experiment.y_noisy
    run = selection_run(experiment)
    findings: Findings = {}
    elapsed: list[float] = []  # after each iteration, in seconds

    def after_iteration(result: Selection) -> None:
        elapsed.append(time.perf_counter() - start)
        k = len(result.iteration_log)
        name = "INCV, 1 iteration" if k == 1 else f"INCV, {k} iterations"
        frame = label_issues(experiment.dataset, y, result, duplicates).sort_values("index")
        is_issue, score = frame.is_label_issue.to_numpy(), frame.label_score.to_numpy()
        findings[name] = is_issue, score, seconds + elapsed[-1]

    with (
        Progress(expected_work(experiment), quiet=True) as progress,
        choose_trainers(experiment)(experiment, run, progress) as trainers,
        run.session(trainers.start),
    ):
        result, _ = run_incv(experiment, trainers, after_iteration)
    return findings | find_issues_cleanlab(y, result.probabilities, elapsed[0])


def find_neighbours(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the nearest neighbours of images or embeddings, int (n, k), and the seconds."""
    start, x = time.perf_counter(), x.reshape(len(x), -1).astype(np.float32)
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine").fit(x)
    return neighbours.kneighbors(return_distance=False), time.perf_counter() - start


def find_issues_neighbours(y: np.ndarray, nearest: np.ndarray, seconds: float) -> Findings:
    """Return the findings of nearest neighbours, int (n, k), for labels, int (n,).

    `seconds` is the time that the neighbours took.
    """
    start = time.perf_counter()
    votes = (y[nearest][:, :, np.newaxis] == np.arange(y.max() + 1)).sum(axis=1)
    own = votes[np.arange(len(y)), y]
    is_issue = votes.max(axis=1) > own
    seconds += time.perf_counter() - start
    return {f"{NEIGHBOURS} nearest neighbours": (is_issue, own / NEIGHBOURS, seconds)}


def find_issues_cleanlab(
    y: np.ndarray, pred_probs: np.ndarray, seconds: float = float("nan")
) -> Findings:
    """Return the findings of cleanlab for labels, int (n,), and probabilities (n, c).

    `seconds` is the time that the probabilities took.
    """
    start = time.perf_counter()
    # Forks of a process that has run TensorFlow can deadlock.
    one_process = {"n_jobs": 1}
    issues = find_label_issues(y, pred_probs, **one_process)
    scores = get_label_quality_scores(y, pred_probs)
    filtered = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab({"label": y}, label_name="label", task="classification", verbosity=0)
        options = {"clean_learning_kwargs": {"find_label_issues_kwargs": one_process}}
        lab.find_issues(pred_probs=pred_probs, issue_types={"label": options})
    found = lab.get_issues("label")
    audited = time.perf_counter()
    return {
        "cleanlab find_label_issues": (issues, scores, seconds + filtered - start),
        "cleanlab Datalab": (
            found.is_label_issue.to_numpy(),
            found.label_score.to_numpy(),
            seconds + audited - filtered,
        ),
    }


def finished_rows(results_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the finished runs of INCV.py in a results folder.

    Runs without known true labels are left out.
    """
    for dataset in sorted(path.name for path in results_dir.iterdir() if path.is_dir()):
        for run in find_runs(results_dir, dataset):
            issues = read_selection_result(run.folder).issues
            if issues is None or (issues.frame.y_true == "").any():
                continue
            issues = issues._replace(frame=issues.frame.sort_values("index"))
            pred_probs = np.load(run.folder / "pred_probs.npy")
            y = issues.codes("given_label")
            iteration = pd.to_numeric(issues.frame.selected_iteration)
            unknown = float("nan")
            findings: Findings = {}
            record = read_record(run.folder / RECORD)
            if not record or record["arguments"].get("architecture") != RIDGE:
                is_issue = (iteration != 1) | issues.frame.duplicate_conflict
                score = pred_probs[np.arange(len(y)), y]
                findings["INCV, 1 iteration"] = is_issue.to_numpy(), score, unknown
            is_issue, score = issues.frame.is_label_issue, issues.frame.label_score
            findings["INCV, all iterations"] = is_issue.to_numpy(), score.to_numpy(), unknown
            findings |= find_issues_cleanlab(y, pred_probs)
            title = dataset if run.name is None else f"{dataset}, {run.name}"
            is_mislabelled = y != issues.codes("y_true")
            yield from score_findings(
                title, run.noise, seed=run.seed, findings=findings, is_mislabelled=is_mislabelled
            )


def score_findings(
    dataset: str, noise: Noise, seed: int, findings: Findings, is_mislabelled: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Yield one row per method, with its scores."""
    for finder, (is_issue, score, seconds) in findings.items():
        order = np.argsort(score, kind="stable")
        scores = issue_scores(is_issue[order], is_mislabelled[order])
        precision, recall = scores["issue_precision"], scores["issue_recall"]
        yield {
            "dataset": dataset,
            "noise": str(noise),
            "seed": seed,
            "finder": finder,
            "issues": int(is_issue.sum()),
            "wrong": int(is_mislabelled.sum()),
            **scores,
            "issue_F1": 2 * precision * recall / (precision + recall),
            "seconds": seconds,
        }
    print(f"{dataset}, {noise}, seed {seed}", file=sys.stderr, flush=True)


def markdown_table(frame: pd.DataFrame) -> str:
    """Return a Markdown table of the means over the seeds.

    It has a row per method and a column per setting. A cell has F1 / average precision.
    """
    measures = ["issue_F1", "issue_average_precision"]
    means = frame.groupby(["dataset", "noise", "finder"], sort=False)[measures].mean()
    cells = means.apply(lambda row: " / ".join(f"{value:.3f}" for value in row), axis=1)
    columns = cells.unstack("finder").T
    header = ["method", *(f"{dataset}, {noise}" for dataset, noise in columns), "seconds"]
    seconds = frame.groupby("finder").seconds.median().map("{:.1f}".format).replace("nan", "")
    rows = [
        [finder, *columns.loc[finder].fillna(""), seconds[finder]]
        for finder in frame.finder.unique()
    ]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(args: argparse.Namespace, flags: list[str]) -> None:
    """Measure all runs, write the CSV and print the table."""
    if args.results_dir:
        rows = list(finished_rows(args.results_dir))
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = list(rows_of_settings(args.seeds, flags, folder))
    if not rows:
        raise SystemExit(f"no finished run of INCV.py with known true labels in {args.results_dir}")
    frame = pd.DataFrame(rows).round(4)
    if args.output:
        frame.to_csv(args.output, index=False)
    print(markdown_table(frame))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--results_dir",
        type=Path,
        help="results folder with finished runs; by default the benchmark runs INCV",
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds per setting")
    parser.add_argument("--output", type=Path, help="CSV to write, one row per run and method")
    main(*parser.parse_known_args())
