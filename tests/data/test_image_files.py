"""Image files as arrays: formats, orientation, transparency, bit depth."""

import numpy as np
import pytest
from image_sets import class_folders, load, picture
from PIL import Image, ImageOps

from noisylabels.data import image_files, image_folders
from noisylabels.data.image_files import decode

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)
RNG = np.random.default_rng(0)


def pixel(path, size=4):
    """Return the only colour of an image."""
    array = decode(str(path), size)
    assert array.shape[:2] == (size, size) and array.dtype == np.uint8
    colours = np.unique(array.reshape(size * size, -1), axis=0)
    assert len(colours) == 1
    return tuple(colours[0].tolist())


@pytest.mark.parametrize("suffix", image_folders.SUFFIXES)
def test_every_supported_format_loads(suffix, tmp_path):
    colour = 255 if suffix in (".pgm", ".pbm") else RED
    picture(tmp_path / f"image{suffix}", colour)
    if suffix == ".pbm":
        Image.new("1", (5, 5), 1).save(tmp_path / "image.pbm")
    found = pixel(tmp_path / f"image{suffix}")
    assert np.abs(np.subtract(found, colour)).max() <= 3  # some are lossy
    (tmp_path / "renamed").write_bytes((tmp_path / f"image{suffix}").read_bytes())
    assert pixel(tmp_path / "renamed") == found


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation, suffix, tmp_path):
    array = np.zeros((32, 32, 3), np.uint8)
    array[:16, :16], array[:16, 16:], array[16:, :16] = RED, GREEN, WHITE
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(tmp_path / f"i.{suffix}", exif=exif, quality=95, lossless=True)
    turned = Image.fromarray(array)
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned))
    found = decode(str(tmp_path / f"i.{suffix}"), 32)
    assert np.abs(found[4::24, 4::24].astype(int) - expected[4::24, 4::24]).max() < 40


def test_invalid_metadata_does_not_change_pixels(tmp_path):
    """Use a JPEG with an invalid EXIF block, on which Pillow's getexif fails."""
    Image.new("RGB", (8, 8), RED).save(
        tmp_path / "i.jpg", dpi=(72, 72), exif=b"Exif\0\0no TIFF", quality=95
    )
    with Image.open(tmp_path / "i.jpg") as image, pytest.raises(SyntaxError):
        image.getexif()
    assert np.abs(decode(str(tmp_path / "i.jpg"), 8).astype(int) - RED).max() < 10


def test_whole_image_is_kept(tmp_path):
    array = np.zeros((40, 400, 3), np.uint8)
    array[:, :200], array[:, 200:] = RED, GREEN
    for suffix in ("png", "jpg"):
        Image.fromarray(array).save(tmp_path / f"i.{suffix}", quality=95)
        found = decode(str(tmp_path / f"i.{suffix}"), 8)
        assert (
            np.abs(found[:, :3].astype(int) - RED).max() < 20
            and np.abs(found[:, 5:].astype(int) - GREEN).max() < 20
        )


def test_reduced_jpeg_is_close_to_full_decoding(tmp_path):
    rough = Image.fromarray(RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    rough.resize((900, 700), Image.Resampling.BICUBIC).save(tmp_path / "i.jpg", quality=95)
    expected = np.asarray(
        Image.open(tmp_path / "i.jpg").resize((32, 32), Image.Resampling.BILINEAR)
    ).astype(int)
    assert np.abs(decode(str(tmp_path / "i.jpg"), 32) - expected).mean() < 3


def test_transparency_is_composited_on_white(tmp_path):
    for mode, colour, expected in (
        ("RGBA", (255, 0, 0, 0), (255,)),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("LA", (0, 0), (255,)),
        ("LA", (0, 128), (127,)),
    ):
        for suffix in ("png", "webp"):
            Image.new(mode, (9, 9), colour).save(tmp_path / f"i.{suffix}", lossless=True)
            assert pixel(tmp_path / f"i.{suffix}") == pixel_near(expected)


class pixel_near(tuple):
    """Return a colour that equals all colours within the error of rounding."""

    def __eq__(self, other):
        return len(self) == len(other) and all(abs(a - b) <= 1 for a, b in zip(self, other))


def test_palette_images_load(tmp_path):
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    for suffix in ("png", "gif", "bmp", "tif"):
        image.save(tmp_path / f"i.{suffix}")
        assert pixel(tmp_path / f"i.{suffix}") == RED
    for suffix in ("png", "gif"):
        image.save(tmp_path / f"i.{suffix}", transparency=1)
        assert pixel(tmp_path / f"i.{suffix}") == (255,)
    image.save(tmp_path / "i.png", transparency=b"\xff\x00")
    assert pixel(tmp_path / "i.png") == (255,)


def test_transparent_colour_becomes_white(tmp_path):
    Image.new("RGB", (9, 9), RED).save(tmp_path / "i.png", transparency=RED)
    assert pixel(tmp_path / "i.png") == (255,)
    Image.new("L", (9, 9), 7).save(tmp_path / "i.png", transparency=7)
    assert pixel(tmp_path / "i.png") == (255,)


@pytest.mark.parametrize("value", [0, 255, 256, 4095, 32768, 65535])
def test_16_bit_images_are_scaled(value, tmp_path):
    image = Image.fromarray(np.full((9, 9), value, np.uint16))
    for suffix in ("png", "tif"):
        image.save(tmp_path / f"i.{suffix}")
        assert pixel(tmp_path / f"i.{suffix}") == (value >> 8,)
    (tmp_path / "i.pgm").write_bytes(b"P5 2 2 65535\n" + value.to_bytes(2, "big") * 4)
    assert pixel(tmp_path / "i.pgm") == (value >> 8,)
    Image.fromarray(np.full((9, 9), value, ">u2")).save(tmp_path / "big.tif")
    assert pixel(tmp_path / "big.tif") == (value >> 8,)


def test_other_pixel_types_load(tmp_path):
    Image.new("1", (9, 9), 1).save(tmp_path / "i.png")
    assert pixel(tmp_path / "i.png") == (255,)
    Image.new("CMYK", (9, 9), (0, 255, 255, 0)).save(tmp_path / "i.jpg", quality=100)
    assert np.abs(np.subtract(pixel(tmp_path / "i.jpg"), RED)).max() < 5
    Image.new("CMYK", (9, 9), (0, 255, 255, 0)).save(tmp_path / "i.tif")
    assert pixel(tmp_path / "i.tif") == RED


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "avif"])
def test_first_frame_of_an_animation_is_used(suffix, tmp_path):
    first, *others = (Image.new("RGB", (9, 9), colour) for colour in (RED, GREEN, WHITE))
    first.save(
        tmp_path / f"i.{suffix}",
        save_all=True,
        append_images=others,
        duration=100,
        loop=0,
        lossless=True,
    )
    assert getattr(Image.open(tmp_path / f"i.{suffix}"), "n_frames", 1) == 3
    assert np.abs(np.subtract(pixel(tmp_path / f"i.{suffix}"), RED)).max() <= 3


def test_one_channel_only_if_all_images_are_grey(tmp_path):
    class_folders(tmp_path, a=60, b=60)
    picture(tmp_path / "a" / "00.png", (9, 9, 9))  # grey, though of three channels
    assert load(tmp_path)[0].input_shape == (32, 32, 1)
    grey = load(tmp_path)[0]
    for colourful in ("a/00.png", "b/59.png"):  # the first of all, or the last
        picture(tmp_path / colourful, RED)
        data, _ = load(tmp_path)
        assert data.input_shape == (32, 32, 3) and data.files == grey.files
        for ours, theirs, file in zip(data.x_train, grey.x_train, data.files):
            assert (ours == RED).all() if file == colourful else (ours == theirs).all()
        picture(tmp_path / colourful, 9 if colourful == "a/00.png" else 119)


def test_colour_in_the_test_set_makes_three_channels(tmp_path):
    class_folders(tmp_path / "train", a=40, b=40)
    class_folders(tmp_path / "test", a=1, b=1)
    picture(tmp_path / "test" / "b" / "00.png", RED)
    data, _ = load(tmp_path, image_size=8)
    assert data.x_train.shape == (80, 8, 8, 3) and (data.x_test[1] == RED).all()
    assert (data.x_train == np.arange(80)[:, None, None, None]).all()


def test_image_size(tmp_path):
    class_folders(tmp_path, a=5, b=5)
    assert load(tmp_path, image_size=50)[0].input_shape == (50, 50, 1)


def test_progress(tmp_path, monkeypatch):
    seconds = iter(range(10_000))
    monkeypatch.setattr(image_files.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(image_files, "CHUNK", 1)
    _, lines = load(class_folders(tmp_path, a=25, b=25))
    assert lines[3:6] == [
        f"{tmp_path.name}: training images: {n} of 50 read, {left} s left"
        for n, left in ((5, 45), (10, 40), (15, 35))
    ]
    assert (
        lines[-1] == f"{tmp_path.name}: training images: 50 of 50 read, 0 s left"
        and len(lines) == 3 + 10
    )


def test_available_memory():
    assert 1e7 < image_files.available_memory() < 1e14
