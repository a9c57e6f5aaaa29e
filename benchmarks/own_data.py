"""Measure how long custom images take to load, and INCV.py on few and on many classes.

    python benchmarks/own_data.py                                       # 15 minutes on two cores
    python benchmarks/own_data.py --photos photos --data_dir data       # only write example images

All images are generated. Each measurement prints one line of JSON.

Loading: folders with --images PNG files of 64x64 pixels in ten classes, resized to 32x32. Each
folder is loaded in a process of its own. Reports seconds and the peak memory of the process.

Classes: a whole selection by INCV.py, two iterations of four epochs, for --classes classes. There
are 20 images of 16x16 pixels per class, and at least 1,000 images. One label in ten is wrong.
Reports seconds, label precision and label recall.

Photos: writes 3,000 CIFAR-10 images of cats, dogs and cars to a folder per class. One image in ten
is in the folder of another class. The true labels are in photos.csv, next to the folder.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def write_folder(folder: Path, n: int) -> None:
    """Write n images of ten classes: the colour of the class plus noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(64, 192, (10, 3))
    for k in range(10):
        (folder / str(k)).mkdir(parents=True)
    for i in range(n):
        pixels = (colours[i % 10] + rng.integers(-64, 64, (64, 64, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / str(i % 10) / f"{i}.png", compress_level=1)


def measure_loading(folder: str) -> None:
    """Load a folder of images, and print the seconds and the memory in GB."""
    sys.path.insert(0, str(ROOT))
    from utils import load_dataset

    before = peak_memory_gb()
    start = time.perf_counter()
    dataset = load_dataset(folder, report=lambda line: None)
    seconds = time.perf_counter() - start
    result = {
        "images": len(dataset.x_train),
        "seconds": round(seconds, 1),
        "before_gb": before,
        "peak_gb": peak_memory_gb(),
    }
    print(json.dumps(result), flush=True)


def peak_memory_gb() -> float:
    """Return the peak memory of this process until now, in 1e9 bytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3)


def number_of_images(c: int) -> int:
    """Return the number of generated images of c classes."""
    return max(1000, 20 * c)


def write_classes(path: Path, c: int) -> None:
    """Write an npz of c classes: the pattern of the class plus noise. One label in ten is wrong."""
    rng = np.random.default_rng(0)
    y_true = rng.permutation(np.resize(np.arange(c), number_of_images(c)))
    n = len(y_true)
    patterns = rng.integers(64, 192, (c, 16, 16))
    x = (patterns[y_true] + rng.integers(-64, 64, (n, 16, 16))).astype(np.uint8)
    is_wrong = rng.random(n) < 0.1
    y = np.where(is_wrong, (y_true + rng.integers(1, c, n)) % c, y_true)
    np.savez(path, x=x, y=y, y_true=y_true)


def measure_selection(folder: Path, c: int) -> None:
    """Run INCV.py on c classes, and print the seconds, label precision and label recall."""
    path = folder / f"classes{c}.npz"
    write_classes(path, c)
    command = [sys.executable, ROOT / "INCV.py", "--dataset", path]
    command += ["--results_dir", folder / "results", "--INCV_epochs", "4", "--INCV_iter", "2"]
    command += ["--no_mirror", "--gpu_id", "-1", "--quiet"]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    last = pd.read_csv(folder / f"results/classes{c}/given/INCV_iterations.csv").iloc[-1]
    result = {
        "classes": c,
        "images": number_of_images(c),
        "seconds": round(seconds, 1),
        "LP": round(last.LP, 3),
        "LR": round(last.LR, 3),
    }
    print(json.dumps(result), flush=True)


def write_photos(folder: Path, data_dir: str) -> None:
    """Write CIFAR-10 images of three classes with wrong labels, and a CSV of the true labels."""
    sys.path.insert(0, str(ROOT))
    from utils import load_dataset

    dataset = load_dataset("cifar10", data_dir)
    rng = np.random.default_rng(0)
    classes = [3, 5, 1]
    chosen = np.concatenate([np.flatnonzero(dataset.y_train == c)[:1000] for c in classes])
    rows = []
    for k, i in enumerate(rng.permutation(chosen)):
        true = dataset.y_train[i]
        others = [c for c in classes if c != true]
        label = rng.choice(others) if rng.random() < 0.1 else true
        path = folder / dataset.classes[label] / f"{k:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dataset.x_train[i]).save(path)
        name = path.relative_to(folder.parent).as_posix()
        rows.append((name, dataset.classes[label], dataset.classes[true]))
    frame = pd.DataFrame(rows, columns=["file", "label", "y_true"])
    frame.to_csv(folder.with_suffix(".csv"), index=False)


def main(images: list[int], classes: list[int]) -> None:
    """Measure the loading and the selection for each number of images and of classes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for n in images:
            write_folder(folder / str(n), n)
            subprocess.run([sys.executable, __file__, "--folder", folder / str(n)], check=True)
        for c in classes:
            measure_selection(folder, c)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--images",
        type=int,
        nargs="*",
        default=[25_000, 50_000, 100_000],
        help="numbers of images to load",
    )
    parser.add_argument(
        "--classes",
        type=int,
        nargs="*",
        default=[2, 10, 300],
        help="numbers of classes to select from",
    )
    parser.add_argument(
        "--folder", help="only load this folder; the benchmark calls itself with this flag"
    )
    parser.add_argument("--photos", type=Path, help="only write example images to this folder")
    parser.add_argument(
        "--data_dir", default="data", help="folder that contains CIFAR-10, for --photos"
    )
    args = parser.parse_args()
    if args.photos:
        write_photos(args.photos, args.data_dir)
    elif args.folder:
        measure_loading(args.folder)
    else:
        main(args.images, args.classes)
