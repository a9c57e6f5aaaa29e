"""Rules for the flags of networks on images and of heads on embeddings."""

from argparse import Namespace

from models import HEADS, RIDGE
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError

FEATURES = "features"  # the recipe of embeddings
ALL_HEADS = (RIDGE, *HEADS)
OVERRIDES = (
    "architecture",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "augmentation",
    "precision",
)


def check_inputs(args: Namespace, task: str, dataset: Dataset, recipe: str) -> None:
    """Raise UserError if recipe, network or augmentation do not fit images, or embeddings."""
    network, augmentation = args.architecture, args.augmentation
    if not dataset.is_embedded:
        if recipe == FEATURES:
            raise UserError(
                "argument --recipe: features is for embeddings: give --features, --backbone or "
                "an .npz of them"
            )
        if network in ALL_HEADS:
            raise UserError(
                f"argument --architecture: {network} is a head on embeddings: give --features or "
                "--backbone, or a network for images"
            )
        return
    if recipe != FEATURES:
        raise UserError(
            f"argument --recipe: {recipe} is for images, but {dataset.name} has features: leave "
            "it out"
        )
    if network not in (None, *ALL_HEADS):
        raise UserError(
            f"argument --architecture: {network} is for images, but {dataset.name} has features: "
            f"give one of {', '.join(ALL_HEADS)}"
        )
    if network == RIDGE and task != "INCV":
        raise UserError(
            "argument --architecture: ridge is for INCV.py only, because methods train in steps: "
            "give linear or mlp"
        )
    if augmentation not in (None, "none"):
        raise UserError(
            f"argument --augmentation: {augmentation} changes images, not features: leave it out"
        )


def check_ridge(args: Namespace) -> None:
    """Raise UserError if a flag is set that has no effect on ridge regression."""
    for flag in ("INCV_epochs", *OVERRIDES):
        if flag != "architecture" and getattr(args, flag) not in (None, "none"):
            raise UserError(
                f"argument --{flag}: it has no effect on ridge regression; leave it out, or give "
                "INCV.py --architecture linear or mlp"
            )


def selection_args(args: Namespace, dataset: Dataset) -> Namespace:
    """Return the arguments that a selection depends on.

    On embeddings, the network flags of INCV_main.py and sweep.py apply only to the training.
    """
    if dataset.is_embedded and hasattr(args, "method"):
        return Namespace(**{**vars(args), **dict.fromkeys(OVERRIDES)})
    return args
