"""A person's own images through the scripts: from a folder to networks, and what is not known of them."""
import json
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import SMALL, assert_is_one_line, files_in, shell
from PIL import Image
from test_images import class_folders

import INCV
from noisylabels import cli, data_flags
from noisylabels.theory import GIVEN, Noise
from utils import load_dataset, observed_labels

FEW = ["--image_size", "8", *SMALL[:2], "--threads", "1", "--parallel_halves", "off", "--INCV_epochs", "4",
       "--INCV_iter", "2", "--epochs", "6"]
SCRIPTS = ("INCV", "INCV_main", "Verify_Theory", "sweep")


def shades(root, n=30, wrong=3, size=(8, 6), name="cat"):
    """Two classes of n grey images, dark ones and light ones, of which some lie in the other's folder; the root."""
    rng = np.random.default_rng(0)
    for k in range(2 * n):
        light = k % 2
        folder = root / ("dog" if light != (k < 2 * wrong) else name)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(120 * light, 120 * light + 120, size[::-1], np.uint8)
        Image.fromarray(pixels).save(folder / f"{k:03}.png")
    return root


def experiment(*arguments):
    """The Experiment of a selection, as INCV.py makes it."""
    args = INCV.arguments().parse_args([*map(str, arguments)])
    dataset = load_dataset(args.dataset, args.data_dir, **data_flags.load_options(args))
    noise = data_flags.noise_of(args, dataset)
    return cli.selection_experiment(args, dataset, observed_labels(dataset, noise, args.seed), noise)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of images, the results of INCV_main.py on it, and how the call ended."""
    root = tmp_path_factory.mktemp("own")
    shades(root / "pets")
    return root / "pets", root / "results", shell("INCV_main", "--dataset", root / "pets", *FEW, "--results_dir",
                                                  root / "results")


# ------------------------------------------------------------------------------------------------- from end to end

@pytest.mark.runs
def test_a_folder_becomes_a_selection_and_networks(trained):
    folder, results, ended = trained
    assert ended.code == 0, ended.err
    run = results / "pets" / "given"
    frame = pd.read_csv(run / "pets_given_INCV_results.csv")
    assert list(frame) == ["y", "y_noisy", "select", "candidate", "eval_ratio"]
    assert len(frame) == 48 and frame.y.isna().all() and frame.y_noisy.isin([0, 1]).all() and frame.select.any()
    assert json.loads((run / "classes.json").read_text()) == ["cat", "dog"]
    assert (run / "incv_1.keras").exists() and (run / "incv_2.keras").exists()
    assert not (results / "pets/unreadable.csv").exists()


@pytest.mark.runs
def test_nothing_looks_as_if_the_truth_were_known(trained):
    _, results, ended = trained
    run = results / "pets" / "given"
    iterations = pd.read_csv(run / "INCV_iterations.csv")
    assert iterations[["LP", "LR"]].isna().all(axis=None)
    log = pd.read_csv(run / "incv_training.csv")
    assert not [name for name in log if "test_accuracy" in name or "clean" in name or "noisy" in name
                or "precision" in name]
    assert log.test_agreement_1.between(0, 1).all() and log.loss_all_1.notna().all()
    assert (pd.read_csv(run / "incv_result.csv").test_labels == "given").all()
    record = json.loads((run / "incv_training.json").read_text())
    assert record["arguments"]["noise_ratio"] is None and record["arguments"]["selection"]["LP"] is None
    assert record["results"]["test_labels"] == "given"
    assert "how many labels are wrong is not known" in ended.out and "as noisy as the rest" in ended.out
    for word in ("label precision", "label recall", "LP", "nan", "test accuracy"):
        assert word not in ended.out, word
    table = (results / "pets/table.md").read_text()
    assert "†: agreement with test labels that are as noisy as the rest, not accuracy." in table and "(1) †" in table
    assert (pd.read_csv(results / "pets/table.csv").test_labels == "given").all()
    assert not (results / "pets/INCV.png").exists() and (results / "pets/TestAcc.png").exists()


@pytest.mark.runs
def test_the_network_predicts_a_folder(trained, call, unstarted, tmp_path):
    folder, results, _ = trained
    ended = call("predict", results / "pets/given/incv_1.keras", folder, "--output", tmp_path / "p.csv")
    assert ended.code == 0 and len(pd.read_csv(tmp_path / "p.csv")) == 60


@pytest.mark.runs
def test_the_report_is_drawn_anew(trained, call):
    _, results, _ = trained
    (results / "pets/table.md").unlink()
    assert call("report", "--results_dir", results).code == 0 and (results / "pets/table.md").exists()


@pytest.mark.runs
def test_other_images_of_the_same_name_are_another_data_set(trained, call, no_tensorflow, tmp_path):
    folder, results, _ = trained
    again = call("INCV", "--dataset", folder, *FEW[:-2], "--results_dir", results)
    assert again.code == 0 and "selected" in again.out
    shades(tmp_path / "pets", wrong=4)
    ended = call("INCV", "--dataset", tmp_path / "pets", *FEW[:-2], "--results_dir", results)
    assert ended.code == 2 and "is of a run with other arguments: data (found " in ended.err


# ----------------------------------------------------------------------------------------------------- what a run is

def test_a_path_is_what_has_a_separator_or_is_no_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(shades(tmp_path / "digits").parent)
    assert load_dataset("digits").n_classes == 10
    assert load_dataset("./digits", report=str).classes == ("cat", "dog")
    (tmp_path / "digits").rename(tmp_path / "pets")
    assert load_dataset("pets", report=str).name == "pets"


@pytest.mark.parametrize("change", ["label", "pixel", "file", "split", "size"])
def test_the_identity_is_that_of_the_content(change, tmp_path):
    """A record of labels as given says which they are, and of which images."""
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
        flags = ["--test_split", ".3"] if change == "split" else ["--image_size", 16]
    assert experiment("--dataset", root, "--results_dir", tmp_path, *flags).identity["data"] != first.identity["data"]


def test_seeds_share_the_test_set(tmp_path):
    """So that they are of the same images, as those of other data sets are."""
    first, second = (experiment("--dataset", shades(tmp_path / "pets"), "--results_dir", tmp_path, "--seed", seed)
                     for seed in (0, 1))
    assert first.dataset.files == second.dataset.files and first.identity["data"] == second.identity["data"]
    assert second.folder == tmp_path / "pets/given/seed1"


def test_where_the_truth_is_known_the_noise_is_measured(tmp_path):
    shades(tmp_path / "pets")
    rows = [(f"{path.parent.name}/{path.name}", path.parent.name, "cat" if int(path.stem) % 2 == 0 else "dog")
            for path in sorted((tmp_path / "pets").rglob("*.png"))]
    pd.DataFrame(rows, columns=["file", "label", "y_true"]).to_csv(tmp_path / "pets/pets.csv", index=False)
    known = experiment("--dataset", tmp_path / "pets/pets.csv", "--results_dir", tmp_path)
    wrong = float(np.mean(known.y_noisy != known.dataset.y_train))
    assert 0 < wrong < .2 and known.wrong == known.identity["noise_ratio"] == wrong
    np.testing.assert_allclose(known.T.sum(axis=1), 1)
    assert known.noise == Noise(GIVEN) and str(known).split("\n")[1].startswith("noise given, 5 labels wrong (0.104)")
    flipped = experiment("--dataset", tmp_path / "pets/pets.csv", "--results_dir", tmp_path, "--noise_pattern", "asym",
                         "--noise_ratio", 1)
    assert (flipped.y_noisy == 1 - flipped.dataset.y_train).all()
    assert flipped.folder == tmp_path / "pets/asym/1.0"


@pytest.mark.parametrize("flags, told", [([], "asym"), (["--assumed_pattern", "sym"], "sym")])
def test_what_the_algorithm_is_told_of_labels_as_given(flags, told, tmp_path):
    selecting = experiment("--dataset", shades(tmp_path / "pets"), "--results_dir", tmp_path, *flags)
    assert selecting.assumed_pattern == selecting.identity["assumed_pattern"] == told


def test_labels_that_are_trusted_can_be_flipped(tmp_path):
    flags = ["--dataset", shades(tmp_path / "pets"), "--results_dir", tmp_path, "--trust_labels"]
    trusted = experiment(*flags, "--noise_ratio", ".25")
    assert trusted.noise == Noise("sym", .25) and trusted.dataset.clean_test
    assert 0 < trusted.wrong == .25 and (trusted.y_noisy != trusted.dataset.y_train).mean() < .5


@pytest.mark.parametrize("n, batch, rate", [(30, 2, 2 / 128), (100, 8, 8 / 128), (330, 32, 32 / 128)])
def test_batches_of_few_images_are_small(n, batch, rate, tmp_path):
    """Of a half of 24, 80 and 264 training images; eight steps an epoch, or a batch of two."""
    x = np.zeros((2 * n, 4, 4), np.uint8)
    np.savez(tmp_path / "few.npz", x=x, y=np.arange(2 * n) % 2)
    few = experiment("--dataset", tmp_path / "few.npz", "--results_dir", tmp_path).settings
    usual = experiment("--results_dir", tmp_path, "--recipe", "fast").settings
    assert few.batch_size == batch and few.learning_rate == pytest.approx(usual.learning_rate * rate)
    chosen = experiment("--dataset", tmp_path / "few.npz", "--results_dir", tmp_path, "--batch_size", 8).settings
    assert (chosen.batch_size, chosen.learning_rate) == (8, usual.learning_rate)


def test_letters_are_shifted_but_not_mirrored(tmp_path):
    flags = ["--dataset", class_folders(tmp_path / "abc", a=8, b=8), "--results_dir", tmp_path]
    photos, letters = experiment(*flags).settings, experiment(*flags, "--no_mirror").settings
    assert (photos.augmentation, photos.mirror) == ("translate_flip", True)
    assert (letters.augmentation, letters.mirror) == ("translate", False)
    assert experiment(*flags, "--image_size", 8).settings.augmentation == "flip"


# ------------------------------------------------------------------------------------------- labels for a data set

def test_labels_from_a_file_are_given_and_those_of_the_data_set_the_truth(tmp_path):
    y = load_dataset("digits").y_train
    noisy = np.where(np.arange(len(y)) % 4 == 0, (y + 1) % 10, y)
    np.savez(tmp_path / "labels.npz", worse=noisy, clean_label=y)
    given = experiment("--noisy_labels", f"{tmp_path}/labels.npz#worse", "--results_dir", tmp_path)
    assert (given.y_noisy == noisy).all() and (given.dataset.y_train == y).all() and given.dataset.clean_test
    assert given.noise == Noise(GIVEN) and given.wrong == np.mean(noisy != y) and given.assumed_pattern == "asym"
    assert given.folder == tmp_path / "digits/given"
    np.save(tmp_path / "other.npy", np.roll(noisy, 1))
    other = experiment("--noisy_labels", tmp_path / "other.npy", "--results_dir", tmp_path)
    assert other.identity["labels"] != given.identity["labels"]


# ------------------------------------------------------------------------------------------------------- bad input

def broken(root):
    """Folders, CSVs and arrays of all bad kinds, and what the line says of each: {path or flags: pattern}."""
    def own(name, **classes):
        return class_folders(root / name, **classes)

    def table(name, text):
        (own(name, a=4, b=4) / "labels.csv").write_text(text)
        return root / name / "labels.csv"

    (root / "empty").mkdir(parents=True)
    own("single", a=5)
    (own("text", a=4, b=4) / "a/00.png").write_text("no image")
    cut = own("truncated", a=4, b=4) / "b/00.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-2000])
    Image.new("1", (20_000, 20_000)).save(own("huge", a=4, b=4) / "a/large.png")
    odd = own("odd", b=5) / 'a, "quoted"\nline'
    odd.mkdir()
    Image.new("L", (4, 4)).save(odd / "0.png")
    loop = own("loop", a=5) / "b"
    loop.mkdir()
    (loop / "self").symlink_to(loop)
    np.savez(root / "objects.npz", x=np.zeros((10, 4, 4), np.uint8), y=np.array([{}] * 10))
    files = [f"{c}/{k:02}.png" for c in "ab" for k in range(4)]
    np.save(root / "short.npy", np.zeros(5, int))
    return {
        root / "empty": "holds no images: put those of each class into a folder",
        root / "single": "one class alone, a: give images of two or more",
        root / "text": r"1 of 8 images cannot be read, such as 'a/00.png' \(no image.*mend or remove",
        root / "truncated": r"1 of 9 images cannot be read, such as 'b/00.jpg'.*truncated.*mend or remove",
        root / "huge": r"a/large.png.*400000000 pixels\) exceeds limit.*mend or remove",
        root / "odd": r"the class 'a, \"quoted\"\\nline' has .* a line break.*rename it",
        root / "loop": "one class alone, a",
        root / "objects.npz": "y holds Python objects, which are not read: save it",
        table("lacking", "file,label\n" + "\n".join(f"{file},a" for file in files[:-1]) + f"\n{files[-1]},"):
            "line 9 has no label; add it, or remove the line",
        table("extra", "file,label\n" + "\n".join(f"{file},{file[0]}" for file in [*files, "a/99.png"])):
            r"1 of 9 images cannot be read, such as 'a/99.png' \(missing",
        table("fields", "file,label\na/00.png,a,b\n"): "line 2: 3 fields where the first line has 2",
        root / "missing": "unknown data set .*|is no data set that is there",
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_bad_images(script, call, no_tensorflow, tmp_path):
    """One line, exit code 2, and nothing but the list of what cannot be read."""
    for k, (path, pattern) in enumerate(broken(tmp_path / "own").items()):
        results = tmp_path / str(k)
        ended = call(script, "--dataset", path, "--results_dir", results)
        last = ended._replace(out="", err=ended.err.splitlines(True)[-1])
        assert_is_one_line(last, pattern)
        assert {file.split("/")[-1] for file in files_in(results)} <= {"unreadable.csv"}, path
        assert ("cannot be read" in ended.err) == bool(files_in(results)), path


FLAGS = [
    (["--image_size", "16"], "--image_size: it is for own images, by their path, and digits is none: leave it out"),
    (["--trust_labels"], "--trust_labels: it is for own images"),
    (["--noise_pattern", "given"], "--noise_pattern: .* give --noisy_labels"),
    (["--noisy_labels", "SHORT"], r"of shape \(5,\)"),
    (["--noisy_labels", "LONG", "--noise_pattern", "sym"], "--noisy_labels: these labels are taken as given: leave it"),
    (["--noisy_labels", "missing.npy"], "is missing or no file"),
    (["--dataset", "OWN", "--noise_pattern", "sym"], "which labels of pets are true is not known: give y_true"),
    (["--dataset", "OWN", "--noise_ratio", "0.2"], "--noise_ratio: .* none is flipped: leave it out"),
    (["--dataset", "OWN", "--image_size", "3"], "--image_size: '3' is not a whole number of at least 4"),
    (["--dataset", "OWN", "--label_column", "x"], "choose columns of a .csv: leave them out"),
]
TRAINING = [
    (["--method", "co_teaching"], "co_teaching is told the noise ratio, which is not known.*--co_teaching_noise_ratio"),
    (["--method", "f_correction", "--f_correction_T", "true"], "the true matrix of these labels is not known"),
]


@pytest.mark.parametrize("script, flags, pattern", [("INCV", *row) for row in FLAGS]
                         + [("INCV_main", "--dataset OWN".split() + flags, pattern) for flags, pattern in TRAINING]
                         + [("Verify_Theory", ["--dataset", "OWN"], "added to true labels, and which labels of pets")])
def test_bad_flags(script, flags, pattern, call, no_tensorflow, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(5, int))
    np.save(tmp_path / "long.npy", np.arange(1437) % 10)
    places = {"OWN": shades(tmp_path / "pets"), "SHORT": tmp_path / "short.npy", "LONG": tmp_path / "long.npy"}
    ended = call(script, *(places.get(flag, flag) for flag in flags), "--results_dir", tmp_path / "results")
    assert_is_one_line(ended._replace(out=""), pattern)
    assert not (tmp_path / "results").exists()


def test_what_cannot_be_read_is_listed_and_left_out(tmp_path):
    (shades(tmp_path / "pets", n=40) / "cat" / "0.png").write_text("no image")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = experiment("--dataset", tmp_path / "pets", "--results_dir", tmp_path / "results")
    assert "1 of 81 images cannot be read" in str(caught[0].message) and len(found.y_noisy) <= 64
    listed = pd.read_csv(tmp_path / "results/pets/unreadable.csv")
    assert listed.file.tolist() == ["cat/0.png"] and os.listdir(tmp_path / "results/pets") == ["unreadable.csv"]
