"""The set-up: pinned requirements that install on every Python named in the README, and no network
but the download.
"""

import ast
import re
import runpy
import subprocess
import sys

import pytest
from helpers import ROOT

SOURCES = [
    *ROOT.glob("*.py"),
    *(
        path
        for folder in ("noisylabels", "models", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ),
]
NETWORK = {
    "urllib",
    "http",
    "socket",
    "ssl",
    "requests",
    "urllib3",
    "ftplib",
    "smtplib",
    "aiohttp",
    "httpx",
}


FURTHER = ["requirements/dev.txt", "requirements/gpu.txt"]


def pins(name):
    """The requirements of a file: its lines, with versions and hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def packages(name):
    """{package: its versions and hashes} of a file of requirements."""
    found = {}
    for line in pins(name):
        found.setdefault(re.match(r"[\w.-]+", line)[0], set()).update(
            re.findall(r"==[^\s;]+|--hash=\S+", line)
        )
    return found


@pytest.mark.parametrize("name", ["requirements.txt", *FURTHER])
def test_every_requirement_is_pinned_with_hashes(name):
    assert pins(name)
    for line in pins(name):
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize("name", FURTHER)
def test_no_further_requirement_changes_a_pin(name):
    known, further = packages("requirements.txt"), packages(name)
    for package in known.keys() & further.keys():
        assert further[package] == known[package], package


def test_every_dependency_of_the_package_is_pinned():
    """Those of pyproject.toml, which the lock files are generated from."""
    text = (ROOT / "pyproject.toml").read_text()
    dependencies = re.findall(
        r'"([\w-]+)', re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
    )
    assert dependencies and {*dependencies} <= {*packages("requirements.txt")}


def test_cuda_comes_for_the_same_tensorflow_and_with_ptxas():
    assert {"tensorflow", "nvidia-cudnn-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-nccl-cu12"} <= {
        *packages("requirements/gpu.txt")
    }


def test_only_the_download_can_reach_the_network():
    found = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            )
            if NETWORK & {name.split(".")[0] for name in names if name != "urllib.parse"}:
                found[path.name] = names
    assert set(found) == {"download.py"}


@pytest.mark.parametrize(
    "method",
    [
        pytest.param("standard", marks=pytest.mark.runs),
        pytest.param("incv", marks=pytest.mark.slow),
    ],
)
def test_the_demo_does_without_what_only_posix_has(method, tmp_path):
    """As on Windows, as far as another system can play that."""
    flags = [
        "--method",
        method,
        "--architecture",
        "MLP",
        *(["--INCV_epochs", "1", "--INCV_iter", "1"] if method == "incv" else []),
        "--epochs",
        "1",
        "--threads",
        "1",
        "--results_dir",
        tmp_path,
    ]
    done = subprocess.run(
        [sys.executable, ROOT / "tests/as_on_windows.py", "INCV_main", *flags],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"digits/sym/0.5/{method}_result.csv").exists()


@pytest.mark.parametrize(
    "script", ["INCV", "INCV_main", "Verify_Theory", "predict", "report", "sweep"]
)
def test_a_python_without_the_packages_says_what_to_do(script):
    ended = subprocess.run(
        [sys.executable, "-S", ROOT / f"{script}.py"], text=True, capture_output=True
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(
        r"error: numpy, .*, tensorflow: not installed for this Python, .*; run `make install` .*\n",
        ended.stderr,
    )


WITHOUT_DOCSTRINGS = """
import contextlib, importlib, sys
for script in ("INCV", "Verify_Theory", "predict", "report", "sweep", "INCV_main"):
    with contextlib.suppress(SystemExit):
        importlib.import_module(script).main(["--help"])
importlib.import_module("INCV_main").main(["--results_dir", sys.argv[1]])
"""


def test_without_docstrings_help_works_and_training_is_one_error(tmp_path):
    """Python removes docstrings with -OO, and Keras needs them."""
    ended = subprocess.run(
        [sys.executable, "-OO", "-c", WITHOUT_DOCSTRINGS, tmp_path],
        cwd=ROOT,
        text=True,
        capture_output=True,
    )
    assert ended.stdout.count("usage: ") == 6
    assert (ended.returncode, ended.stderr) == (
        2,
        "-c: error: Keras needs the docstrings that python -OO (PYTHONOPTIMIZE=2) "
        "removes: leave that out\n",
    )


def test_a_python_that_is_too_old_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "noisylabels/system/check_requirements.py"))
    assert stop.value.code == 2
    version = re.escape(sys.version.split()[0])
    assert re.fullmatch(
        f"error: Python 3.10 to 3.13 is needed, this is {version}; run `make install` once, .*\n",
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 13, 1)])
def test_a_python_of_the_readme_is_new_enough(version, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", version)
    assert (
        runpy.run_path(str(ROOT / "noisylabels/system/check_requirements.py"))["problem"]
        == ""
        == capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements/dev.txt"])
def test_every_python_of_the_readme_finds_its_packages(version, name, tmp_path):
    """Resolved for that version against the registry, hashes checked, nothing installed."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--no-deps",
            "--require-hashes",
            "--ignore-installed",
            "--only-binary=:all:",
            "--python-version",
            version,
            "--target",
            str(tmp_path),
            "-r",
            str(ROOT / name),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
