"""Random batches and held-out samples."""

import numpy as np


def random_batches(samples: np.ndarray, batch_size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the samples in random order as batches, int32 (ceil(n / batch_size), batch_size).

    The last batch is filled up with samples of the first batches. All batches have the same shape,
    so the training step is compiled only once.
    """
    n_batches = -(-len(samples) // batch_size)
    order = np.resize(rng.permutation(samples), n_batches * batch_size)
    return order.reshape(n_batches, batch_size).astype(np.int32)


def stratified_holdout(
    samples: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw a share of the samples at random, the same share of each observed class.

    Parameters
    ----------
    samples : np.ndarray
        Indices into the labels, int (n,).
    labels : np.ndarray
        Observed labels of the data set, int (m,).
    share : float
        Share to draw, in [0, 1]. A positive share draws at least one sample.
    rng : np.random.Generator
        Source of the random order.

    Returns
    -------
    np.ndarray
        Sorted indices of the drawn samples.
    """
    order = rng.permutation(samples)
    order = order[np.argsort(labels[order], kind="stable")]
    count = max(int(share > 0), round(share * len(order)))
    # Samples at equal distances in an order by class are the same share of each class.
    positions = ((np.arange(count) + 0.5) * len(order) / count).astype(int)
    return np.sort(order[positions])
