"""Folders that are not classes, system folders, and Unicode forms of names."""

import unicodedata
import warnings

import numpy as np
import pytest
from image_sets import class_folders, complaint, load, picture, table
from PIL import Image

from noisylabels.data import images
from noisylabels.data.image_folders import images_within

SPLIT = "rename the training set to train/ and the test set to test/"


@pytest.mark.parametrize(
    "parts",
    [
        ("dev", "train"),
        ("fold_0", "fold_1", "fold_2"),
        ("Test", "Train"),
        ("a", "b"),
        ("test", "val"),
    ],
)
def test_folders_with_equal_subfolders_are_splits(parts, tmp_path):
    for part in parts:
        class_folders(tmp_path / "own" / part, cat=3, dog=3)
    message = complaint(tmp_path / "own")
    assert (
        f"{'/, '.join(parts)}/ hold no images, but the same folders (cat, dog), like parts"
        in message
    )
    assert SPLIT in message and "list files and labels in a .csv" in message


def test_folders_with_other_subfolders_are_not_classes(tmp_path):
    class_folders(tmp_path / "own/animals", cat=3, dog=3)
    class_folders(tmp_path / "own/things", car=3, ship=3, tree=3)
    message = complaint(tmp_path / "own")
    assert (
        "animals/, things/ hold no images, but folders of images (such as car, ship, tree)"
        in message
    )
    assert SPLIT in message


@pytest.mark.parametrize("flat", ["unlabeled", "masks"])
def test_mixed_folder_levels_are_an_error(flat, tmp_path):
    class_folders(tmp_path / "own/train", cat=3, dog=3)
    class_folders(tmp_path / "own", **{flat: 4})
    message = complaint(tmp_path / "own")
    assert (
        f"some folders hold images ({flat}/), others hold folders of images (train/ with cat, dog)"
        in message
    )
    assert f"give {tmp_path / 'own/train'} alone, or {SPLIT}" in message


def test_split_that_lacks_classes_is_a_split(tmp_path):
    class_folders(tmp_path / "own/fold_0", cat=3, dog=3)
    class_folders(tmp_path / "own/fold_1", cat=3)
    assert "fold_0/, fold_1/ hold no images, but folders of images (such as cat, dog)" in complaint(
        tmp_path / "own"
    )


@pytest.mark.parametrize("within", ["photos", "data/photos"])
def test_single_top_folder_is_an_error(within, tmp_path):
    """Archives are often unpacked into such a folder."""
    class_folders(tmp_path / "own" / within, cat=3, dog=3)
    expected = (
        f"own holds images only in {within}/, in folders (cat, dog): give "
        f"{tmp_path / 'own' / within} if "
        "these are the classes"
    )
    assert complaint(tmp_path / "own").endswith(expected)
    class_folders(tmp_path / "own/__MACOSX" / within, cat=3)
    assert complaint(tmp_path / "own").endswith(expected)


def test_splits_within_train_and_test(tmp_path):
    for part in ("train", "test"):
        for fold in ("fold_0", "fold_1"):
            class_folders(tmp_path / "own" / part / fold, cat=3, dog=3)
    assert "own/train: fold_0/, fold_1/ hold no images, but the same folders" in complaint(
        tmp_path / "own"
    )


def test_classes_with_one_subfolder_are_classes(tmp_path):
    """Tiny ImageNet has this layout."""
    for name in ("cat", "dog"):
        class_folders(tmp_path / "own" / name, images=5)
    assert load(tmp_path / "own")[0].classes == ("cat", "dog")
    for name in ("cat", "dog"):
        picture(tmp_path / "own" / name / "0.png")
        picture(tmp_path / "own" / name / "more/0.png")
    assert len(load(tmp_path / "own")[0].given) == 14


def noise(path, colours=256):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, colours, (20, 20), np.uint8)).save(path)


def test_folder_of_masks_is_not_a_class(tmp_path):
    for k in range(5):
        noise(tmp_path / f"photos/{k}.jpg")
        noise(tmp_path / f"truth/{k}.png", 2)
    with pytest.warns(
        UserWarning,
        match="truth and photos hold files of the same names, and the images of truth have",
    ):
        images.load(tmp_path, report=str)
    noise(tmp_path / "truth/5.png", 2)  # other names: classes like any others
    load(tmp_path)


def test_images_of_few_colours_are_classes(tmp_path):
    for k in range(5):
        noise(tmp_path / f"zero/{k}.png", 2)
        noise(tmp_path / f"one/{k}.png", 2)
    load(tmp_path)


@pytest.mark.parametrize("place", ["", "a"])
@pytest.mark.parametrize(
    "name",
    [
        "@eaDir",
        "$RECYCLE.BIN",
        ".thumbnails",
        "Thumbnails",
        "__MACOSX",
        "lost+found",
        "System Volume Information",
    ],
)
def test_system_folders_are_skipped_and_named(name, place, tmp_path):
    class_folders(tmp_path, a=5, b=5)
    picture(tmp_path / place / name / "x/0.png")
    with pytest.warns(UserWarning) as caught:
        found = images.load(tmp_path, report=str)
    assert found.classes == ("a", "b") and len(found.given) == 10
    assert [str(warning.message) for warning in caught] == [
        f"{tmp_path}: system folders left out (1): {name}"
    ]


def test_many_system_folders_are_one_line(tmp_path):
    class_folders(tmp_path, a=5, b=5)
    for folder in ("a/@eaDir", "b/@eaDir", "lost+found"):
        picture(tmp_path / folder / "0.png")
    with pytest.warns(UserWarning, match="system folders left out .3.: @eaDir, lost") as caught:
        images.load(tmp_path, report=str)
    assert len(caught) == 1


@pytest.mark.parametrize("disk, written", [("NFD", "NFC"), ("NFC", "NFD")])
def test_files_are_found_in_another_unicode_form(disk, written, tmp_path):
    """Archives made on a Mac have such names. Outputs keep the CSV's names."""
    names = [f"fotos é/Straße ü{k}.png" for k in range(8)]
    for k, name in enumerate(names):
        picture(tmp_path / unicodedata.normalize(disk, name), k)
    rows = [(unicodedata.normalize(written, name), "ab"[k % 2]) for k, name in enumerate(names)]
    data, _ = load(table(tmp_path / "own.csv", ("file", "label"), rows))
    assert {*data.files} == {name for name, _ in rows} and len(data.files) == 8
    assert all(image[0, 0, 0] == int(file[-5]) for image, file in zip(data.x_train, data.files))
    rows.append((unicodedata.normalize(disk, names[3]), "a"))
    assert "line 10 names 'fotos " in (
        said := complaint(table(tmp_path / "own.csv", ("file", "label"), rows))
    )
    assert "again, after line 5" in said


def test_files_differing_in_unicode_form_stay_two(tmp_path):
    names = [unicodedata.normalize(form, f"é{k}.png") for form in ("NFC", "NFD") for k in range(4)]
    for k, name in enumerate(names):
        picture(tmp_path / name, k)
    data, _ = load(
        table(
            tmp_path / "own.csv", ("file", "label"), [(n, "ab"[k % 2]) for k, n in enumerate(names)]
        )
    )
    assert [image[0, 0, 0] for image in data.x_train] == [names.index(file) for file in data.files]


def test_structure_warnings_point_at_the_caller(tmp_path):
    class_folders(tmp_path, a=5, b=5, A=5)
    picture(tmp_path / "@eaDir/0.png")
    for k in range(5):
        noise(tmp_path / f"a/0{k}.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        images.load(tmp_path, report=str)
    assert len(caught) == 3 and {warning.filename for warning in caught} == {__file__}


def test_files_without_a_class_in_train_and_test_are_counted(tmp_path):
    for part in ("train", "test"):
        class_folders(tmp_path / part, a=2, b=2)
        picture(tmp_path / part / "loose.png")
        (tmp_path / part / "metadata.csv").write_text("")
    picture(tmp_path / "train/@eaDir/0.png")
    with pytest.warns(UserWarning) as caught:
        images.load(tmp_path, report=str)
    said = [str(warning.message).removeprefix(f"{tmp_path}: ") for warning in caught]
    assert said[0] == "system folders left out (1): @eaDir"
    assert said[1].startswith("2 files are left out") and len(said) == 2


@pytest.mark.parametrize("link, target", [("zlink", "real"), ("0link", "deep/folder")])
def test_link_does_not_rename_images(link, target, tmp_path):
    picture(tmp_path / "a" / target / "1.png")
    expected = images_within(tmp_path, "a")
    (tmp_path / "a" / link).symlink_to(tmp_path / "a" / target)
    assert images_within(tmp_path, "a") == expected == ([f"a/{target}/1.png"], 0)
