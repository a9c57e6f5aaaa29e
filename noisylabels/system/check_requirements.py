"""Check Python and its packages before other imports, and end with one line if they are unfit.

Each script imports this module first. The imports that follow take seconds. If the script itself
was called, Ctrl-C therefore ends it with one line from here on. Old Pythons must be able to parse
this module.
"""

import os
import sys
from importlib.util import find_spec

PACKAGES = (
    "numpy",
    "pandas",
    "sklearn",
    "matplotlib",
    "filelock",
    "joblib",
    "PIL",
    "rich",
    "pooch",
    "distributed",
    "dask_jobqueue",
    "tensorflow",
)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

main, problem = getattr(sys.modules["__main__"], "__file__", None) or "", ""
if sys.version_info < (3, 10):  # noqa: UP036
    problem = f"Python 3.10 to 3.13 is needed, this is {sys.version.split()[0]}"
else:
    if os.path.dirname(os.path.abspath(main)) == ROOT:
        from noisylabels.system.signals import leave_on_signals, open_streams

        open_streams()
        leave_on_signals(f"{os.path.basename(main)}: interrupted; nothing is written\n")
    missing = ", ".join(name for name in PACKAGES if find_spec(name) is None)
    if missing:
        problem = f"{missing}: not installed for this Python, {sys.executable}"
if problem:
    print(
        f"error: {problem}; run `make install` once, then `source .venv/bin/activate`",
        file=sys.stderr,
    )
    sys.exit(2)
