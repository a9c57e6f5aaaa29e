"""Fixtures of sweeps: tasks that run code of a test."""

import pytest
from dask_cluster import FAKE

from noisylabels.sweep.tasks import Task


@pytest.fixture
def task(tmp_path):
    """Return a function that makes a task which runs Python code as a script."""
    (tmp_path / "code.py").write_text(FAKE)

    def task(title, code="", work=1.0, needs=None):
        return Task(title, "code", [code], tmp_path / f"{title}.json", work=work, needs=needs)

    return task
