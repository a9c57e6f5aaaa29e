"""16-bit images, and PNG files with damaged metadata."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from image_sets import load, picture
from PIL import Image

from noisylabels.data import image_decoding
from noisylabels.data.image_decoding import PNG, decode
from noisylabels.data.images import load as load_images


def sixteen(path, bits, colour=False):
    """Write an image of 16 bits per channel whose values use a given number of bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8)
    if not colour:
        Image.fromarray(values).save(path)
        return
    rows = np.repeat(values[..., np.newaxis], 3, axis=2).astype(">u2")
    if path.suffix == ".ppm":
        path.write_bytes(b"P6 8 8 65535\n" + rows.tobytes())
        return
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    path.write_bytes(
        PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def chunk(kind, content, damage=0):
    """Return a chunk of a PNG, optionally with a wrong checksum."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content) ^ damage)
    )


@pytest.mark.parametrize("suffix, colour", [("png", False), ("tif", False), ("png", True)])
@pytest.mark.parametrize(
    "bits, times", [(8, 256), (10, 64), (12, 16), (14, 4), (15, None), (16, None)]
)
def test_images_using_few_of_16_bits_are_named(bits, times, suffix, colour, tmp_path):
    for k in range(5):
        for name in "ab":
            sixteen(tmp_path / f"own/{name}/{k}.{suffix}", bits, colour)
    if times is None:
        load(tmp_path / "own")
        return
    with pytest.warns(UserWarning) as caught:
        load_images(tmp_path / "own", report=str)
    (message,) = [str(warning.message) for warning in caught]
    assert message == (
        f"own: none of the 10 images with 16 bits per channel uses more than {bits} of its bits, "
        f"so they are almost black: multiply their values by {times}, or save them with 8 bits"
    )


def test_dark_colour_ppm_is_named_with_a_safe_factor(tmp_path):
    """Pillow rounds the values of a PPM to 8 bits, so one more bit may be in use."""
    for k in range(5):
        for name in "ab":
            sixteen(tmp_path / f"own/{name}/{k}.ppm", 12, colour=True)
    with pytest.warns(
        UserWarning, match="uses more than 13 of its bits.*multiply their values by 8,"
    ):
        load_images(tmp_path / "own", report=str)


def test_one_image_using_all_16_bits_prevents_the_warning(tmp_path):
    for k in range(5):
        for name in "ab":
            sixteen(tmp_path / f"own/{name}/{k}.png", 12)
    sixteen(tmp_path / "own/b/4.png", 16)
    load(tmp_path / "own")


def test_12_bit_tiff_is_scaled(tmp_path):
    """Pack the values 4095 and 2048 into three bytes."""
    tags = [
        (256, 2),
        (257, 1),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 1),
        (279, 3),
    ]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "a.tif").write_bytes(
        b"II*\0"
        + struct.pack("<I", 12)
        + bytes([0xFF, 0xF8, 0x00, 0])
        + struct.pack("<H", len(tags))
        + fields
        + bytes(4)
    )
    with Image.open(tmp_path / "a.tif") as image:
        assert np.asarray(image).tolist() == [[4095, 2048]]
    assert decode(str(tmp_path / "a.tif"), 4)[:, [0, 3]].tolist() == [[255, 128]] * 4


LONG = zlib.compress(bytes(3 * 2**20))

METADATA = {
    "text": chunk(b"zTXt", b"Comment\0\0" + LONG),
    "plain text": chunk(b"tEXt", b"Comment\0" + b"x" * 3 * 2**20),
    "international text": chunk(b"iTXt", b"Comment\0\1\0en\0\0" + LONG),
    "profile": chunk(b"iCCP", b"ICC\0\0" + LONG),
    "all": chunk(b"zTXt", b"A\0\0" + LONG) + chunk(b"iCCP", b"ICC\0\0" + LONG),
    "empty": chunk(b"iCCP", b""),
    "of another compression": chunk(b"zTXt", b"Comment\0\7abc"),
    "damaged": chunk(b"tEXt", b"Comment\0abc", damage=1),
    "a bomb": chunk(b"iCCP", b"ICC\0\0" + zlib.compress(bytes(2**28))),
}


@pytest.mark.parametrize("place", ["before the pixels", "after them"])
@pytest.mark.parametrize("kind", METADATA)
def test_png_with_damaged_metadata_loads(kind, place, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees: this is kept
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    whole, end = (tmp_path / "a.png").read_bytes(), 33 if place == "before the pixels" else -12
    (tmp_path / "a.png").write_bytes(whole[:end] + METADATA[kind] + whole[end:])
    tracemalloc.start()
    found = decode(str(tmp_path / "a.png"), 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found, array[::-1, ::-1]) and peak < 30e6


def test_damaged_png_has_its_own_reason(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", (1, 2, 3), (300, 300))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[:33] + METADATA["text"] + whole[33:-100])
    with pytest.raises(OSError, match="truncated"):
        decode(str(tmp_path / "a.png"), 8)
    (tmp_path / "a.png").write_bytes(whole[:33] + METADATA["text"] + whole[33:])
    assert decode(str(tmp_path / "a.png"), 8).shape == (8, 8, 3)
    monkeypatch.setattr(image_decoding, "MAX_PNG", 50)  # more is not copied
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
        decode(str(tmp_path / "a.png"), 8)
