"""The record of runs in results/record: whole, small, and drawn from its own CSVs."""
import shutil

import pandas as pd
import pytest
from helpers import ROOT

import report

RECORD = ROOT / "results/record"
FIGURES = {".png", ".pdf", ".svg"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """What report.py makes of a copy of the record without its figures and the tables of all runs."""
    folder = tmp_path_factory.mktemp("drawn") / "record"
    shutil.copytree(RECORD, folder)
    for path in files(folder):
        if path.suffix in FIGURES or len(path.parts) == 2:
            (folder / path).unlink()
    report.main(["--results_dir", str(folder)])
    return folder


def files(folder):
    """The paths of all files beneath a folder, but for locks."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name[0] != "."}


def test_report_draws_the_record_from_its_csvs(drawn):
    assert files(drawn) == files(RECORD)
    for path in files(drawn):
        if path.suffix not in FIGURES:
            assert (drawn / path).read_bytes() == (RECORD / path).read_bytes(), path


def test_the_record_is_small():
    assert sum((RECORD / path).stat().st_size for path in files(RECORD)) < 30e6


def test_all_of_the_record_is_finished():
    for path in RECORD.rglob("*.json"):
        if path.name != "classes.json":
            assert pd.read_json(path, typ="series")["sessions"][-1]["seconds"], path
