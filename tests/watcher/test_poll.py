import pytest

from tests.watcher.conftest import Recorder, deliver, make_maildir, permissions_that_bind
from watcher.poll import PolledMaildir


@pytest.fixture
def offers():
    return Recorder()


@pytest.fixture
def polled(root, offers):
    """Polls only when a test says `look`."""
    deliver(root, "new/0.before")
    part = PolledMaildir("m", root, "maildir", offers, interval=3600)
    part.start()
    yield part
    part.stop()


def test_what_was_there_at_the_start_is_left_to_the_scan(polled, offers):
    polled.look()
    assert offers.calls == []


def test_what_came_and_what_went_is_offered(polled, root, offers):
    deliver(root, "new/1.a")
    make_maildir(root, ".late")
    deliver(root, ".late/cur/2.b:2,S")
    (root / "new/0.before").rename(root / "cur/0.before:2,S")
    polled.look()
    assert sorted(offers.firsts()) == [
        ".late/cur/2.b:2,S",
        "cur/0.before:2,S",
        "new/0.before",
        "new/1.a",
    ]
    assert polled.folder_count() == 2
    offers.clear()
    polled.look()
    assert offers.calls == []


def test_a_file_that_has_grown_since_it_was_seen_is_offered_again(polled, root, offers):
    (root / "new/1.a").write_bytes(b"half")
    polled.look()
    (root / "new/1.a").write_bytes(b"half and half")
    polled.look()
    polled.look()
    assert offers.firsts() == ["new/1.a", "new/1.a"]


def test_a_root_out_of_reach_takes_no_mail_away_and_is_reported_once(
    polled, root, offers, caplog, tmp_path
):
    root.rename(tmp_path / "away")
    for _ in range(3):
        polled.look_safely()
    (tmp_path / "away").rename(root)
    deliver(root, "new/1.a")
    polled.look_safely()
    assert offers.firsts() == ["new/1.a"]
    assert caplog.text.count("no such folder") == 1


def test_the_mails_of_an_unreadable_folder_are_not_taken_for_gone(root, offers):
    make_maildir(root, ".a")
    deliver(root, ".a/new/1.a")
    deliver(root, "new/2.b")
    part = PolledMaildir("m", root, "maildir", offers, interval=3600)
    part.start()
    (root / ".a/new").chmod(0o000)
    (root / "new/2.b").unlink()
    with permissions_that_bind(root.parent):
        part.look()
    part.stop()
    assert offers.firsts() == ["new/2.b"]


def test_the_thread_looks_by_itself(root, offers):
    part = PolledMaildir("m", root, "maildir", offers, interval=0.005)
    part.start()
    try:
        deliver(root, "new/1.a")
        offers.wait_for("new/1.a")
    finally:
        part.stop()


def test_a_failing_handler_does_not_end_the_polling(root, caplog):
    seen = Recorder()

    def fail_once(path):
        seen(path)
        if path == "new/1.a":
            raise RuntimeError("broken handler")

    part = PolledMaildir("m", root, "maildir", fail_once, interval=0.005)
    part.start()
    try:
        deliver(root, "new/1.a")
        seen.wait_for("new/1.a")
        deliver(root, "new/2.b")
        seen.wait_for("new/2.b")
        assert "broken handler" in caplog.text
    finally:
        part.stop()


def test_the_last_mail_of_a_flat_folder_that_is_deleted_is_offered(tmp_path, offers, caplog):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "1.eml").touch()
    part = PolledMaildir("m", tmp_path / "flat", "folder", offers, 3600.0)
    part.start()
    (tmp_path / "flat").rename(tmp_path / "away")
    (tmp_path / "flat").mkdir()
    part.look_safely()
    assert offers.calls == [] and "not a Maildir" in caplog.text  # an empty mount point
    (tmp_path / "flat").rmdir()
    (tmp_path / "away").rename(tmp_path / "flat")
    (tmp_path / "flat" / "1.eml").unlink()
    part.look_safely()
    assert offers.firsts() == ["1.eml"]
    part.stop()


def test_a_file_that_grows_more_slowly_than_the_looks_is_offered_again_once_it_rests(
    polled, root, offers
):
    with open(root / "new/1.a", "wb", buffering=0) as growing:
        growing.write(b"half")
        for _ in range(3):
            polled.look()
        assert offers.firsts() == ["new/1.a"]
        growing.write(b" and half")
        polled.look()
        growing.write(b" and more")
        polled.look()
        assert offers.firsts() == ["new/1.a"]
        polled.look()
    assert offers.firsts() == ["new/1.a", "new/1.a"]


def test_a_file_that_was_half_written_at_the_start_is_looked_after(root, offers):
    (root / "new/1.a").write_bytes(b"half")
    part = PolledMaildir("m", root, "maildir", offers, interval=3600)
    part.start()
    (root / "new/1.a").write_bytes(b"half and half")
    part.look()
    part.look()
    part.stop()
    assert offers.firsts() == ["new/1.a"]


def test_what_is_readable_again_is_rescanned(root, offers):
    rescans = Recorder()
    part = PolledMaildir("m", root, "maildir", offers, 3600, rescans)
    part.start()
    root.rename(root.with_name("away"))
    part.look_safely()
    assert rescans.calls == []
    root.with_name("away").rename(root)
    part.look_safely()
    part.look_safely()
    part.stop()
    assert len(rescans.calls) == 1
