"""Labels in a CSV: in the order of the images, or with the names of their files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from noisylabels.csv_files import Table, find_column, read_table
from noisylabels.data.dataset import Dataset
from noisylabels.errors import UserError
from noisylabels.names import file_key, listed, places

IMAGE_COLUMNS = ("file", "path", "file_name", "filename", "filepath", "image")
LABEL_COLUMNS = ("label", "class", "given_label")
TRUE = "clean_label"  # the key of the true labels in a file of noisy labels
FILE, OTHER = "\n", "\r"  # keys of columns of files and of unused ones; no name begins with these


def keys_to_read(path: Path, key: str, keys: Iterable[str]) -> list[str]:
    """Return the keys to read: `key`, or the only one of `keys`, and `clean_label` if it exists.

    Raises UserError with the list of `keys` if `key` is missing, or "" and ambiguous.
    """
    keys = list(keys)
    fit = [name for name in keys if name != TRUE]
    if key in keys or (not key and len(fit) == 1):
        return list(dict.fromkeys([key or fit[0], *{TRUE}.intersection(keys)]))
    problem = f"has no {key!r}" if key else "holds several" if fit else "holds no labels"
    raise UserError(f"{path} {problem}: give {path}#KEY with KEY one of {listed(keys)}")


def read_csv(path: Path, key: str, names: Sequence[str]) -> tuple[Table, bool]:
    """Read the labels in a CSV. Return them, and whether a column FILE names their files.

    `names` are the files of the images. Raises UserError if a column with another name begins with
    one of these files, because its labels would be matched by order.
    """

    def choose(header: list[str]) -> dict[str, str]:
        label = find_column(header, key) or key
        files = [name for name in header if name.lower() in IMAGE_COLUMNS and name != label]
        if len(files) > 1:
            raise UserError(f"{path} has several columns of files ({listed(files)}): keep one")
        others = {
            TRUE if name.lower() == TRUE else name: name
            for name in header
            if name and name not in files
        }
        if files and not label:
            known = [name for name in others if name.lower() in LABEL_COLUMNS]
            label = known[0] if len(known) == 1 else ""
        chosen = {name: others[name] for name in keys_to_read(path, label, others)}
        if files:
            return chosen | {FILE: files[0]}
        unused = [name for name in others.values() if header.count(name) == 1]
        return {OTHER + name: name for name in unused if name not in chosen.values()} | chosen

    table = read_table(path, choose)
    columns, known = {}, {*map(file_key, names)}
    for name, values in table.columns.items():
        if not name.startswith(OTHER):
            columns[name] = values
        elif values and file_key(values[0]) in known:
            raise UserError(
                f"{path}: the column {name.removeprefix(OTHER)[:80]!a} names files: rename it to "
                "file, so that labels are matched by name"
            )
    return table._replace(columns=columns), FILE in columns


def in_order_of_images(table: Table, dataset: Dataset) -> Table:
    """Return the rows for the training images, in their order, without the column FILE.

    Raises UserError for a file outside the data set, for a file that is named twice, and for a
    training image without a row.
    """
    names = dataset.files or [str(k) for k in range(len(dataset.x_train))]
    known = names if dataset.whole is None else [*dataset.whole.files, *dataset.whole.test_files]
    files, first = table.columns[FILE], {}
    for row, place in enumerate(places(files, known, file_key).tolist()):
        if place < 0:
            raise table.error(
                row,
                f"names {files[row][:200]!a}, which is not an image of "
                f"{dataset.name}: give names such as {names[0][:200]!a}",
            )
        if place in first:
            raise table.error(
                row,
                f"names {files[row][:200]!a} again, after line "
                f"{table.lines[first[place]]}: keep one of them",
            )
        first[place] = row
    rows = [first.get(place) for place in places(names, known).tolist()]
    if None in rows:
        raise UserError(
            f"{table.path} has no row for {rows.count(None):,} of {len(rows):,} images, "
            f"such as {names[rows.index(None)][:200]!a}: add them"
        )
    columns = {
        name: [values[row] for row in rows]
        for name, values in table.columns.items()
        if name != FILE
    }
    return Table(table.path, columns, [table.lines[row] for row in rows])
