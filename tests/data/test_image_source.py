"""Original images of a data set, for backbones, review pages and pictures."""

import os
import pickle

import numpy as np
import pytest
from PIL import Image

from noisylabels.data.image_source import ArrayImages, FileImages

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def stripes(path, colours=(RED, GREEN, BLUE), turned=False, **options):
    """Save three coloured stripes next to each other, each 40 pixels wide and 60 high."""
    pixels = np.repeat(np.repeat(np.array([colours], np.uint8), 40, axis=1), 60, axis=0)
    image = Image.fromarray(pixels)
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
    image.save(path, **options)
    return path.name


def test_reading_keeps_proportions_and_crops_the_centre(tmp_path):
    source = FileImages(tmp_path, [stripes(tmp_path / "a.png")])
    image = source.read(0, 30)
    assert image.shape == (30, 30, 3) and image.dtype == np.uint8
    # 60 of 120 columns are kept: the last 10 red, all 40 green, the first 10 blue
    assert [tuple(image[15, column]) for column in (2, 7, 22, 27)] == [RED, GREEN, GREEN, BLUE]


def test_reading_interpolates_bicubically():
    """The weights of 4 pixels at distances 1.25, 0.25, 0.75, 1.75 are -.070, .867, .227, -.023."""
    columns = np.array([100, 100, 200, 200], np.uint8)
    image = ArrayImages(np.broadcast_to(columns[None, None, :, None], (1, 4, 4, 1))).read(0, 8)
    assert (image[:, 3] == 120).all()  # bilinear: 125


def test_reading_applies_the_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    source = FileImages(tmp_path, [stripes(tmp_path / "a.png", turned=True, exif=exif)])
    assert source.thumbnail(0, 120).size == (120, 60)
    assert [tuple(source.read(0, 30)[15, column]) for column in (2, 15, 27)] == [RED, GREEN, BLUE]


def test_transparent_pixels_are_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.png")
    source = FileImages(tmp_path, ["a.png"])
    assert (source.read(0, 4) == 255).all() and source.thumbnail(0, 160).getpixel((0, 0)) == (
        255,
    ) * 3


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path, monkeypatch):
    Image.new("RGB", (1024, 2048), BLUE).save(tmp_path / "a.jpg")
    found = []
    monkeypatch.setattr(
        "noisylabels.data.image_decoding.ImageOps.exif_transpose",
        lambda image, in_place: found.append(image.size),
    )
    FileImages(tmp_path, ["a.jpg"]).read(0, 64)
    assert found == [(128, 256)]


@pytest.mark.parametrize("content", [None, b"no image"])
def test_an_unreadable_file_is_an_error(content, tmp_path):
    if content:
        (tmp_path / "a.png").write_bytes(content)
    source = FileImages(tmp_path, ["a.png"])
    with pytest.raises((OSError, ValueError)):
        source.read(0, 8)
    assert len(source.digest) == 16


@pytest.mark.parametrize("size, pixels, expected", [
    ((120, 60), 160, (160, 80)),
    ((400, 100), 200, (200, 50)),
    ((400, 100), 640, (400, 100)),
    ((8, 8), 640, (160, 160)),
    ((32, 24), 80, (80, 60)),
    ((900, 1), 300, (300, 1)),
])  # fmt: skip
def test_a_thumbnail_is_bounded_and_legible(size, pixels, expected, tmp_path):
    Image.new("L", size, 7).save(tmp_path / "a.png")
    array = np.full((1, size[1], size[0], 1), 7, np.uint8)
    for source in (FileImages(tmp_path, ["a.png"]), ArrayImages(array)):
        thumbnail = source.thumbnail(0, pixels)
        assert (thumbnail.size, thumbnail.mode) == (expected, "RGB")


def test_small_images_are_enlarged_without_smoothing():
    images = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1) * 60
    thumbnail = np.asarray(ArrayImages(images).thumbnail(0, 160))[..., 0]
    assert (thumbnail == np.kron(images[0, ..., 0], np.ones((80, 80)))).all()


def test_arrays_are_read_in_colour():
    grey = ArrayImages(np.full((3, 8, 6, 1), 9, np.uint8))
    assert (grey.read(2, 4) == np.full((4, 4, 3), 9)).all()
    colour = ArrayImages(np.full((3, 8, 6, 3), RED, np.uint8))
    assert (colour.read(2, 4) == RED).all() and colour.path(2) is None


def test_digest_identifies_files_and_pixels(tmp_path):
    for name in "ab":
        stripes(tmp_path / f"{name}.png")
    source = FileImages(tmp_path, ["a.png", "b.png"])
    same = FileImages(os.path.join(tmp_path, "."), ["a.png", "b.png"])
    assert source.digest == same.digest == pickle.loads(pickle.dumps(source)).digest
    digests = {source.digest, FileImages(tmp_path, ["b.png", "a.png"]).digest}
    os.utime(tmp_path / "a.png", ns=(1, 1))
    digests.add(FileImages(tmp_path, ["a.png", "b.png"]).digest)
    (tmp_path / "a.png").write_bytes(b"other")
    os.utime(tmp_path / "a.png", ns=(1, 1))
    digests.add(FileImages(tmp_path, ["a.png", "b.png"]).digest)
    array = np.zeros((2, 8, 8, 1), np.uint8)
    digests |= {ArrayImages(array).digest, ArrayImages(array + 1).digest}
    digests.add(ArrayImages(array.reshape(2, 4, 16, 1)).digest)
    assert len(digests) == 7


def test_digest_is_independent_of_the_place_of_a_folder(tmp_path):
    inside, outside = tmp_path / "old/a.png", tmp_path / "b.png"
    inside.parent.mkdir()
    stripes(inside), stripes(outside)
    before = FileImages(tmp_path / "old", [str(inside), str(outside)])
    relative = FileImages(tmp_path / "old", ["a.png", str(outside)])
    assert before.digest == relative.digest
    inside.parent.rename(tmp_path / "new")
    files = [str(tmp_path / "new/a.png"), str(outside)]
    assert FileImages(tmp_path / "new", files).digest == before.digest


def test_rows_are_taken_in_their_order(tmp_path):
    files = [stripes(tmp_path / f"{name}.png", [(k, k, k)] * 3) for k, name in enumerate("abc")]
    arrays = ArrayImages(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1))
    for source in (FileImages(tmp_path, files), arrays):
        taken = source.take(np.array([2, 0]))
        assert [int(taken.read(i, 1)[0, 0, 0]) for i in range(len(taken))] == [2, 0]
    assert FileImages(tmp_path, files).take(np.array([2])).path(0) == str(tmp_path / "c.png")
