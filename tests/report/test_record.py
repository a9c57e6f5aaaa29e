"""The recorded runs: finished, small, and drawn from their own CSVs."""

import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from helpers import ROOT, files_in, prepare_calls
from matplotlib.figure import Figure

import INCV_main
import report
from noisylabels.report import draw
from noisylabels.report.published import theory_point

pytestmark = pytest.mark.runs
RECORD = ROOT / "results/record"
JPEG = ROOT / "results/jpeg/cifar10"  # drawn by the revision that made it, with its recipe
PAGE = ROOT / "results/README.md"


def is_figure(path):
    return path.endswith((".png", ".pdf", ".svg"))


@pytest.fixture(scope="module")
def recorded():
    """Return {path: content} of the record, without what git ignores and pages written by hand."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=RECORD,
        capture_output=True,
        text=True,
    )
    if listed.returncode:  # no clone, but what was made of one
        files = files_in(RECORD)
    else:
        files = {path: (RECORD / path).read_bytes() for path in listed.stdout.split("\0") if path}
    return {path: content for path, content in files.items() if not path.endswith("README.md")}


@pytest.fixture(scope="module")
def drawn(recorded, tmp_path_factory):
    """Let report.py draw a copy of the record without figures and tables; return its files.

    Figures of single runs are not drawn, because git ignores them.
    """
    folder = tmp_path_factory.mktemp("drawn") / "record"
    for path, content in recorded.items():
        if not is_figure(path) and path.count("/") != 1:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:  # the figures are not compared
        prepare_calls(patch)
        patch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
        patch.setattr(draw, "training_figures", lambda *_: [])
        patch.setattr(draw, "selection_files", lambda *_: [])
        report.main(["--results_dir", str(folder)])
    return files_in(folder)


def test_report_repeats_the_record_from_its_csvs(recorded, drawn):
    assert drawn.keys() == recorded.keys()
    assert [path for path in drawn if not is_figure(path) and drawn[path] != recorded[path]] == []


def test_the_record_is_small(recorded):
    assert sum(map(len, [*recorded.values(), *files_in(JPEG).values()])) < 30e6


def test_all_of_the_record_is_finished(recorded):
    records = {
        path: json.loads(content)
        for path, content in {**recorded, **files_in(JPEG)}.items()
        if path.endswith(("INCV.json", "_training.json", "Verify_Theory.json"))
    }
    assert records
    assert not [path for path, record in records.items() if not record["sessions"][-1]["seconds"]]


def test_report_page_shows_generated_tables():
    page = PAGE.read_text(encoding="utf-8")
    assert "(jpeg/cifar10/runs.md)" in page
    for path in (JPEG / "table.md", RECORD / "cifar10/INCV.md"):
        lines = path.read_text(encoding="utf-8").splitlines()
        table = "\n".join(line for line in lines if line.startswith("|"))
        assert f"\n\n{table}\n\n" in page, (
            f"copy the table of {path} to results/README.md:\n{table}"
        )


def test_readme_shows_the_scores_of_the_record():
    """README.md has the F-scores of iteration 4 with the published ones, and INCV's accuracy."""
    folder = RECORD / "cifar10"
    readme = (ROOT / "README.md").read_text()
    lines = (folder / "INCV.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith(("| sym", "| asym"))]
    last = [f"{row[7]} ({row[8]}) at {row[0]}" for row in rows if row[2] == "4"]
    assert last and [text for text in last if text not in readme] == []
    result = pd.read_csv(folder / "sym/0.5/fast/incv_result.csv", index_col="network")
    assert f"INCV reaches {100 * result['last']['mean']:.2f} at sym 0.5" in readme


def test_report_page_theory_table_matches_csv():
    runs = pd.read_csv(JPEG / "Verify_Theory.csv")
    assert (runs.seed == 0).all()
    runs = runs.set_index(["pattern", "ratio"])
    rows = []
    for ratio in sorted({ratio for _, ratio in runs.index}):
        cells = []
        for pattern in ("sym", "asym"):
            run = runs.loc[(pattern if ratio else "sym", ratio)]  # the same without noise
            cells += [run.TA, run.TA_theory, theory_point(pattern, ratio, "TA")]
        rows.append(f"| {ratio} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    assert len(rows) == 11 and "\n".join(rows) in PAGE.read_text(encoding="utf-8"), rows


def test_report_page_commands_are_accepted():
    commands = re.findall(r"`python (\w+)\.py (.*?)`", PAGE.read_text(encoding="utf-8"))
    assert {script for script, _ in commands} == {
        "INCV",
        "INCV_main",
        "Verify_Theory",
        "sweep",
        "report",
    }
    for script, flags in commands:
        parser = importlib.import_module(script).build_parser()
        others = parser.parse_known_args(shlex.split(flags))[1]
        assert not others or script == "sweep", flags
        INCV_main.build_parser().parse_args(others)
