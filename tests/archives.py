"""A tiny cifar-10-python.tar.gz, a local server for it, and its download."""

import http.server
import io
import os
import tarfile

import pytest
from cifar_files import TINY, contents, python2_pickle

from noisylabels.data import cifar, download
from noisylabels.errors import UserError
from utils import load_dataset

LAYOUT = TINY["cifar10"]


def regular(name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def published():
    """Return the members of a tiny archive: a folder, an unneeded file, and the data files."""
    files = {file: python2_pickle(content) for file, content in contents(LAYOUT).items()}
    members = [
        special(LAYOUT.folder, tarfile.DIRTYPE),
        regular(f"{LAYOUT.folder}/readme.html", b"<p>"),
    ]
    return members + [regular(f"{LAYOUT.folder}/{file}", data) for file, data in files.items()]


def archive(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(server.payload)))
        self.end_headers()
        server.hold.wait()
        allowed = server.breaks.pop(0) if server.breaks else len(server.payload)
        self.wfile.write(server.payload[:allowed])

    def log_message(self, *args):
        pass


def fetch(data_dir):
    """Call download.fetch as the loader does."""
    download.fetch("cifar10", cifar.ARCHIVES["cifar10"], data_dir / LAYOUT.folder, LAYOUT.files)


def visible(folder):
    """Return the names of the files in a folder that a user sees; the lock file is hidden."""
    return [name for name in os.listdir(folder) if not name.startswith(".")]


def complaint(data_dir, call=fetch):
    """Return the one line with which `call` fails; no data folder or partial one may exist."""
    with pytest.raises(UserError) as error:
        call(data_dir)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert (
        not (data_dir / LAYOUT.folder).exists()
        and not (data_dir / f"{LAYOUT.folder}.part").exists()
    )
    return message


def assert_fetched(data_dir):
    assert load_dataset("cifar10", data_dir).y_train.shape == (7,)
    assert visible(data_dir) == [LAYOUT.folder]
    assert sorted(os.listdir(data_dir / LAYOUT.folder)) == sorted(LAYOUT.files)
