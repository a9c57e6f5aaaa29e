"""Errors of custom images: one line that says what to do, and no partial output."""

import os
import resource
import struct
import time
import zlib

import pytest
from image_sets import class_folders, complaint, picture
from PIL import Image

from noisylabels.data import image_files, images
from noisylabels.errors import UserError

# ------------------------------------------------------------------------------------------ folders


def test_missing_data_set_is_an_error(tmp_path):
    assert "give a folder" in complaint(tmp_path / "missing")
    (tmp_path / "images.zip").write_bytes(b"PK")
    assert "give a folder" in complaint(tmp_path / "images.zip")
    for name in ("gone.csv", "gone.npz"):
        assert "not an existing data set" in complaint(tmp_path / name)
    os.mkfifo(tmp_path / "pipe.csv")  # opening it would wait forever
    with pytest.raises(UserError, match="not an existing data set"):
        images.load(tmp_path / "pipe.csv")


def test_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "own").mkdir()
    assert "holds no images: put those of each class into a folder of its own" in complaint(
        tmp_path / "own"
    )
    (tmp_path / "own" / "a").mkdir()
    picture(tmp_path / "own" / "loose.png")
    assert "holds no images" in complaint(tmp_path / "own")


def test_one_class_is_an_error(tmp_path):
    class_folders(tmp_path / "own", a=5)
    assert "one class only, a: give images of two classes or more" in complaint(tmp_path / "own")
    (tmp_path / "own" / "b").mkdir()  # empty
    assert "one class only, a" in complaint(tmp_path / "own")


def test_too_many_classes_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("noisylabels.data.class_names.MAX_CLASSES", 3)
    class_folders(tmp_path / "own", a=2, b=2, c=2, d=2)
    assert "has 4 classes, such as a, b, c, more than 3" in complaint(tmp_path / "own")


@pytest.mark.parametrize(
    "name", ['a, "b"\nc', "tab\tulator", "line\u2028separator", b"not UTF-8 \xff"]
)
def test_unprintable_class_name_is_an_error(name, tmp_path):
    class_folders(tmp_path / "own", b=5)
    folder = os.path.join(os.fsencode(tmp_path / "own"), os.fsencode(name))
    os.mkdir(folder)
    with open(os.path.join(folder, b"0.png"), "wb") as file:
        Image.new("L", (5, 5)).save(file)
    message = complaint(tmp_path / "own")
    assert "rename it" in message and message.isascii()


def test_train_and_test_need_the_same_classes(tmp_path):
    class_folders(tmp_path / "own" / "train", a=3, b=3, c=3)
    class_folders(tmp_path / "own" / "test", a=3, b=3)
    assert "different classes, only one has c: make them the same" in complaint(tmp_path / "own")
    (tmp_path / "own" / "test" / "c").mkdir()
    with pytest.warns(UserWarning, match="no image in test/c"):
        assert len(images.load(tmp_path / "own", report=str).y_test) == 6
    class_folders(tmp_path / "own" / "test", c=3)
    for file in (tmp_path / "own" / "train" / "c").iterdir():
        file.unlink()
    assert "all images of c are in the test set" in complaint(tmp_path / "own")


def test_train_folder_without_test_is_an_error(tmp_path):
    class_folders(tmp_path / "own" / "train", a=3, b=3)
    assert "holds images only in train/, in folders (a, b): give " in complaint(tmp_path / "own")
    class_folders(tmp_path / "own" / "val", a=3, b=3)
    assert "train/, val/ hold no images, but the same folders (a, b)" in complaint(tmp_path / "own")
    for part in ("a", "b"):
        (tmp_path / "own" / "test" / part).mkdir(parents=True)
    assert "no images to test on" in complaint(tmp_path / "own")


@pytest.mark.parametrize(
    "parts",
    [("Test", "Train"), ("Testing", "Training"), ("test", "val"), ("TRAIN", "other", "test")],
)
def test_differently_named_splits_are_not_classes(parts, tmp_path):
    """Folders with these names are classes only if they contain images."""
    for k, part in enumerate(parts):
        if k:
            class_folders(tmp_path / "own" / part, a=3, b=3)
        else:
            class_folders(tmp_path / "own", **{part: 3})  # unlabelled images
    message = complaint(tmp_path / "own")
    assert f"some folders hold images ({parts[0]}/), others hold folders of images (" in message
    assert f"({'/, '.join(parts[1:])}/ with a, b)" in message
    assert "rename the training set to train/ and the test set to test/" in message
    class_folders(tmp_path / "classes", Training=5, Testing=5, val=5)
    with pytest.warns(
        UserWarning,
        match="classes with names of parts of a data set, Testing, Training, val: if they",
    ):
        assert images.load(tmp_path / "classes", report=str).classes == (
            "Testing",
            "Training",
            "val",
        )


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_test_split_must_cover_all_classes(share, tmp_path):
    class_folders(tmp_path / "own", a=6, b=6, c=6)
    assert "argument --test_split: " in complaint(tmp_path / "own", test_split=share)


def test_flag_without_effect_is_an_error(tmp_path):
    class_folders(tmp_path / "own", a=6, b=6)
    assert "leave them out" in complaint(tmp_path / "own", label_column="label")


def test_unreadable_folder_is_an_error(tmp_path):
    class_folders(tmp_path / "own", a=6, b=6)
    (tmp_path / "own" / "a").chmod(0)
    if not os.access(tmp_path / "own" / "a", os.R_OK):  # root enters all the same
        with pytest.raises(UserError, match="cannot read the folder"):
            images.load(tmp_path / "own")
    (tmp_path / "own" / "a").chmod(0o755)


# ------------------------------------------------------------------------- files that are no images


def bomb(path, side=20_000):
    """Return a PNG of 20,000 × 20,000 white pixels, 50 KB."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    packer = zlib.compressobj(1)
    rows = (
        b"".join(packer.compress(b"\0" + b"\xff" * (side // 8)) for _ in range(side))
        + packer.flush()
    )
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def truncated(path):
    picture(path, (1, 2, 3), (300, 300))
    path.write_bytes(path.read_bytes()[:-200])


DAMAGE = {
    "text.png": (lambda path: path.write_text("I am text"), "no image of a known format"),
    "empty.png": (lambda path: path.write_bytes(b""), "no image of a known format"),
    "truncated.jpg": (truncated, "truncated"),
    "truncated.png": (truncated, ""),
    "bomb.png": (bomb, "400000000 pixels"),
    "large.png": (lambda path: bomb(path, 10_000), "10000\\xd710000 pixels, more than 89,478,485"),
    "link.png": (lambda path: path.symlink_to("nowhere"), "missing or not a file"),
    "circle.png": (lambda path: path.symlink_to("circle.png"), "missing or not a file"),
    "pipe.png": (os.mkfifo, "missing or not a file"),
    "float.tif": (lambda path: Image.new("F", (5, 5)).save(path), "32 bits per pixel"),
    "int.tif": (lambda path: Image.new("I", (5, 5)).save(path), "32 bits per pixel"),
    "script.png": (
        lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "no image of a",
    ),
    "bad\udcff.png": (
        lambda path: Image.new("L", (5, 5)).save(open(path, "wb"), "PNG"),
        "its name is not in UTF-8",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_unreadable_files_are_listed_and_skipped(name, tmp_path):
    """Skip each quickly and without using much memory."""
    root, listed = (
        class_folders(tmp_path / "own", a=15, b=15),
        tmp_path / "new" / "folder" / "unreadable.csv",
    )
    whole = images.load(root, report=str)
    make, reason = DAMAGE[name]
    make(root / "a" / f"0{name}")  # between 00.png and 01.png
    start, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.warns(
        UserWarning, match="1 of 31 images cannot be read.*they are left out"
    ) as caught:
        data = images.load(root, report=str, unreadable_csv=listed)
    assert (
        time.monotonic() - start < 10
        and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 100_000
    )
    assert (
        len(caught) == 1
        and str(listed) in str(caught[0].message)
        and "\n" not in str(caught[0].message)
    )
    header, line = listed.read_text().splitlines()
    assert (
        header == "file,reason"
        and line.startswith(f"a/0{name}".replace("\udcff", "\\udcff"))
        and reason in line
    )
    assert len(data.given) == len(data.x_train) == len(data.files) and len(data.y_test) == len(
        data.x_test
    )
    assert len(data.x_train) == 30
    shades = {file: image[0, 0, 0] for file, image in zip(whole.files, whole.x_train)}
    assert all(
        (image == shades[file]).all()
        for file, image in zip(data.files, data.x_train)
        if file in shades
    )
    (root / "a" / f"0{name}").unlink()
    images.load(root, report=str, unreadable_csv=listed)
    assert not listed.exists()  # it would tell of files that are mended


def test_too_many_unreadable_files_are_an_error(tmp_path):
    root, listed = class_folders(tmp_path / "own", a=15, b=15), tmp_path / "unreadable.csv"
    for k in range(2):
        (root / "a" / f"{k}.png").write_text("text")
    with pytest.raises(UserError) as error:
        images.load(root, report=str, unreadable_csv=listed)
    message = str(error.value)
    assert (
        "2 of 32 images cannot be read" in message
        and f"all are in {listed}; more than 5 %: repair or" in message
    )
    assert "'a/0.png' (no image" in message and len(message.splitlines()) == 1
    assert len(listed.read_text().splitlines()) == 3 and len(list(tmp_path.iterdir())) == 2
    assert "2 of 32 images cannot be read" in complaint(root)  # without a place for the list


def test_unwritable_list_of_files_is_an_error(tmp_path):
    root = class_folders(tmp_path / "own", a=15, b=15)
    (root / "a" / "0.png").write_text("text")
    (tmp_path / "file").write_text("not a folder")
    assert "unreadable.csv: " in complaint(
        root, unreadable_csv=tmp_path / "file" / "unreadable.csv"
    )
    (tmp_path / "unreadable.csv").mkdir()
    assert "fix that" in complaint(root, unreadable_csv=tmp_path / "unreadable.csv")


def test_class_without_readable_image_is_an_error(tmp_path):
    root, listed = class_folders(tmp_path / "own", a=30, b=30, c=2), tmp_path / "unreadable.csv"
    for file in (root / "c").iterdir():
        file.write_text("text")
    with pytest.raises(
        UserError, match="2 of 62 images.*no image would be left to train on for c: repair"
    ):
        images.load(root, report=str, unreadable_csv=listed)
    assert listed.exists()


def test_images_larger_than_memory_are_an_error(tmp_path, monkeypatch):
    root, lines = class_folders(tmp_path / "own", a=15, b=15), []
    monkeypatch.setattr(image_files, "available_memory", lambda: 30 * 3 * 100 * 100)
    monkeypatch.setattr(image_files, "decode", lambda *_: pytest.fail("it began"))
    message = complaint(root, image_size=101)
    assert (
        "30 images of 101×101 need up to 0.9 MB of memory, 0.9 MB are free: give --image_size 100 "
        "or less" in message
    )
    monkeypatch.undo()
    monkeypatch.setattr(image_files, "available_memory", lambda: 30 * 3 * 100 * 100)
    assert images.load(root, image_size=100, report=lines.append).input_shape == (100, 100, 1)
    assert "30 images of 100×100 need up to 0.9 MB" in lines[2]
    monkeypatch.setattr(image_files, "available_memory", lambda: 100)
    assert complaint(root).endswith("give fewer images")
