"""With Postfix (Debian): what it accepts is delivered, and what it cannot deliver comes back and is taken in."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from jobs.take_in_bounces import take_in_bounces
from models import Notification, Subscriber
from tests.notifications.conftest import run

POSTFIX = shutil.which("postfix", path="/usr/sbin:/usr/local/sbin:/usr/bin")
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
gone unix - n n - - pipe user=nobody argv={home}/exit-67
full unix - n n - - pipe user=nobody argv={home}/exit-73
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.archive.example
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = archive.example, x.example
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = inline:{{ a@x.example=a/, notify@archive.example=back/, bounces@archive.example=back/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
recipient_delimiter = +
relay_domains = far.example
transport_maps = inline:{{ {{ gone@far.example = gone: }},
    {{ full@far.example = full: }} }}
smtpd_relay_restrictions = reject_unauth_destination
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "Postfix did not do it in time"
        time.sleep(0.05)


@pytest.fixture
def postfix() -> Iterator[tuple[int, Path]]:
    """A Postfix of our own in a folder of its own: its port, and the folder of its mailboxes."""
    if POSTFIX is None:
        pytest.skip("postfix is not installed (Debian: postfix)")
    if os.geteuid() != 0:
        pytest.skip("postfix starts as root only")
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mrilu-postfix-") as folder:  # noqa: S108
        home, port, nobody = Path(folder), free_port(), pwd.getpwnam("nobody")
        home.chmod(0o755)
        for name in ("etc", "queue", "data", "mail"):
            (home / name).mkdir()
        for code in (
            67,
            73,
        ):  # EX_NOUSER, EX_CANTCREAT: what a delivery that fails says (sysexits.h)
            script = home / f"exit-{code}"
            script.write_text(f"#!/bin/sh\nexit {code}\n")
            script.chmod(0o755)
        shutil.chown(home / "data", "postfix")
        os.chown(home / "mail", nobody.pw_uid, nobody.pw_gid)
        facts = {"home": home, "port": port, "uid": nobody.pw_uid, "gid": nobody.pw_gid}
        (home / "etc" / "main.cf").write_text(MAIN.format(**facts))
        (home / "etc" / "master.cf").write_text(MASTER.format(**facts))
        command = [POSTFIX, "-c", str(home / "etc")]
        started = subprocess.run([*command, "start"], capture_output=True, text=True, timeout=60)
        log = home / "log"
        assert started.returncode == 0, started.stderr + (log.read_text() if log.exists() else "")
        try:
            yield port, home / "mail"
        finally:
            subprocess.run([*command, "stop"], capture_output=True, timeout=60)


def test_what_postfix_cannot_deliver_comes_back_and_is_taken_in(
    postfix, arrive, search_for, configured
):
    port, mailboxes = postfix
    back = mailboxes / "back"
    settings = configured(
        None,
        smtp_url=f"smtp://127.0.0.1:{port}",
        smtp_timeout=20.0,
        bounce_maildir=back,
        bounce_address="bounces@archive.example",
    )
    search_for("coi", "a@x.example", "gone@far.example", "full@far.example")
    arrive(subject="coi rodo, problème réunion très problème français")
    assert run(settings) == {"sent": 3}
    wait_for(lambda: len(list(back.glob("new/*"))) == 2 and list(mailboxes.glob("a/new/*")))
    [delivered] = mailboxes.glob("a/new/*")
    mail = message_from_bytes(delivered.read_bytes(), policy=default)
    assert mail["Subject"].endswith("coi rodo, problème réunion très problème français")
    for report in back.glob("new/*"):
        assert "Original-Envelope-Id:" in report.read_text()  # ENVID was said
    assert take_in_bounces() == {"hard": 1, "soft": 1}
    suppressed = {row.address for row in Subscriber.select() if row.suppressed_at}
    assert suppressed == {"gone@far.example"} and Notification.by_state()["dead"] == 2
