"""Write tables and figures as files."""

import warnings
from pathlib import Path

import pandas as pd
from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure

from noisylabels.runs.atomic_io import atomic, write_csv

OMITTED_METADATA = {  # metadata about program and time that figures leave out, by format
    "png": ["Software"],
    "pdf": ["Creator", "Producer", "CreationDate"],
    "svg": ["Creator", "Date"],
}


def save_all(contents: dict[str, Figure | pd.DataFrame | str], folder: Path) -> list[Path]:
    """Write files of these names to a folder, in this order; return their paths."""
    return [save(content, folder / name) for name, content in contents.items()]


def save(content: Figure | pd.DataFrame | str, path: Path) -> Path:
    """Write a figure, a table or a text; return the path."""
    if isinstance(content, Figure):
        return save_figure(content, path)
    if isinstance(content, pd.DataFrame):
        write_csv(path, content)
    else:
        with atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return path


def figure_path(path: Path) -> Path:
    """Replace the suffix .png of a figure's path by that of the chosen format."""
    return path.with_suffix(f".{rcParams['savefig.format']}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure with the suffix of its format; return the path.

    Equal figures have equal bytes. A letter that the font lacks becomes a box.
    """
    path, name = figure_path(path), rcParams["savefig.format"]
    with (
        atomic(path) as temporary,
        rc_context({"svg.hashsalt": path.name, "pdf.fonttype": 42}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(temporary, dpi=150, metadata=dict.fromkeys(OMITTED_METADATA[name]))
    return path
