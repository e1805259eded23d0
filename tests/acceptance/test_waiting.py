"""Commands that wait: they show how fast it goes and how long it takes, and their exit code tells how it ended."""

from __future__ import annotations

import re

from tests.acceptance.test_service import assert_all_in_once
from tests.factories import deliver, mail, make_maildir

FROM_LINE = b"From mirli@lists.example Mon Oct  6 09:12:44 1997\n"
MAILS = 1000
MANY = 5000  # more than a quick machine takes in between two looks
RATE_AND_LEFT = r"[\d,]+ mails/s \d:\d\d:\d\d left [-\d]:[-\d]{2}:[-\d]{2}"


def test_an_import_of_an_mbox_that_waits_shows_rate_and_time_left(running, place):
    box = place / "box.mbox"
    box.write_bytes(
        b"".join(FROM_LINE + mail(f"<{number}@box>") + b"\n" for number in range(MAILS))
    )
    code, shown = running.watch("import", str(box), "--wait")
    assert code == 0, shown
    assert re.search(rf"unpacking box\.mbox .* kB {RATE_AND_LEFT}", shown), shown
    assert re.search(rf"importing box\.mbox .* {MAILS}/{MAILS} {RATE_AND_LEFT}", shown), shown
    assert (
        f"level: box.mbox: {MAILS:,} files on disk = {MAILS:,} imported + 0 copies + 0 rejected"
        in shown
    )
    code, shown = running.watch("import", str(box), "--wait")
    assert code == 0 and "0 files of" in shown, "a second time there is nothing to do"


def test_an_import_of_what_is_no_mail_is_one_line_and_an_exit_code(running, place):
    (place / "picture.png").write_bytes(b"\x89PNG\r\n")
    done = running.run("import", str(place / "picture.png"), "--wait")
    assert (
        done.returncode == 1 and done.stderr.count("\n") == 1 and done.stderr.startswith("mrilu: ")
    )


def test_a_rescan_that_waits_ends_when_all_is_in(running, place):
    """Of a Maildir that no one watches: its mail waits for someone to ask."""
    other = make_maildir(place / "Other")
    assert running.run("import", str(other), "--wait").returncode == 0
    for number in range(MANY):
        deliver(other, mail(f"<{number}@other>"))
    code, shown = running.watch("rescan", "--wait")
    assert code == 0, shown
    assert f"Other: {MANY:,} files differ" in shown and re.search(
        rf"{MANY}/{MANY} {RATE_AND_LEFT}", shown
    )
    on_the_way = shown.replace(f"{MANY}/{MANY}", "")
    assert re.search(rf"importing Other .* [1-9]\d*/{MANY} {RATE_AND_LEFT}", on_the_way)
    assert f"level: Other: {MANY:,} files on disk = {MANY:,} imported" in shown
    assert_all_in_once(running)


def test_a_retry_that_waits_ends_when_all_have_been_tried(running, place):
    bad = make_maildir(place / "Bad")
    for _ in range(3):
        deliver(bad, b"")
    assert running.run("import", str(bad), "--wait").returncode == 0
    code, shown = running.watch("retry", "--wait")
    assert code == 0 and "3 rejected files will be tried again" in shown
    assert re.search(r"importing Bad .*3/3", shown)
    rejected = next(one for one in running.status()["maildirs"] if one["maildir"] == "Bad")
    assert (rejected["on_disk"], rejected["rejected"], rejected["waiting"]) == (3, 3, 0)
