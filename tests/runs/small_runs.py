"""A small run that tests begin, interrupt and finish."""

import json

import pytest
from helpers import ARRAYS, CPU

from noisylabels.runs.atomic_io import save_arrays
from noisylabels.runs.run import Run

ARGUMENTS = {"dataset": "digits", "epochs": 2, "learning_rate": 0.1}


def start(folder, arguments=ARGUMENTS, **keywords):
    return Run(folder, "INCV", arguments, outputs=["a.csv", "b.csv"], **keywords)


def finish(folder, arguments=ARGUMENTS, **keywords):
    """Do a run from beginning to end."""
    run = start(folder, arguments, **keywords)
    with run.session(lambda: CPU):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        for path in run.outputs:
            path.write_text(path.stem)
        run.finish(LP=0.9, LR=float("nan"))


def interrupt(folder, arguments=ARGUMENTS, **keywords):
    """Do a run that ends after its first checkpoint."""
    run = start(folder, arguments, **keywords)
    with pytest.raises(KeyboardInterrupt), run.session(lambda: CPU):
        save_arrays(run.checkpoint("1a"), ARRAYS)
        raise KeyboardInterrupt


def checkpoint(folder):
    return folder / "INCV_checkpoints" / "1a.npz"


def record(folder):
    return json.loads((folder / "INCV.json").read_text())
