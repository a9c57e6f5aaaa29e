"""Load the data set of a command line, and add the requested noise."""

from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

from noisylabels.backbones.embeddings import embed
from noisylabels.data import CUSTOM_FLAGS, is_path, load, name_of
from noisylabels.data.cifar import LAYOUTS
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError
from noisylabels.experiment import NoisyData
from noisylabels.noise import PATTERNS, PROVIDED, Noise
from noisylabels.pipeline.backbone import choose_backbone
from utils import observed_labels


def load_data(args: Namespace, set_aside: bool = True) -> Dataset:
    """Load the data set that the arguments name.

    With `set_aside`, images of a custom data set without a test set are set aside for testing.

    Raises UserError if the results would be written into the data set, where the next run would
    read the figures as images.
    """
    name, is_custom = name_of(args.dataset), is_path(args.dataset)
    results = Path(args.results_dir) / name
    if is_custom and results.resolve().is_relative_to(Path(args.dataset).resolve()):
        raise UserError(
            f"argument --results_dir: {results} is inside --dataset {args.dataset}, so its figures "
            "would count as images; give a folder outside"
        )
    report = partial(print, flush=True)
    options = {flag: getattr(args, flag) for flag in CUSTOM_FLAGS}
    backbone = choose_backbone(args, is_custom, report)
    if backbone:
        options["image_size"] = None
        options["embed"] = partial(
            embed,
            backbone,
            cache=results / "embeddings",
            title=name,
            report=report,
            gpu_id=args.gpu_id,
            threads=args.threads,
        )
    dataset = load(
        args.dataset,
        args.data_dir,
        **options,
        noisy_labels=getattr(args, "noisy_labels", None),
        features=args.features,
        unreadable_csv=results / "unreadable.csv",
        report=report,
        set_aside=set_aside,
    )
    return replace(dataset, backbone=backbone)


def add_noise(dataset: Dataset, noise: Noise, seed: int) -> NoisyData:
    """Return the data set with observed labels: corrupted ones, or those provided."""
    return NoisyData(dataset, noise, seed, observed_labels(dataset, noise, seed))


def load_noisy_data(args: Namespace, set_aside: bool = True) -> NoisyData:
    """Load the data set of the arguments, see `load_data`, and add the requested noise."""
    dataset = load_data(args, set_aside)
    noise = resolve_noise(args, dataset)
    return add_noise(dataset, noise, args.seed)


def resolve_noise(args: Namespace, dataset: Dataset) -> Noise:
    """Return the noise of the arguments. Its ratio is a list if the flag takes several ratios.

    Raises UserError if the labels of the data set do not allow this noise.
    """
    default = PATTERNS[0] if dataset.given is None else PROVIDED
    return check_noise_allowed(
        args, dataset, Noise(args.noise_pattern or default, args.noise_ratio)
    )


def check_noise_allowed(args: Namespace, dataset: Dataset, noise: Noise) -> Noise:
    """Return the noise, by default with ratio 0.5; UserError if the labels do not allow it."""
    pattern, name = noise.pattern, dataset.name
    if pattern == PROVIDED:
        if dataset.given is None:
            raise UserError(
                f"argument --noise_pattern: the labels of {name} are the true ones, so no observed "
                "labels are provided: give --noisy_labels, or sym or asym"
            )
        if noise.ratio is not None:
            raise UserError(
                f"argument --noise_ratio: the labels of {name} are used as provided, so no label "
                "is flipped: leave it out, or give --noise_pattern sym or asym"
            )
        return noise
    if getattr(args, "noisy_labels", None):
        raise UserError(
            "argument --noisy_labels: these labels are used as provided: leave it out, or "
            "--noise_pattern"
        )
    if dataset.y_train is None:
        raise UserError(
            f"argument --noise_pattern: {pattern} noise is added to true labels, but those of "
            f"{name} are unknown: give y_true in a .csv or .npz, or --trust_labels if all labels "
            "are true"
        )
    if pattern == "asym5" and tuple(dataset.classes) != LAYOUTS["cifar10"].classes:
        raise UserError(
            "argument --noise_pattern: asym5 flips classes of CIFAR-10 such as truck to "
            f"automobile, but {name} has other classes: give sym or asym"
        )
    return Noise(pattern, 0.5 if noise.ratio is None else noise.ratio)
