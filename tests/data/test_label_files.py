"""Labels from files: every format and its errors."""

import pickle
import zipfile

import numpy as np
import pytest
from label_sets import (
    CIFAR_N,
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

# --------------------------------------------------------------------------------------- good files


@pytest.mark.parametrize(
    "labels",
    [
        NOISY,
        NOISY.astype(np.uint8),
        NOISY[:, np.newaxis].astype(">i4"),
        np.array(NAMES)[NOISY],
        np.array(NAMES)[NOISY].astype("S"),
        NOISY.astype(str),
    ],
    ids=["int64", "uint8", "column", "names", "bytes", "text"],
)
def test_numpy_labels_load(labels, tmp_path):
    np.save(tmp_path / "labels.npy", labels)
    check(tmp_path / "labels.npy")
    np.savez(tmp_path / "one.npz", labels=labels, clean_label=TRUE)
    np.savez_compressed(tmp_path / "two.npz", first=TRUE, second=labels)
    for spec in ("one.npz", "one.npz#labels", "two.npz#second"):
        check(f"{tmp_path}/{spec}")
    check(f"{tmp_path}/one.npz#clean_label", expected=TRUE)


def test_csv_labels_load(tmp_path):
    names = [NAMES[k] for k in NOISY]
    write_csv(
        tmp_path / "two.csv", index=range(N), indices=NOISY, names=[f" {name} " for name in names]
    )
    write_csv(tmp_path / "one.csv", label=names, clean_label=TRUE)
    for spec in ("two.csv#indices", "two.csv#names", "one.csv", "one.csv#label"):
        check(f"{tmp_path}/{spec}")


def test_numeric_class_names_are_names_not_indices(tmp_path):
    data = dataset(classes=("1", "2", "3", "10"))
    for k, labels in enumerate(
        (np.array([1, 2, 3, 10])[NOISY], np.array(["1", "2", "3", "10"])[NOISY])
    ):
        np.save(tmp_path / f"{k}.npy", labels)
        check(tmp_path / f"{k}.npy", data)
        write_csv(tmp_path / f"{k}.csv", label=labels)
        check(tmp_path / f"{k}.csv", data)
    np.save(tmp_path / "indices.npy", NOISY)
    expected = "holds the label '0' at index 4, which is not one of the classes 1, 2, 3, 10"
    assert expected in complaint(tmp_path / "indices.npy", data)


def test_file_name_may_contain_a_number_sign(tmp_path):
    np.savez(tmp_path / "a#b.npz", x=NOISY, y=TRUE)
    check(f"{tmp_path}/a#b.npz#x")
    np.save(tmp_path / "a#b.npy", NOISY)
    check(tmp_path / "a#b.npy")


@pytest.mark.parametrize(
    "protocol, old", [(2, False), (2, True), (3, False), (3, True), (4, False)]
)
def test_cifar_n_file_loads(protocol, old, tmp_path):
    path = torch_file(tmp_path / "CIFAR-10_human.pt", CIFAR_N, protocol, old)
    check(f"{path}#aggre_label")
    check(f"{path}#worse_label", expected=NOISY[::-1])
    check(f"{path}#aggre_label", dataset(truth=None))  # nothing is known that it could differ from
    one = {"clean_label": TRUE, "noisy_label": NOISY[:, np.newaxis]}
    check(torch_file(tmp_path / "CIFAR-100_human.pt", one, protocol, old))


def test_bytes_over_127_survive_protocol_2(tmp_path):
    """Each takes two bytes in the file."""
    classes = tuple(f"class {k:03}" for k in range(300))
    check(torch_file(tmp_path / "own.pt", {"label": np.arange(N)}), dataset(classes), np.arange(N))


def test_torch_tensors_load(tmp_path):
    content = tensor_pickle(clean_label=("0", 0, (N,), (1,)), noisy_label=("1", 5, (N,), (1,)))
    noisy = np.concatenate([np.full(5, 9), NOISY])
    files = {"data/0": TRUE.astype("<i8").tobytes(), "data/1": noisy.astype("<i8").tobytes()}
    check(torch_file(tmp_path / "own.pt", content, **files))
    for damage in (
        files | {"data/1": files["data/1"][:-8]},
        files | {"data/1": b"123"},
        {"data/0": files["data/0"]},
    ):
        assert "is damaged" in complaint(torch_file(tmp_path / "own.pt", content, **damage))
    for wrong in (
        ("1", 0, (N,), (2,)),
        ("1", 0, (N, N), (0, 1)),
        ("../../x", 0, (N,), (1,)),
        ("1", 10**9, (N,), (1,)),
    ):
        assert "is damaged" in complaint(
            torch_file(tmp_path / "own.pt", tensor_pickle(label=wrong), **files)
        )


# ---------------------------------------------------------------------------------------- bad files


def test_key_selects_labels(tmp_path):
    write_csv(tmp_path / "own.csv", worse=NOISY, better=NOISY, clean_label=TRUE)
    np.savez(tmp_path / "own.npz", worse=NOISY, better=NOISY, clean_label=TRUE)
    torch_file(
        tmp_path / "own.pt",
        {"worse": NOISY, "better": NOISY, "clean_label": TRUE, "other": [1, None]},
    )
    for suffix in ("csv", "npz", "pt"):
        path = tmp_path / f"own.{suffix}"
        listed = f"give {path}#KEY with KEY one of worse, better, clean_label"
        assert f"has no 'best': {listed}" in complaint(f"{path}#best")
        assert f"holds several: {listed}" in complaint(path)
    write_csv(tmp_path / "own.csv", clean_label=TRUE)
    assert "holds no labels" in complaint(tmp_path / "own.csv")
    np.save(tmp_path / "own.npy", NOISY)
    assert "holds one array without keys: give" in complaint(f"{tmp_path}/own.npy#label")


def test_missing_file_is_an_error(tmp_path):
    assert "is missing or not a file" in complaint(f"{tmp_path}/gone.npy")
    (tmp_path / "folder.npz").mkdir()
    assert "is missing or not a file" in complaint(tmp_path / "folder.npz")
    for name in ("labels.txt", "labels", "labels.mat#x", ""):
        assert "is not a file of labels: give a .npy" in complaint(f"{tmp_path}/{name}")


@pytest.mark.parametrize("n", [N - 1, N + 1, 0])
def test_wrong_number_of_labels_is_an_error(n, tmp_path):
    labels = np.arange(n) % 4
    np.save(tmp_path / "own.npy", labels)
    np.savez(tmp_path / "own.npz", label=labels)
    for suffix in ("npy", "npz"):
        assert f"one for each of 300 images; it is int64 of shape ({n},)" in complaint(
            tmp_path / f"own.{suffix}"
        )
    if n:
        torch_file(tmp_path / "own.pt", {"label": labels})
        assert f"label has the shape ({n},), but there are 300 images" in complaint(
            tmp_path / "own.pt"
        )
    write_csv(tmp_path / "own.csv", label=labels)
    assert f"has {n:,} labels below its header, but there are 300 images" in complaint(
        tmp_path / "own.csv"
    )


WRONG = {
    "too large": (
        np.where(np.arange(N) == 7, 4, NOISY),
        "the label '4' at index 7, which is not an index from 0 to 3",
    ),
    "negative": (np.where(np.arange(N) == 7, -1, NOISY), "the label '-1' at index 7"),
    "huge": (np.full(N, 2**64 - 1, np.uint64), "the label '18446744073709551615' at index 0"),
    "other name": (
        np.where(np.arange(N) == 7, "frog", np.array(NAMES)[NOISY]),
        "'frog' at index 7, which is not one of the classes airplane, bird, cat, dog",
    ),
    "name and indices": (
        np.where(np.arange(N) == 7, "cat", NOISY.astype(str)),
        "which is not one of the classes",
    ),
    "objects": (np.array([{}] * N), "holds Python objects, which are not read"),
    "float": (NOISY / 1, "it is float64"),
    "rows": (np.zeros((N, 4), int), "it is int64 of shape (300, 4)"),
    "scalar": (np.array(3), "it is int64 of shape ()"),
}


@pytest.mark.parametrize("case", WRONG)
def test_unknown_label_is_an_error(case, tmp_path):
    labels, expected = WRONG[case]
    np.save(tmp_path / "own.npy", labels)
    assert expected in complaint(tmp_path / "own.npy")
    np.savez(tmp_path / "own.npz", label=labels)
    assert expected in (message := complaint(tmp_path / "own.npz")) and "own.npz: label" in message


def test_unknown_label_in_a_column_is_an_error(tmp_path):
    labels = np.where(np.arange(N) == 7, 4, NOISY)[:, np.newaxis]
    torch_file(tmp_path / "own.pt", {"label": labels})
    assert "the label '4' at index 7" in complaint(tmp_path / "own.pt")


def test_unknown_text_label_is_an_error(tmp_path):
    for wrong, expected in (
        ("4", "'4' in line 2, which is not an index from 0 to 3"),
        ("", "'' in line 2"),
        ("1.0", "'1.0' in line 2, which is not one of"),
    ):
        write_csv(tmp_path / "own.csv", x=range(N), label=[wrong, *NOISY[1:]])
        assert expected in complaint(f"{tmp_path}/own.csv#label")
    (tmp_path / "own.csv").write_bytes("label\nfür\n".encode("latin1"))
    assert "not encoded in UTF-8" in complaint(tmp_path / "own.csv")


def test_differing_true_labels_are_an_error(tmp_path):
    other = np.where(np.arange(N) == 9, 0, TRUE)
    np.savez(tmp_path / "own.npz", label=NOISY, clean_label=other)
    torch_file(tmp_path / "own.pt", {"label": NOISY, "clean_label": other})
    write_csv(tmp_path / "own.csv", label=NOISY, clean_label=other)
    for suffix, place in (("npz", "index 9"), ("pt", "index 9"), ("csv", "line 11")):
        assert (
            f"clean_label differs from the labels of own at 1 images, first at {place}"
            in complaint(f"{tmp_path}/own.{suffix}#label")
        )


def test_damaged_file_is_an_error(tmp_path):
    np.save(tmp_path / "own.npy", NOISY)
    np.savez(tmp_path / "own.npz", y=NOISY)
    for name in ("own.npy", "own.npz"):
        whole = (tmp_path / name).read_bytes()
        for content in (whole[:100], whole[:-300], b"", b"text", pickle.dumps(NOISY)):
            (tmp_path / name).write_bytes(content)
            assert "save it again" in complaint(tmp_path / name)
    for content in (b"", b"text", pickle.dumps(CIFAR_N)):
        (tmp_path / "own.pt").write_bytes(content)
        assert "is damaged or not a file of torch.save" in complaint(tmp_path / "own.pt")
    for content in (pickle.dumps([1]), pickle.dumps(NOISY, 2), b""):
        assert "is damaged or not a file" in complaint(torch_file(tmp_path / "own.pt", content))
    for labels in (NOISY.astype(">i8"), NOISY.astype(np.float32), NOISY.astype(object)):
        assert "is damaged or not a file" in complaint(
            torch_file(tmp_path / "own.pt", {"label": labels})
        )
    assert "ValueError" in complaint(
        torch_file(tmp_path / "own.pt", CIFAR_N, compression=zipfile.ZIP_DEFLATED)
    )
    long = torch_file(
        tmp_path / "own.pt", {"label": NOISY, "more": np.zeros(2 * 10**6, np.uint8)}, protocol=4
    )
    assert "ValueError" in complaint(f"{long}#label")
