"""Structure of the code: allowed imports, no circles, and modules without TensorFlow."""

import ast
import graphlib
import subprocess
import sys
from dataclasses import FrozenInstanceError

import pytest
from helpers import ROOT

from noisylabels.data.cifar import Layout
from noisylabels.data.dataset import Dataset
from noisylabels.experiment import Experiment
from noisylabels.recipes import Settings

pytestmark = pytest.mark.runs
# Each room may import those on its right, and itself. A room is a module of noisylabels, or a
# folder of it.
MAY_IMPORT = {
    "errors": "",
    "seeding": "",
    "lr_schedules": "",
    "recipes": "lr_schedules",
    "models": "",
    "metrics": "",
    "system": "errors",
    "noise": "errors",
    "theory": "errors noise",
    "precision": "errors runs",
    "csv_files": "errors",
    "names": "",
    "data": "csv_files errors names noise seeding system",
    "runs": "csv_files errors noise recipes system",
    "experiment": "data metrics noise recipes",
    "backbones": "data errors runs system",
    "training": "backbones data errors experiment lr_schedules metrics models precision recipes "
    "runs seeding system",
    "methods": "errors metrics recipes runs seeding system theory training",
    "selection": "csv_files data errors names experiment methods metrics models noise runs seeding "
    "system theory training",
    "report": "csv_files data errors names methods metrics noise recipes runs selection system "
    "theory",
    "cli": "errors runs system",
    "flags": "backbones cli methods models noise recipes",
    "flag_rules": "backbones data errors methods",
    "pipeline": "backbones csv_files data errors experiment methods metrics models names noise "
    "recipes report runs seeding selection system theory training utils",
    "api": "data experiment models noise recipes runs selection system",
    "sweep": "data errors experiment flag_rules methods noise pipeline runs selection system",
    "utils": "data errors noise seeding",
}
SCRIPTS = {"INCV", "INCV_main", "Verify_Theory", "apply_decisions", "predict", "sweep", "report"}
WITHOUT_TENSORFLOW = [
    "noisylabels.theory",
    "noisylabels.selection.algorithm",
    "noisylabels.selection.processes",
    "noisylabels.selection.ridge_trainer",
    "noisylabels.report.draw",
    "noisylabels.cli",
    "noisylabels.api",
    "utils",
    "INCV",
    "INCV_main",
    "Verify_Theory",
    "apply_decisions",
    "predict",
    "sweep",
    "report",
]


def modules():
    """Return {name: parsed file} of everything but tests and benchmarks."""
    paths = [
        *ROOT.glob("*.py"),
        *(ROOT / "noisylabels").rglob("*.py"),
        *(ROOT / "models").rglob("*.py"),
    ]
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
    ]
    trees = {name: ast.parse(path.read_text()) for name, path in zip(names, paths)}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
                node.body = []  # imports for annotations alone are not executed
    return trees


def imports(tree, known):
    """Return our modules that a file imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in whole}
    return found & set(known)


def room(module):
    """Return the room of a module; scripts have names of their own."""
    first, *rest = module.split(".")
    return (
        f"{first}.py" if first in SCRIPTS else rest[0] if first == "noisylabels" and rest else first
    )


def test_imports_follow_the_layers():
    known = modules()
    for name, tree in known.items():
        if room(name) in MAY_IMPORT:
            allowed = {room(name), "noisylabels", *MAY_IMPORT[room(name)].split()}
            assert {room(other) for other in imports(tree, known)} <= allowed, name
    assert {room(name) for name in known} == {
        *MAY_IMPORT,
        *(f"{name}.py" for name in SCRIPTS),
        "noisylabels",
    }


@pytest.mark.parametrize("kind", [Dataset, Layout, Settings, Experiment])
def test_shared_objects_are_frozen(kind):
    with pytest.raises(FrozenInstanceError):
        kind.__new__(kind).name = "another"


def test_no_import_circle():
    known = modules()
    assert list(
        graphlib.TopologicalSorter(
            {name: imports(tree, known) for name, tree in known.items()}
        ).static_order()
    )


def test_late_imports_are_one_block_per_module():
    """TensorFlow, Dask and the download are imported where they are needed."""
    found = {}
    for name, tree in modules().items():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                blocks = [
                    node
                    for node in ast.walk(function)
                    if isinstance(node, ast.Import | ast.ImportFrom)
                ]
                if blocks:
                    found.setdefault(name, []).append(blocks)
    assert set(found) == {
        "INCV_main",
        "noisylabels.data.cifar",
        "Verify_Theory",
        "predict",
        "sweep",
    }
    for name, functions in found.items():
        (block,) = functions
        assert block[-1].lineno - block[0].lineno == len(block) - 1, name


def test_modules_do_not_import_tensorflow():
    code = (
        "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
        "    assert not {'tensorflow', 'keras'} & {*sys.modules}, name"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *WITHOUT_TENSORFLOW], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_is_long():
    for path in [
        *ROOT.glob("*.py"),
        *(
            path
            for folder in ("noisylabels", "models", "benchmarks", "tests")
            for path in (ROOT / folder).rglob("*.py")
        ),
    ]:
        assert len(path.read_text().splitlines()) <= 300, path


def test_no_test_imports_from_another_test():
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named = getattr(node, "module", None) or ""
            assert not (isinstance(node, ast.ImportFrom) and named.startswith("test_")), path
