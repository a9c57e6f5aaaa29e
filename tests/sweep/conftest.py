"""Fixtures of sweeps: tasks that run code of a test, and a Dask scheduler."""

from functools import partial

import pytest
from code_tasks import coded
from dask_cluster import FAKE, Scheduler, write_scripts


@pytest.fixture
def task(tmp_path):
    """Return a function that makes a task which runs Python code as a script."""
    (tmp_path / "code.py").write_text(FAKE)
    return partial(coded, tmp_path)


@pytest.fixture
def scripts(tmp_path):
    return write_scripts(tmp_path)


@pytest.fixture
def dask(tmp_path):
    """Start a scheduler without workers."""
    with Scheduler(tmp_path) as scheduler:
        yield scheduler
