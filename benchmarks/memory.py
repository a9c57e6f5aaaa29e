"""Measure the peak memory of INCV.py and INCV_main.py on CIFAR-10 with the paper's ResNet-32.

    python benchmarks/memory.py --data_dir data         # 6 minutes on two cores

Both scripts run on all 50,000 images: the selection for one iteration of one epoch, the training
for two epochs. Longer runs repeat the same steps and need no more memory. INCV.py runs twice: with
two parallel processes, one per half, and in one process. Random images replace CIFAR-10 if
--data_dir does not contain it.

The last line of the output is JSON: the peak memory of each script in GB, summed over all its
processes. It includes 0.65 GB for TensorFlow itself. Linux only.
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


def random_cifar10(folder: Path) -> None:
    """Write random images in the published layout of CIFAR-10 and of its size."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        images = rng.integers(0, 256, (10_000, 3072), np.uint8)
        labels = rng.integers(0, 10, 10_000).tolist()
        content = pickle.dumps({b"data": images, b"labels": labels}, protocol=4)
        (folder / name).write_bytes(content)


def peak_gb(*command: str | Path) -> float:
    """Run a script to its end and return the peak memory of all its processes, in 1e9 bytes.

    The memory is the proportional set size: memory that several processes share counts once. It is
    read ten times per second.

    Raises
    ------
    SystemExit
        The script fails.
    """
    process = subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_set_size, process_tree(process.pid))))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    print(f"{command[0]}: {peak / 1e9:.2f} GB", flush=True)
    return round(peak / 1e9, 2)


def process_tree(pid: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
            found += map(int, children.split())
    return found


def proportional_set_size(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 if the process has ended."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return 0


def main(data_dir: Path) -> None:
    """Measure both scripts and print the result."""
    with tempfile.TemporaryDirectory() as temporary:
        if not (data_dir / "cifar-10-batches-py").is_dir():
            print(f"no CIFAR-10 in {data_dir}: using random images of the same size")
            data_dir = Path(temporary)
            random_cifar10(data_dir / "cifar-10-batches-py")
        common = ["--dataset", "cifar10", "--gpu_id", "-1", "--data_dir", data_dir]
        common += ["--results_dir", f"{temporary}/results"]
        selection = ["INCV.py", *common, "--INCV_iter", "1", "--INCV_epochs", "1"]
        result = {
            "incv_peak_gb": peak_gb(*selection, "--parallel_halves", "on"),
            "incv_one_process_peak_gb": peak_gb(
                *selection, "--parallel_halves", "off", "--overwrite"
            ),
            "incv_main_peak_gb": peak_gb("INCV_main.py", *common, "--epochs", "2"),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data_dir",
        default="data",
        type=lambda path: Path(path).resolve(),
        help="folder that contains CIFAR-10",
    )
    main(parser.parse_args().data_dir)
