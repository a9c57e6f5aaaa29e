"""Errors of CSVs that list images: one line that says what to do."""

import pytest
from image_sets import class_folders, complaint, table

FILES = [f"x/0{k}.png" for k in range(4)]

BAD_TABLES = {
    "label missing": (
        "file,label\nx/00.png,a\nx/01.png\n",
        "line 3: 1 fields where the first line has 2",
    ),
    "label empty": (
        "file,label\nx/00.png,a\nx/01.png,\n",
        "line 3 has no label; add it, or remove the line",
    ),
    "label extra": ("file,label\nx/00.png,a,b\n", "line 2: 3 fields where the first line has 2"),
    "file empty": ("file,label\n,a\n", "line 2 has no file"),
    "y_true empty": ("file,label,y_true\nx/00.png,a,a\nx/01.png,b,\n", "line 3 has no y_true"),
    "twice": (
        "file,label\nx/00.png,a\n./x/00.png,b\n",
        "line 3 names './x/00.png' again, after line 2",
    ),
    "address": (
        "file,label\nhttp://host/a.png,a\n",
        "line 2 names 'http://host/a.png'; give a path on this machine",
    ),
    "above": ("file,label\nx/../../a.png,a\n", "without '..'"),
    "above, as on Windows": ("file,label\n..\\a.png,a\n", "without '..'"),
    "other split": (
        "file,label,split\nx/00.png,a,val\n",
        "line 2 has 'val' as split; give train or test",
    ),
    "all to test on": (
        "file,label,split\nx/00.png,a,test\nx/01.png,b,test\n",
        "no images to train on",
    ),
    "class to test on": (
        "file,label,split\nx/00.png,a,train\nx/01.png,b,train\nx/02.png,c,test\n",
        "all images of c ",
    ),
    "one class": ("file,label,split\nx/00.png,a,train\nx/01.png,a,test\n", "one class only, a"),
    "one class but in truth": (
        "file,label,split,y_true\nx/00.png,a,train,b\nx/01.png,a,test,a\n",
        "one class only",
    ),
    "line break": ('file,label\nx/00.png,"a, ""b""\nc"\nx/01.png,b\n', "rename it"),
    "no line": ("file,label\n", "holds no images: add a line for each"),
    "empty": ("", "no column file or path or"),
    "no image column": (
        "name,label\n",
        "no column file or path or file_name or filename or filepath or image: choose "
        "with --image_column one of name, label",
    ),
    "no label column": (
        "file,y\n",
        "no column label or class or given_label: choose with --label_column one of file",
    ),
    "two image columns": (
        "file,image,label\n",
        "several columns that fit (file, image): choose with --image_column",
    ),
    "two label columns": (
        "file,class,label\n",
        "several columns that fit (class, label): choose with --label_column",
    ),
    "column twice": ("file,label,label\n", "several columns that fit (label, label)"),
    "other separator": (
        "file;label\nx/00.png;a\n",
        "separates its columns by semicolons: save it with commas",
    ),
    "open quote": ('file,label\nx/00.png,"a\n', "line 2: it is not valid CSV"),
    "zero": ("file,label\nx/00.png,\0\n", ""),
    "other encoding": ("file,label\nx/00.png,caf\udce9\n", "is not encoded in UTF-8"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_unusable_csv_is_an_error(case, tmp_path):
    content, expected = BAD_TABLES[case]
    class_folders(tmp_path, x=4)
    (tmp_path / "own.csv").write_bytes(content.encode(errors="surrogateescape"))
    assert expected in complaint(tmp_path / "own.csv")


def test_missing_column_is_an_error(tmp_path):
    class_folders(tmp_path, x=4)
    path = table(
        tmp_path / "own.csv",
        ("file", "label"),
        [(file, "ab"[k % 2]) for k, file in enumerate(FILES)],
    )
    assert "no column picture: choose with --image_column one of" in complaint(
        path, image_column="picture"
    )
    assert "no column kind: choose with --label_column one of" in complaint(
        path, label_column="kind"
    )


def test_missing_files_of_a_csv_are_an_error(tmp_path):
    class_folders(tmp_path, x=4)
    rows = [(file, "ab"[k % 2]) for k, file in enumerate([*FILES, "x/04.png"])]
    message = complaint(table(tmp_path / "own.csv", ("file", "label"), rows), test_split=0.4)
    assert (
        "1 of 5 images cannot be read, such as 'x/04.png' (missing or not a file); more than 5 %"
        in message
    )
