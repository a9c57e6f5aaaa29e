"""Ridge regression on embeddings, in closed form and without TensorFlow.

For standardised embeddings X (n, d), one-hot labels Y (n, c) and a penalty lambda,

    W = (X^T X + lambda n I)^-1 X^T (Y - 1/c)

gives outputs X W + 1/c. One eigendecomposition of X^T X gives W for each penalty, and the outputs
of all leave-one-out models:

    f_-i = (f_i - h_i y_i) / (1 - h_i),    h_i = x_i^T (X^T X + lambda n I)^-1 x_i.

The penalty with the lowest leave-one-out squared error on the observed labels is chosen.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

PENALTIES = 10.0 ** np.arange(-2, 2.01, 0.5)
ROWS = 4096  # of a block, which is standardised at once
LEFT_OUT = 10_000  # samples that choose the penalty, at most


def blocks(rows: np.ndarray | int) -> Iterator[np.ndarray]:
    """Yield row indices in blocks of at most `ROWS`."""
    rows = np.arange(rows) if isinstance(rows, int) else rows
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, and 1 / the standard deviation, of each feature of x (n, d), float32.

    The second is 0 for constant features, so that they have no effect.
    """
    n, width = x.shape
    mean, variance = np.zeros(width), np.zeros(width)
    for rows in blocks(n):
        mean += x[rows].sum(axis=0, dtype=np.float64) / n
    for rows in blocks(n):
        variance += np.square(x[rows] - mean).sum(axis=0) / n
    deviation = np.sqrt(variance)
    varies = deviation > 1e-6 * np.abs(mean)
    scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
    return mean.astype(np.float32), scale.astype(np.float32)


class Moments(NamedTuple):
    """Sums over samples: X^T X, float64 (d, d), and X^T (Y - 1/c), float64 (d, c)."""

    gram: np.ndarray
    product: np.ndarray


class Fit(NamedTuple):
    """A fitted ridge regression."""

    weights: np.ndarray  # W, float32 (d, c)
    penalty: float
    left_out: np.ndarray  # indices of the samples that chose the penalty, int (m,)
    outputs: np.ndarray  # of their leave-one-out models, without 1/c, float32 (m, c)


class Ridge:
    """Fit ridge regression to subsets of the samples.

    Parameters
    ----------
    x : np.ndarray
        Embeddings, float32 (n, d).
    y : np.ndarray
        Labels, int (n,).
    n_classes : int
        Number of classes c.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, n_classes: int) -> None:
        self.x, self.y, self.n_classes = x, y, n_classes
        self.mean, self.scale = moments(x)
        self.total = self._sums(np.arange(len(x)))

    def standardised(self, rows: np.ndarray) -> np.ndarray:
        """Return the standardised embeddings of samples, float32 (k, d)."""
        return (self.x[rows] - self.mean) * self.scale

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Return Y - 1/c of samples, float32 (k, c)."""
        one_hot = np.eye(self.n_classes, dtype=np.float32)[self.y[rows]]
        return one_hot - np.float32(1 / self.n_classes)

    def outputs(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return X W of samples, float32 (k, c)."""
        return np.concatenate([self.standardised(block) @ weights for block in blocks(rows)])

    def fit(self, rows: np.ndarray) -> Fit:
        """Fit samples, int (m,), and choose the penalty."""
        n = len(rows)
        sums = self._sums_of(rows)
        values, vectors = np.linalg.eigh(sums.gram.astype(np.float32))
        values = np.maximum(values, 0)
        projected = vectors.T @ sums.product.astype(np.float32)
        inverses = np.float32(1 / (values[:, None] + PENALTIES * n))  # (d, penalties)
        left_out = rows[np.arange(0, n, -(-n // LEFT_OUT))]
        errors = np.zeros(len(PENALTIES))
        for block in blocks(left_out):
            for k, outputs in enumerate(self._leave_one_out(block, vectors, projected, inverses)):
                errors[k] += np.square(outputs - self.targets(block)).sum(dtype=np.float64)
        best = int(errors.argmin())
        chosen = inverses[:, best : best + 1]
        outputs = [
            next(self._leave_one_out(block, vectors, projected, chosen))
            for block in blocks(left_out)
        ]
        weights = vectors @ (chosen * projected)
        return Fit(weights, float(PENALTIES[best]), left_out, np.concatenate(outputs))

    def _leave_one_out(
        self, rows: np.ndarray, vectors: np.ndarray, projected: np.ndarray, inverses: np.ndarray
    ) -> Iterator[np.ndarray]:
        """Yield the outputs of the leave-one-out models of samples, for each column of inverses."""
        z, y = self.standardised(rows) @ vectors, self.targets(rows)
        leverages = np.square(z) @ inverses
        for inverse, leverage in zip(inverses.T, leverages.T):
            h = np.minimum(leverage, np.float32(1 - 1e-4))[:, None]
            yield (z @ (inverse[:, None] * projected) - h * y) / (1 - h)

    def _sums_of(self, rows: np.ndarray) -> Moments:
        """Return the sums over samples, computed from the other samples if these are fewer."""
        if 2 * len(rows) <= len(self.x):
            return self._sums(rows)
        others = self._sums(np.setdiff1d(np.arange(len(self.x)), rows))
        return Moments(self.total.gram - others.gram, self.total.product - others.product)

    def _sums(self, rows: np.ndarray) -> Moments:
        """Return the sums over samples."""
        width = self.x.shape[1]
        gram, product = np.zeros((width, width)), np.zeros((width, self.n_classes))
        for block in blocks(rows):
            z = self.standardised(block)
            gram += z.T @ z
            product += z.T @ self.targets(block)
        return Moments(gram, product)
