"""Files of embeddings: one per chunk of images, whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from noisylabels.runs.atomic_io import load_arrays, save_arrays


class Embeddings(NamedTuple):
    """Embeddings of images in their order."""

    features: np.ndarray  # float32 (n, d)
    unreadable: dict[int, str]  # reason by row of the images that cannot be read


def write_chunk(
    path: Path, features: np.ndarray, unreadable: dict[int, str], peaks: list[int]
) -> None:
    """Write the embeddings of some images, see `Embeddings`.

    peaks: largest value of each image with 16 bits per channel.
    """
    arrays = {
        "features": features.astype(np.float32),
        "rows": np.array([*unreadable], np.int64),
        "reasons": np.array([*unreadable.values()], np.str_),
        "peaks": np.array(peaks, np.int64),
    }
    save_arrays(path, arrays)


def read_chunks(chunks: Sequence[tuple[Path, range]]) -> tuple[Embeddings, list[int]] | None:
    """Read files of `write_chunk`, each with its rows.

    Return the embeddings and the peaks, or None if a file is damaged. The damaged file is renamed.
    """
    features, unreadable, peaks = np.empty((0, 0), np.float32), {}, []
    for path, rows in chunks:
        arrays = load_arrays(path)
        if arrays is None:
            return None
        if not rows.start:
            features = np.empty((chunks[-1][1].stop, arrays["features"].shape[1]), np.float32)
        features[rows.start : rows.stop] = arrays["features"]
        unreadable.update(zip(arrays["rows"].tolist(), arrays["reasons"].tolist(), strict=True))
        peaks += arrays["peaks"].tolist()
    return Embeddings(features, unreadable), peaks
