"""Embeddings of images by a pretrained backbone, computed once and cached in chunks on disk."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from noisylabels.backbones import APPLICATIONS, Backbone, cached_weights
from noisylabels.backbones.chunks import Embeddings, read_chunks
from noisylabels.data.image_files import warn_if_dark
from noisylabels.data.image_source import ImageSource
from noisylabels.runs.atomic_io import disk
from noisylabels.system.child_processes import call_in_child

CHUNK = 512  # images per file; a killed extraction repeats at most these
CHILD = "noisylabels.training.extraction"
VERSION = 2  # of the image reader; a new version computes all embeddings again


def fetch_weights(backbone: Backbone, report: Callable[[str], None]) -> None:
    """Download Keras's own weights of a backbone if they are missing.

    Raises
    ------
    UserError
        The download fails. The error names the file and the folder to put it into.
    """
    if backbone.name not in APPLICATIONS or Path(backbone.weights).exists():
        return
    if backbone.weights == str(cached_weights(backbone.name)):
        call_in_child(CHILD, "download", backbone.name, report=report)


def embed(
    backbone: Backbone,
    images: ImageSource,
    cache: Path,
    title: str,
    report: Callable[[str], None],
    gpu_id: str | None = None,
    threads: int | None = None,
) -> Embeddings:
    """Compute embeddings, or read them from the cache.

    Images are streamed, so memory holds the embeddings and a few batches of images. The network
    runs in a child process, so this process needs no TensorFlow.

    Parameters
    ----------
    backbone
        The network.
    images
        The n images.
    cache
        Folder for all embeddings of a data set.
    title
        Name of the data set.
    report
        Receives lines to log.
    gpu_id, threads
        See `training.device.start_tensorflow`.

    Raises
    ------
    UserError
        The weights are unusable, or the cache cannot be written.
    """
    n = len(images)
    key = json.dumps([VERSION, images.digest, backbone.identity])
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = cache / f"{backbone.name}_{backbone.size}_{digest}"
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
    chunks = [
        (folder / f"{first:08}.npz", range(first, min(first + CHUNK, n)))
        for first in range(0, n, CHUNK)
    ]
    report(
        f"{title}: embeddings by {backbone}; images are resized with their proportions, and the "
        f"central {backbone.size}×{backbone.size} pixels are used"
    )
    found = None
    while found is None:  # a damaged chunk is renamed, and computed again
        missing = [chunk for chunk in chunks if not chunk[0].exists()]
        if missing:
            if len(missing) < len(chunks):
                report(
                    f"{title}: {len(chunks) - len(missing)} of {len(chunks)} parts are in {folder}"
                )
            device = gpu_id, threads
            arguments = backbone, images, missing, title, device
            call_in_child(CHILD, "extract", *arguments, report=report)
        found = read_chunks(chunks)
    found, peaks = found
    warn_if_dark(title, peaks)
    return found
