"""The configuration of a selection, as INCV.py makes it from its flags."""

from helpers import SMALL

import INCV
from noisylabels.noise import Noise
from noisylabels.pipeline.load import add_noise, load_noisy_data
from noisylabels.pipeline.plan import plan_selection
from noisylabels.pipeline.resolve import selection_experiment
from utils import load_dataset


def experiment(*arguments):
    """Return the Experiment of a selection, as INCV.py makes it."""
    args = INCV.build_parser().parse_args([*map(str, arguments)])
    return plan_selection(args, load_noisy_data(args, set_aside=False)).experiment


def selecting(folder, *flags):
    """Return the Experiment of a selection on digits, with small networks."""
    args = INCV.build_parser().parse_args([*map(str, [*SMALL, "--results_dir", folder, *flags])])
    data = add_noise(load_dataset("digits", ""), Noise("sym", 0.5), args.seed)
    return selection_experiment(args, data, args.overwrite)
