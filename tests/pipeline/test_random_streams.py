"""The random streams of INCV_main.py."""

import json

import pytest
from helpers import QUICK, SMALL

from noisylabels import seeding

pytestmark = pytest.mark.runs


@pytest.mark.slow
@pytest.mark.parametrize(
    "method, stages, others",
    [
        (
            "incv",
            {("main", "0"), ("main", "1"), ("INCV", "0")},
            {"noise", "split", "epoch", "flips", "tracked", "validation"},
        ),
        (
            "f_correction",
            {("main", "0"), ("standard", "0")},
            {"noise", "held_out", "epoch", "flips", "tracked", "validation"},
        ),
    ],
)
def test_all_random_streams_of_a_run_differ(
    method, stages, others, tmp_path, call, unstarted, undrawn, monkeypatch
):
    drawn, plain = [], seeding._entropy

    def recorded(seed, purpose):
        drawn.append((seed, *map(str, purpose)))
        return plain(seed, purpose)

    monkeypatch.setattr(seeding, "_entropy", recorded)
    ended = call(
        "INCV_main",
        *(QUICK["INCV_main"] if method == "incv" else [*SMALL, "--epochs", 12]),
        "--method",
        method,
        "--validation_split",
        0.1,
        "--seed",
        3,
        "--results_dir",
        tmp_path,
    )
    assert ended.code == 0, ended.err
    assert len(drawn) == len(set(drawn)) and {seed for seed, *_ in drawn} == {3}
    assert {
        (stage, k) for _, purpose, *rest in drawn if purpose == "weights" for stage, k in [rest]
    } == stages
    assert {purpose for _, purpose, *_ in drawn} == {"weights", *others}
    for record in tmp_path.rglob("INCV.json"):  # which the training's flag does not change
        assert json.loads(record.read_text())["arguments"]["validation_split"] == 0
