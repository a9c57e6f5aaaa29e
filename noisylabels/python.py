"""Imported first by each script: ends it, in a line that says what to do, where Python is too old or lacks packages.

A Python that is too old has to understand this module.
"""
import sys
from importlib.util import find_spec

PACKAGES = ("numpy", "pandas", "sklearn", "matplotlib", "filelock", "joblib", "PIL", "rich",
            "pooch", "distributed", "dask_jobqueue", "tensorflow")

problem = ", ".join(name for name in PACKAGES if find_spec(name) is None)
if problem:
    problem += f": not installed for this Python, {sys.executable}"
if sys.version_info < (3, 10):  # noqa: UP036
    problem = f"Python 3.10 to 3.13 is needed, this is {sys.version.split()[0]}"
if problem:
    print(f"error: {problem}; run `make install` once, then `source .venv/bin/activate`", file=sys.stderr)
    sys.exit(2)
