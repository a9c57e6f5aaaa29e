"""The set-up: pinned requirements for every Python of the README, and no network use."""

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
    """Return the requirements of a file: its lines, with versions and hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def packages(name):
    """Return {package: versions and hashes} of a file of requirements."""
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
def test_other_lock_files_agree_with_the_first(name):
    known, further = packages("requirements.txt"), packages(name)
    for package in known.keys() & further.keys():
        assert further[package] == known[package], package


def test_every_dependency_is_pinned():
    """The lock files are generated from pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    dependencies = re.findall(
        r'"([\w-]+)', re.search(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)[1]
    )
    assert dependencies and {*dependencies} <= {*packages("requirements.txt")}


def test_gpu_lock_file_has_cuda_and_ptxas():
    assert {"tensorflow", "nvidia-cudnn-cu12", "nvidia-cuda-nvcc-cu12", "nvidia-nccl-cu12"} <= {
        *packages("requirements/gpu.txt")
    }


def test_only_downloads_use_the_network():
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
    assert set(found) == {"download.py", "backbone.py"}  # data sets, and weights


@pytest.mark.slow
@pytest.mark.parametrize("method", ["standard", "incv"])
def test_demo_needs_nothing_of_posix(method, tmp_path):
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
def test_missing_packages_are_one_error(script):
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


@pytest.mark.slow
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


def test_old_python_is_one_error(monkeypatch, capsys):
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
def test_python_of_the_readme_is_accepted(version, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", version)
    assert (
        runpy.run_path(str(ROOT / "noisylabels/system/check_requirements.py"))["problem"]
        == ""
        == capsys.readouterr().err
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements/dev.txt"])
def test_lock_files_resolve_for_every_python(version, name, tmp_path):
    """Resolve against the registry with hashes, and install nothing."""
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
