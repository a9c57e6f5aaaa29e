"""Measures the peak memory of INCV.py and INCV_main.py on CIFAR-10 with the paper's ResNet-32.

    python benchmarks/memory.py --data_dir data         # six minutes on two cores

Each script runs on all 50,000 images, with one iteration of one epoch and with two epochs: longer runs repeat the same
steps and need no more. INCV.py runs with its two halves side by side, and in one process. Where --data_dir has no
CIFAR-10 random images are used. Prints last one line of JSON: the peak memory of each, of all its processes together,
TensorFlow's own 0.65 GB included. Linux only.
"""
import argparse
import contextlib
import json
import pickle
import subprocess
import sys
import tempfile
import time
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
    """Runs a script to its end: the peak of the memory of all its processes, in 1e9 bytes. SystemExit if it fails.

    That is their proportional set size: of what several processes share each has its part. Read ten times a second.
    """
    process, peak = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT), 0
    while process.poll() is None:
        peak = max(peak, sum(map(pss, family(process.pid))))
        time.sleep(.1)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    print(f"{command[0]}: {peak / 1e9:.2f} GB", flush=True)
    return round(peak / 1e9, 2)


def family(pid):
    """A process and those that it has started."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return found


def pss(pid):
    """Bytes of a process's proportional set size, 0 where it has gone."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def main(data_dir):
    with tempfile.TemporaryDirectory() as temporary:
        if not (data_dir / "cifar-10-batches-py").is_dir():
            print(f"no CIFAR-10 in {data_dir}: random images of its size")
            data_dir = Path(temporary)
            random_cifar10(data_dir / "cifar-10-batches-py")
        common = ["--dataset", "cifar10", "--gpu_id", "-1", "--data_dir", data_dir,
                  "--results_dir", f"{temporary}/results"]
        selection = ["INCV.py", *common, "--INCV_iter", "1", "--INCV_epochs", "1"]
        result = {"incv_peak_gb": peak_gb(*selection, "--parallel_halves", "on"),
                  "incv_one_process_peak_gb": peak_gb(*selection, "--parallel_halves", "off", "--overwrite"),
                  "incv_main_peak_gb": peak_gb("INCV_main.py", *common, "--epochs", "2")}
    print(json.dumps(result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data_dir", default="data", type=lambda path: Path(path).resolve(), help="where CIFAR-10 is")
    main(parser.parse_args().data_dir)
