"""Compute embeddings chunk by chunk. `embeddings.embed` calls this in a child process."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from noisylabels.backbones import Backbone
from noisylabels.backbones.chunks import write_chunk
from noisylabels.data.image_batches import read_batches
from noisylabels.data.image_source import ImageSource
from noisylabels.errors import UserError
from noisylabels.system.progress import clock
from noisylabels.training.backbone import build_backbone
from noisylabels.training.backbone import download as download_weights
from noisylabels.training.device import start_tensorflow

BATCH = 32  # images that the network takes at once
REPORT_EVERY = 30  # seconds between two progress lines


def download(name: str, report: Callable[[str], None]) -> None:
    """Download Keras's own weights of a backbone; UserError if that fails."""
    report(f"downloading the weights of {name}")
    start_tensorflow("-1")
    download_weights(name)


def extract(
    backbone: Backbone,
    images: ImageSource,
    chunks: Sequence[tuple[Path, range]],
    title: str,
    device: tuple[str | None, int | None],
    report: Callable[[str], None],
) -> None:
    """Compute the embeddings of chunks of images and write each chunk to a file.

    Parameters
    ----------
    backbone
        The network.
    images
        All images.
    chunks
        File and rows of each chunk.
    title
        Name of the data set.
    device
        GPU and number of threads. See `training.device.start_tensorflow`.
    report
        Receives progress lines.

    Raises
    ------
    UserError
        The weights are unusable, or a file cannot be written.
    """
    gpu_id, threads = device
    start_tensorflow(gpu_id, threads=threads)
    network = build_backbone(backbone)
    shape = (BATCH, backbone.size, backbone.size, 3)
    compute = tf.function(
        lambda x: network(tf.cast(x, tf.float32), training=False),
        input_signature=[tf.TensorSpec(shape, tf.uint8)],
        autograph=False,
    )
    batches = [
        (rows[k : k + BATCH], path) for path, rows in chunks for k in range(0, len(rows), BATCH)
    ]
    total, done = sum(len(rows) for rows, _ in batches), 0
    start = last = time.monotonic()
    found, unreadable, peaks = [], {}, []
    stream = read_batches(images, [rows for rows, _ in batches], backbone.size)
    for k, (batch, (_, path)) in enumerate(zip(stream, batches, strict=True)):
        padding = [(0, BATCH - len(batch.images)), (0, 0), (0, 0), (0, 0)]
        outputs = compute(np.pad(batch.images, padding)).numpy()
        found.append(outputs[: len(batch.images)])
        unreadable |= batch.unreadable
        peaks += batch.peaks
        if k + 1 == len(batches) or batches[k + 1][1] != path:
            _check_finite(features := np.concatenate(found), backbone)
            write_chunk(path, features, unreadable, peaks)
            found, unreadable, peaks = [], {}, []
        done, now = done + len(batch.images), time.monotonic()
        if now - last > REPORT_EVERY:
            last, pace = now, done / (now - start)
            report(
                f"{title}: {backbone.name}: {done:,} of {total:,} images, {pace:.0f} images/s, "
                f"{clock((total - done) / pace)} left"
            )
    pace = total / max(time.monotonic() - start, 1e-9)
    report(f"{title}: {backbone.name}: {total:,} images, {pace:.0f} images/s")


def _check_finite(features: np.ndarray, backbone: Backbone) -> None:
    """Raise UserError if an embedding is not finite."""
    if not np.isfinite(features).all():
        raise UserError(
            f"argument --backbone_weights: the embeddings of {backbone} are not finite, so the "
            "weights are damaged: give others"
        )
