"""Tables and figures as files."""
import warnings

from noisylabels.runs.files import atomic, write_csv


def save_csv(frame, path):
    write_csv(path, frame)
    return path


def save_text(text, path):
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def save(figure, path):
    """Writes a figure as PNG; the same figure gives the same bytes. What the font lacks of a class's name is a box."""
    with atomic(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(temporary, dpi=150, metadata={"Software": None})
    return path
