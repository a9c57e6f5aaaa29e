"""Images or features with labels in memory, as a data set; for the Python API."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from noisylabels.data.class_names import class_codes
from noisylabels.data.dataset import Dataset
from noisylabels.data.features import RECIPE as FEATURES
from noisylabels.data.label_files import label_codes

MIN_SIDE = 4  # pixels


def dataset_of(
    labels: Sequence | np.ndarray,
    images: np.ndarray | None,
    features: np.ndarray | None,
    classes: Sequence[str] | None,
    may_be_mirrored: bool,
) -> Dataset:
    """Return arrays in memory as a data set without a test set.

    The arguments are those of `api.find_label_issues`.

    Raises
    ------
    ValueError
        An argument does not fit.
    UserError
        The labels are of one class only, or their names do not fit, see `class_codes`.
    """
    x = _as_images(images) if features is None else _as_features(features)
    y = np.asarray(labels)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.shape != (len(x),) or y.dtype.kind not in "iuUO" or pd.isna(y).any():
        raise ValueError(
            f"labels are {y.dtype} of shape {y.shape}: give whole numbers or text, one for each of "
            f"{len(x):,} samples"
        )
    names = [str(label) for label in y.tolist()]
    present, codes, _ = class_codes("labels", names, None)
    if classes is not None:
        present = tuple(map(str, classes))
        codes = label_codes(y if y.dtype.kind in "iu" else names, present)
        if (codes < 0).any():
            raise ValueError(f"the label {names[codes.argmin()]!r} is not among the classes")
    if len(x) < 2 * len(present):
        raise ValueError(f"there are {len(x)} samples for {len(present)} classes: give more")
    return Dataset(
        "labels",
        x,
        y_train=None,
        x_test=x[:0],
        y_test=codes[:0],
        classes=present,
        may_be_mirrored=may_be_mirrored,
        default_recipe="fast" if features is None else FEATURES,
        given=codes,
        is_custom=True,
        test_rows=np.array([], int),
    )


def _as_images(images: np.ndarray | None) -> np.ndarray:
    """Return images uint8 (n, h, w, ch); ValueError if they are none."""
    if images is None:
        raise ValueError("there are no images and no features: give an array of either")
    x = np.asarray(images)
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3):
        raise ValueError(
            f"images are {x.dtype} of shape {x.shape}: give uint8, 0 to 255, of shape (n, height, "
            "width) or (n, height, width, 1 or 3)"
        )
    if min(x.shape[1:3]) < MIN_SIDE:
        raise ValueError(f"images have the shape {x.shape[1:3]}: give at least {MIN_SIDE} pixels")
    return x


def _as_features(features: np.ndarray) -> np.ndarray:
    """Return features float32 (n, d); ValueError if they are none."""
    x = np.asarray(features)
    if x.dtype.kind != "f" or x.ndim != 2 or not x.size:
        raise ValueError(f"features are {x.dtype} of shape {x.shape}: give floats of shape (n, d)")
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x, np.float32)
    if not np.isfinite(x).all():
        raise ValueError("features are nan, infinite or too large for float32: give finite ones")
    if (x == x[0]).all():
        raise ValueError("all samples have the same features: give others")
    return x
