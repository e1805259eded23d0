"""Which file systems send no events of what others write."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrilu.maildir.file_systems import without_events

LINE = "36 35 98:0 / {point} rw,noatime master:1 - {kind} server:/export rw"


def mounts(tmp_path: Path, *found: tuple[str, str]) -> Path:
    lines = [LINE.format(point=point, kind=kind) for point, kind in found]
    (tmp_path / "mountinfo").write_text("\n".join(lines))
    return tmp_path / "mountinfo"


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ([("/", "ext4")], ""),
        ([("/", "ext4"), ("/srv", "nfs4")], "nfs4"),
        ([("/", "nfs"), ("/srv", "ext4")], ""),
        ([("/", "ext4"), ("/srv/mail/list", "fuse.sshfs")], "fuse.sshfs"),
        ([("/", "ext4"), ("/srv/mail2", "cifs")], ""),
        ([("/", "ext4"), ("/srv", "nfs4"), ("/srv", "xfs")], ""),
        ([("/", "9p")], "9p"),
        ([("/", "overlay"), ("/srv/mail", "btrfs")], ""),
        ([("/srv/with\\040blank", "nfs4")], ""),
    ],
)
def test_the_mount_that_holds_a_maildir_and_those_in_it_decide(tmp_path, found, kind):
    assert without_events("/srv/mail", mounts(tmp_path, *found)) == kind


def test_a_blank_in_a_mount_points_name_is_read(tmp_path):
    listed = mounts(tmp_path, ("/", "ext4"), ("/srv/with\\040blank", "nfs4"))
    assert without_events("/srv/with blank/m", listed) == "nfs4"


def test_without_mountinfo_nothing_is_known(tmp_path):
    assert without_events("/", tmp_path / "none") == ""
    (tmp_path / "odd").write_text("\nodd\n1 2 3 - \n")
    assert without_events("/", tmp_path / "odd") == ""


def test_this_machines_own_mounts_can_be_read(tmp_path):
    assert isinstance(without_events(tmp_path), str)
