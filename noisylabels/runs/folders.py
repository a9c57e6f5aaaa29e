"""Where a run lies: `results/<dataset>/<pattern>/<ratio>/`, the path of 2019, and `seed<k>/` beneath for other seeds.

The way back, from a path to what lies there, is here too, so that the layout is known in one place.
"""
import contextlib
import re
from pathlib import Path
from typing import NamedTuple

from noisylabels.theory import PATTERNS, Noise


def run_folder(results_dir, dataset, noise, seed):
    """The folder of one seed at a noise setting."""
    folder = Path(results_dir) / dataset / noise.pattern / str(float(noise.ratio))
    return folder / f"seed{seed}" if seed else folder


class RunFolder(NamedTuple):
    """A run folder, known by its path alone."""

    dataset: str
    noise: Noise
    seed: int
    folder: Path

    @property
    def title(self):
        return f"{self.dataset}, {self.noise}, seed {self.seed}"


def run_at(folder):
    """The `RunFolder` of a path. ValueError: it does not end like that of a run."""
    pattern = rf"([^/]+)/({'|'.join(PATTERNS)})/(0(?:\.\d+)?|1(?:\.0+)?)(?:/seed([1-9]\d*))?"
    match = re.search(f"/{pattern}$", Path(folder).absolute().as_posix())
    if not match:
        raise ValueError(f"{folder} is not a run folder: <dataset>/<pattern>/<ratio> or seed<k> beneath")
    return RunFolder(match[1], Noise(match[2], float(match[3])), int(match[4] or 0), Path(folder))


def find_runs(results_dir, dataset):
    """All run folders of a data set, whatever is in them, by pattern, ratio and seed."""
    root = Path(results_dir) / dataset
    runs = []
    for folder in filter(Path.is_dir, [*root.glob("*/*"), *root.glob("*/*/*")]):
        with contextlib.suppress(ValueError):
            runs.append(run_at(folder))
    return sorted(runs, key=lambda run: (PATTERNS.index(run.noise.pattern), run.noise.ratio, run.seed))
