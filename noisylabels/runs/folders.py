"""Where a run lies, and what lies at a path: the layout of a results folder is known here alone.

    <results>/<dataset>/<pattern>/<ratio>/[<name>/][seed<k>/]
    <results>/<dataset>/given/[<name>/][seed<k>/]

The first is the path of 2019 for the default recipe of a data set and seed 0. Other recipes, and runs that were given
a name, lie beneath it in a folder of that name, other seeds in `seed<k>`. The second is of labels as they came.
"""
import contextlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.noise import PATTERNS, PROVIDED, Noise

NAME = r"(?!seed\d+(?![\w.-])|[\w.-]*checkpoints(?![\w.-]))\w[\w.-]*"        # what a folder of runs may be called
_RATIO = r"0(?:\.\d+)?|1(?:\.0+)?"
_PATH = re.compile(rf"/([^/]+)/(?:({'|'.join(PATTERNS)})/({_RATIO})|{PROVIDED})(?:/({NAME}))?(?:/seed([1-9]\d*))?$")


def run_folder(results_dir, dataset, noise, seed, name=None):
    """The folder of one seed at a noise setting, of the default recipe or under a name."""
    folder = Path(results_dir) / dataset / noise.pattern
    if noise.ratio is not None:
        folder /= np.format_float_positional(noise.ratio, trim="0")         # no 5e-05
    folder = folder / name if name else folder
    return folder / f"seed{seed}" if seed else folder


class RunFolder(NamedTuple):
    """A run folder, known by its path alone. name: None for the default recipe."""

    dataset: str
    noise: Noise
    name: str | None
    seed: int
    folder: Path

    @property
    def title(self):
        name = f", {self.name}" if self.name else ""
        return f"{self.dataset}, {self.noise}{name}, seed {self.seed}"


def run_at(folder):
    """The `RunFolder` of a path. ValueError: it does not end like that of a run."""
    match = _PATH.search(Path(folder).absolute().as_posix())
    if not match:
        raise ValueError(f"{folder} is not a run folder: <dataset>/<pattern>/<ratio>, or <dataset>/given, a name or "
                         "seed<k> beneath")
    noise = Noise(match[2], float(match[3])) if match[2] else Noise(PROVIDED)
    return RunFolder(match[1], noise, match[4], int(match[5] or 0), Path(folder))


def find_runs(results_dir, dataset):
    """All run folders of a data set, whatever is in them, by pattern, ratio, name and seed."""
    root = Path(results_dir) / dataset
    runs = []
    for folder in filter(Path.is_dir, (path for depth in range(1, 5) for path in root.glob("/".join("*" * depth)))):
        with contextlib.suppress(ValueError):
            run = run_at(folder)
            if run.dataset == root.name:
                runs.append(run)
    order = (*PATTERNS, PROVIDED)
    return sorted(runs, key=lambda run: (order.index(run.noise.pattern), run.noise.ratio, run.name or "", run.seed,
                                     str(run.folder)))
