"""The record of runs in results/record: whole, small, and drawn from its own CSVs."""
import json
import subprocess

import pytest
from helpers import ROOT, files_in
from matplotlib.figure import Figure

import report

RECORD = ROOT / "results/record"


def is_figure(path):
    return path.endswith((".png", ".pdf", ".svg"))


@pytest.fixture(scope="module")
def recorded():
    """{path relative to RECORD: content} of its files, without those that git ignores, such as networks."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=RECORD,
                            capture_output=True, text=True)
    if listed.returncode:                                   # no clone, but what was made of one
        return files_in(RECORD)
    return {path: (RECORD / path).read_bytes() for path in listed.stdout.split("\0") if path}


@pytest.fixture(scope="module")
def drawn(recorded, tmp_path_factory):
    """What report.py makes of a copy of the record without its figures and the tables of all runs."""
    folder = tmp_path_factory.mktemp("drawn") / "record"
    for path, content in recorded.items():
        if not is_figure(path) and path.count("/") != 1:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    plain = Figure.savefig
    with pytest.MonkeyPatch.context() as patch:         # small pictures: nobody looks at them
        patch.setattr(Figure, "savefig", lambda figure, *given, **named: plain(figure, *given, **named | {"dpi": 20}))
        report.main(["--results_dir", str(folder)])
    return files_in(folder)


def test_report_draws_the_record_from_its_csvs(recorded, drawn):
    assert drawn.keys() == recorded.keys()
    assert [path for path in drawn if not is_figure(path) and drawn[path] != recorded[path]] == []


def test_the_record_is_small(recorded):
    assert sum(map(len, recorded.values())) < 30e6


def test_all_of_the_record_is_finished(recorded):
    records = {path: json.loads(content) for path, content in recorded.items()
               if path.endswith(".json") and not path.endswith("classes.json")}
    assert records and [path for path, record in records.items() if not record["sessions"][-1]["seconds"]] == []


def test_the_page_of_the_record_shows_its_tables(drawn):
    page = (ROOT / "results/README.md").read_text()
    tables = ["\n".join(line for line in content.decode().splitlines() if line.startswith("|"))
              for path, content in drawn.items() if path.endswith(".md") and not path.endswith("runs.md")]
    assert tables and [table for table in tables if table not in page] == []
    assert "(record/cifar10/runs.md)" in page
