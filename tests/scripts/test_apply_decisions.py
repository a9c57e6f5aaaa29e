"""Corrected copies of folders and CSVs by apply_decisions.py, and other tools that read them."""

import csv
import os
import unicodedata

import pandas as pd
import pytest
from helpers import assert_is_one_line
from PIL import Image

import apply_decisions
from noisylabels.data import images
from noisylabels.pipeline import corrected_copy

HEADER = ["index", "file", "given_label", "decision", "new_label"]
ROWS = [
    [0, "cat/1.png", "cat", "relabel", "dog"],
    [1, "cat/2.png", "cat", "drop", ""],
    [5, "dog/2.png", "dog", "keep", ""],
    [6, "dog/3.png", "dog", "unsure", ""],
]
COPIES = {  # path in the copy: path in the data set
    "cat/3.png": "cat/3.png",
    "cat/sub/4.png": "cat/sub/4.png",
    "dog/1.png": "dog/1.png",
    "dog/1_2.png": "cat/1.png",
    "dog/2.png": "dog/2.png",
    "dog/3.png": "dog/3.png",
    "dog/sub/4.png": "dog/sub/4.png",
}


def write_csv(path, rows, header=HEADER):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def make_classes(root, shade=0):
    """Write three images and one in a subfolder for each of two classes, all different."""
    for label in ("cat", "dog"):
        for name in ("1.png", "2.png", "3.png", "sub/4.png"):
            path = root / label / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)
            shade += 1
    return root


def contents(root):
    """Return {path: content} of all files in a folder."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def pets(tmp_path):
    """Write a data set of two classes, with decisions on it."""
    write_csv(tmp_path / "decisions.csv", ROWS)
    return make_classes(tmp_path / "pets")


@pytest.fixture
def apply(call, tmp_path):
    def apply(output, *flags, dataset="pets", decisions="decisions.csv"):
        named = ["--dataset", dataset, "--decisions", decisions, "--output", output]
        for k in (1, 3, 5):
            named[k] = tmp_path / named[k]
        return call("apply_decisions", *named, *flags)

    return apply


# --- folders ---


@pytest.mark.parametrize("link", [False, True])
def test_folder_is_copied_with_corrected_labels(link, pets, apply, tmp_path):
    before = contents(pets)
    ended = apply("out", *["--link"] * link)
    assert (ended.code, ended.err) == (0, "")
    found = contents(tmp_path / "out")
    metadata = pd.read_csv(tmp_path / "out/metadata.csv")
    assert found.pop("metadata.csv")
    assert found == {name: before[source] for name, source in COPIES.items()}
    assert dict(zip(metadata.file_name, metadata.source)) == COPIES
    assert list(metadata.label) == [name.split("/")[0] for name in metadata.file_name]
    assert contents(pets) == before
    same = os.path.samefile(tmp_path / "out/dog/1_2.png", pets / "cat/1.png")
    assert same == link
    assert not list(tmp_path.glob(".*"))


def test_changes_are_counted_per_class(pets, apply):
    out = apply("out").out
    rows = [line.split() for line in out.splitlines()]
    assert "class before dropped moved out moved in after".split() in rows
    assert ["cat", "4", "1", "1", "0", "2"] in rows and ["dog", "4", "0", "0", "1", "5"] in rows
    assert ["all", "8", "1", "1", "1", "7"] in rows
    assert "1 kept, 1 dropped, 1 relabelled, 1 unsure" in out
    assert "7 copies and metadata.csv; renamed, because another image has the name: 1" in out


def test_copy_is_a_data_set_without_warnings(pets, apply, tmp_path, recwarn):
    apply("out")
    data = images.load(tmp_path / "out", report=str)
    assert data.classes == ("cat", "dog") and not [*recwarn]


def test_parts_stay_apart(pets, apply, tmp_path):
    make_classes(tmp_path / "both/train")
    make_classes(tmp_path / "both/test", shade=9)
    decisions = [
        [0, "train/cat/1.png", "cat", "relabel", "dog"],
        [0, "test/dog/1.png", "dog", "drop", ""],
    ]
    write_csv(tmp_path / "both.csv", decisions)
    assert apply("out", dataset="both", decisions="both.csv").code == 0
    train, test = (pd.read_csv(tmp_path / f"out/{part}/metadata.csv") for part in ("train", "test"))
    assert len(train) == 8 and len(test) == 7
    assert dict(zip(train.file_name, train.source))["dog/1_2.png"] == "train/cat/1.png"
    assert "test/dog/1.png" not in set(test.source) and (tmp_path / "out/test/cat/1.png").exists()


def test_labels_of_a_file_are_corrected(pets, apply, tmp_path):
    """The decisions are on the labels of --noisy_labels, not on those of the folders."""
    files = sorted(p.relative_to(pets).as_posix() for p in pets.rglob("*.png"))
    write_csv(tmp_path / "noisy.csv", [[file, "dog"] for file in files], ["file", "label"])
    write_csv(tmp_path / "decisions.csv", [[0, "cat/1.png", "dog", "relabel", "cat"]])
    assert apply("out", "--noisy_labels", tmp_path / "noisy.csv").code == 0
    metadata = pd.read_csv(tmp_path / "out/metadata.csv").set_index("source")
    assert metadata.label.value_counts().to_dict() == {"dog": 7, "cat": 1}
    assert metadata.file_name["cat/1.png"] == "cat/1.png"


# --- CSVs ---


def test_csv_keeps_its_columns(pets, apply, tmp_path):
    rows = [
        ["x,1", f"{label}/{name}", label] for label in ("cat", "dog") for name in ("1.png", "2.png")
    ]
    write_csv(pets / "own.csv", rows, ["note", "image", "class"])
    write_csv(tmp_path / "decisions.csv", [[9, *row[1:]] for row in ROWS[:3]])
    assert apply("pets/new.csv", dataset="pets/own.csv").code == 0
    expected = [
        ["x,1", "cat/1.png", "dog"],
        ["x,1", "dog/1.png", "dog"],
        ["x,1", "dog/2.png", "dog"],
    ]
    text = (pets / "new.csv").read_text()
    assert [*csv.reader(text.splitlines())] == [["note", "image", "class"], *expected]
    assert apply("new.csv", dataset="pets/own.csv").code == 0
    assert list(pd.read_csv(tmp_path / "new.csv").image) == [f"pets/{row[1]}" for row in expected]


def test_csv_becomes_a_folder(pets, apply, tmp_path):
    """Files outside the folder of a CSV have absolute paths, and keep their name only."""
    rows = [
        ["cat/1.png", "cat"],
        [pets / "cat/2.png", "cat"],
        ["dog/sub/4.png", "cat"],
        ["dog/1.png", "dog"],
    ]
    write_csv(pets / "own.csv", rows, ["file", "label"])
    write_csv(tmp_path / "decisions.csv", [[0, "cat/1.png", "cat", "relabel", "dog"]])
    assert apply("out", dataset="pets/own.csv").code == 0
    copies = {*contents(tmp_path / "out")} - {"metadata.csv"}
    assert copies == {"dog/1_2.png", "cat/2.png", "cat/dog/sub/4.png", "dog/1.png"}


def test_folder_becomes_a_csv(pets, apply, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    assert apply("out.csv").code == apply("elsewhere/out.csv").code == 0
    near, far = pd.read_csv(tmp_path / "out.csv"), pd.read_csv(tmp_path / "elsewhere/out.csv")
    assert [*near] == ["file_name", "label"] and near.file_name[0] == "pets/cat/1.png"
    assert far.file_name[0] == str(pets / "cat/1.png") and (far.label == near.label).all()
    data = images.load(tmp_path / "elsewhere/out.csv", test_split=0.3, report=str)
    assert data.n_classes == 2


# --- what is refused ---


REFUSED = {
    "existing folder": (["pets"], {}, "--output: .*pets exists, and nothing is overwritten"),
    "existing CSV": (["decisions.csv"], {}, "exists, and nothing is overwritten"),
    "inside the data set": (["pets/new"], {}, "new is inside --dataset"),
    "no parent": (["no/where"], {}, "there is no folder .*no: create it"),
    "link of a CSV": (["new.csv", "--link"], {}, "--link: a .csv has no images to link"),
    "npz": (["new"], {"dataset": "pets.npz"}, "pets.npz is not a folder or .csv of image files"),
    "other labels": (
        ["new"],
        {"decisions": "other.csv"},
        "its given_label is 'dog', but here it is 'cat'",
    ),
    "all dropped": (
        ["new"],
        {"decisions": "all.csv"},
        "drops all images: nothing is left to write",
    ),
    "no decisions": (["new"], {"decisions": "no.csv"}, "no.csv is not a file"),
    "mistyped flag": (["new", "--lnik"], {}, "--lnik; did you mean --link?"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_calls_write_nothing(kind, pets, apply, tmp_path):
    write_csv(tmp_path / "other.csv", [[0, "cat/1.png", "dog", "keep", ""]])
    everything = [[0, name, name[:3], "drop", ""] for name in contents(pets)]
    write_csv(tmp_path / "all.csv", everything)
    before = contents(tmp_path)
    output, options, message = REFUSED[kind]
    assert_is_one_line(apply(*output, **options), message)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["a/b", ".hidden", "con:", "Thumbnails"])
def test_class_that_is_no_folder_name(name, pets, apply, tmp_path):
    write_csv(pets / "own.csv", [["cat/1.png", "cat"], ["dog/1.png", name]], ["file", "label"])
    write_csv(tmp_path / "decisions.csv", [])
    assert_is_one_line(
        apply("out", dataset="pets/own.csv"), "cannot be the name of a folder: write a .csv"
    )
    assert apply("out.csv", dataset="pets/own.csv").code == 0


def test_missing_image_leaves_no_copy(pets, apply, tmp_path):
    write_csv(pets / "own.csv", [["cat/1.png", "cat"], ["dog/0.png", "dog"]], ["file", "label"])
    write_csv(tmp_path / "decisions.csv", [])
    assert_is_one_line(apply("out", dataset="pets/own.csv"), "dog/0.png: No such file")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_links_to_another_disk_are_refused(pets, apply, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(corrected_copy.os, "link", fail)
    assert_is_one_line(
        apply("out", "--link"), "pets/cat/1.png: Invalid cross-device link; leave --link out"
    )
    assert not (tmp_path / "out").exists()


def test_help_says_what_is_copied():
    text = " ".join(apply_decisions.build_parser().format_help().split())
    assert "it must not exist yet" in text and "(default: None)" not in text


# --- other tools ---


def test_hugging_face_reads_copies(pets, apply, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    make_classes(tmp_path / "both/train")
    make_classes(tmp_path / "both/test", shade=9)
    write_csv(tmp_path / "both.csv", [[0, "train/cat/1.png", "cat", "relabel", "dog"]])
    apply("out")
    apply("pets/metadata.csv")
    apply("out_of_both", dataset="both", decisions="both.csv")

    def load(folder):
        return datasets.load_dataset(
            "imagefolder", data_dir=str(tmp_path / folder), cache_dir=str(tmp_path / "cache")
        )

    copy, original, both = load("out")["train"], load("pets")["train"], load("out_of_both")
    assert sorted(copy["label"]) == ["cat"] * 2 + ["dog"] * 5 == sorted(original["label"])
    by_source = dict(zip(copy["source"], copy))
    assert by_source["cat/1.png"]["label"] == "dog"
    assert by_source["cat/1.png"]["image"].getpixel((0, 0)) == (0, 0, 0)
    assert (len(both["train"]), len(both["test"])) == (8, 8)
    assert dict(zip(both["train"]["source"], both["train"]["label"]))["train/cat/1.png"] == "dog"


def test_fiftyone_reads_copies(pets, apply, tmp_path):
    """Use FiftyOne's readers, which need no database."""
    importers = pytest.importorskip("fiftyone.utils.data.importers")
    from fiftyone.utils.csv import CSVDatasetImporter

    apply("out")
    out = tmp_path / "out"
    tree = importers.ImageClassificationDirectoryTreeImporter(dataset_dir=str(out))
    tree.setup()
    labels = {os.path.relpath(path, out): label.label for path, _, label in tree}
    assert labels == {name: name.split("/")[0] for name in COPIES}
    table = CSVDatasetImporter(
        data_path=str(out), labels_path=str(out / "metadata.csv"), media_field="file_name"
    )
    table.setup()
    assert {os.path.relpath(sample.filepath, out): sample["label"] for sample in table} == labels


def test_names_in_another_unicode_form_are_found(pets, apply, tmp_path):
    (pets / "cat/1.png").rename(pets / f"cat/{unicodedata.normalize('NFD', 'é')}.png")
    write_csv(tmp_path / "decisions.csv", [[0, "cat/é.png", "cat", "drop", ""]])
    assert "1 dropped" in apply("out").out
