"""Names of files and classes: which names are equal, and which names only look equal."""

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np


def normal(name: str) -> str:
    """Return a name in Unicode's composed form, without white space around it.

    A Mac writes names of files in the decomposed form.
    """
    return unicodedata.normalize("NFC", name.strip())


def file_key(name: str) -> str:
    """Return the path of a file in the form in which paths are compared."""
    return posixpath.normpath(normal(name))


def places(
    wanted: Sequence[str], names: Sequence[str], key: Callable[[str], str] = normal
) -> np.ndarray:
    """Find names among others.

    Parameters
    ----------
    wanted, names
        The m names to find, and the names to search.
    key
        Function of a name. If there is no equal name, a name with an equal key is taken. The key
        must be unique.

    Returns
    -------
    numpy.ndarray
        The positions in `names`, int64 (m,); -1 for a name that is missing there.
    """
    equal = {name: place for place, name in enumerate(names)}
    found = np.array([equal.get(name, -1) for name in wanted], np.int64)
    lost = np.flatnonzero(found < 0)
    if len(lost):
        keys = [key(name) for name in names]
        often = Counter(keys)
        alike = {text: place for place, text in enumerate(keys) if often[text] == 1}
        found[lost] = [alike.get(key(wanted[k]), -1) for k in lost]
    return found


def visible(name: str) -> str:
    """Return the visible part of a name: composed, without invisible characters, single spaces."""
    composed = unicodedata.normalize("NFC", name)
    return " ".join("".join(filter(_is_visible, composed)).split())


def _is_visible(character: str) -> bool:
    """Return False for format characters such as the zero-width space, and variation selectors."""
    return unicodedata.category(character) != "Cf" and not "\ufe00" <= character <= "\ufe0f"


def shown(name: str) -> str:
    """Return a name as text for a message, with escapes if a part of it is invisible."""
    return name if name.isprintable() and name == name.strip() and name else ascii(name)


def shortened(name: str, longest: int = 14) -> str:
    """Return a class name in one line of limited length, without the middle of a longer one.

    Long names often differ only at their ends.
    """
    line = " ".join(name.split())
    if len(line) <= longest:
        return line
    head = (longest - 1) // 2
    return f"{line[:head]}…{line[head + 1 - longest :]}"


def listed(names: Iterable[str]) -> str:
    """Return up to twenty names in one line, for a message."""
    names = list(names)
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return (", ".join(map(shown, names[:20])) or "(there is none)") + more
