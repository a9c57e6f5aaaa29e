"""The download against a local server that breaks off and lies; no test needs the network."""

import errno
import os
import queue
import re
import resource
import shutil
import ssl
import subprocess
import sys
import types
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from archives import LAYOUT, archive, assert_fetched, complaint, fetch, fetch_as, published, regular

from noisylabels.data import cifar, download
from utils import load_dataset

PAUSE = download.PAUSE                  # before the server's fixture takes it away


def test_the_archives_are_the_published_ones():
    assert set(cifar.ARCHIVES) == set(cifar.LAYOUTS)
    for entry in cifar.ARCHIVES.values():
        assert entry.url.startswith("https://www.cs.toronto.edu/~kriz/")
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert [entry.bytes for entry in cifar.ARCHIVES.values()] == [170_498_071, 169_001_437]


def test_download_and_unpack(server, tmp_path, capsys):
    fetch(tmp_path / "new" / "folder")
    assert_fetched(tmp_path / "new" / "folder")
    assert server.requests == [None]
    assert "cifar10: downloaded 100 % of 0 MB\n" in capsys.readouterr().err


def test_an_existing_folder_is_left_alone(server, tmp_path):
    (tmp_path / LAYOUT.folder).mkdir()
    fetch(tmp_path)
    assert server.requests == [] and os.listdir(tmp_path) == [LAYOUT.folder]


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.breaks = [100, 50]
    fetch(tmp_path)
    assert server.requests == [None, "bytes=100-", "bytes=150-"]
    assert_fetched(tmp_path)


def test_a_later_call_goes_on_where_an_earlier_one_failed(server, tmp_path):
    server.breaks = [100, 0]
    message = complaint(tmp_path)
    assert "the connection broke after 100 of" in message and "--dataset digits" in message
    assert os.listdir(tmp_path) == ["cifar10.part"]
    fetch(tmp_path)
    assert server.requests == [None, "bytes=100-", "bytes=100-"]
    assert_fetched(tmp_path)


def test_a_silent_server_is_not_waited_for(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.hold.clear()
    assert "timed out" in complaint(tmp_path)
    server.hold.set()
    assert os.listdir(tmp_path) == []


def test_attempts_end(server, tmp_path):
    server.breaks = [1] * 100
    complaint(tmp_path)
    assert len(server.requests) == 10


@pytest.mark.parametrize("breaks", [[100, 0], [300, 0]])
def test_a_connection_that_brings_nothing_is_the_last(server, tmp_path, breaks):
    server.breaks = [*breaks, 0]
    assert f"the connection broke after {breaks[0]} of" in complaint(tmp_path)
    assert server.requests == [None, f"bytes={breaks[0]}-"]


def test_between_connections_is_a_second_and_silence_is_waited_for_half_a_minute(server, tmp_path, monkeypatch):
    paused, waited, opener = [], [], urllib.request.build_opener()
    monkeypatch.setattr(download, "PAUSE", PAUSE)
    monkeypatch.setattr(download.time, "sleep", paused.append)
    opener_open = opener.open
    monkeypatch.setattr(opener, "open", lambda request, timeout: (waited.append(timeout), opener_open(request))[1])
    server.breaks = [100]
    fetch_as(tmp_path, opener=opener)
    assert (paused, waited) == ([1], [30, 30])


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges, server.breaks = False, [100]
    fetch(tmp_path)
    assert server.requests == [None, "bytes=100-"]
    assert_fetched(tmp_path)


def test_a_server_without_ranges_that_brings_less_than_before_is_given_up(server, tmp_path):
    server.ranges, server.breaks = False, [100, 50]
    assert "the connection broke after 50 of" in complaint(tmp_path)
    assert server.requests == [None, "bytes=100-"]


def test_a_complete_part_file_needs_no_network(server, tmp_path):
    (tmp_path / "cifar10.part").write_bytes(server.payload)
    fetch(tmp_path)
    assert server.requests == []
    assert_fetched(tmp_path)


@pytest.mark.parametrize("length", [10, 10_000_000])
def test_a_wrong_part_file_is_deleted(server, tmp_path, length):
    (tmp_path / "cifar10.part").write_bytes(bytes(length))
    assert "its sha256 differs" in complaint(tmp_path)
    assert os.listdir(tmp_path) == []
    fetch(tmp_path)
    assert_fetched(tmp_path)


def test_a_wrong_archive_is_deleted_before_anything_is_unpacked(server, tmp_path):
    true = server.payload
    server.serve(bytes(len(true)), true)
    assert "its sha256 differs" in complaint(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_any_other_sum_is_refused(server, tmp_path, digest, monkeypatch):
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", cifar.ARCHIVES["cifar10"]._replace(sha256=digest))
    assert "its sha256 differs" in complaint(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("change", [lambda total: {"status": 203}, lambda total: {"Content-Range": "bytes 7-8/9"},
                                    lambda total: {"Content-Range": f"bytes 6-{total - 1}/{total}"}])
def test_an_answer_that_is_not_to_the_question_is_refused(server, tmp_path, change):
    """All of the right length."""
    changed = change(len(server.payload))
    server.status = changed.pop("status", 200)
    server.ranges, server.headers = server.status == 200, changed
    (tmp_path / "cifar10.part").write_bytes(server.payload[:7])
    assert "the server offers another file than the published one" in complaint(tmp_path)
    assert (tmp_path / "cifar10.part").read_bytes() == server.payload[:7]


@pytest.mark.parametrize("status", [200, 204, 404, 500])
@pytest.mark.parametrize("length", [20, 99_999])
def test_a_page_in_place_of_the_archive_is_refused(server, tmp_path, status, length):
    server.serve(b"<p>please log in</p>".ljust(length), server.payload)
    server.status = status
    (tmp_path / "cifar10.part").write_bytes(b"x" * 7)
    server.ranges = False
    complaint(tmp_path)
    assert (tmp_path / "cifar10.part").read_bytes() == b"x" * 7  # what came before is not lost to it


def test_several_at_once_download_once(server, tmp_path, monkeypatch):
    """The archive comes when all others wait for the first, and say so."""
    said = queue.Queue()
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(write=said.put, flush=lambda: None, isatty=lambda: False))
    server.hold.clear()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(fetch, tmp_path) for _ in range(4)]
        try:
            lines = [part for part in (said.get(timeout=60) for _ in range(6)) if part != "\n"]
        finally:
            server.hold.set()
        assert [call.result() for call in calls] == [None] * 4
    assert lines == ["cifar10: waiting for another process that is downloading it"] * 3
    assert server.requests == [None]
    assert_fetched(tmp_path)


def test_a_file_system_without_locks_will_do(server, tmp_path, monkeypatch):
    def lock_descriptor(*_, **__):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(download, "lock_descriptor", lock_descriptor)
    fetch(tmp_path)
    assert_fetched(tmp_path)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress(server, tmp_path, monkeypatch, capsys, terminal):
    """Each per cent on one line of a terminal, elsewhere a line each quarter."""
    server.serve(bytes(2_600_000))
    monkeypatch.setattr(download, "BLOCK", 10_000)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    complaint(tmp_path)
    shown = range(101) if terminal else (0, 25, 50, 75, 100)
    ends = ["\r" if terminal and percent < 100 else "\n" for percent in shown]
    assert capsys.readouterr().err == "".join(
        f"cifar10: downloaded {percent} % of 3 MB{end}" for percent, end in zip(shown, ends))


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "data"])
def test_only_https_is_opened(server, tmp_path, scheme, monkeypatch):
    entry = cifar.ARCHIVES["cifar10"]
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", entry._replace(url=entry.url.replace("http", scheme)))
    message = complaint(tmp_path, lambda data_dir: load_dataset("cifar10", data_dir))
    assert f"unknown url type: {scheme}" in message and server.requests == []


@pytest.fixture
def certificate(tmp_path):
    """A file with a new key and its self-signed certificate for 127.0.0.1."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    path = tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -noenc -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", path, "-out", f"{path}.public"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.public").read_text())
    return path


@pytest.mark.parametrize("case", ["trusted", "unknown certificate", "redirected to http"])
def test_over_tls(server, certificate, tmp_path, monkeypatch, case):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    if case != "unknown certificate":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    if case == "redirected to http":
        server.status = 302
    entry = cifar.ARCHIVES["cifar10"]
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", entry._replace(url=entry.url.replace("http", "https")))
    data_dir = tmp_path / "data"
    if case == "trusted":
        fetch_as(data_dir)
        assert_fetched(data_dir)
    else:
        message = complaint(data_dir, fetch_as)
        reason = {"unknown certificate": "CERTIFICATE_VERIFY_FAILED", "redirected to http": "url type: http"}[case]
        assert reason in message and os.listdir(data_dir) == []


def test_without_network_the_error_helps(server, tmp_path, monkeypatch):
    server.server_close()  # its port now refuses connections
    url = f"https://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", cifar.ARCHIVES["cifar10"]._replace(url=url))
    message = complaint(tmp_path, lambda data_dir: load_dataset("cifar10", data_dir))
    for part in (url, str(tmp_path / LAYOUT.folder), *LAYOUT.files, "--dataset digits"):
        assert part in message
    assert os.listdir(tmp_path) == []


def test_a_data_dir_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot store cifar10 in {data_dir}" in complaint(data_dir)
    (tmp_path / "locked").mkdir(mode=0o500)
    if not os.access(tmp_path / "locked", os.W_OK):  # root writes all the same
        assert "Permission denied" in complaint(tmp_path / "locked")
    assert server.requests == []


@pytest.mark.parametrize("room", ["half the archive", "the archive, but not what is in it"])
def test_a_full_disk(server, tmp_path, room):
    files = published()
    files[2] = regular(files[2][0].name, files[2][1] + bytes(100_000))  # compresses well
    server.serve(archive(files))
    size, (soft, hard) = len(server.payload), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2 if room.startswith("half") else size + 1000, hard))
    try:
        message = complaint(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"cannot store cifar10 in {tmp_path}: File too large" in message
    assert os.listdir(tmp_path) == ["cifar10.part"]
    fetch(tmp_path)
    assert_fetched(tmp_path)
