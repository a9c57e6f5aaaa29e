"""Measures the peak memory of INCV.py and INCV_main.py on CIFAR-10 with the paper's ResNet-32.

    python benchmarks/memory.py --data_dir data         # six minutes on two cores

Each script runs in a process of its own, on all 50,000 images, with one iteration of one epoch and with two epochs:
longer runs repeat the same steps and need no more. Where --data_dir has no CIFAR-10 random images are used. Prints the
largest resident set of each process, TensorFlow's own 0.65 GB included, and last one line of JSON.
"""
import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def random_cifar10(folder):
    """Writes random images of CIFAR-10's size, in its published layout."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        images, labels = rng.integers(0, 256, (10_000, 3072), np.uint8), rng.integers(0, 10, 10_000).tolist()
        (folder / name).write_bytes(pickle.dumps({b"data": images, b"labels": labels}, protocol=4))


def peak_gb(*command):
    """Runs a script to its end: the peak of its resident memory, in 1e9 bytes. Raises SystemExit if it fails."""
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed")
    return round(usage.ru_maxrss * 1024 / 1e9, 2)


def main(data_dir):
    with tempfile.TemporaryDirectory() as temporary:
        if not (data_dir / "cifar-10-batches-py").is_dir():
            print(f"no CIFAR-10 in {data_dir}: random images of its size")
            data_dir = Path(temporary)
            random_cifar10(data_dir / "cifar-10-batches-py")
        common = ["--dataset", "cifar10", "--gpu_id", "-1", "--data_dir", data_dir,
                  "--results_dir", f"{temporary}/results"]
        result = {"incv_peak_gb": peak_gb("INCV.py", *common, "--INCV_iter", "1", "--INCV_epochs", "1"),
                  "incv_main_peak_gb": peak_gb("INCV_main.py", *common, "--epochs", "2")}
    print(json.dumps(result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", default="data", type=lambda path: Path(path).resolve(), help="where CIFAR-10 is")
    main(parser.parse_args().data_dir)
