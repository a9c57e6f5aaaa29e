"""Invalid calls: exit code 2, one line that names the argument or file, no output."""

import os
import re
import resource
import subprocess
import sys
from dataclasses import replace

import pytest
from bad_calls import FLAGS, SELECTION, TABLE, THEORY, TRAINING
from cifar_files import TINY, contents, python2_pickle, write_tiny
from helpers import SCRIPTS, assert_is_one_line, files_in, shell

from noisylabels import cli
from noisylabels.data import cifar, download

pytestmark = pytest.mark.runs


@pytest.fixture(autouse=True)
def early(request):
    """Fail if TensorFlow is imported before the error."""
    by_the_disk = "--results_dir" in getattr(
        getattr(request.node, "callspec", None), "params", {}
    ).get("arguments", [])
    request.getfixturevalue("unstarted" if by_the_disk else "no_tensorflow")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return DATA, with invalid data sets of all kinds, and the current folder."""
    data, results = tmp_path / "data", tmp_path / "results"
    for folder in (
        data / "folders/cifar-10-batches-py/data_batch_1",
        data / "empty/cifar-10-batches-py",
        data / "garbage/cifar-10-batches-py",
        results,
    ):
        folder.mkdir(parents=True)
    monkeypatch.setattr(download, "RETRIES", 0)  # each waits for seconds
    (data / "file").write_text("")
    (data / "garbage/cifar-10-batches-py/data_batch_1").write_bytes(os.urandom(1000))
    monkeypatch.chdir(results)
    return data, results


@pytest.mark.parametrize(
    "script, arguments, pattern", TABLE, ids=[" ".join([row[0], *row[1]])[:50] for row in TABLE]
)
def test_bad_call_is_one_error(script, arguments, pattern, call, folders):
    data, results = folders
    arguments = [argument.replace("DATA", str(data)) for argument in arguments]
    assert_is_one_line(call(script, *arguments), pattern.replace("DATA", re.escape(str(data))))
    assert files_in(results) == {} and not list(results.iterdir())


@pytest.mark.parametrize("script", ["INCV", "INCV_main"])
@pytest.mark.parametrize("mode", [0o000, 0o555])
@pytest.mark.parametrize("flags", [["--results_dir"], ["--dataset", "cifar10", "--data_dir"]])
def test_folder_without_permission_is_an_error(script, flags, mode, call, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may do anything")
    assert_is_one_line(
        call(script, *flags, folder), f"{folder}.*: Permission denied; .* another {flags[-1]}"
    )
    folder.chmod(0o755)
    assert not list(folder.iterdir())


def test_table_of_bad_calls_is_long():
    assert len(FLAGS + SELECTION + TRAINING + THEORY) >= 60


# ------------------------------------------------------------------------ in a process of their own


def test_bad_call_from_the_shell_is_one_error(tmp_path):
    flags = ["--batch_size", "5000", "--results_dir", tmp_path / "results"]
    assert_is_one_line(
        shell("INCV_main", *flags, cwd=tmp_path),
        "--batch_size: 5000 is more than the 1437 samples",
    )
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "script, arguments, code",
    [
        pytest.param("INCV", ["--help"], 0, marks=pytest.mark.slow),
        ("INCV_main", ["--noise_ratio", "2"], 2),
        pytest.param("Verify_Theory", ["--help"], 0, marks=pytest.mark.slow),
    ],
)
def test_help_and_argument_errors_are_quick(script, arguments, code):
    """Use at most four times the processor time of importing pandas, the least of several tries."""

    def spent():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    times, yardsticks = [], []
    while len(times) < 6 and not (times and min(times) < 4 * min(yardsticks)):
        start = spent()
        subprocess.run([sys.executable, "-c", "import pandas"], check=True)
        middle = spent()
        assert shell(script, *arguments).code == code
        times.append(spent() - middle)
        yardsticks.append(middle - start)
    assert min(times) < 4 * min(yardsticks)


def test_every_flag_and_script_has_a_help_text():
    for script in SCRIPTS:
        module = __import__(script)
        for action in module.build_parser()._actions:
            assert len(action.help) > 8, action.dest
        assert module.build_parser().description == module.__doc__.partition("\n")[0]


# ----------------------------------------------------------------------------------- data set files


@pytest.fixture
def tiny(folders, monkeypatch):
    """Return a function that writes a CIFAR-10 of 12 samples with these labels."""
    data, _ = folders
    layout = replace(TINY["cifar10"], train={"data_batch_1": 12}, test={"test_batch": 5})
    monkeypatch.setattr(cifar, "LAYOUTS", {"cifar10": layout})

    def write(labels):
        folder = data / "tiny" / layout.folder
        folder.mkdir(parents=True)
        for file, content in contents(layout).items():
            if file == "data_batch_1":
                content[layout.labels] = labels
            (folder / file).write_bytes(python2_pickle(content))
        return ["--dataset", "cifar10", "--data_dir", data / "tiny", "--batch_size", 2]

    return write


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    "labels, pattern",
    [
        ([10] + [0] * 11, "data_batch_1: each label must be a whole number between 0 and 9"),
        ([-1] + [0] * 11, "data_batch_1: each label must be a whole number between 0 and 9"),
        ([b"cat"] * 12, "data_batch_1: each label must be a whole number between 0 and 9"),
        ([0] * 11, "data_batch_1: 'labels' must be a list of 12 labels"),
        (
            [3] * 12,
            "--dataset: cifar10 in .*tiny has training labels of one class only, cat; delete it "
            "there",
        ),
    ],
)
def test_invalid_labels_are_an_error(script, labels, pattern, call, folders, tiny):
    assert_is_one_line(call(script, *tiny(labels)), pattern)
    assert not list(folders[1].iterdir())


@pytest.mark.parametrize("script", SCRIPTS)
def test_fewer_samples_than_classes_are_an_error(script, call, folders, monkeypatch):
    monkeypatch.setattr(cifar, "LAYOUTS", TINY)
    write_tiny(folders[0] / "tiny", "cifar10")
    ended = call(
        script, "--dataset", "cifar10", "--data_dir", folders[0] / "tiny", "--batch_size", 2
    )
    assert_is_one_line(
        ended, "--dataset: cifar10 .* has 7 training samples, fewer than its 10 classes"
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_batch_larger_than_the_data_is_an_error(script, call, folders, tiny):
    arguments = tiny([*range(10), 0, 1])
    ended = call(script, *arguments[:-1], 13)
    assert_is_one_line(ended, "--batch_size: 13 is more than the (12|6) samples")


@pytest.mark.parametrize(
    "script, arguments, words",
    [
        (
            "INCV",
            ["--top_k", 10],
            "finished epochs are saved, the same command continues from there",
        ),
        (
            "INCV",
            ["--top_k", 10, "--overwrite"],
            "finished epochs are saved, the same command continues from there, but repeats "
            "finished runs",
        ),
        (
            "sweep",
            ["--top_k", 10, "--overwrite_selection"],
            "finished epochs are saved, the same command continues from there, but repeats "
            "finished runs",
        ),
        ("predict", ["nothing.keras", "digits"], "nothing is written"),
        (
            "apply_decisions",
            ["--dataset", "x", "--decisions", "x", "--output", "x"],
            "nothing is written",
        ),
        (
            "report",
            ["--results_dir", "nothing"],
            "all files are complete; repeat the command to draw the rest",
        ),
    ],
)
def test_ctrl_c_line_says_what_is_saved(script, arguments, words, call, monkeypatch):
    lines = []
    monkeypatch.setattr(cli, "leave_on_signals", lines.append)
    assert call(script, *arguments).code == 2
    assert lines == [f"{script}.py: interrupted; {words}\n"]
