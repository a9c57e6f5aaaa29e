"""Tables and figures as files."""
import warnings
from pathlib import Path

from matplotlib import rc_context, rcParams

from noisylabels.runs.atomic_io import atomic, write_csv

UNTOLD = {              # what a figure's file would say of the program and the time that wrote it, by format
    "png": ["Software"], "pdf": ["Creator", "Producer", "CreationDate"], "svg": ["Creator", "Date"]}


def save_csv(frame, path):
    write_csv(path, frame)
    return path


def save_text(text, path):
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def figure_path(path: Path) -> Path:
    """Return the path of a figure, which ends in .png, with the suffix of the format that figures are saved in."""
    return path.with_suffix(f".{rcParams['savefig.format']}")


def save(figure, path):
    """Writes a figure, with the ending of its format in the place of .png; the same figure gives the same bytes.

    A letter that the font lacks, in a name of somebody's class, is a box.
    """
    path, name = figure_path(path), rcParams["savefig.format"]
    with (atomic(path) as temporary, rc_context({"svg.hashsalt": path.name, "pdf.fonttype": 42}),
          warnings.catch_warnings()):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(temporary, dpi=150, metadata=dict.fromkeys(UNTOLD[name]))
    return path
