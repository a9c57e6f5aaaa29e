"""Independent random generators, named by a seed and a purpose."""

import hashlib
import json
import operator

import numpy as np


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Return the random generator of a purpose, such as generator(0, "shuffle", epoch).

    It is the same in every process and Python version. Other types of arguments raise TypeError.
    """
    return np.random.Generator(np.random.PCG64(_entropy(seed, purpose)))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**31) for a purpose, for libraries that take a seed."""
    return _entropy(seed, purpose) % 2**31


def _entropy(seed: int, purpose: tuple[str | int, ...]) -> int:
    words = [
        word if isinstance(word, str) else int(operator.index(word)) for word in (seed, *purpose)
    ]
    return int.from_bytes(hashlib.sha256(json.dumps(words).encode()).digest(), "little")
