"""CSVs that people edit: what spreadsheets write, and what is refused with its line."""

import csv
import io
import re
import time
import tracemalloc

import pytest

from noisylabels.csv_files import find_column, quoting, read_columns, read_table
from noisylabels.errors import UserError

PLAIN = "File,Label\na.png,cat\nb.png,dog\n"
READ = {"file": ["a.png", "b.png"], "label": ["cat", "dog"]}


def read(path, content, names=("file", "label")):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_columns(path, names)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN[:-1],
        "sep=,\n" + PLAIN,
        b"\xef\xbb\xbf" + b'"sep=,"\r\n' + PLAIN.replace("\n", "\r\n").encode(),
        "\n,,\n" + PLAIN,
        PLAIN.replace("\n", "\n,\n") + " , \n\n",
        PLAIN.replace("\n", ",,\n"),
        "file,label,,\na.png,cat\nb.png,dog,,,,\n",
        "FILE,LABEL\n" + PLAIN.split("\n", 1)[1],
        ",label,index,file\n0,cat,0,a.png\n1,dog,1,b.png\n",
        '"file","label"\n"a.png","cat"\n"b.png","dog"\n',
        "file, label\na.png, cat\nb.png,dog\n",
        "label,label2,label2,file\ncat,,,a.png\ndog,,,b.png\n",
    ],
)
def test_spreadsheet_csv_is_read(content, tmp_path):
    assert read(tmp_path / "own.csv", content).columns == READ


@pytest.mark.parametrize(
    "content, problem",
    [
        (PLAIN.replace(",", ";"), " separates its columns by semicolons: save it with commas"),
        ('"file";"label"\n"a,b";"c"\n', " separates its columns by semicolons"),
        ("sep=;\n" + PLAIN.replace(",", ";"), " separates its columns by semicolons"),
        (PLAIN.replace(",", "\t"), " separates its columns by tabs"),
        ("sep=\t\nfile\tlabel\n", " separates its columns by tabs"),
        (PLAIN.replace(",", "|"), " separates its columns by vertical bars"),
        (PLAIN.encode("utf-16"), " is encoded in UTF-16: save it as CSV UTF-8"),
        (PLAIN.encode("utf-16-be"), " is encoded in UTF-16"),
        (PLAIN.encode("utf-16-le"), " is encoded in UTF-16"),
        (PLAIN.replace("dog", "chièn").encode("latin1"), " is not encoded in UTF-8"),
        ("file\na.png\n", " lacks the column label"),
        ("", " lacks the column file, label"),
        ("file,label,label\na,b,c\n", " has two columns called 'label': rename one"),
        ("file,LABEL,Label\na,b,c\n", " lacks the column label"),
        (PLAIN + "c.png\n", ", line 4: 1 fields where the first line has 2"),
        (
            "sep=,\n\nfile,label\n\na.png,cat\nc.png,a,b\n",
            ", line 6: 3 fields where the first line has 2",
        ),
        (PLAIN + 'c.png,"x"y\n', ", line 4: it is not valid CSV"),
        (PLAIN + 'c.png,"x\n', ", line 4: it is not valid CSV"),
        (PLAIN + "c" * 200_000 + ",x\n", ", line 4: it is not valid CSV"),
    ],
)
def test_invalid_csv_is_refused(content, problem, tmp_path):
    with pytest.raises(UserError, match="^" + re.escape(f"{tmp_path}/own.csv{problem}")) as error:
        read(tmp_path / "own.csv", content)
    assert len(str(error.value).splitlines()) == 1


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="^cannot read .*gone.csv: No such file or directory$"):
        read_table(tmp_path / "gone.csv", dict)


def test_line_numbers_are_those_of_the_file(tmp_path):
    """Empty lines count, and a row of several lines has the number of its last line."""
    table = read(tmp_path / "own.csv", 'sep=,\nfile,label\n\na,b\n"c\nd",e\n,\nf,g\n')
    assert table.columns["file"] == ["a", "c\nd", "f"] and table.lines == [4, 6, 8]
    assert str(table.error(2, "is odd")) == f"{tmp_path}/own.csv, line 8 is odd"


def test_white_space_is_part_of_a_value(tmp_path):
    """It is removed only if the column's name has white space around it, too."""
    table = read(tmp_path / "own.csv", "file, label \n a , b \n", ("file", "label"))
    assert table.columns == {"file": [" a "], "label": ["b"]}


@pytest.mark.parametrize(
    "text, value",
    [
        ("True", True),
        ("TRUE", True),
        ("true", True),
        ("1", True),
        (" True ", True),
        ("False", False),
        ("FALSE", False),
        ("false", False),
        ("0", False),
    ],
)
def test_truth_values(text, value, tmp_path):
    assert read(tmp_path / "own.csv", f"a,b\n{text},x\n", ["a"]).booleans("a") == [value]


@pytest.mark.parametrize("text", ["", "yes", "no", "2", "1.0", "WAHR", "nan", "T"])
def test_other_truth_values_are_refused(text, tmp_path):
    table = read(tmp_path / "own.csv", f"a,b\nTrue,x\n{text},x\n", ["a"])
    with pytest.raises(UserError, match=f"own.csv, line 3 has '{text}' as a: give True or False$"):
        table.booleans("a")


def test_numbers(tmp_path):
    assert read(tmp_path / "own.csv", "a,b\n1,x\n 1.50E-05,x\n", ["a"]).numbers("a") == [1, 1.5e-5]
    for text in ("", "one", "nan", "0;5"):
        with pytest.raises(UserError, match=f"own.csv, line 3 has '{text}' as a: give a number$"):
            read(tmp_path / "own.csv", f"a,b\n1,x\n{text},x\n", ["a"]).numbers("a")


def test_columns_are_found_whatever_their_case():
    assert find_column(["a", "B"], "b") == "B" and find_column(["b", "B"], "B") == "B"
    assert (
        find_column(["B", "b "], "x") is None and find_column(["LABEL", "Label"], "label") is None
    )


def test_carriage_returns_are_quoted():
    """Python does so by itself from 3.12.3 on."""
    rows = [["a\rb.png", 1], ["c.png", 2]]
    for mode, text in (
        (quoting(["a\rb.png"]), '"a\rb.png",1\n"c.png",2\n'),
        (quoting(["c.png", 1, None]), None),
    ):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n", quoting=mode).writerows(rows)
        assert text is None and mode == csv.QUOTE_MINIMAL or out.getvalue() == text


def test_only_requested_columns_take_memory(tmp_path):
    (tmp_path / "own.csv").write_text("file,label,text\n" + f"a,b,{'x' * 10_000}\n" * 5000)
    tracemalloc.start()
    start = time.monotonic()
    assert len(read_columns(tmp_path / "own.csv", ["file"]).lines) == 5000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6 and time.monotonic() - start < 20
