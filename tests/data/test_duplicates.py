"""Exact and near-duplicates: by hand, by definition, and by the bytes of files."""

from pathlib import Path

import numpy as np
import pytest

from noisylabels.data.duplicates import Duplicates, find_duplicates, near_duplicates

pytestmark = pytest.mark.runs


def test_equal_images_are_exact_duplicates():
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    x[3] = x[5] = x[1]
    found = find_duplicates(x)
    assert found.pairs.tolist() == [[1, 3], [1, 5]]
    assert found.similarity.tolist() == [1, 1] and found.exact.tolist() == [True, True]
    assert found.groups(6).tolist() == [-1, 0, -1, 0, -1, 0]


def test_one_other_pixel_is_no_exact_duplicate():
    x = np.zeros((2, 8, 8, 1), np.uint8)
    x[1, 7, 7, 0] = 1
    assert len(find_duplicates(x).pairs) == 0


def test_equal_files_are_exact_duplicates_whatever_their_pixels(tmp_path):
    x = np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1)
    head = bytes(5000)  # the same in all files
    contents = [head + b"one", head + b"two", head + b"one", None, head + b"three"]
    files = [str(tmp_path / f"{k}.png") for k in range(5)]
    for file, content in zip(files, contents, strict=True):
        if content:
            Path(file).write_bytes(content)
    assert find_duplicates(x, files).pairs.tolist() == [[0, 2]]
    assert len(find_duplicates(x, [None, *files[1:]]).pairs) == 0
    assert len(find_duplicates(x[:1], files[:1]).pairs) == 0


def test_groups_are_numbered_in_data_set_order():
    found = Duplicates(np.array([[4, 5], [0, 7], [5, 2]]), np.ones(3), np.ones(3, bool))
    assert found.groups(8).tolist() == [0, -1, 1, -1, 1, 1, -1, 0]
    labels = np.array([3, 0, 1, 0, 1, 2, 0, 3])
    assert np.flatnonzero(found.conflicts(labels)).tolist() == [2, 4, 5]


def test_without_duplicates_there_is_no_group():
    found = find_duplicates(np.arange(3, dtype=np.float32)[:, None] * [[1, -1]])
    assert found.groups(3).tolist() == [-1, -1, -1] and not found.conflicts(np.arange(3)).any()


def test_embeddings_by_hand():
    """The mean is 0, so the similarities are those of the vectors: 0.8 for the first two."""
    x = np.float32([[1, 0], [0.8, 0.6], [-1, 0], [-0.8, -0.6]])
    pairs, similarity = near_duplicates(x, 0.79)
    assert pairs.tolist() == [[0, 1], [2, 3]] and similarity == pytest.approx([0.8, 0.8])
    assert len(near_duplicates(x, 0.81)[0]) == 0


@pytest.mark.parametrize("d", [3, 200])
@pytest.mark.parametrize("similar", [0.25, 0.6])
def test_near_duplicates_by_definition(d, similar):
    """1,300 rows are three blocks. 200 dimensions are more than the bound uses."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1300, d)).astype(np.float32) + 5
    x[700:720] = x[:20] + 0.4 * rng.normal(size=(20, d))
    centred = x - x.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    if d == 3:
        similar = 1 - 1e-4 * similar
    expected = np.argwhere(np.triu(unit @ unit.T >= similar, 1))
    pairs, similarity = near_duplicates(x, similar)
    assert len(expected) > 10 and {*map(tuple, pairs)} == {*map(tuple, expected)}
    assert similarity == pytest.approx((unit @ unit.T)[tuple(pairs.T)], abs=1e-5)


@pytest.mark.parametrize("offset", [0, 100])
def test_pairs_of_whitened_embeddings_are_not_compared_one_by_one(offset, monkeypatch):
    """All directions have the same variance, so that some of them say little."""
    rng, compared, einsum = np.random.default_rng(0), [], np.einsum
    x = rng.normal(offset, 1, (1000, 512)).astype(np.float32)
    x[700:] = x[:300] + rng.normal(0, 0.3, (300, 512)).astype(np.float32)
    monkeypatch.setattr(np, "einsum", lambda *a: compared.append(len(a[1])) or einsum(*a))
    pairs, similarity = near_duplicates(x, similar=0.7)
    assert sorted(pairs.tolist()) == [[i, 700 + i] for i in range(300)]
    centred = x - x.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    expected = (centred[pairs[:, 0]] * centred[pairs[:, 1]]).sum(axis=1)
    np.testing.assert_allclose(similarity, expected, atol=1e-4)
    assert sum(compared) < 310


def test_equal_embeddings_are_exact_and_not_listed_twice():
    x = np.random.default_rng(0).normal(size=(100, 256)).astype(np.float32)
    x[50], x[60], x[70] = x[3], x[3] * 1.001, 0
    x[71] = -x[70]
    found = find_duplicates(x)
    assert found.pairs[found.exact].tolist() == [[3, 50], [70, 71]]
    assert found.pairs[~found.exact].tolist() == [[3, 60]]


def test_embeddings_that_are_all_alike_have_no_near_duplicates():
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    assert len(near_duplicates(x, 0.5)[0]) == 0


@pytest.mark.parametrize("d, n_pairs", [(64, 0), (256, 1)])
def test_embeddings_of_few_dimensions_have_no_near_duplicates(d, n_pairs):
    x = np.random.default_rng(0).normal(size=(50, d)).astype(np.float32)
    x[7] = x[3] + 0.01 * x[4]
    assert len(find_duplicates(x).pairs) == n_pairs
