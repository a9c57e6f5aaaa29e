"""Class names: duplicates, look-alikes, and the line that lists them."""

import unicodedata

import numpy as np
import pytest
from image_sets import class_folders, complaint, load, npz, table

from noisylabels.data import images
from noisylabels.data.class_names import class_codes, counts, doubts
from noisylabels.errors import UserError
from noisylabels.names import file_key, listed, places

COMPOSED, DECOMPOSED = "café", unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    "pair, named",
    [
        ((COMPOSED, DECOMPOSED), r"'caf\xe9' and 'cafe\u0301'"),
        (("cat", "Cat"), "'cat' and 'Cat'"),
        (("cat", "ca\u200bt"), r"'cat' and 'ca\u200bt'"),
        (("cat", "\ufeffcat"), r"'cat' and '\ufeffcat'"),
        (("c\u00adat", "CAT"), "'c\\xadat' and 'CAT'"),
        (("1", "1.0"), "'1' and '1.0'"),
        (("01", "1"), "'01' and '1'"),
        (("1e1", "10"), "'1e1' and '10'"),
        (("fi", "\ufb01"), "'fi' and '\ufb01'"),
        (("-0", "0"), "'-0' and '0'"),
        (("heart\ufe0f", "heart"), r"'heart\ufe0f' and 'heart'"),
        (("polar bear", "Polar_bear"), "'polar bear' and 'Polar_bear'"),
        (("a-b", "a_b"), "'a-b' and 'a_b'"),
    ],
)
def test_look_alike_names_are_found(pair, named):
    (found,) = doubts(["dog", pair[0], "emu", pair[1]])
    assert found == f"classes that may be the same: {named}; if they are, give them one name"


def test_different_names_are_not_look_alikes():
    names = [
        "cat",
        "dog",
        "cats",
        "1",
        "2",
        "10",
        "1.5",
        "inf",
        "a",
        "b",
        "é",
        "e",
        "1e999999999",
        "9" * 50,
        "a-b",
    ]
    assert doubts(names) == []


@pytest.mark.parametrize(
    "name",
    ["nan", "NaN", "None", "null", "NA", "n/a", "<NA>", "-1", "-1.0", "\u200b", "-", "''"]
    + ["?", "Unknown"],
)
def test_names_for_missing_labels_are_found(name):
    (found,) = doubts(["cat", "dog", name])
    assert found.startswith(f"classes that may mean a missing label: {name!a}; if they do")


@pytest.mark.parametrize(
    "names, doubted",
    [
        (["images", "masks"], True),
        (["Train", "DEV"], True),
        (["fold_0", "fold_1", "fold_2"], True),
        (["train", "unlabeled"], True),
        (["train", "bus"], False),
        (["test", "tests"], False),
        (["fold", "part"], False),
    ],
)
def test_names_of_splits_are_found(names, doubted):
    expected = [
        f"classes with names of parts of a data set, {', '.join(names)}: if they are not classes, "
        "rename the training set to train/ and the test set to test/, each with a folder for each "
        "class"
    ]
    assert doubts(names) == (expected if doubted else [])


def test_minus_one_of_two_classes_is_a_class():
    assert doubts(["-1", "1"]) == []


def test_long_list_of_pairs_is_shortened():
    (found,) = doubts([*"abcdefghij", *"ABCDEFGHIJ"])
    assert (
        "'a' and 'A'; 'b' and 'B'" in found
        and "'e' and 'E' and 5 more pairs; if" in found
        and "'f'" not in found
    )


@pytest.mark.parametrize(
    "pair", [("cat", "cat "), (" cat", "cat"), ("a b", "a  b"), ("a b", "a\u00a0b")]
)
def test_names_differing_in_white_space_are_refused(pair):
    with pytest.raises(UserError) as error:
        class_codes("own", [*pair, "dog"], None)
    assert all(
        ascii(name) in str(error.value) for name in pair
    ) and "differ only in white space" in str(error.value)
    with pytest.raises(UserError, match="differ only in white space"):
        class_codes("own", [pair[0], "dog"], [pair[1], "dog"])


@pytest.mark.parametrize("kind", ["folder", "csv", "npz"])
def test_every_source_compares_class_names(kind, tmp_path):
    """Warn once per kind of doubt; a difference in white space is an error."""

    def own(first, second):
        if kind == "folder":
            return class_folders(tmp_path / first.strip(), **{first: 5, second: 5})
        if kind == "npz":
            return npz(
                tmp_path / "own.npz",
                x=np.zeros((10, 4, 4), np.uint8),
                y=np.array([first, second] * 5),
            )
        class_folders(tmp_path, x=10)
        return table(
            tmp_path / "own.csv",
            ("file", "label"),
            [(f"x/0{k}.png", (first, second)[k % 2]) for k in range(10)],
        )

    with pytest.warns(
        UserWarning, match=r"classes that may be the same: 'cafe\\u0301' and 'caf\\xe9'; if"
    ) as caught:
        assert images.load(own(COMPOSED, DECOMPOSED), report=str).n_classes == 2
    assert len(caught) == 1
    assert "'cat' and 'cat ' differ only in white space" in complaint(own("cat", "cat "))


@pytest.mark.parametrize("kind", ["folder", "csv", "npz"])
def test_classes_are_listed_with_counts(kind, tmp_path):
    labels = ["b"] * 3 + [" a"] * 5 + ["c"] * 2
    if kind == "folder":
        path = class_folders(tmp_path / "own", **{"b": 3, " a": 5, "c": 2})
    elif kind == "npz":
        path = npz(tmp_path / "own.npz", x=np.zeros((10, 4, 4), np.uint8), y=np.array(labels))
    else:
        class_folders(tmp_path, x=10)
        rows = [(f"x/0{k}.png", label) for k, label in enumerate(labels)]
        path = table(tmp_path / "own.csv", ("file", "label"), rows)
    _, lines = load(path, test_split=0.4)
    assert lines[1] == "own: 3 classes, images to train on/to test on: ' a' 3/2, b 2/1, c 1/1"


def test_long_class_list_is_shortened():
    names, train = [f"n{k}" for k in range(25)], np.arange(1000, 1025)
    line = counts("own", names, train, np.where(train == 1003, 0, 1))
    assert line == (
        "own: 25 classes, images to train on/to test on: n0 1,000/1, n1 1,001/1, n2 1,002/1, n3 "
        "1,003/0, n4 1,004/1, n5 1,005/1, n6 1,006/1, n7 1,007/1 and 17 more; fewest n0 1,000/1, "
        "most n24 1,024/1, in all 25,300/24"
    )
    assert counts("own", names[:20], train[:20], train[:20]).count("/1,0") == 20


def test_places_finds_the_index_of_each_name():
    names = ["a", DECOMPOSED, "b", " c ", "d", "d "]
    assert places(["b", COMPOSED, DECOMPOSED, "c", "d", " d", "x", ""], names).tolist() == [
        2,
        1,
        1,
        3,
        4,
        -1,
        -1,
        -1,
    ]
    both = [COMPOSED, DECOMPOSED]
    assert places(both, both).tolist() == [0, 1] and places([" " + COMPOSED], both).tolist() == [-1]
    assert places(["./a//b.png"], ["a/b.png"], file_key).tolist() == [0] and places(
        ["./a"], ["a"]
    ).tolist() == [-1]


def test_invisible_characters_are_escaped():
    assert listed(["cat", " dog", "e\u200bmu", ""]) == r"cat, ' dog', 'e\u200bmu', ''"
