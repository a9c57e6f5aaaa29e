"""Tables and figures as files."""
from noisylabels.runs.files import atomic, write_csv


def save_csv(frame, path):
    write_csv(path, frame)
    return path


def save_text(text, path):
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def save(figure, path):
    """Writes a figure as PNG; the same figure gives the same bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None})
    return path
