"""The measurement that decides between bfloat16 and float32, once per machine."""

import json
import sys

import pytest
from helpers import ROOT

from noisylabels import precision


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Return the path of the measurement, in a cache folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "noisylabels" / f"precision_{precision.machine_key()}.json"


@pytest.fixture
def measured(monkeypatch):
    """Return a function that replaces the measurement by seconds and returns the list of calls."""

    def measured(float32, bfloat16):
        calls = []

        def measure():
            calls.append(1)
            return {"float32": float32, "bfloat16": bfloat16}

        monkeypatch.setattr(precision, "measure_in_subprocess", measure)
        return calls

    return measured


@pytest.mark.parametrize("bfloat16, faster", [(0.5, True), (1.7, False)])
def test_the_faster_type_is_measured_once(cached, measured, bfloat16, faster):
    calls = measured(1.0, bfloat16)
    assert [precision.bfloat16_is_faster() for _ in range(2)] == [faster] * 2
    assert len(calls) == 1
    assert json.loads(cached.read_text()) == {"float32": 1.0, "bfloat16": bfloat16}


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", '{"float32": 1}', '{"float32": null, "bfloat16": 1}']
)
def test_a_damaged_file_is_measured_again(cached, measured, content):
    cached.parent.mkdir()
    cached.write_text(content)
    measured(1.0, 0.5)
    assert precision.bfloat16_is_faster()
    assert json.loads(cached.read_text())["bfloat16"] == 0.5


def test_an_unusable_cache_folder_does_not_stop_the_choice(cached, measured, monkeypatch):
    cached.parent.write_text("a file, where the folder should be")
    calls = measured(1.0, 0.5)
    assert precision.bfloat16_is_faster() and len(calls) == 1


def test_another_processor_is_measured_again(cached, monkeypatch, tmp_path):
    key = precision.machine_key()
    (tmp_path / "cpuinfo").write_text("model name\t: Another\nflags\t\t: avx512_bf16\n")
    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    assert precision.machine_key() != key


@pytest.mark.parametrize(
    "code, is_stored",
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", True),
        ("print('no JSON')", True),
        ("import time; time.sleep(9)", False),
    ],
)
def test_a_failed_measurement_means_float32(cached, monkeypatch, code, is_stored):
    """One that took too long is repeated later, because the machine may have been busy."""
    monkeypatch.setattr(precision, "COMMAND", (sys.executable, "-c", code))
    monkeypatch.setattr(precision, "TIMEOUT", 1)
    assert not precision.bfloat16_is_faster()
    assert cached.exists() == is_stored


def test_the_measurement_finds_the_packages_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = "import json, sys; print(json.dumps(sys.path))"
    monkeypatch.setattr(precision, "COMMAND", (sys.executable, "-c", code))
    assert {str(ROOT), str(tmp_path)} <= {*precision.measure_in_subprocess()}


@pytest.mark.slow
@pytest.mark.runs
def test_the_measurement_times_both_types(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    seconds = precision.measure_in_subprocess()
    assert seconds.keys() == {"float32", "bfloat16"}
    assert 0 < min(seconds.values()) and seconds != {"float32": 0.0, "bfloat16": 1.0}
