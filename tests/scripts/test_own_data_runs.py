"""Custom images in the scripts: identity, noise, settings, label files, report."""

import numpy as np
import pandas as pd
import pytest
from experiments import experiment
from image_sets import class_folders, shades
from PIL import Image
from records import write_training

from noisylabels.errors import UserError
from noisylabels.noise import PROVIDED, Noise
from noisylabels.report import aggregate, draw, figures
from utils import load_dataset

pytestmark = pytest.mark.runs


def test_path_has_a_separator_or_is_no_data_set_name(tmp_path, monkeypatch):
    monkeypatch.chdir(shades(tmp_path / "digits").parent)
    assert load_dataset("digits").n_classes == 10
    with pytest.raises(
        UserError, match="digits is the name of a built-in one, .*: rename yours, or give a"
    ):
        load_dataset("./digits", report=str)
    (tmp_path / "digits").rename(tmp_path / "pets")
    assert load_dataset("pets", report=str).name == "pets"


@pytest.mark.parametrize("change", ["label", "pixel", "file", "size"])
def test_identity_depends_on_images_and_labels(change, tmp_path):
    first = experiment("--dataset", shades(tmp_path / "a" / "pets"), "--results_dir", tmp_path)
    flags, root = [], shades(tmp_path / "b" / "pets")
    assert experiment("--dataset", root, "--results_dir", tmp_path).identity == first.identity
    if change == "label":
        (root / "cat" / "020.png").rename(root / "dog" / "020.png")
    elif change == "pixel":
        Image.new("L", (8, 6), 7).save(root / "cat" / "020.png")
    elif change == "file":
        (root / "cat" / "020.png").rename(root / "cat" / "0200.png")
    else:
        flags = ["--image_size", 16]
    assert (
        experiment("--dataset", root, "--results_dir", tmp_path, *flags).identity["data"]
        != first.identity["data"]
    )


def test_seeds_share_the_test_set(tmp_path):
    first, second = (
        experiment(
            "--dataset",
            shades(tmp_path / "pets"),
            "--results_dir",
            tmp_path / "results",
            "--seed",
            seed,
        )
        for seed in (0, 1)
    )
    assert (
        first.dataset.files == second.dataset.files
        and first.identity["data"] == second.identity["data"]
    )
    assert second.folder == tmp_path / "results/pets/given/seed1"


def test_noise_is_measured_if_true_labels_are_known(tmp_path):
    shades(tmp_path / "pets")
    rows = [
        (
            f"{path.parent.name}/{path.name}",
            path.parent.name,
            "cat" if int(path.stem) % 2 == 0 else "dog",
        )
        for path in sorted((tmp_path / "pets").rglob("*.png"))
    ]
    pd.DataFrame(rows, columns=["file", "label", "y_true"]).to_csv(
        tmp_path / "pets/pets.csv", index=False
    )
    known = experiment("--dataset", tmp_path / "pets/pets.csv", "--results_dir", tmp_path)
    wrong = float(np.mean(known.y_noisy != known.dataset.y_train))
    assert 0 < wrong < 0.2 and known.data.noise_rate == known.identity["noise_ratio"] == wrong
    np.testing.assert_allclose(known.data.T.sum(axis=1), 1)
    assert known.noise == Noise(PROVIDED) and str(known).split("\n")[1].startswith(
        "noise given, 6 mislabelled (0.100)"
    )
    flipped = experiment(
        "--dataset",
        tmp_path / "pets/pets.csv",
        "--results_dir",
        tmp_path,
        "--noise_pattern",
        "asym",
        "--noise_ratio",
        1,
    )
    assert (flipped.y_noisy == 1 - flipped.dataset.y_train).all()
    assert flipped.folder == tmp_path / "pets/asym/1.0"


@pytest.mark.parametrize("flags, told", [([], "asym"), (["--assumed_pattern", "sym"], "sym")])
def test_assumed_pattern_of_labels_as_provided(flags, told, tmp_path):
    selecting = experiment(
        "--dataset", shades(tmp_path / "pets"), "--results_dir", tmp_path / "results", *flags
    )
    assert selecting.assumed_pattern == selecting.identity["assumed_pattern"] == told


def test_trusted_labels_can_be_corrupted(tmp_path):
    flags = [
        "--dataset",
        shades(tmp_path / "pets"),
        "--results_dir",
        tmp_path / "results",
        "--trust_labels",
    ]
    trusted = experiment(*flags, "--noise_ratio", ".25")
    assert trusted.noise == Noise("sym", 0.25) and trusted.dataset.clean_test
    assert (
        0 < trusted.data.noise_rate == 0.25
        and (trusted.y_noisy != trusted.dataset.y_train).mean() < 0.5
    )


@pytest.mark.parametrize("n, batch", [(15, 2), (30, 3), (100, 7), (330, 31)])
def test_few_images_make_small_batches(n, batch, tmp_path):
    """An epoch has eight steps, or batches of two samples."""
    x = np.zeros((2 * n, 4, 4), np.uint8)
    np.savez(tmp_path / "few.npz", x=x, y=np.arange(2 * n) % 2)
    few = experiment("--dataset", tmp_path / "few.npz", "--results_dir", tmp_path).settings
    usual = experiment("--results_dir", tmp_path, "--recipe", "fast").settings
    assert few.batch_size == batch and few.learning_rate == usual.learning_rate
    chosen = experiment(
        "--dataset", tmp_path / "few.npz", "--results_dir", tmp_path, "--batch_size", 8
    ).settings
    assert (chosen.batch_size, chosen.learning_rate) == (8, usual.learning_rate)


def test_muon_updates_eight_times_per_epoch_of_digits(tmp_path):
    """Each half has 718 samples."""
    made = experiment("--recipe", "fast", "--results_dir", tmp_path)
    assert (made.settings.batch_size, made.settings.accumulate) == (62, 1)
    assert made.identity["samples"] == 718


def test_no_mirror_shifts_but_does_not_flip(tmp_path):
    flags = [
        "--dataset",
        class_folders(tmp_path / "abc", a=8, b=8),
        "--results_dir",
        tmp_path / "results",
    ]
    photos, letters = experiment(*flags).settings, experiment(*flags, "--no_mirror").settings
    assert (photos.augmentation, photos.flip_tta) == ("translate_alternate", True)
    assert (letters.augmentation, letters.flip_tta) == ("translate", False)
    assert experiment(*flags, "--image_size", 8).settings.augmentation == "alternate"
    for name in ("translate_flip", "translate_alternate"):
        with pytest.raises(UserError, match=f"--no_mirror: --augmentation {name} flips images"):
            experiment(*flags, "--no_mirror", "--augmentation", name)


def test_label_file_is_observed_and_data_set_labels_true(tmp_path):
    y = load_dataset("digits").y_train
    noisy = np.where(np.arange(len(y)) % 4 == 0, (y + 1) % 10, y)
    np.savez(tmp_path / "labels.npz", worse=noisy, clean_label=y)
    given = experiment("--noisy_labels", f"{tmp_path}/labels.npz#worse", "--results_dir", tmp_path)
    assert (
        (given.y_noisy == noisy).all()
        and (given.dataset.y_train == y).all()
        and given.dataset.clean_test
    )
    assert (
        given.noise == Noise(PROVIDED)
        and given.data.noise_rate == np.mean(noisy != y)
        and given.assumed_pattern == "asym"
    )
    assert given.folder == tmp_path / "digits/given"
    np.save(tmp_path / "other.npy", np.roll(noisy, 1))
    other = experiment("--noisy_labels", tmp_path / "other.npy", "--results_dir", tmp_path)
    assert other.identity["labels"] != given.identity["labels"]


def test_label_file_covers_training_and_test_images(tmp_path):
    """Labels follow the sorted paths; folder names are the true labels."""
    root = shades(tmp_path / "pets")
    (root / "cat").rename(root / "dog-wolf")  # whose paths sort before those of dog/
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    own = np.array([file.split("/")[0] for file in files])
    pd.DataFrame(
        {"crowd": np.where(np.arange(60) % 5 == 0, "dog", own), "clean_label": own}
    ).to_csv(tmp_path / "labels.csv", index=False)
    made = experiment(
        "--dataset",
        root,
        "--results_dir",
        tmp_path / "results",
        "--noisy_labels",
        f"{tmp_path}/labels.csv#crowd",
    )
    for file, label, true in zip(
        made.dataset.files, made.y_noisy, made.dataset.y_train, strict=True
    ):
        crowd = "dog" if files.index(file) % 5 == 0 else file.split("/")[0]
        assert (made.dataset.classes[label], made.dataset.classes[true]) == (
            crowd,
            file.split("/")[0],
        )
    assert made.dataset.clean_test and 0 < made.data.noise_rate < 0.2


@pytest.mark.parametrize(
    "flags, noise",
    [
        ([], "given"),
        (["--settings", "given"], "given"),
        (["--settings", "sym:0.2", "--trust_labels"], "sym --noise_ratio 0.2"),
    ],
)
def test_sweep_over_custom_images(flags, noise, call, no_tensorflow, tmp_path):
    own = ["--dataset", shades(tmp_path / "pets"), "--results_dir", tmp_path / "results"]
    ended = call(
        "sweep", *own, "--methods", "standard", "incv", "--seeds", "0", "--dry_run", *flags
    )
    plan = [line for line in ended.out.splitlines() if line.startswith("to do")]
    assert (
        ended.code == 0
        and len(plan) == 3
        and all(f"--noise_pattern {noise} --seed 0" in line for line in plan)
    )


def test_clean_and_noisy_test_labels_are_marked(tmp_path):
    """A mark in each cell shows agreement with noisy labels."""
    write_training(tmp_path / "pets/sym/0.5", "standard", [0.5, 0.75])
    given = tmp_path / "pets/given"
    write_training(given, "standard", [0.5, 0.625])
    log = pd.read_csv(given / "standard_training.csv")
    log.columns = [name.replace("test_accuracy", "test_agreement") for name in log]
    log.to_csv(given / "standard_training.csv", index=False)
    pd.read_csv(given / "standard_result.csv").assign(test_labels="given").to_csv(
        given / "standard_result.csv"
    )
    pd.DataFrame(np.eye(2)).to_csv(given / "f_correction_T.csv")
    assert given / "f_correction_T.png" in draw.everything(tmp_path, "pets")
    text = (tmp_path / "pets/table.md").read_text()
    assert "| sym 0.5 | given |" in text and "| 75.00 (1) | 62.50 (1) † |" in text
    assert pd.read_csv(tmp_path / "pets/table.csv").test_labels.fillna("true").tolist() == [
        "true",
        "given",
    ]
    curves = {("standard", ""): aggregate.over_seeds([pd.Series([0.5, 0.6])])}
    figure = figures.test_accuracy(
        {Noise("sym", 0.5): curves, Noise(PROVIDED): curves}, {Noise(PROVIDED)}
    )
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "test accuracy",
        "agreement with noisy test labels",
    ]
