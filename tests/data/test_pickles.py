"""The interpreter of pickles: each opcode that data sets need, and its limits."""

import pickle

import pytest
from cifar_files import python2_pickle

from noisylabels.data.pickles import unpickle

NUMBERS = [0, 1, 255, 256, 65535, 65536, -1, -256, 2**31 - 1, -(2**31)]
PLAIN = [
    NUMBERS,
    [None, True, False],
    [],
    [5],
    [[], [[]]],
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    {},
    {b"a": 1},
    {b"a": (1, []), b"b": {b"c": 2}, b"d": None},
    ((), [()], {b"": ()}),
]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_containers_and_numbers_are_restored(value, protocol):
    def text(item):  # the only strings of protocol 2 that need no import
        if isinstance(item, dict):
            return {key.decode(): text(part) for key, part in item.items()}
        return type(item)(map(text, item)) if isinstance(item, list | tuple) else item

    assert repr(unpickle(pickle.dumps(text(value), protocol), 1000)) == repr(value)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 70_000])
def test_strings_of_all_lengths_are_restored(n):
    content = (b"abcdefg" * n)[:n]
    pickles = [
        python2_pickle(content),
        *(pickle.dumps(content, protocol) for protocol in (3, 4)),
        *(pickle.dumps(content.decode(), protocol) for protocol in (2, 3, 4)),
    ]
    for data in pickles:
        found = unpickle(data, 10)
        assert bytes(found) == content and type(found) is (bytes if n < 256 else memoryview)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_memo_returns_the_same_object(protocol):
    """Use 300 lists, so that memo indices exceed one byte."""
    lists = [[k] for k in range(300)]
    found = unpickle(pickle.dumps([lists, lists[::-1]], protocol), 10_000)
    assert found == [lists, lists[::-1]]
    assert all(first is second for first, second in zip(found[0], found[1][::-1]))


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"\x80\x02}U\xff%sNs." % (b"k" * 255), None),
        (
            b"\x80\x02}T\x00\x01\x00\x00%sNs." % (b"k" * 256),
            "a dictionary key is not a short string",
        ),
        (b"\x80\x02}(U\x01aNNNu.", "a dictionary key is not a short string"),
        (b"\x80\x02}(U\x01aNU\x01bu.", "shorter"),
        (
            b"\x80\x02}q\x010h\x01.",
            "it uses the opcode b'0', which no data set needs; nothing was executed",
        ),
        (b"\x80\x02\x00.", r"it uses the opcode b'\\x00', which no data set needs"),
        (
            b"\x80\x02c%s\nname\n." % (b"m" * 90),
            "it refers to '%s', which no data set needs; nothing was executed" % ("m" * 80),
        ),
        (b"\x80\x02NNR.", "it holds an object other than a uint8 array"),
        (b"\x80\x02}.more", None),
        (b"\x80\x02U\x02a", "it ends too early"),
        (b"\x80\x02}", "it ends too early"),
    ],
)
def test_unsupported_opcode_is_an_error(data, reason):
    if reason is None:
        assert type(unpickle(data, 100)) is dict
    else:
        with pytest.raises((pickle.UnpicklingError, ValueError), match=reason):
            unpickle(data, 100)


def test_steps_are_counted():
    """Use five opcodes, the last of which ends the pickle."""
    assert unpickle(b"\x80\x02](e.", 5) == []
    with pytest.raises(pickle.UnpicklingError, match="its pickle has more than 4 steps"):
        unpickle(b"\x80\x02](e.", 4)
