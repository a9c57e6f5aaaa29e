"""Find samples that occur more than once in a data set."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIMILAR = 0.9  # least cosine similarity; all pairs of CIFAR-10 above it show the same object
LEAST_DIMENSIONS = 256  # below that, different samples are often as similar as near-duplicates
DIRECTIONS = 64  # of the largest variance of the embeddings
HEAD = 4096  # bytes of a file that are read first
SAMPLE = 4096  # embeddings that determine these directions
BLOCK = 128  # rows that are compared with all others at once
MANY = 1 / 256  # share of pairs above the bound from which a matrix product is faster
MOST_PAIRS = 20  # per sample; embeddings with more pairs do not distinguish samples


class Duplicates(NamedTuple):
    """Pairs of samples with the same or nearly the same content."""

    pairs: np.ndarray  # indices of the two samples, the lower one first, int (m, 2)
    similarity: np.ndarray  # cosine similarity, 1 for exact duplicates, float (m,)
    exact: np.ndarray  # the same content, bool (m,)

    def groups(self, n: int) -> np.ndarray:
        """Return the group of each of n samples, int (n,), in data set order; -1 for none."""
        graph = coo_array((np.ones(len(self.pairs)), self.pairs.T), shape=(n, n))
        component = connected_components(graph, directed=False)[1]
        groups, paired = np.full(n, -1), np.unique(self.pairs)
        _, first, number = np.unique(component[paired], return_index=True, return_inverse=True)
        groups[paired] = np.argsort(np.argsort(first))[number]
        return groups

    def conflicts(self, labels: np.ndarray) -> np.ndarray:
        """Return whether the group of each sample has more than one label, bool (n,)."""
        groups = self.groups(len(labels))
        distinct = np.unique(np.column_stack([groups, labels]), axis=0)[:, 0]
        numbers, counts = np.unique(distinct[distinct >= 0], return_counts=True)
        return np.isin(groups, numbers[counts > 1])


NO_DUPLICATES = Duplicates(np.empty((0, 2), int), np.empty(0), np.empty(0, bool))


def find_duplicates(x: np.ndarray, files: Sequence[str | None] = ()) -> Duplicates:
    """Find exact duplicates, and near-duplicates among embeddings of at least 256 dimensions.

    Samples with equal rows of `x`, or with equal files, are exact duplicates. Each is paired with
    the first sample of this content.

    Parameters
    ----------
    x : np.ndarray
        Images, uint8 (n, h, w, ch), or embeddings, float32 (n, d).
    files : sequence of str or None
        The file of each sample, if there are files. Files that cannot be read are skipped.

    Returns
    -------
    Duplicates
    """
    first = _first_equal(_row_digest(row) for row in x)
    exact = np.concatenate([_pairs(first), _pairs(_first_equal(_file_digests(files)))])
    exact = np.unique(exact, axis=0)
    near, similarity = np.empty((0, 2), int), np.empty(0)
    if x.ndim == 2 and x.shape[1] >= LEAST_DIMENSIONS:
        once = np.flatnonzero(first == np.arange(len(x)))
        near, similarity = near_duplicates(x if len(once) == len(x) else x[once])
        near = once[near]
        new = ~np.isin(near @ [len(x), 1], exact @ [len(x), 1])
        near, similarity = near[new], similarity[new]
    return Duplicates(
        pairs=np.concatenate([exact, near]),
        similarity=np.concatenate([np.ones(len(exact)), similarity]),
        exact=np.arange(len(exact) + len(near)) < len(exact),
    )


def near_duplicates(
    embeddings: np.ndarray, similar: float = SIMILAR
) -> tuple[np.ndarray, np.ndarray]:
    """Find pairs of embeddings with a high cosine similarity after subtraction of the mean.

    The coordinates in the directions of the largest variance, and the length of the remainder, give
    an upper bound of the similarity. Only pairs above this bound are compared in all dimensions. If
    there are many, as on whitened embeddings, a matrix product replaces the bound.

    Parameters
    ----------
    embeddings : np.ndarray
        float32 (n, d).
    similar : float
        Least similarity, in (0, 1].

    Returns
    -------
    pairs : np.ndarray
        int (m, 2), the lower index first. It is empty if there are more than MOST_PAIRS pairs per
        sample.
    similarity : np.ndarray
        float (m,).
    """
    n, mean = len(embeddings), embeddings.mean(axis=0)

    def unit(rows: np.ndarray | slice) -> np.ndarray:
        return (embeddings[rows] - mean) / lengths[rows, np.newaxis]

    def product(block: slice) -> np.ndarray:
        rows = unit(block)
        # One factor is not centred, so that the embeddings are not copied.
        values = rows @ embeddings[block.start :].T - (rows @ mean)[:, np.newaxis]
        return values / lengths[block.start :]

    blocks = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
    lengths = np.concatenate([np.linalg.norm(embeddings[b] - mean, axis=1) for b in blocks])
    lengths = np.maximum(lengths, 1e-12)
    sample = unit(np.linspace(0, n - 1, min(n, SAMPLE)).astype(int))
    d = embeddings.shape[1]
    largest = [max(0, d - DIRECTIONS), d - 1]
    directions = eigh(sample.T @ sample, subset_by_index=largest)[1]
    low = np.concatenate([unit(block) @ directions for block in blocks])
    remainder = np.sqrt(np.maximum(1 - (low**2).sum(axis=1, keepdims=True), 0))
    bounds = np.hstack([low, remainder])
    pairs, similarity = [np.empty((0, 2), int)], [np.empty(0)]
    for block in blocks:
        bound = bounds[block] @ bounds[block.start :].T
        if np.mean(bound >= similar - 1e-4) > MANY:
            bound = product(block)
        rows, columns = np.divmod(np.flatnonzero(bound >= similar - 1e-4), bound.shape[1])
        rows, columns = rows[columns > rows], columns[columns > rows]
        for part in np.array_split(np.arange(len(rows)), len(rows) // BLOCK + 1):
            both = np.column_stack([rows[part], columns[part]]) + block.start
            cosine = np.einsum("ij,ij->i", unit(both[:, 0]), unit(both[:, 1]))
            pairs.append(both[cosine >= similar])
            similarity.append(cosine[cosine >= similar])
        if sum(map(len, pairs)) > MOST_PAIRS * n:
            return np.empty((0, 2), int), np.empty(0)
    return np.concatenate(pairs), np.concatenate(similarity)


def _row_digest(row: np.ndarray) -> bytes:
    """Return a digest of the values of a row; 0.0 and -0.0 are equal."""
    return hashlib.sha256(np.ascontiguousarray(row + row.dtype.type(0))).digest()


def _file_digests(files: Sequence[str | None]) -> list[tuple | None]:
    """Return equal values for equal files; None for unique files and for unreadable ones.

    Only files of the same size are opened, and only those with the same beginning are read.
    """
    keys: list[tuple | None] = [()] * len(files)
    for end in (0, HEAD, None):
        count = Counter(keys)
        keys = [
            _extended(key, file, end) if count[key] > 1 else None
            for key, file in zip(keys, files, strict=True)
        ]
    return keys


def _extended(key: tuple | None, file: str | None, end: int | None) -> tuple | None:
    """Extend a key by the size of a file, or by a digest of its bytes up to `end`.

    Return None if the file cannot be read.
    """
    if key is None or file is None:
        return None
    try:
        if end == 0:
            return (os.path.getsize(file),)
        with open(file, "rb") as opened:
            return (*key, hashlib.sha256(opened.read(end)).digest())
    except (OSError, ValueError):
        return None


def _first_equal(digests: Iterable[bytes | tuple | None]) -> np.ndarray:
    """Return the index of the first equal digest for each one, int (n,); None equals no other."""
    first: dict[bytes | tuple | int, int] = {}
    found = [first.setdefault(i if key is None else key, i) for i, key in enumerate(digests)]
    return np.array(found, int)


def _pairs(first: np.ndarray) -> np.ndarray:
    """Return pairs of a sample and the first equal one, int (m, 2), unless it is itself."""
    later = np.flatnonzero(first != np.arange(len(first)))
    return np.column_stack([first[later], later])
