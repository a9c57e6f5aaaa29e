"""Classes of custom data: their order, probable mistakes in their names, and their counts."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

from noisylabels.data.label_files import distinct, whole_number
from noisylabels.errors import UserError
from noisylabels.names import listed, shown, visible

MAX_CLASSES = 1000
NO_LABEL = {"", "-", "--", "?", "''", '""', "nan", "none", "null", "nil", "na", "n/a", "#n/a"}
NO_LABEL |= {"<na>", "missing", "undefined", "unknown"}
PARTS = re.compile(
    r"train(ing)?|test(ing)?|val(id|idation)?|dev|eval|unlabel+ed|images?|masks?|labels"
    r"|annotations|(fold|split|part)[ _-]?\d+"
)
IN_FULL, SHORTENED = 20, 8  # classes in one line
PAIRS = 5  # in a warning


def class_codes(
    path: object,
    labels: list[str],
    truth: list[str] | None,
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None]:
    """Find the classes in labels, and convert the labels to class indices.

    Parameters
    ----------
    path
        Path of the data, for errors.
    labels, truth
        The n observed labels, and the true ones if they are known. White space is part of a name.

    Returns
    -------
    classes
        The class names, sorted as text. If all names are whole numbers, they are sorted as numbers.
    codes, truth
        Class indices of `labels` and `truth`, int64 (n,). The latter is None if `truth` is None.

    Raises
    ------
    UserError
        A name cannot be shown, two names differ only in white space, or there are fewer than two
        classes or more than MAX_CLASSES.
    """
    present, codes = distinct(labels + (truth or []))
    spaced = {}
    for name in present:
        if not name.strip() or any(
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name
        ):
            raise UserError(
                f"{path}: the class name {name[:80]!a} is empty, or contains a line break or "
                "another invisible character: rename it"
            )
        other = spaced.setdefault(" ".join(name.split()), name)
        if other != name:
            raise UserError(
                f"{path}: the classes {other[:80]!a} and {name[:80]!a} differ only in "
                "white space: give both the same name, or another one"
            )
    if len(present) < 2:
        raise UserError(
            f"{path} has one class only, {listed(present)}: give images of two classes or "
            "more, in a folder with one subfolder per class"
        )
    if len(present) > MAX_CLASSES:
        raise UserError(
            f"{path} has {len(present):,} classes, such as {listed(present[:3])}, more "
            f"than {MAX_CLASSES:,}: give the folder or column that holds the labels"
        )
    numbers, order = [whole_number(name) for name in present], np.arange(len(present))
    if None not in numbers:
        order = np.array(sorted(order, key=numbers.__getitem__))
    codes = np.argsort(order)[codes]
    return (
        tuple(present[k] for k in order),
        codes[: len(labels)],
        codes[len(labels) :] if truth else None,
    )


def doubts(classes: Sequence[str]) -> list[str]:
    """Return a sentence for each kind of mistake that the class names suggest.

    The kinds are names that look alike, names that mean a missing label, and names of parts of a
    data set.
    """
    alike, found = {}, []
    for name in classes:
        alike.setdefault(_likeness(name), []).append(name)
    pairs = [_pair(names[0], other) for names in alike.values() for other in names[1:]]
    if pairs:
        more = f" and {len(pairs) - PAIRS:,} more pairs" if len(pairs) > PAIRS else ""
        found.append(
            f"classes that may be the same: {'; '.join(pairs[:PAIRS])}{more}; "
            "if they are, give them one name"
        )
    missing = [ascii(name) for name in classes if _is_missing(name, len(classes))]
    if missing:
        found.append(
            f"classes that may mean a missing label: {', '.join(missing[:PAIRS])}; "
            "if they do, remove their images"
        )
    if all(PARTS.fullmatch(name.casefold()) for name in classes):
        found.append(
            f"classes with names of parts of a data set, {listed(classes)}: if they are not "
            "classes, rename the training set to train/ and the test set to test/, each with a "
            "folder for each class"
        )
    return found


def _likeness(name: str) -> object:
    """Return a key that similar names share: their number, or their letters in lower case."""
    text = unicodedata.normalize("NFKC", visible(name)).casefold()
    number = _number(text)
    if number is not None:
        return number
    return " ".join(re.split(r"[\s_-]+", text))


def _number(text: str) -> Decimal | None:
    """Parse a text as a finite number; None if it is not one."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 100 else None


def _pair(name: str, other: str) -> str:
    """Return two names as text, with escapes if they look the same."""
    quoted = ascii if visible(name) == visible(other) else repr
    return f"{quoted(name[:80])} and {quoted(other[:80])}"


def _is_missing(name: str, n_classes: int) -> bool:
    """Return whether a name means a missing label. In two classes, -1 is the negative class."""
    text = visible(name).casefold()
    return text in NO_LABEL or (n_classes > 2 and _number(text) == -1)


def counts(
    name: str,
    classes: Sequence[str],
    train: np.ndarray,
    test: np.ndarray | None = None,
    unit: str = "images",
) -> str:
    """Return the line that lists the classes of a data set with their numbers of samples.

    Parameters
    ----------
    name
        Name of the data set.
    classes
        The c class names.
    train, test
        Numbers of training and test samples of each class, int (c,). `test` is None without a test
        set.
    unit
        The word for samples.
    """

    def pair(trained: int, tested: int) -> str:
        return f"{trained:,}" if test is None else f"{trained:,}/{tested:,}"

    tests = np.zeros_like(train) if test is None else test
    numbers = [f"{shown(classes[k])} {pair(train[k], tests[k])}" for k in range(len(classes))]
    entries = ", ".join(numbers)
    if len(classes) > IN_FULL:
        both = train + tests
        entries = (
            f"{', '.join(numbers[:SHORTENED])} and {len(classes) - SHORTENED:,} more; fewest "
            f"{numbers[both.argmin()]}, most {numbers[both.argmax()]}, in all "
            f"{pair(train.sum(), tests.sum())}"
        )
    what = unit if test is None else f"{unit} to train on/to test on"
    return f"{name}: {len(classes):,} classes, {what}: {entries}"
