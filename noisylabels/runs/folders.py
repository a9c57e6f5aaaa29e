"""The layout of a results folder: the folder of a run, and the run of a folder.

    <results>/<dataset>/<pattern>/<ratio>/[<name>/][seed<k>/]
    <results>/<dataset>/given/[<name>/][seed<k>/]

The first is the path of the 2019 code for the default recipe and seed 0. Other recipes and named
runs have a subfolder of that name, other seeds a subfolder `seed<k>`. The second is for labels as
provided.
"""

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.noise import PATTERNS, PROVIDED, Noise

# Allowed names of folders of runs.
NAME = r"(?!seed\d+(?![\w.-])|[\w.-]*checkpoints(?![\w.-]))\w[\w.-]*"
_RATIO = r"0(?:\.\d+)?|1(?:\.0+)?"
_PATH = re.compile(
    rf"/([^/]+)/(?:({'|'.join(PATTERNS)})/({_RATIO})|{PROVIDED})(?:/({NAME}))?(?:/seed([1-9]\d*))?$"
)


def run_folder(
    results_dir: Path | str, dataset: str, noise: Noise, seed: int, name: str | None = None
) -> Path:
    """Return the folder of a run; `name` is None for the default recipe."""
    folder = Path(results_dir) / dataset / noise.pattern
    if noise.ratio is not None:
        folder /= np.format_float_positional(noise.ratio, trim="0")  # no 5e-05
    folder = folder / name if name else folder
    return folder / f"seed{seed}" if seed else folder


class RunFolder(NamedTuple):
    """The parts of a run folder's path. The name is None for the default recipe."""

    dataset: str
    noise: Noise
    name: str | None
    seed: int
    folder: Path

    @property
    def title(self) -> str:
        """Describe the run."""
        name = f", {self.name}" if self.name else ""
        return f"{self.dataset}, {self.noise}{name}, seed {self.seed}"


def run_at(folder: Path | str) -> RunFolder:
    """Parse the path of a run folder; ValueError for other folders."""
    match = _PATH.search(Path(folder).absolute().as_posix())
    if not match:
        raise ValueError(
            f"{folder} is not a run folder: <dataset>/<pattern>/<ratio>, or <dataset>/given, then "
            "a name or seed<k>"
        )
    noise = Noise(match[2], float(match[3])) if match[2] else Noise(PROVIDED)
    return RunFolder(match[1], noise, name=match[4], seed=int(match[5] or 0), folder=Path(folder))


def find_runs(results_dir: Path | str, dataset: str) -> list[RunFolder]:
    """Return all run folders of a data set, sorted by pattern, ratio, name and seed."""
    root = Path(results_dir) / dataset
    runs = []
    for folder in filter(
        Path.is_dir, (path for depth in range(1, 5) for path in root.glob("/".join("*" * depth)))
    ):
        with contextlib.suppress(ValueError):
            run = run_at(folder)
            if run.dataset == root.name:
                runs.append(run)
    order = (*PATTERNS, PROVIDED)
    return sorted(
        runs,
        key=lambda run: (
            order.index(run.noise.pattern),
            run.noise.ratio,
            run.name or "",
            run.seed,
            str(run.folder),
        ),
    )
