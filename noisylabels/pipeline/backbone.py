"""Choose the backbone of a command line."""

import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from models import HEADS
from noisylabels.backbones import DEFAULT, NAMES, NONE, Backbone, cached_weights, find_backbone
from noisylabels.backbones.embeddings import fetch_weights
from noisylabels.data import name_of
from noisylabels.data.features import RECIPE as FEATURES
from noisylabels.data.sources import in_arrays
from noisylabels.errors import UserError

# Values of flags that fit embeddings; other values train networks on the images themselves.
FOR_EMBEDDINGS = {
    "recipe": (None, FEATURES),
    "architecture": (None, *HEADS),
    "augmentation": (None, "none"),
    "no_mirror": (False,),
}


def choose_backbone(
    args: Namespace, is_custom: bool, report: Callable[[str], None]
) -> Backbone | None:
    """Return the backbone of a command line; None if the inputs are used directly.

    Custom images have one by default if its weights are in Keras's cache. `report` receives a line
    that says which networks are used, and why.

    Raises
    ------
    UserError
        The backbone cannot be used, its weights are missing and cannot be downloaded, or the data
        set has no images.
    """
    name, images = args.backbone, has_images(args, is_custom)
    if name in NAMES and not images:
        raise UserError(
            f"argument --backbone: it applies to images, but {args.features or args.dataset} has "
            "features: leave it out"
        )
    if name is None and images and is_custom:
        name, why = default_backbone(args)
        report(f"{name_of(args.dataset)}: {why}")
    if name in (None, NONE):
        return None
    backbone = find_backbone(name, args.backbone_weights, args.image_size)
    fetch_weights(backbone, report)
    return backbone


def has_images(args: Namespace, is_custom: bool) -> bool:
    """Return whether the data set of a command line has images, not only features."""
    if args.features:
        return False
    path = Path(args.dataset)
    if not (is_custom and path.suffix.lower() == ".npz" and path.is_file()):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are repeated when the data set is loaded
        _, parts = in_arrays(path)
    return len(parts[0][1]) == 4


def default_backbone(args: Namespace) -> tuple[str, str]:
    """Return the default backbone of custom images, and the reason in words."""
    flags = [flag for flag, fit in FOR_EMBEDDINGS.items() if getattr(args, flag) not in fit]
    scratch = "networks are trained from scratch"
    if flags:
        return NONE, f"{scratch}, because --{flags[0]} is given"
    path = cached_weights(DEFAULT)
    if not path.is_file():
        return NONE, (
            f"{scratch}, because the weights of the pretrained network {DEFAULT} are not in "
            f"{path}; --backbone {DEFAULT} downloads them"
        )
    return DEFAULT, (
        f"the pretrained network {DEFAULT} embeds the images, because its weights are in {path}; "
        f"--backbone {NONE} trains networks from scratch"
    )
