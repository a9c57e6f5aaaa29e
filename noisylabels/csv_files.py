"""Reader of CSV files that people edit, and the quoting that it relies on."""

import contextlib
import csv
import math
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from noisylabels.errors import UserError

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t]*\s*')  # for Excel, before the header
HEAD = 64  # bytes that show UTF-16


class Table(NamedTuple):
    """Columns of a CSV as text, and the line of the file in which each row ends."""

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def error(self, row: int, problem: str) -> UserError:
        """Return the error that names the line of a row."""
        return UserError(f"{self.path}, line {self.lines[row]} {problem}")

    def booleans(self, column: str) -> list[bool]:
        """Return a column of truth values, as Python, pandas or a spreadsheet writes them.

        Raises
        ------
        UserError
            A value is not one of `BOOLEANS`. Case is ignored.
        """
        values = [BOOLEANS.get(text.strip().lower()) for text in self.columns[column]]
        if None in values:
            row = values.index(None)
            text = self.columns[column][row][:80]
            raise self.error(row, f"has {text!a} as {column}: give True or False")
        return values

    def blanks(self, column: str) -> list[float]:
        """Return nan for each row of an empty column; UserError if it has a value."""
        for row, text in enumerate(self.columns[column]):
            if text.strip():
                raise self.error(row, f"has {text[:80]!a} as {column}: leave it blank")
        return [math.nan] * len(self.lines)

    def numbers(self, column: str, blank: float | None = None) -> list[float]:
        """Return a column of numbers; UserError for another value.

        Empty fields become `blank`, if it is a number.
        """
        values = []
        for row, text in enumerate(self.columns[column]):
            with contextlib.suppress(ValueError):
                values.append(blank if blank is not None and not text.strip() else float(text))
            if len(values) <= row or math.isnan(values[row]):
                raise self.error(row, f"has {text[:80]!a} as {column}: give a number")
        return values


def read_table(path: str | Path, choose: Callable[[list[str]], dict[str, str]]) -> Table:
    """Read columns of a CSV as text. No value becomes a number or a missing value.

    The file is UTF-8 with commas, as pandas or a spreadsheet writes it. It may have a byte order
    mark, a line "sep=,", CRLF, and empty rows and columns at the end. White space around values
    stays, except in columns whose name in the header also has white space around it.

    Parameters
    ----------
    path
        The file.
    choose
        Function from the names in the header, stripped of white space, to {key: name} of the
        columns to read. The keys are those of the result.

    Raises
    ------
    UserError
        The file is missing, or has another encoding or separator. Or a name that is read occurs
        twice, a row is longer or shorter than the header, or quotes are broken.
    """
    skipped, rows = 0, None
    try:
        _check_encoding(path)
        with open(path, encoding="utf-8-sig", newline="") as file:
            first, skipped = _first_line(path, file)
            rows = csv.reader(chain([first], file), strict=True)
            written = next(rows, [])
            header = [name.strip() for name in written]
            while header and not header[-1]:
                header.pop()
            keys = choose(header)
            for name in keys.values():
                if header.count(name) > 1:
                    raise UserError(f"{path} has two columns called {name[:80]!a}: rename one")
            places = [header.index(name) for name in keys.values()]
            padded = [written[place] != header[place] for place in places]
            columns, lines = {key: [] for key in keys}, []
            for row in rows:
                if not "".join(row).strip():
                    continue
                while len(row) > len(header) and not row[-1].strip():
                    row.pop()
                if len(row) != len(header):
                    raise UserError(
                        f"{path}, line {skipped + rows.line_num}: {len(row)} fields where the "
                        f"first line has {len(header)}; add what is missing, or put what has "
                        "commas in double quotes"
                    )
                lines.append(skipped + rows.line_num)
                for values, place, strip in zip(columns.values(), places, padded):
                    values.append(row[place].strip() if strip else row[place])
    except UnicodeDecodeError:
        raise UserError(f"{path} is not encoded in UTF-8: save it as CSV UTF-8") from None
    except csv.Error as error:
        line = skipped + rows.line_num
        raise UserError(
            f"{path}, line {line}: it is not valid CSV ({error}); correct that line"
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return Table(Path(path), columns, lines)


def read_columns(path: str | Path, names: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Read the columns of these names, see `read_table`; UserError if one is missing.

    Columns that are `optional` are read if they exist.
    """

    def choose(header: list[str]) -> dict[str, str]:
        found = {name: find_column(header, name) for name in [*names, *optional]}
        if missing := [name for name in names if found[name] is None]:
            raise UserError(f"{path} lacks the column {', '.join(missing)}")
        return {name: column for name, column in found.items() if column is not None}

    return read_table(path, choose)


def find_column(header: Sequence[str], name: str) -> str | None:
    """Return the column of this name, else the only one that differs only in case, else None."""
    alike = [column for column in header if column.casefold() == name.casefold()]
    if name in header:
        return name
    return alike[0] if len(alike) == 1 else None


def quoting(values: Iterable[object]) -> int:
    """Return how the csv module must quote: all text if a value has a carriage return.

    Before Python 3.12.3, the module does not quote such a value if lines end with a line feed.
    """
    returns = any(isinstance(value, str) and "\r" in value for value in values)
    return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL


def _check_encoding(path: str | Path) -> None:
    """Raise UserError for UTF-16, with a byte order mark or not."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    zeros = [len(half) > 0 and not any(half) for half in (head[::2], head[1::2])]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or zeros[0] != zeros[1]:
        raise UserError(f"{path} is encoded in UTF-16: save it as CSV UTF-8")


def _first_line(path: str | Path, file: TextIO) -> tuple[str, int]:
    """Return the header line and the number of lines before it; UserError if it has no commas."""
    skipped, first = 0, ""
    for first in iter(file.readline, ""):
        separator = SEPARATOR_LINE.fullmatch(first)
        marks = separator[1] if separator else "" if "," in first else first
        for mark, name in SEPARATORS.items():
            if mark in marks:
                raise UserError(f"{path} separates its columns by {name}: save it with commas")
        if not separator and first.strip(" ,\r\n"):
            break
        skipped += 1
    return first, skipped
