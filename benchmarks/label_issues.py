"""Compares who finds the wrong labels: INCV after 1 to 4 iterations, and cleanlab on the probabilities of its first.

    python benchmarks/label_issues.py                           # digits, four settings, three seeds: four minutes
    python benchmarks/label_issues.py --results_dir results     # the finished runs of INCV.py that are found there

INCV's first iteration is 2-fold noisy cross-validation: an issue is a label that the other half's network does not
predict. cleanlab gets the same out-of-sample probabilities, pred_probs.npy. Of each: precision and recall of its
issues, and the average precision of its ranking. Runs that are found know the scores of the first and the last
iteration alone. Prints the means over the seeds as a table in Markdown, and writes a row a run and finder to --output.
"""
import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab import Datalab
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import INCV
from noisylabels.metrics import issue_scores
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise
from noisylabels.pipeline.resolve import selection_experiment
from noisylabels.report.read import read_issues
from noisylabels.runs.folders import find_runs
from noisylabels.selection.algorithm import incv
from noisylabels.selection.processes import Trainers, trainings
from noisylabels.selection.selection_csv import selection_run
from noisylabels.system.progress import Progress
from utils import load_dataset

SETTINGS = (Noise("sym", .2), Noise("sym", .5), Noise("sym", .8), Noise("asym", .4))
MEASURES = ["issue_precision", "issue_recall", "issue_average_precision"]


def digits(seeds, folder):
    """The rows of all settings and seeds, selected here."""
    dataset = load_dataset("digits", "")
    for seed in range(seeds):
        for noise in SETTINGS:
            flags = ["--noise_pattern", noise.pattern, "--noise_ratio", noise.ratio, "--seed", seed]
            args = INCV.arguments().parse_args([*map(str, flags), "--results_dir", folder])
            data = add_noise(dataset, noise, seed)
            experiment = selection_experiment(args, data, args.overwrite)
            yield from rows("digits", noise, seed, iterations(experiment), ~data.is_clean)


def iterations(experiment):
    """{finder: (issues, scores)} of INCV after each iteration, and of cleanlab. Both (n,), a low score is bad."""
    y, n, run, found = experiment.y_noisy, len(experiment.y_noisy), selection_run(experiment), {}
    issue, total, times = np.ones(n, bool), np.zeros(n), np.zeros(n)

    def train(halves, use_best):
        answers = [scores for scores, _ in trainers.train(halves, use_best)]
        for (_, _, held_out), scores in zip(halves, answers):
            issue[held_out[scores.agrees]] = False
            total[held_out] += scores.label_score
            times[held_out] += 1
        i = halves[0][0].iteration
        found[f"INCV, {i} iteration{'s' * (i > 1)}"] = issue.copy(), total / times
        return answers

    with Progress(trainings(experiment), quiet=True) as progress, Trainers(experiment, run, progress) as trainers, (
            run.session(trainers.start)):
        result = incv(train, None, y, experiment.dataset.n_classes, experiment.assumed_pattern, seed=experiment.seed)
    assert (issue == ~result.select).all() and np.allclose(total / times, result.label_score, atol=1e-6)
    return found | cleanlab(y, result.probabilities)


def cleanlab(y, pred_probs):
    """The same of cleanlab, for labels int (n,)."""
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab({"label": y}, label_name="label", task="classification", verbosity=0)
        lab.find_issues(pred_probs=pred_probs, issue_types={"label": {}})
    issues = lab.get_issues("label")
    return {"cleanlab find_label_issues": (find_label_issues(y, pred_probs), get_label_quality_scores(y, pred_probs)),
            "cleanlab Datalab": (issues.is_label_issue.to_numpy(), issues.label_score.to_numpy())}


def runs(results_dir):
    """The rows of the finished runs of INCV.py in a results folder whose true labels are known."""
    for dataset in sorted(path.name for path in results_dir.iterdir() if path.is_dir()):
        for run in find_runs(results_dir, dataset):
            issues = read_issues(run.folder)
            if issues is None or (issues.frame.y_true == "").any():
                continue
            issues = issues._replace(frame=issues.frame.sort_values("index"))
            pred_probs, y = np.load(run.folder / "pred_probs.npy"), issues.codes("given_label")
            first, iteration = pred_probs[np.arange(len(y)), y], pd.to_numeric(issues.frame.selected_iteration)
            last = issues.frame.is_label_issue.to_numpy(), issues.frame.label_score.to_numpy()
            found = {"INCV, 1 iteration": ((iteration != 1).to_numpy(), first), "INCV, all iterations": last}
            yield from rows(dataset if run.name is None else f"{dataset}, {run.name}", run.noise, run.seed,
                            found | cleanlab(y, pred_probs), y != issues.codes("y_true"))


def rows(dataset, noise, seed, found, wrong):
    """A row for each finder."""
    for finder, (issue, score) in found.items():
        order = np.argsort(score, kind="stable")
        yield {"dataset": dataset, "noise": str(noise), "seed": seed, "finder": finder, "issues": int(issue.sum()),
               "wrong": int(wrong.sum()), **issue_scores(issue[order], wrong[order])}
    print(f"{dataset}, {noise}, seed {seed}", file=sys.stderr, flush=True)


def table(frame):
    """Means over the seeds, Markdown: a row a finder, precision / recall / average precision for each setting."""
    means = frame.groupby(["dataset", "noise", "finder"], sort=False)[MEASURES].mean()
    text = means.apply(lambda row: " / ".join(f"{value:.3f}".lstrip("0") for value in row), axis=1).unstack("finder").T
    lines = [["found by", *(f"{dataset}, {noise}" for dataset, noise in text)], ["---"] * (text.shape[1] + 1)]
    lines += [[finder, *text.loc[finder].fillna("")] for finder in frame.finder.unique()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(args):
    with tempfile.TemporaryDirectory() as folder:
        found = list(runs(args.results_dir) if args.results_dir else digits(args.seeds, folder))
    if not found:
        raise SystemExit(f"no finished run of INCV.py with known true labels in {args.results_dir}")
    frame = pd.DataFrame(found).round(4)
    if args.output:
        frame.to_csv(args.output, index=False)
    print(table(frame))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results_dir", type=Path, help="of finished runs; by default digits are selected here")
    parser.add_argument("--seeds", type=int, default=3, help="of each setting of digits")
    parser.add_argument("--output", type=Path, help="a CSV")
    main(parser.parse_args())
