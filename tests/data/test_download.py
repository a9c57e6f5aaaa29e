"""The download from a local server that fails or sends wrong content."""

import os
import re
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest
from archives import LAYOUT, archive, assert_fetched, complaint, fetch, published, regular, visible

from noisylabels.data import cifar, download
from utils import load_dataset


def test_archives_are_the_published_ones():
    assert set(cifar.ARCHIVES) == set(cifar.LAYOUTS)
    for entry in cifar.ARCHIVES.values():
        assert entry.url.startswith("https://www.cs.toronto.edu/~kriz/")
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert [entry.bytes for entry in cifar.ARCHIVES.values()] == [170_498_071, 169_001_437]


def test_download_and_unpack(server, tmp_path, capsys):
    fetch(tmp_path / "new" / "folder")
    assert_fetched(tmp_path / "new" / "folder")
    assert len(server.requests) == 1
    assert "cifar10: downloaded 0 MB from http://127.0.0.1" in capsys.readouterr().err


def test_existing_folder_is_not_changed(server, tmp_path):
    (tmp_path / LAYOUT.folder).mkdir()
    fetch(tmp_path)
    assert server.requests == [] and visible(tmp_path) == [LAYOUT.folder]


def test_archive_of_the_user_is_unpacked_and_kept(server, tmp_path, capsys):
    file = tmp_path / "cifar-10-python.tar.gz"
    file.write_bytes(server.payload)
    fetch(tmp_path)
    assert server.requests == [] and capsys.readouterr().err == ""
    assert file.read_bytes() == server.payload
    file.unlink()
    assert_fetched(tmp_path)


def test_wrong_archive_is_downloaded_again(server, tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(server.payload[:100])
    fetch(tmp_path)
    assert len(server.requests) == 1
    assert_fetched(tmp_path)


def test_broken_connection_is_retried(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 1)
    server.breaks = [100]
    fetch(tmp_path)
    assert len(server.requests) == 2
    assert_fetched(tmp_path)


def test_later_call_succeeds_after_a_failure(server, tmp_path):
    server.breaks = [100]
    assert "--dataset digits" in complaint(tmp_path)
    assert visible(tmp_path) == []
    fetch(tmp_path)
    assert_fetched(tmp_path)


def test_silent_server_times_out(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.hold.clear()
    assert "timed out" in complaint(tmp_path)
    server.hold.set()
    assert visible(tmp_path) == []


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_wrong_sha256_is_refused(server, tmp_path, digest, monkeypatch):
    entry = cifar.ARCHIVES["cifar10"]._replace(sha256=digest)
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", entry)
    assert f"expected sha256:{digest} but got" in complaint(tmp_path)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("status", [200, 204, 404, 500])
def test_web_page_instead_of_archive_is_refused(server, tmp_path, status):
    server.serve(b"<p>please log in</p>", server.payload)
    server.status = status
    complaint(tmp_path)
    assert visible(tmp_path) == []


def test_parallel_calls_download_once(server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(fetch, [tmp_path] * 4)] == [None] * 4
    assert len(server.requests) == 1
    assert_fetched(tmp_path)


def test_error_without_network_says_what_to_do(server, tmp_path, monkeypatch):
    server.server_close()  # its port now refuses connections
    url = f"https://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    monkeypatch.setitem(cifar.ARCHIVES, "cifar10", cifar.ARCHIVES["cifar10"]._replace(url=url))
    message = complaint(tmp_path, lambda data_dir: load_dataset("cifar10", data_dir))
    for part in (url, str(tmp_path / LAYOUT.folder), *LAYOUT.files, "--dataset digits"):
        assert part in message
    assert visible(tmp_path) == []


def test_unwritable_data_dir_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"cannot store cifar10 in {data_dir}" in complaint(data_dir)
    (tmp_path / "locked").mkdir(mode=0o500)
    if not os.access(tmp_path / "locked", os.W_OK):  # root writes all the same
        assert "Permission denied" in complaint(tmp_path / "locked")
    assert server.requests == []


@pytest.mark.parametrize("room", ["half the archive", "the archive, but not what is in it"])
def test_full_disk_is_named(server, tmp_path, room):
    files = published()
    files[2] = regular(files[2][0].name, files[2][1] + bytes(100_000))  # compresses well
    server.serve(archive(files))
    size, (soft, hard) = len(server.payload), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (size // 2 if room.startswith("half") else size + 1000, hard)
    )
    try:
        message = complaint(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"cannot store cifar10 in {tmp_path}: File too large" in message
    fetch(tmp_path)
    assert_fetched(tmp_path)
