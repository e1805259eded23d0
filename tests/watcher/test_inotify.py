import errno
import logging
import os
import shutil
import threading
import time

import pytest
from watchdog.observers.inotify_c import InotifyFD

from mrilu.maildir import names as maildir
from tests.watcher.conftest import Recorder, deliver, make_maildir, permissions_that_bind
from watcher import inotify
from watcher.inotify import WatchedMaildir
from watcher.limits import WatchLimit


@pytest.fixture
def offers():
    return Recorder()


@pytest.fixture
def rescans():
    return Recorder()


@pytest.fixture
def watched(root, offers, rescans):
    part = WatchedMaildir("m", root, maildir.kind_of(root), offers, rescans)
    part.start()
    yield part
    part.stop()


def settle(root, offers):
    """Wait until every event so far has been handled: events come in order."""
    deliver(root, "new/9999.settled")
    offers.wait_for("new/9999.settled")


def test_a_delivery_by_rename_is_offered_within_milliseconds(watched, root, offers):
    began = time.monotonic()
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")
    assert offers.times[0] - began < 0.25
    assert offers.firsts() == ["new/1.a"]


def test_a_delivery_right_after_a_move_from_new_to_cur_is_not_delayed(watched, root, offers):
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")
    began = time.monotonic()
    (root / "new/1.a").rename(root / "cur/1.a:2,S")
    deliver(root, "new/2.b")
    offers.wait_for("new/2.b")
    assert offers.times[-1] - began < 0.25  # half of what a move grouper would hold it back
    assert offers.firsts() == ["new/1.a", "new/1.a", "cur/1.a:2,S", "new/2.b"]


def test_flag_changes_and_deletions_are_offered(watched, root, offers):
    deliver(root, "cur/1.a:2,")
    (root / "cur/1.a:2,").rename(root / "cur/1.a:2,S")
    (root / "cur/1.a:2,S").unlink()
    offers.wait_until(lambda: len(offers.calls) == 4)
    assert offers.firsts() == ["cur/1.a:2,", "cur/1.a:2,", "cur/1.a:2,S", "cur/1.a:2,S"]


def test_a_file_written_in_place_is_offered_again_when_it_is_whole(watched, root, offers):
    with open(root / "new/1.a", "wb") as half:
        half.write(b"Subject: ")
        half.flush()
        settle(root, offers)
        half.write(b"whole\n\n")
        offers.clear()
    offers.wait_for("new/1.a")
    assert "new/1.a" in offers.firsts()


def test_an_empty_file_that_is_being_written_is_not_offered(watched, root, offers):
    with open(root / "new/1.a", "wb"):
        settle(root, offers)
        assert "new/1.a" not in offers.firsts()
    offers.wait_for("new/1.a")


def test_a_delivery_by_link_is_offered_at_once(watched, root, offers):
    (root / "tmp/1.a").write_bytes(b"x")
    os.link(root / "tmp/1.a", root / "new/1.a")
    offers.wait_for("new/1.a")
    assert set(offers.firsts()) == {"new/1.a"}
    (root / "tmp/1.a").unlink()


def test_what_is_no_mail_is_not_offered(watched, root, offers):
    (root / "tmp/1.a").write_bytes(b"x")
    (root / "new/.hidden").write_bytes(b"x")
    (root / "dovecot-uidlist").write_bytes(b"x")
    (root / "cur/sub").mkdir()
    (root / "cur/sub/2.b").write_bytes(b"x")
    os.mkfifo(root / "cur/3.fifo")
    (root / "new/4.link").symlink_to(root / "tmp/1.a")
    settle(root, offers)
    assert offers.firsts() == ["new/9999.settled"]


def test_a_name_that_is_not_utf_8_is_offered_in_its_text_form(watched, root, offers):
    name = os.fsdecode(b"1.caf\xe9")
    deliver(root, f"new/{name}")
    offers.wait_for(f"new/{maildir.to_text(name)}")
    assert offers.firsts()[0].encode(), "it can be sent and stored as text"


@pytest.mark.parametrize("folder", [".list", ".list.sub", "Lists", "Lists/deep/er"])
def test_a_folder_made_later_is_watched_with_what_came_meanwhile(watched, root, offers, folder):
    make_maildir(root, folder)
    deliver(root, f"{folder}/new/1.a")
    offers.wait_for(f"{folder}/new/1.a")
    settle(root, offers)
    deliver(root, f"{folder}/new/2.b")
    offers.wait_for(f"{folder}/new/2.b")
    assert {f"{folder}/new/1.a", f"{folder}/new/2.b", "new/9999.settled"} == set(offers.firsts())


def test_a_folder_moved_in_is_scanned_and_watched(watched, root, offers, tmp_path):
    outside = make_maildir(tmp_path / "outside")
    mails = [f"cur/{n}.x:2,S" for n in range(50)]
    for path in mails:
        deliver(outside, path)
    outside.rename(root / ".moved")
    offers.wait_for(*(f".moved/{path}" for path in mails))
    deliver(root, ".moved/new/1.a")
    offers.wait_for(".moved/new/1.a")
    assert watched.folder_count() == 2


def test_a_folder_that_comes_with_many_mails_is_compared_and_not_offered_one_by_one(
    watched, root, offers, rescans, monkeypatch
):
    monkeypatch.setattr(inotify, "MOST_OFFERED", 10)
    for number in range(30):
        deliver(root, f"new/{number}.a")
    settle(root, offers)
    (root / "new").rename(root / "hidden")
    rescans.wait_for("folder new went away")
    before = len(offers.firsts())
    (root / "hidden").rename(root / "new")
    rescans.wait_for("folder new came with more than 10 files")
    deliver(root, "new/later.b")
    offers.wait_for("new/later.b")
    assert len(offers.firsts()) == before + 11


def test_a_folder_that_is_moved_away_is_forgotten_and_leads_to_a_rescan(
    watched, root, offers, rescans, tmp_path
):
    make_maildir(root, ".a")
    deliver(root, ".a/new/1.a")
    offers.wait_for(".a/new/1.a")
    (root / ".a").rename(tmp_path / "gone")
    rescans.wait_for("folder .a went away")
    deliver(tmp_path / "gone", "new/2.b")
    settle(root, offers)
    assert ".a/new/2.b" not in offers.firsts()


def test_a_renamed_folder_is_watched_under_its_new_name(watched, root, offers):
    make_maildir(root, ".a")
    deliver(root, ".a/new/1.a")
    offers.wait_for(".a/new/1.a")
    (root / ".a").rename(root / ".b")
    offers.wait_for(".b/new/1.a")
    deliver(root, ".b/new/2.b")
    offers.wait_for(".b/new/2.b")
    assert watched.folder_count() == 2, "the old name is watched no more"


def test_a_folder_removed_and_made_again_is_watched_again(watched, root, offers):
    for n in range(3):
        make_maildir(root, ".a")
        deliver(root, f".a/new/{n}.a")
        offers.wait_for(f".a/new/{n}.a")
        shutil.rmtree(root / ".a")
    settle(root, offers)
    assert watched.folder_count() == 1


def test_new_removed_and_made_again_is_watched_again(watched, root, offers):
    (root / "new").rmdir()
    (root / "new").mkdir()
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")
    assert watched.folder_count() == 1


def test_mail_in_a_new_folder_of_a_flat_folder_is_offered(tmp_path, offers, rescans):
    (tmp_path / "a.eml").write_bytes(b"x")
    part = WatchedMaildir("flat", tmp_path, maildir.kind_of(tmp_path), offers, rescans)
    part.start()
    try:
        (tmp_path / "b.eml").write_bytes(b"x")
        (tmp_path / "c.txt").write_bytes(b"x")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub/d.eml").write_bytes(b"x")
        offers.wait_for("b.eml", "sub/d.eml")
        assert set(offers.firsts()) == {"b.eml", "sub/d.eml"}
    finally:
        part.stop()


def test_5000_files_moved_in_at_once_are_all_offered_or_a_rescan_is_asked_for(
    watched, root, offers, rescans
):
    for n in range(5000):
        (root / f"tmp/{n}.x").write_bytes(b"x")
    for n in range(5000):
        (root / f"tmp/{n}.x").rename(root / f"new/{n}.x")
    offers.wait_until(lambda: len(offers.calls) >= 5000 or bool(rescans.calls))
    if not rescans.calls:
        assert set(offers.firsts()) == {f"new/{n}.x" for n in range(5000)}


def test_a_real_overflow_is_noticed_and_asks_for_a_rescan(watched, root, rescans, monkeypatch):
    with open("/proc/sys/fs/inotify/max_queued_events") as limit:
        room = int(limit.read())
    if room > 100_000:
        pytest.skip("the kernel's event queue is too long to fill in a test")
    blocked, go_on = threading.Event(), threading.Event()

    def stall(path):
        blocked.set()
        go_on.wait(10)

    monkeypatch.setattr(watched, "_offer", stall)
    deliver(root, "new/0.first")
    assert blocked.wait(10)
    monkeypatch.setattr(watched, "_offer", lambda path: None)
    one, other = str(root / "new/0.first"), str(root / "cur/0.first")
    for _ in range(room // 4 + 500):  # MOVED_FROM and MOVED_TO, there and back
        os.rename(one, other)
        os.rename(other, one)
    go_on.set()
    rescans.wait_for("inotify overflow")
    assert watched.overflows == 1


def test_a_folder_whose_creation_was_lost_in_an_overflow_is_found_by_the_next_check(
    watched, root, offers, rescans
):
    make_maildir(root, ".a")
    deliver(root, ".a/new/0.x")
    offers.wait_for(".a/new/0.x")
    watched._forget(".a")  # as if its events had been dropped
    watched._look_after = time.monotonic() + 3600
    watched.on_queue_overflow()
    watched.check()
    assert any("folders changed unseen: .a" in reason for reason in rescans.firsts())
    deliver(root, ".a/new/1.a")
    offers.wait_for(".a/new/1.a")


def test_a_handler_that_fails_neither_ends_the_watching_nor_loses_the_mail(
    root, offers, rescans, caplog
):
    def fail_once(path):
        offers(path)
        if path == "new/1.a":
            raise RuntimeError("broken handler")

    part = WatchedMaildir("m", root, "maildir", fail_once, rescans)
    part.start()
    try:
        deliver(root, "new/1.a")
        rescans.wait_for("an event handler failed")
        deliver(root, "new/2.b")
        offers.wait_for("new/2.b")
        assert "broken handler" in caplog.text
    finally:
        part.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_reader_thread_is_noticed_and_replaced(watched, root, offers, rescans, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(InotifyFD, "handle_event", lambda *_: 1 / 0)
        reader = watched._fd
        deliver(root, "new/1.a")
        reader.join(10)
    assert not reader.is_alive()
    watched.check()
    assert rescans.firsts() == ["the inotify thread died"]
    deliver(root, "new/2.b")
    offers.wait_for("new/2.b")


def test_a_check_that_meets_a_renamed_folder_before_its_events_does_not_confuse_the_names(
    watched, root, offers, monkeypatch
):
    make_maildir(root, ".a")
    deliver(root, ".a/new/1.a")
    offers.wait_for(".a/new/1.a")
    stalled, go_on = threading.Event(), threading.Event()

    def stall(path):
        stalled.set()
        go_on.wait(10)

    with monkeypatch.context() as slow:
        slow.setattr(watched, "_offer", stall)
        deliver(root, "new/2.b")
        assert stalled.wait(10)
    (root / ".a").rename(root / ".b")
    watched.check()
    go_on.set()
    settle(root, offers)
    offers.clear()
    deliver(root, ".b/new/3.c")
    settle(root, offers)
    offers.wait_for(".b/new/3.c")
    assert ".a/new/3.c" not in offers.firsts() and offers.count(".b/new/3.c") == 1


def test_another_directory_under_the_same_name_is_noticed(watched, root, offers, rescans):
    watched._by_path["new"].inode = (0, 0)
    watched.check()
    assert rescans.firsts() == ["folders changed unseen: new"]
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")
    assert offers.count("new/1.a") == 1


def test_a_root_that_goes_and_comes_back_is_watched_again(watched, root, offers, rescans, tmp_path):
    root.rename(tmp_path / "away")
    watched._look_after = 0
    watched.check()
    assert watched.folder_count() == 0
    make_maildir(root)
    watched._look_after = 0
    watched.check()
    assert len(rescans.calls) >= 2
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")


def test_a_root_that_is_a_symlink_is_followed(root, offers, rescans, tmp_path):
    (tmp_path / "link").symlink_to(root)
    part = WatchedMaildir("m", tmp_path / "link", "maildir", offers, rescans)
    part.start()
    try:
        deliver(root, "new/1.a")
        offers.wait_for("new/1.a")
        part.check()
        assert rescans.calls == []
        make_maildir(root, ".late")
        deliver(root, ".late/new/2.b")
        offers.wait_for(".late/new/2.b")
    finally:
        part.stop()


def test_a_check_of_what_is_in_order_asks_for_nothing(watched, rescans):
    for _ in range(3):
        watched._look_after = 0
        watched.check()
    assert rescans.calls == []


def test_an_unreadable_folder_is_named_once_and_watched_when_it_opens(
    root, offers, rescans, caplog
):
    make_maildir(root, ".a")
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)
    (root / ".a/new").chmod(0o000)
    with permissions_that_bind(root.parent):
        part = WatchedMaildir("m", root, "maildir", offers, rescans)
        part.start()
        part._look_after = 0
        part.check()
    try:
        lines = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert len(lines) == 1 and ".a/new: this folder cannot be read" in lines[0].getMessage()
        (root / ".a/new").chmod(0o777)
        part._look_after = 0
        part.check()
        assert rescans.firsts() == ["folders changed unseen: .a/new"]
        deliver(root, ".a/new/1.a")
        offers.wait_for(".a/new/1.a")
    finally:
        part.stop()


@pytest.mark.parametrize(
    ("code", "knob"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")]
)
def test_a_limit_of_inotify_is_reported_with_its_sysctl(
    root, offers, rescans, monkeypatch, code, knob
):
    target = "add_callback" if code == errno.ENOSPC else "_create_inotify_fd"

    def refuse(*_):
        raise OSError(code, "inotify limit reached")

    monkeypatch.setattr(InotifyFD, target, refuse)
    part = WatchedMaildir("lists", root, "maildir", offers, rescans)
    with pytest.raises(WatchLimit, match=f"lists.*sysctl fs.inotify.{knob}="):
        part.start()


def test_a_limit_reached_later_is_raised_by_the_next_check(watched, root, offers, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(InotifyFD, "add_callback", refuse)
    make_maildir(root, ".a")
    settle(root, offers)
    with pytest.raises(WatchLimit):
        watched.check()


def test_500_folders_need_one_thread_and_one_inotify_instance(root, offers, rescans):
    make_maildir(root, *(f".l{n}" for n in range(500)))
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    part = WatchedMaildir("m", root, "maildir", offers, rescans)
    part.start()
    try:
        assert threading.active_count() == threads + 1
        assert len(os.listdir("/proc/self/fd")) <= descriptors + 3
        assert part.folder_count() == 501
        deliver(root, ".l499/new/1.a")
        offers.wait_for(".l499/new/1.a")
    finally:
        part.stop()
    assert threading.active_count() == threads


def look(part) -> None:
    part._look_after = 0
    part.check()


def test_a_folder_that_is_readable_again_is_rescanned(watched, root, rescans):
    for where in (root / "new", root):
        where.chmod(0o700)
        with permissions_that_bind(root.parent):
            look(watched)
        rescans.clear()
        where.chmod(0o755)
        with permissions_that_bind(root.parent):
            look(watched)
        [reason] = rescans.firsts()
        assert reason.startswith("readable again")
        rescans.clear()
        look(watched)
        assert rescans.calls == []


def test_a_file_whose_permission_is_mended_is_offered_again(watched, root, offers):
    deliver(root, "new/1.a")
    settle(root, offers)
    offers.clear()
    (root / "new/1.a").chmod(0o600)
    offers.wait_for("new/1.a")


def test_a_file_written_through_another_name_is_offered_again_once_it_rests(watched, root, offers):
    with open(root / "tmp/1.a", "wb") as half:
        half.write(b"Subject: x\n\nhalf")
        half.flush()
        os.link(root / "tmp/1.a", root / "new/1.a")
        settle(root, offers)
        half.write(b" and whole")
    offers.clear()
    young = watched._young
    assert young.rested(every=True) == [], "it has changed, and may go on"
    assert young.rested(every=True) == ["new/1.a"]
    assert young.rested(every=True) == []


def test_a_cur_that_is_a_symlink_inside_the_maildir_is_watched(root, offers, rescans):
    make_maildir(root, ".top/.sub")
    (root / "store/cur2020").mkdir(parents=True)
    (root / "cur").rmdir()
    (root / "cur").symlink_to("store/cur2020")
    part = WatchedMaildir("m", root, "maildir", offers, rescans)
    part.start()
    try:
        deliver(root, "new/1.a")
        (root / "new/1.a").rename(root / "cur/1.a:2,S")
        deliver(root, ".top/.sub/new/2.b")
        offers.wait_for("cur/1.a:2,S", ".top/.sub/new/2.b")
        look(part)
        assert rescans.calls == []
    finally:
        part.stop()
