"""A disk that fills in mid-import costs no mail: what is there survives, and the rest goes in when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mrilu.service.account import server_account
from tests.acceptance.test_service import assert_all_in_once, in_mid_import
from tests.factories import deliver, mail

SIZE_MB = 700  # a start wants 512 MB free
LEFT_BYTES = 2 * 1024**2


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system in memory that the servers' account owns; skips where none can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    account = server_account("nobody")
    folder = Path(
        tempfile.mkdtemp(prefix="mrilu-disk-")
    )  # not tmp_path: no one else may enter that
    folder.chmod(0o711)
    disk = folder / "postgresql"
    disk.mkdir()
    options = f"size={SIZE_MB}m,mode=700,uid={account.uid},gid={account.gid}"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "mrilu-test", disk], capture_output=True, text=True
    )
    try:
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def fill(disk: Path, ballast: Path) -> None:
    """Leave LEFT_BYTES on the disk, which the import goes on filling while we do."""
    with ballast.open("wb") as file:
        while (free := shutil.disk_usage(disk).free) > LEFT_BYTES:
            with suppress(OSError):  # the import was faster: measure again
                os.posix_fallocate(file.fileno(), 0, free - LEFT_BYTES)
                return


def test_a_disk_that_fills_in_mid_import_costs_no_mail(small_disk, service):
    service.data.mkdir(mode=0o711)
    (service.data / "postgresql").symlink_to(small_disk)
    service.environ |= {"MAX_DELAY": "2"}
    service.start()
    total = in_mid_import(service, 500)
    ballast = small_disk / "ballast"
    fill(small_disk, ballast)
    for number in range(300):  # what does not shrink, and is more than there is room for
        deliver(service.maildir, mail(f"<{number}@large>", body=os.urandom(30_000).hex()))
    log = service.data / "log" / "postgresql.log"
    service.until(lambda: "No space left on device" in log.read_text(errors="replace"))
    assert service.process.poll() is None, "the service stays"
    ballast.unlink()
    assert_all_in_once(service)
    assert service.imported() == total + 300
    assert service.stop() < 10
