"""Measures own images: what loading many takes, and INCV.py on few and on many classes, all of them generated.

    python benchmarks/own_data.py                                       # a quarter of an hour on two cores
    python benchmarks/own_data.py --photos photos --data_dir data       # makes a folder to try everything on

Loading: folders of --images PNGs of 64x64 pixels in ten classes, read in a process of their own at 32x32; seconds, and
the peak of its memory. Classes: INCV.py to its end, two iterations of four epochs, on 20 images of 16x16 pixels a class
and at least 1,000, one label in ten wrong; seconds, label precision and recall. Prints a line of JSON for each.
Photos: 3,000 of CIFAR-10's cats, dogs and cars, one in ten in another's folder; photos.csv beside it has the truth.
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


def write_folder(folder, n):
    """n images of noise on the colour of their class, in ten classes."""
    rng = np.random.default_rng(0)
    colours = rng.integers(64, 192, (10, 3))
    for k in range(10):
        (folder / str(k)).mkdir(parents=True)
    for i in range(n):
        pixels = (colours[i % 10] + rng.integers(-64, 64, (64, 64, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / str(i % 10) / f"{i}.png", compress_level=1)


def load(folder):
    """Loads a folder; prints what it took."""
    sys.path.insert(0, str(ROOT))
    from utils import load_dataset

    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    dataset = load_dataset(folder, report=lambda line: None)
    seconds, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"images": len(dataset.x_train) + len(dataset.x_test), "seconds": round(seconds, 1),
                      "before_gb": round(before * 1024 / 1e9, 3), "peak_gb": round(peak * 1024 / 1e9, 3)}), flush=True)


def write_classes(path, c):
    """An npz of c classes, each a pattern of its own with noise on it; one label in ten is another's."""
    rng = np.random.default_rng(0)
    true = rng.permutation(np.resize(np.arange(c), max(1000, 20 * c)))
    patterns = rng.integers(64, 192, (c, 16, 16))
    x = (patterns[true] + rng.integers(-64, 64, (len(true), 16, 16))).astype(np.uint8)
    y = np.where(rng.random(len(true)) < .1, (true + rng.integers(1, c, len(true))) % c, true)
    np.savez(path, x=x, y=y, y_true=true)


def select(folder, c):
    """Runs INCV.py on c classes; prints what it took and found."""
    write_classes(folder / f"classes{c}.npz", c)
    start = time.perf_counter()
    subprocess.run([sys.executable, ROOT / "INCV.py", "--dataset", folder / f"classes{c}.npz", "--results_dir",
                    folder / "results", "--INCV_epochs", "4", "--INCV_iter", "2", "--no_mirror", "--gpu_id", "-1",
                    "--quiet"], check=True, stdout=subprocess.DEVNULL)
    last = pd.read_csv(folder / f"results/classes{c}/given/INCV_iterations.csv").iloc[-1]
    print(json.dumps({"classes": c, "images": max(1000, 20 * c), "seconds": round(time.perf_counter() - start, 1),
                      "LP": round(last.LP, 3), "LR": round(last.LR, 3)}), flush=True)


def write_photos(folder, data_dir):
    """A folder for each of three classes, with wrong images in it, and the truth in a CSV beside it."""
    sys.path.insert(0, str(ROOT))
    from utils import load_dataset

    data, rng, classes, rows = load_dataset("cifar10", data_dir), np.random.default_rng(0), [3, 5, 1], []
    chosen = np.concatenate([np.flatnonzero(data.y_train == c)[:1000] for c in classes])
    for k, i in enumerate(rng.permutation(chosen)):
        true = data.y_train[i]
        label = rng.choice([c for c in classes if c != true]) if rng.random() < .1 else true
        path = folder / data.classes[label] / f"{k:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(data.x_train[i]).save(path)
        rows.append((path.relative_to(folder.parent).as_posix(), data.classes[label], data.classes[true]))
    pd.DataFrame(rows, columns=["file", "label", "y_true"]).to_csv(folder.with_suffix(".csv"), index=False)


def main(images, classes):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for n in images:
            write_folder(folder / str(n), n)
            subprocess.run([sys.executable, __file__, "--folder", folder / str(n)], check=True)
        for c in classes:
            select(folder, c)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="*", default=[25_000, 50_000, 100_000], help="numbers of images")
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 10, 300], help="numbers of classes")
    parser.add_argument("--folder", help="load this folder alone; the benchmark calls itself so")
    parser.add_argument("--photos", type=Path, help="make this folder of photos, and nothing else")
    parser.add_argument("--data_dir", default="data", help="where CIFAR-10 is, for --photos")
    args = parser.parse_args()
    if args.photos:
        write_photos(args.photos, args.data_dir)
    elif args.folder:
        load(args.folder)
    else:
        main(args.images, args.classes)
