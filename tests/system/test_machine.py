"""How trainings share a machine, over a table of machines."""

import os
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from noisylabels.system import hardware, sharing


@pytest.mark.parametrize(
    "cores, gpus, memory, flags, expected",
    [
        # parallel, gpu_id, threads                     a GPU id for each process, threads of each
        (8, 0, 9e9, ("auto", None, None), ((None, None), 4)),
        (8, 0, 1e9, ("auto", None, None), ((None,), 8)),  # not the memory for two
        (1, 0, 9e9, ("auto", None, None), ((None,), 1)),
        (2, 0, 9e9, ("auto", None, None), ((None, None), 1)),
        (3, 0, 9e9, ("auto", None, None), ((None, None), 1)),
        (8, 0, 3e9, ("auto", None, None), ((None,), 8)),  # each takes a half of 3e9
        (8, 0, 3e9 + 1, ("auto", None, None), ((None, None), 4)),
        (8, 0, 9e9, ("off", None, None), ((None,), 8)),
        (1, 0, 1e9, ("on", None, None), ((None, None), 1)),  # as one wishes
        (8, 0, 9e9, ("auto", None, 3), ((None, None), 3)),
        (8, 0, 9e9, ("off", None, 3), ((None,), 3)),
        (
            8,
            0,
            9e9,
            ("auto", "0,1", None),
            (("0,1", "0,1"), 4),
        ),  # 2019's flag, where there is no GPU
        (8, 0, 9e9, ("auto", "-1", None), (("-1", "-1"), 4)),
        (8, 1, 9e9, ("auto", None, None), ((None,), 8)),  # two on one GPU gain nothing
        (8, 1, 9e9, ("on", None, None), ((None, None), 4)),
        (8, 2, 9e9, ("auto", None, None), (("0", "1"), 4)),
        (8, 2, 1e9, ("auto", None, None), ((None,), 8)),
        (8, 2, 9e9, ("off", None, None), ((None,), 8)),
        (8, 4, 9e9, ("auto", "2,3", None), (("2", "3"), 4)),
        (8, 4, 9e9, ("auto", None, None), (("0", "1"), 4)),
        (8, 4, 9e9, ("auto", "0,1,2,3", None), (("0,1", "2,3"), 4)),  # as many for each half
        (8, 4, 9e9, ("auto", "0,1,3", None), (("0", "1"), 4)),
        (
            8,
            4,
            9e9,
            ("off", "0,1", None),
            (("0",), 8),
        ),  # a half's batches are as large as side by side
        (8, 4, 1e9, ("auto", "0,1", None), (("0",), 8)),
        (8, 4, 9e9, ("off", "0,1,2,3", None), (("0,1",), 8)),
        (8, 4, 9e9, ("off", "-1", None), (("-1",), 8)),
        (8, 4, 9e9, ("auto", "2", None), (("2",), 8)),
        (8, 4, 9e9, ("on", "2", None), (("2", "2"), 4)),
        (8, 4, 9e9, ("auto", "-1", None), (("-1", "-1"), 4)),
    ],
)
def test_trainings_share_cores_memory_and_gpus(cores, gpus, memory, flags, expected, monkeypatch):
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    monkeypatch.setattr(hardware, "gpus", lambda: gpus)
    monkeypatch.setattr(hardware, "free_memory", lambda: memory)
    parallel, gpu_id, threads = flags
    assert sharing.share_machine(fresh(parallel), gpu_id and fresh(gpu_id), threads) == expected


def fresh(text):
    """Return an equal text that is another object, like one from a command line."""
    return text.encode().decode()


@pytest.mark.parametrize(
    "visible, found", [(None, 3), ("", 0), ("-1", 0), ("1", 1), ("0,2", 2), ("0,1,2,3", 3)]
)
def test_gpus_of_driver_and_environment(visible, found, monkeypatch, tmp_path):
    for k in range(3):
        (tmp_path / f"proc/driver/nvidia/gpus/000{k}").mkdir(parents=True)
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert hardware.gpus() == found


@pytest.mark.parametrize(
    "listed, found",
    [("GPU 0: a (UUID: b)\nGPU 1: a (UUID: c)", 2), ("No devices found.", 0), (None, 0)],
)
def test_gpus_in_wsl(listed, found, monkeypatch, tmp_path):
    """/proc does not list them; nvidia-smi may."""
    smi = tmp_path / "usr/lib/wsl/lib/nvidia-smi"
    smi.parent.mkdir(parents=True)
    if listed:
        smi.write_text(f'#!/bin/sh\n[ "$1" = -L ] && echo "{listed}"\n')
        smi.chmod(0o755)
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert hardware.gpus() == 0
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    assert hardware.gpus() == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("model\t\t: 17\nmodel name\t: A 9\nflags\t: a\n\nmodel name\t: A 9\n", "A 9"),
        ("model\t: 1\n", "B"),
        (None, "B"),
    ],
)
def test_processor_name(text, found, monkeypatch, tmp_path):
    """Read it from /proc, or from Python."""
    (tmp_path / "proc").mkdir()
    if text:
        (tmp_path / "proc/cpuinfo").write_text(text)
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr("platform.processor", lambda: "B")
    assert hardware.processor() == found
    monkeypatch.setattr("platform.processor", str)
    monkeypatch.setattr("platform.machine", lambda: "C")
    assert hardware.processor() == found.replace("B", "C")


MEMORY = "MemTotal: 9 kB\nMemAvailable:    2048 kB\n"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "text, limit, found",
    [
        (MEMORY, None, 2048 * 1024),
        ("MemTotal: 9 kB\n", None, float("inf")),
        (None, None, float("inf")),
        ("MemAvailable: much\n", None, float("inf")),
        (MEMORY, "max", 2048 * 1024),
        (MEMORY, "1000000", 400000),
        (None, "1000000", 400000),
        (MEMORY, "9000000", 2048 * 1024),
    ],
)
def test_free_memory(text, limit, found, version, monkeypatch, tmp_path):
    """Respect the limit of a container, and count memory that can be reclaimed."""
    group = tmp_path / "sys/fs/cgroup" / ("memory" if version == 1 else "")
    names = (
        ("max", "current", "stat") if version == 2 else ("limit_in_bytes", "usage_in_bytes", "stat")
    )
    group.mkdir(parents=True), (tmp_path / "proc").mkdir()
    if text:
        (tmp_path / "proc/meminfo").write_text(text)
    if limit:
        stat = f"anon 600000\n{'total_' * (version == 1)}inactive_file 100000"
        for name, value in zip(names, (limit, 700000, stat)):
            (group / f"memory.{name}").write_text(f"{value}\n")
    monkeypatch.setattr(hardware, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert hardware.free_memory() == found


@pytest.mark.parametrize(
    "allowed, quota, count, found", [({0, 3, 5}, 8, 8, 3), ({0, 3, 5}, 2, 8, 2), ({0}, 1, None, 1)]
)
def test_cores(allowed, quota, count, found, monkeypatch):
    """Count the cores this process may use, at most the container's quota."""
    monkeypatch.setattr(os, "sched_getaffinity", {0: allowed}.__getitem__, raising=False)
    monkeypatch.setattr(
        "joblib.externals.loky.backend.context._cpu_count_cgroup", lambda count: quota
    )
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert hardware.cores() == found


PARENT = """
import functools, os, subprocess, sys, time
from noisylabels.system.child_processes import die_with
code = "import time; print('up', flush=True); time.sleep(300)"
child = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, text=True,
                         preexec_fn=functools.partial(die_with, os.getpid()))
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(300)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can do it")
def test_child_ends_with_its_killed_parent():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        child = int(parent.stdout.readline())
    finally:
        parent.kill()
        parent.communicate()
    deadline = time.monotonic() + 60
    while at_work(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at_work(process):
    """Return whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


ORPHAN = """
import os, time
from noisylabels.system.child_processes import die_with
parent = os.getpid()
if not os.fork():
    while os.getppid() == parent:
        time.sleep(.001)
    die_with(parent)
    print("alive", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can do it")
def test_child_ends_if_its_parent_was_killed_before():
    ended = subprocess.run([sys.executable, "-c", ORPHAN], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
