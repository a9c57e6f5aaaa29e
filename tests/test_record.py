"""The record of runs in results/record: whole, small, and drawn from its own CSVs."""
import json
import shutil

import pytest
from helpers import ROOT, files_in

import report

RECORD = ROOT / "results/record"


def is_figure(path):
    return path.endswith((".png", ".pdf", ".svg"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What report.py makes of a copy of the record without its figures and the tables of all runs."""
    folder = tmp_path_factory.mktemp("drawn") / "record"
    shutil.copytree(RECORD, folder)
    for path in files_in(folder):
        if is_figure(path) or path.count("/") == 1:
            (folder / path).unlink()
    report.main(["--results_dir", str(folder)])
    return files_in(folder)


def test_report_draws_the_record_from_its_csvs(drawn):
    expected = files_in(RECORD)
    assert drawn.keys() == expected.keys()
    assert [path for path in drawn if not is_figure(path) and drawn[path] != expected[path]] == []


def test_the_record_is_small():
    assert sum(map(len, files_in(RECORD).values())) < 30e6


def test_all_of_the_record_is_finished():
    records = {path: json.loads(content) for path, content in files_in(RECORD).items()
               if path.endswith(".json") and not path.endswith("classes.json")}
    assert records and [path for path, record in records.items() if not record["sessions"][-1]["seconds"]] == []
