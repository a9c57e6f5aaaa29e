"""Archive contents: hostile members, links and damage; only regular files are unpacked."""

import os
import tarfile

import pytest
from archives import (
    LAYOUT,
    archive,
    assert_fetched,
    complaint,
    fetch,
    published,
    regular,
    special,
    visible,
)


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", f"{LAYOUT.folder}/../../evil", f"{LAYOUT.folder}/evil"]
)
def test_unexpected_members_are_skipped(server, tmp_path, name):
    name = str(tmp_path) + name if name.startswith("/") else name
    extras = [
        regular(name, b"x"),
        special(name, tarfile.SYMTYPE, "/"),
        special(name, tarfile.CHRTYPE),
    ]
    server.serve(archive(extras + published()))
    fetch(tmp_path / "data")
    assert_fetched(tmp_path / "data")
    assert visible(tmp_path) == ["data"]


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ],
)
def test_only_regular_files_are_unpacked(server, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("not to be touched")
    *members, (last, _) = published()
    server.serve(archive([*members, special(last.name, kind, str(secret))]))
    assert f"lacks {last.name}" in complaint(tmp_path)
    assert visible(tmp_path) == ["secret"] and secret.read_text() == "not to be touched"


def test_linked_folder_is_not_followed(server, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    members = [
        special(LAYOUT.folder, tarfile.SYMTYPE, str(tmp_path / "elsewhere")),
        *published()[1:],
    ]
    server.serve(archive(members))
    fetch(tmp_path / "data")
    assert_fetched(tmp_path / "data")
    assert (
        not (tmp_path / "data" / LAYOUT.folder).is_symlink()
        and os.listdir(tmp_path / "elsewhere") == []
    )


@pytest.mark.parametrize(
    "damage", [lambda x: x[: len(x) // 2], lambda x: x[:-200] + bytes(200), lambda x: b"no tar"]
)
def test_damaged_archive_is_refused(server, tmp_path, damage):
    server.serve(damage(server.payload))
    assert "cannot download cifar10" in complaint(tmp_path)
    assert visible(tmp_path) == []
