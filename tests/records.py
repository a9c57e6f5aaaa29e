"""Finished runs with their records, as the scripts leave them, and a check of figures."""

import json

import pandas as pd

from noisylabels import theory
from noisylabels.noise import transition_matrix
from noisylabels.recipes import RECIPES
from noisylabels.report.aggregate import over_seeds
from noisylabels.report.read import VERIFY_COLUMNS

NOISE = {
    "noise_pattern": "sym",
    "noise_ratio": 0.5,
    "assumed_pattern": "sym",
    "dataset": "digits",
    "data": "a",
}
INCV = {"recipe": "digits", **RECIPES["digits"]["INCV"].values, "INCV_iter": 4, "top_k": 1, **NOISE}


def write_training(
    folder, method, accuracies, second=None, own=None, finished=True, recipe="digits"
):
    """Write a method's training and result CSVs in the layout of INCV_main.py."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {
            "epoch": range(1, len(accuracies) + 1),
            "learning_rate": 0.001,
            "loss": 1.0,
            "accuracy": 0.5,
            "test_accuracy_1": accuracies,
            "test_accuracy_2": second,
            "seconds": 1.0,
            **(own or {}),
        }
    )
    frame.to_csv(folder / f"{method}_training.csv", index=False)
    if finished:
        curves = {"1": frame.test_accuracy_1, "2": frame.test_accuracy_2}
        if second is None:
            del curves["2"]
        curves["mean"] = pd.DataFrame(curves).mean(axis=1)
        scores = [
            {
                "network": name,
                "last": curve.iloc[-1],
                "last10": curve.iloc[-10:].mean(),
                "best": curve.max(),
                "recipe": recipe,
            }
            for name, curve in curves.items()
        ]
        pd.DataFrame(scores).to_csv(folder / f"{method}_result.csv", index=False)


def write_record(folder, name, arguments, seconds=(2.5,), finished=True, **results):
    """Write the record `<name>.json` of a run with sessions of so many seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    of_all = {"git": "abc", "versions": {"keras": "3"}, "hardware": {"device": "CPU", "threads": 2}}
    sessions = [{"seconds": value, **of_all} for value in seconds]
    content = {
        "arguments": arguments,
        "sessions": sessions,
        "finished": finished,
        "results": results,
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def write_run(folder, method, accuracy, seed=0, epochs=40, selection=None, final=None, **arguments):
    """Write a finished training with its record: the recipe of digits with these changes.

    final: (final, validated, steps) of its results, which old files lack.
    """
    write_training(folder, method, [accuracy] * epochs)
    if final:
        path = folder / f"{method}_result.csv"
        pd.read_csv(path).assign(**dict(zip(("final", "validated", "steps"), final))).to_csv(
            path, index=False
        )
    record = {
        "recipe": "digits",
        **RECIPES["digits"]["main"].values,
        **NOISE,
        "seed": seed,
        "epochs": epochs,
        "method": method,
        "selection": selection,
        **arguments,
    }
    write_record(folder, f"{method}_training", record, last=accuracy)


def write_selection(folder, LP, LR, **arguments):
    """Write a finished selection, with a record if there are arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {
            "iteration": range(1, len(LP) + 1),
            "LP": LP,
            "LR": LR,
            "eps": 0.5,
            "selected": 600,
            "candidate": 300,
            "removed": 100,
        }
    ).to_csv(folder / "INCV_iterations.csv", index=False)
    if arguments:
        write_record(folder, "INCV", INCV | arguments)


def write_verify(folder, pattern, ratio, c=10, seed=0, **arguments):
    """Write a Verify_Theory run that equals the theory, with a record if there are arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    T = transition_matrix(pattern, ratio, c)
    scores = theory.test_accuracy(T), theory.label_precision(T), theory.label_recall(T)
    pd.DataFrame(
        [[pattern, ratio, seed, *scores, *scores, 0.9]],
        columns=["pattern", "ratio", "seed", *VERIFY_COLUMNS],
    ).to_csv(folder / "Verify_Theory.csv", index=False)
    pd.DataFrame(T).to_csv(folder / "Verify_Theory_M.csv")
    if arguments:
        of_it = {"noise_pattern": pattern, "noise_ratio": ratio, "seed": seed}
        write_record(
            folder,
            "Verify_Theory",
            {
                "recipe": "digits",
                **RECIPES["digits"]["verify"].values,
                "dataset": "digits",
                "data": "a",
            }
            | of_it
            | arguments,
        )


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def band(*columns):
    """Return mean, std and count over the seeds, one column per seed: a line of a figure."""
    return over_seeds([pd.Series(column, range(1, len(column) + 1)) for column in columns])


def assert_nothing_is_clipped(figure):
    figure.draw_without_rendering()
    drawn, page = figure.get_tightbbox(), figure.bbox_inches
    assert (
        drawn.x0 >= -0.01
        and drawn.y0 >= -0.01
        and drawn.x1 <= page.x1 + 0.01
        and drawn.y1 <= page.y1 + 0.01
    )
