"""Label files at the limits: versions, sizes, class names and error texts."""

import numpy as np
import pytest
from label_sets import (
    NAMES,
    NOISY,
    TRUE,
    N,
    check,
    complaint,
    dataset,
    tensor_pickle,
    torch_file,
    write_csv,
)

from noisylabels.data import images
from noisylabels.data.class_names import class_codes
from noisylabels.data.label_files import whole_number
from noisylabels.errors import UserError
from noisylabels.names import listed

# -------------------------------------------------------------------------------------------- files


def test_npy_versions(tmp_path):
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(tmp_path / f"{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, NOISY, version)
    check(tmp_path / "1.npy")
    check(tmp_path / "2.npy")
    assert complaint(tmp_path / "3.npy").endswith("not a NumPy array: save it again (ValueError)")


@pytest.mark.parametrize("array", [NOISY.astype(np.uint8), NOISY.astype(np.uint8)[:, np.newaxis]])
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_byte_arrays_in_a_torch_file_load(array, protocol, tmp_path):
    check(torch_file(tmp_path / "own.pt", {"label": array}, protocol))


@pytest.mark.parametrize(
    "offset, size, stride",
    [(0, (N,), (1,)), (0, (N, 1), (1, 1)), (5, (N,), (1,)), (5, (N, 1), (1, 1))],
)
def test_tensor_views_with_offset_load(offset, size, stride, tmp_path):
    stored = np.concatenate([np.full(offset, 9), NOISY, np.full(7, 9)]).astype("<i8").tobytes()
    content = tensor_pickle(label=("0", offset, size, stride))
    check(torch_file(tmp_path / "own.pt", content, **{"data/0": stored}))


@pytest.mark.parametrize(
    "size, stride",
    [
        ((N,), (0,)),
        ((N,), (2,)),
        ((N, 1), (2, 1)),
        ((N, 1), (1, 2)),
        ((N, 1), (0, 1)),
        ((N, 1), (1, 0)),
        ((N, 2), (1, 1)),
    ],
)
def test_strided_tensor_is_an_error(size, stride, tmp_path):
    path = torch_file(
        tmp_path / "own.pt",
        tensor_pickle(label=("0", 0, size, stride)),
        **{"data/0": np.tile(NOISY, 2).astype("<i8").tobytes()},
    )
    assert f"{path}" in complaint(path)


def test_torch_file_length_and_steps_are_limited(tmp_path):
    """Ignore what follows the end of the pickle."""
    whole = torch_file(tmp_path / "own.pt", content := tensor_pickle(label=("0", 0, (N,), (1,))))
    files = {"data/0": NOISY.astype("<i8").tobytes()}
    check(torch_file(whole, content.ljust(2**20 + 300_000, b"."), **files))
    assert "(ValueError)" in complaint(
        torch_file(whole, content.ljust(2**20 + 300_001, b"."), **files)
    )
    assert "(its pickle has more than 100000 steps)" in complaint(
        torch_file(whole, b"\x80\x02" + b"]" * 100_000)
    )


# -------------------------------------------------------------------------------- names and numbers


@pytest.mark.parametrize(
    "text, number",
    [
        ("0", 0),
        ("7", 7),
        ("-3", -3),
        ("012", 12),
        ("-0", 0),
        ("9" * 19, 10**19 - 1),
        ("9" * 20, None),
        ("", None),
        ("-", None),
        ("--1", None),
        ("+1", None),
        ("1.0", None),
        ("1e3", None),
        (" 1", None),
        ("a1", None),
        ("²", None),
        ("١", None),
    ],
)
def test_whole_numbers_are_parsed(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "n, end",
    [
        (0, "(there is none)"),
        (1, "n0"),
        (20, "n18, n19"),
        (21, "n18, n19 and 1 more"),
        (1520, "n18, n19 and 1,500 more"),
    ],
)
def test_up_to_twenty_names_are_listed(n, end):
    found = listed([f"n{k}" for k in range(n)])
    assert found.endswith(end) and found.count(",") == min(max(n - 1, 0), 19) + (n > 1000)
    assert listed(["a b", "c\nd", "é"]) == "a b, 'c\\nd', é"


def test_largest_number_of_classes_loads():
    names = [str(k) for k in range(1000)]
    classes, codes, truth = class_codes("own", names[::-1], None)
    assert [*classes] == names and codes.tolist() == [*range(999, -1, -1)] and truth is None
    with pytest.raises(
        UserError,
        match="^own has 1,001 classes, such as 0, 1, 10, more than 1,000: give the folder",
    ):
        class_codes("own", [*names, "1000"], None)


def test_classes_only_in_true_labels_are_kept():
    classes, codes, truth = class_codes("own", ["b", "d", "b"], ["c", "d", "a"])
    assert (classes, codes.tolist(), truth.tolist()) == (("a", "b", "c", "d"), [1, 3, 1], [2, 3, 0])


def test_text_and_number_labels_are_not_confused(tmp_path):
    """Arrays of numbers hold indices; text holds names if a class has a numeric name."""
    data = dataset(classes=("01", "02", "03", "10"))
    np.save(tmp_path / "own.npy", NOISY)
    check(tmp_path / "own.npy", data)
    write_csv(tmp_path / "own.csv", label=[("01", "02", "03", "10")[k] for k in NOISY])
    check(tmp_path / "own.csv", data)
    assert "not one of the classes 01, 02" in complaint(
        write_csv(tmp_path / "own.csv", label=NOISY), data
    )
    data = dataset(classes=("0", "1", "2", "other"))
    check(tmp_path / "own.npy", data)
    assert "'3' in line 5, which is not one of" in complaint(
        write_csv(tmp_path / "own.csv", label=NOISY), data
    )


@pytest.mark.parametrize(
    "width, reason", [(1024, None), (1025, "y holds texts of 1,025 bytes: give at most 1,024")]
)
def test_longest_text_labels(width, reason, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.zeros((10, 4, 4), np.uint8), y=np.array([b"a" * width, b"b"] * 5))
    if reason is None:
        assert images.load(path, report=str).classes == ("a" * width, "b")
    else:
        with pytest.raises(UserError, match=reason):
            images.load(path, report=str)


# --------------------------------------------------------------------------------- what errors show


def test_first_wrong_label_is_shown(tmp_path):
    labels = NOISY.copy()
    labels[[7, 20, 299]] = 9, -5, 4
    np.save(tmp_path / "own.npy", labels)
    assert "the label '9' at index 7, which is not an index from 0 to 3" in complaint(
        tmp_path / "own.npy"
    )
    names = np.array(NAMES, "U100")[NOISY]
    names[[7, 20]] = "x" * 100, "bird of prey"
    np.save(tmp_path / "own.npy", names)
    assert f"the label '{'x' * 80}' at index 7, which is not one" in complaint(tmp_path / "own.npy")


def test_first_differing_true_label_is_shown(tmp_path):
    other = TRUE.copy()
    other[[9, 20, 299]] = (TRUE[[9, 20, 299]] + 1) % 4
    np.savez(tmp_path / "own.npz", label=NOISY, clean_label=other)
    assert "differs from the labels of own at 3 images, first at index 9" in complaint(
        f"{tmp_path}/own.npz#label"
    )
