"""Decoding of image files: order, progress, memory and size."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from image_sets import class_folders, load, picture
from PIL import Image

from noisylabels.data import image_decoding, image_files, image_folders
from noisylabels.data.image_decoding import decode
from noisylabels.data.image_files import check_memory
from noisylabels.errors import UserError


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_images_keep_their_order_across_threads(cores, chunk, tmp_path, monkeypatch):
    """Include colour images and unreadable files."""
    monkeypatch.setattr("noisylabels.system.hardware.cores", lambda: cores)
    monkeypatch.setattr(image_files, "CHUNK", chunk)
    files, bad = [f"{k:02}.png" for k in range(40)], (0, 13, 39)
    for k, file in enumerate(files):
        picture(tmp_path / file, (k, 0, 9) if 20 <= k < 25 else k)
    for k in bad:
        (tmp_path / files[k]).write_text("no image")
    train, test, reasons = image_files.read_files(
        tmp_path, files, np.arange(40) % 4 == 3, 4, "own", str
    )
    assert list(reasons) == [0, 13, 39]
    for images, rows in ((train, [k for k in range(40) if k % 4 != 3]), (test, range(3, 40, 4))):
        kept = [k for k in rows if k not in bad]
        assert images.shape == (len(kept), 4, 4, 3) and images[:, 0, 0, 0].tolist() == kept
        assert images[:, 3, 3, 1].tolist() == [0 if 20 <= k < 25 else k for k in kept]
        assert images[:, 0, 3, 2].tolist() == [9 if 20 <= k < 25 else k for k in kept]


@pytest.mark.parametrize("a, b", [(17, 16), (16, 16), (1, 1)])
def test_grey_images_get_three_channels_next_to_colour(a, b, tmp_path):
    class_folders(tmp_path / "train", a=a, b=b)
    picture(tmp_path / "test" / "a" / "00.png", (255, 0, 0))
    picture(tmp_path / "test" / "b" / "00.png", 3)
    data, _ = load(tmp_path, image_size=4)
    assert (data.x_train == np.arange(a + b)[:, None, None, None]).all() and data.x_train.shape == (
        a + b,
        4,
        4,
        3,
    )
    assert (data.x_test[1] == 3).all()


@pytest.mark.parametrize(
    "chunk, pace, lines",
    [
        (
            1,
            0.25,
            [
                (4, 9),
                (8, 8),
                (12, 7),
                (16, 6),
                (20, 5),
                (24, 4),
                (28, 3),
                (32, 2),
                (36, 1),
                (40, 0),
            ],
        ),
        (1, 0.125, [(8, 4), (16, 3), (24, 2), (32, 1), (40, 0)]),  # a tenth each half second
        (
            1,
            2,
            [
                (4, 72),
                (8, 64),
                (12, 56),
                (16, 48),
                (20, 40),
                (24, 32),
                (28, 24),
                (32, 16),
                (36, 8),
                (40, 0),
            ],
        ),
        (7, 7, [(7, 33), (14, 26), (21, 19), (28, 12), (35, 5), (40, 0)]),
    ],
)
def test_progress_is_shown_per_tenth_at_most_once_a_second(
    chunk, pace, lines, tmp_path, monkeypatch
):
    """Show the remaining seconds at the pace so far."""
    monkeypatch.setattr(image_files, "CHUNK", chunk)
    files = class_folders(tmp_path, a=40) and [f"a/{k:02}.png" for k in range(40)]
    clock, said = itertools.count(100, pace), []
    monkeypatch.setattr(image_files.time, "monotonic", lambda: next(clock))
    image_files.read_files(tmp_path, files, np.zeros(40, bool), 4, "own", said.append)
    assert said[1:] == [f"own: training images: {n} of 40 read, {left} s left" for n, left in lines]


@pytest.mark.parametrize("size, seconds, together", [((8, 6), 60, True), ((7, 7), 0.5, False)])
def test_large_images_are_decoded_one_at_a_time(size, seconds, together, tmp_path, monkeypatch):
    met, seen, resized = threading.Barrier(2), [], image_decoding.resized

    def waiting(image, size):
        try:
            met.wait(seconds)
            seen.append(True)
        except threading.BrokenBarrierError:
            seen.append(False)
        return resized(image, size)

    monkeypatch.setattr(image_decoding, "LARGE", 48)
    monkeypatch.setattr(image_decoding, "resized", waiting)
    picture(tmp_path / "a.png", 1, size)
    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(decode, [str(tmp_path / "a.png")] * 2, [4] * 2))) == 2
    assert seen == [together] * 2


@pytest.mark.parametrize(
    "size, decoded",
    [
        ((64, 64), (64, 64)),
        ((127, 127), (127, 127)),
        ((128, 128), (64, 64)),
        ((256, 256), (64, 64)),
        ((256, 1024), (64, 256)),
        ((1024, 256), (256, 64)),
        ((1024, 1024), (128, 128)),
    ],
)
def test_jpeg_is_decoded_at_twice_the_requested_size(size, decoded, tmp_path, monkeypatch):
    """Decode at a half, a quarter or an eighth of the size if that is large enough."""
    found = []
    monkeypatch.setattr(
        image_decoding.ImageOps, "exif_transpose", lambda image, in_place: found.append(image.size)
    )
    picture(tmp_path / "a.jpg", (1, 2, 3), size)
    assert decode(str(tmp_path / "a.jpg"), 32).shape == (32, 32, 3) and found == [decoded]


@pytest.mark.parametrize(
    "colour",
    [(9, 200, 9), (9, 9, 200), (200, 9, 9), (9, 100, 200), (200, 100, 9), (0, 255, 0), (0, 0, 255)],
)
def test_colours_are_kept(colour, tmp_path):
    picture(tmp_path / "a.png", colour)
    assert (decode(str(tmp_path / "a.png"), 4) == np.full((4, 4, 3), colour)).all()


def test_image_over_the_pixel_limit_is_not_decoded(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", 7, (8, 6))
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 48)
    assert (decode(str(tmp_path / "a.png"), 4) == 7).all()
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 47)
    with pytest.raises(ValueError, match="8×6 pixels, more than 47"):
        decode(str(tmp_path / "a.png"), 4)


def test_reasons_are_short(tmp_path, monkeypatch):
    def decode(path, size, peaks):
        raise {
            "a": ValueError("x" * 300),
            "b": OSError(5, "Input/output error"),
            "c": KeyError(),
            "d": OSError("cut"),
        }[path[-1]]

    monkeypatch.setattr(image_files, "decode", decode)
    _, _, reasons = image_files.read_files(tmp_path, [*"abcd"], np.zeros(4, bool), 4, "own", str)
    assert reasons == {0: "x" * 200, 1: "Input/output error", 2: "KeyError", 3: "cut"}


# ------------------------------------------------------------------------------------------- memory


def test_available_memory_of_this_machine(monkeypatch):
    """Respect the limit of a container."""
    monkeypatch.setattr("noisylabels.system.hardware.free_memory", lambda: 2048)
    monkeypatch.setattr(
        image_files.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.get
    )
    assert image_files.available_memory() == 2048
    monkeypatch.setattr("noisylabels.system.hardware.free_memory", lambda: float("inf"))
    assert image_files.available_memory() == 4096 * 1000
    monkeypatch.delattr(image_files.os, "sysconf")
    assert image_files.available_memory() == float("inf")


@pytest.mark.parametrize(
    "side, advice",
    [
        (9, "--image_size 9 or less, or fewer"),
        (7, "fewer"),
        (8, "--image_size 8 or less, or fewer"),
    ],
)
def test_memory_error_advises_what_would_fit(side, advice, monkeypatch):
    monkeypatch.setattr(image_files, "available_memory", lambda: 1000 * 3 * side**2 + 1000)
    with pytest.raises(UserError, match=f"are free: give {advice} images$"):
        check_memory("own", 1000, 20, 20, 3, str)


def test_arrays_get_no_advice_to_resize(monkeypatch):
    monkeypatch.setattr(image_files, "available_memory", lambda: 1000 * 3 * 9**2)
    with pytest.raises(UserError, match="are free: give fewer images$"):
        image_files.read_files("a", ["b"] * 1000, np.ones(1000, bool), 20, "own", str, fixed=True)


@pytest.mark.parametrize(
    "n, words",
    [
        (10**9, "1.0 GB"),
        (999_900_000, "999.9 MB"),
        (1_250_000_000_000, "1,250.0 GB"),
        (70_000, "0.1 MB"),
    ],
)
def test_sizes_are_printed_with_units(n, words, monkeypatch):
    said = []
    monkeypatch.setattr(image_files, "available_memory", lambda: n)
    check_memory("own", n, 1, 1, 1, said.append)
    assert said == [f"own: {n:,} images of 1×1 need up to {words} of memory, {words} are free"]


@pytest.mark.parametrize("height, width, channels", [(2, 3, 1), (5, 4, 3)])
def test_needed_memory_counts_all_pixels(height, width, channels, monkeypatch):
    monkeypatch.setattr(image_files, "available_memory", lambda: 7 * height * width * channels)
    check_memory("own", 7, height, width, channels, str)
    with pytest.raises(UserError, match="own: 8 images"):
        check_memory("own", 8, height, width, channels, str)


def test_unreadable_folder_is_an_error(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "file.png")
    with pytest.raises(
        UserError, match="cannot read the folder .*file.png: Not a directory; make it readable"
    ):
        image_folders.list_entries(tmp_path / "file.png")
