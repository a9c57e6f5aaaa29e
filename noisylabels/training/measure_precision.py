"""Measure a training step in float32 and in bfloat16.

    python -m noisylabels.training.measure_precision    # print the CPU seconds of a step, as JSON

`noisylabels.precision` runs this as a subprocess.
"""

import json
import time
from collections.abc import Callable

from noisylabels.training.device import tf

BUDGET = 1.5  # seconds of timed steps, in addition to TensorFlow's start and the first steps


def measure(budget: float = BUDGET) -> dict[str, float]:
    """Measure the gradient of two 3×3 convolutions of 64 channels in both types, on one thread.

    Parameters
    ----------
    budget : float
        Seconds in which both take turns, after one untimed step of each.

    Returns
    -------
    dict
        Least CPU time of a step in seconds, by name of the type. Other processes hardly change it.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    steps = {name: _create_step(name) for name in ("float32", "bfloat16")}
    for step in steps.values():
        step()
    best = dict.fromkeys(steps, float("inf"))
    end = time.perf_counter() + budget
    while time.perf_counter() < end or float("inf") in best.values():
        for name, step in steps.items():
            start = time.process_time()
            step()
            best[name] = min(best[name], time.process_time() - start)
    return best


def _create_step(name: str) -> Callable[[], None]:
    """Return a compiled forward and backward pass, with kernels cast as in a mixed policy."""
    images = tf.cast(tf.fill([16, 16, 16, 64], 0.5), name)
    kernels = [tf.fill([3, 3, 64, 64], 0.01)] * 2

    @tf.function(autograph=False)
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(kernels)
            x = images
            for kernel in kernels:
                x = tf.nn.relu(tf.nn.conv2d(x, tf.cast(kernel, name), 1, "SAME"))
            loss = tf.reduce_mean(tf.cast(x, tf.float32))
        return tape.gradient(loss, kernels)

    return lambda: gradients()[0].numpy()


if __name__ == "__main__":
    print(json.dumps(measure()))
