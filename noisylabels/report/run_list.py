"""runs.md, the list of finished runs: the command, revision, machine and time of each."""

import re
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath, PureWindowsPath

from noisylabels.methods import title_of
from noisylabels.runs.folders import RunFolder
from noisylabels.runs.record import read_record

TITLES = {"INCV": "INCV selection", "Verify_Theory": "theory"}
SCRIPTS = ("INCV.py", "INCV_main.py", "Verify_Theory.py")
FOLDER_FLAGS = ("--data_dir", "--results_dir", "--format")  # each with a value
RERUN_FLAGS = ("--overwrite", "--overwrite_selection", "--wait", "--quiet")
COLUMNS = {
    "setting": "---",
    "run": "---",
    "seed": "---:",
    "recipe": "---",
    "command": "---",
    "revision": "---",
    "processor": "---",
    "threads": "---:",
    "hours": "---:",
    "date": "---",
}


def markdown(runs: Iterable[RunFolder], dataset: str) -> str | None:
    """Return runs.md of a data set, one row per finished run; None if no run has finished.

    Parameters
    ----------
    runs : iterable of RunFolder
        Run folders, in the order of the rows.
    dataset : str
        Name of the data set, for the heading.
    """
    rows, seconds = [], 0.0
    for run in runs:
        for path in sorted(run.folder.glob("*.json")):
            record = read_record(path)
            if record and record["finished"]:
                rows.append(_row(run, path.stem, record))
                seconds += sum(_known_seconds(record["sessions"]))
    if not rows:
        return None
    lines = [
        f"# Runs on {dataset}",
        "",
        f"{len(rows)} finished runs, at least {seconds / 3600:.1f} hours in total. Threads: per "
        "training.",
        "Hours: wall-clock time; ≥: a session was interrupted, and its time is unknown.",
        "Date: start of the run (UTC). Commands name no folders: add `--data_dir` and "
        "`--results_dir`.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'|'.join(COLUMNS.values())}|",
        *(f"| {' | '.join(_cell(row[name]) for name in COLUMNS)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def command_of(argv: list[str]) -> str:
    """Return the command line that repeats a run, without folders, machine paths and rerun flags.

    Parameters
    ----------
    argv : list of str
        Command of a session, as recorded: the script's path, then its flags.

    Returns
    -------
    str
        "" if the run was not started by one of the project's scripts. An absolute path is shown as
        its last part, `./photos` for `/home/me/photos`.
    """
    script = _last_part(argv[0]) if argv else ""
    if script not in SCRIPTS:
        return ""
    kept, words = ["python", script], iter(argv[1:])
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in FOLDER_FLAGS:
            if not equals:
                next(words, None)
        elif equals and flag.startswith("--"):
            kept.append(f"{flag}={_without_folder(value)}")
        elif flag not in RERUN_FLAGS:
            kept.append(_without_folder(word))
    return shlex.join(kept)


def _row(run: RunFolder, name: str, record: dict) -> dict[str, object]:
    """Return the cells of a record, by column."""
    sessions = record["sessions"] or [{}]
    hardware = sessions[-1].get("hardware", {})
    known = _known_seconds(sessions)
    hours = f"{sum(known) / 3600:.2f}"
    processor = str(hardware.get("device") or "unknown").removesuffix(" with bfloat16")
    if processor == "CPU":
        processor = hardware.get("processor") or "CPU, model unknown"
    command = command_of([str(word) for word in sessions[-1].get("command") or []])
    revisions = dict.fromkeys(str(session.get("git") or "unknown") for session in sessions)
    return {
        "setting": run.noise,
        "run": TITLES.get(name) or title_of(name.removesuffix("_training")),
        "seed": run.seed,
        "recipe": record["arguments"].get("recipe"),
        "command": command and f"`{command}`",
        "revision": ", ".join(revisions),
        "processor": processor,
        "threads": hardware.get("threads"),
        "hours": hours if len(known) == len(sessions) else f"≥ {hours}",
        "date": str(sessions[0].get("started") or "")[:10],
    }


def _known_seconds(sessions: list[dict]) -> list[float]:
    """Return the wall-clock times of the sessions that were not interrupted."""
    return [session["seconds"] for session in sessions if session.get("seconds") is not None]


def _cell(value: object) -> str:
    """Return a value as the text of a Markdown table's cell, a dash if there is none."""
    return "–" if value in (None, "") else re.sub(r"\s*\n\s*", " ", str(value)).replace("|", r"\|")


def _without_folder(word: str) -> str:
    """Return a word of a command line. Reduce an absolute path of any system to its last part."""
    absolute = PurePosixPath(word).is_absolute() or PureWindowsPath(word).is_absolute()
    return f"./{_last_part(word)}" if absolute else word


def _last_part(path: str) -> str:
    """Return the last part of a path of any system."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]
