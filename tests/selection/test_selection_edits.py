"""A selection edited since INCV wrote it, or with an unfinished record."""

import json

import pandas as pd
import pytest
from helpers import SELECTION, assert_is_one_line, files_in, record_of

pytestmark = pytest.mark.usefixtures("undrawn")


def select_all(path):
    """Edit a selection's CSV so that it selects the samples with true labels."""
    frame = pd.read_csv(path)
    frame["select"], frame["candidate"] = frame.y == frame.y_noisy, False
    frame.to_csv(path, index=False)


def test_edited_selection_in_the_usual_place_is_refused(select, train, tmp_path):
    select("--INCV_iter", 1)
    assert train()[1][0] == "training"
    select_all(tmp_path / SELECTION)
    before = files_in(tmp_path)
    ended, begun = train()
    assert_is_one_line(
        ended,
        "INCV_results.csv is damaged, or was edited since INCV wrote it: .* --overwrite_selection ",
    )
    assert begun is None and files_in(tmp_path) == before


def test_named_edited_selection_counts_as_foreign(select, train, tmp_path):
    select("--INCV_iter", 1)
    select_all(tmp_path / SELECTION)
    ended, (what, _) = train("--selection", tmp_path / SELECTION)
    assert what == "training" and "INCV_results.csv: edited since INCV wrote it; " in ended.out
    assert list(record_of(tmp_path, "incv_training")["arguments"]["selection"]) == [
        "digest",
        "LP",
        "LR",
    ]


def test_named_selection_of_an_unfinished_record_is_foreign(select, train, tmp_path):
    """The unfinished run has not written this CSV."""
    select("--INCV_iter", 1)
    path = tmp_path / "digits/sym/0.5/INCV.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False}))
    ended, (what, _) = train("--selection", tmp_path / SELECTION)
    assert what == "training" and "INCV_results.csv: how it was made is unknown; " in ended.out


def test_old_record_without_digests_is_accepted_with_a_warning(select, train, tmp_path):
    select("--INCV_iter", 1)
    path = tmp_path / "digits/sym/0.5/INCV.json"
    record = json.loads(path.read_text())
    assert "digits_sym0.5_INCV_results.csv" in record.pop("files")
    path.write_text(json.dumps(record))
    ended, (what, _) = train()
    assert (
        what == "training"
        and f"{path} was written by an earlier version without digests" in ended.err
    )
