"""How an error names the difference between a recorded and a requested run."""

from pathlib import Path

import pytest

from noisylabels.errors import UserError
from noisylabels.runs.comparison import compare

SELECTION = {"digest": "5e1e", "LP": 0.9, "LR": 0.8, "INCV_iter": 4}
DIGESTS = {
    "data": "0da7",
    "labels": "1abe",
    "decisions": "dec1",
    "noise_ratio": 0.1,
    "samples": 28,
    "selection": SELECTION,
}


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"data": "1", "labels": "2", "samples": 29, "noise_ratio": 0.2},
            "r.json: the images or labels have changed since this run; give the original ones, R",
        ),
        (
            {"data": "1", "image": "8×8×3"},
            "r.json: the images or labels have changed since this run, and it had other "
            "arguments: image (found None, given 8×8×3); give the original ones, R",
        ),
        (
            {"labels": "2", "noise_ratio": 0.2},
            "r.json: the observed labels have changed since this run; give the original ones, R",
        ),
        (
            {"decisions": "3", "selection": {**SELECTION, "LP": 0.7}},
            "r.json: the decisions have changed since this run; give the original ones, R",
        ),
        (
            {"decisions": None},
            "r.json records a run with other arguments: decisions (found some, given none); give "
            "those, R",
        ),
        (
            {"selection": {**SELECTION, "digest": "4", "LP": 0.7}},
            "r.json: the selection's rows have changed since this run; give the original ones, R",
        ),
        (
            {"selection": {"digest": "4", "LP": 0.7, "LR": 0.6}},
            "r.json: the selection's rows have changed since this run; give the original ones, R",
        ),
        (
            {"selection": {**SELECTION, "digest": "4", "INCV_iter": 2}},
            "r.json records a run with other arguments: selection: "
            "INCV_iter (found 4, given 2); give those, R",
        ),
        (
            {"selection": {**SELECTION, "digest": "4", "computed_in": "float32"}},
            "r.json: the selection's rows have changed since this run; give the original ones, R",
        ),
        (
            {"noise_ratio": 0.2},
            "r.json records a run with other arguments: noise_ratio (found 0.1, given 0.2); give "
            "those, R",
        ),
        (
            {"decisions": "3", "labels": "2"},
            "r.json: the decisions and the observed labels have changed since this run; "
            "give the original ones, R",
        ),
    ],
)
def test_differing_digest_is_named_in_words(changes, said):
    with pytest.raises(UserError) as error:
        compare(Path("r.json"), DIGESTS, DIGESTS | changes, "R")
    assert str(error.value) == said


def test_missing_setting_in_an_old_record_is_no_difference():
    now = {"selection": {**SELECTION, "computed_in": "float32"}}
    assert compare(Path("r.json"), DIGESTS, DIGESTS | now, "R") is None
