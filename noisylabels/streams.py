"""Random streams: everything that is drawn comes from one that its seed and its purpose name."""
import hashlib
import json
import operator

import numpy as np


def _entropy(seed, purpose):
    words = [word if isinstance(word, str) else int(operator.index(word)) for word in (seed, *purpose)]
    return int.from_bytes(hashlib.sha256(json.dumps(words).encode()).digest(), "little")


def stream(seed, *purpose):
    """An independent random generator for each (seed, purpose...), the same in every process and Python version.

    `seed` is an int, each purpose a str or an int: stream(0, "shuffle", epoch). Other types raise TypeError.
    """
    return np.random.Generator(np.random.PCG64(_entropy(seed, purpose)))


def stream_seed(seed, *purpose):
    """An int in [0, 2**31) for each (seed, purpose...), for libraries that want a seed instead of a generator."""
    return _entropy(seed, purpose) % 2**31
