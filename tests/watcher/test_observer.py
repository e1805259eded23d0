import errno

import pytest
from watchdog.observers.inotify_c import InotifyFD

from mrilu.maildir.errors import NotAMaildir
from tests.watcher.conftest import Recorder, deliver, make_maildir
from watcher import observer as observe
from watcher.inotify import WatchedMaildir
from watcher.observer import Observer, ObserverBroken
from watcher.poll import PolledMaildir


@pytest.fixture
def offers():
    return Recorder()


@pytest.fixture
def rescans():
    return Recorder()


@pytest.fixture
def observer(offers, rescans):
    one = Observer(lambda name, path: offers(path, name), rescans, poll_seconds=0.005)
    yield one
    one.stop()


def no_room(*_):
    raise OSError(errno.ENOSPC, "inotify watch limit reached")


def test_each_maildir_is_watched_in_its_own_way(observer, offers, tmp_path):
    local, remote = make_maildir(tmp_path / "local", ".a"), make_maildir(tmp_path / "remote")
    observer.add("local", local, "inotify")
    observer.add("remote", remote, "poll")
    assert observer.last_event_at is None
    deliver(local, "new/1.a")
    deliver(remote, "new/2.b")
    offers.wait_for("new/1.a", "new/2.b")
    assert set(offers.calls) == {("new/1.a", "local"), ("new/2.b", "remote")}
    assert observer.last_event_at is not None
    assert observer.facts()["local"] == {"mode": "inotify", "folders": 2, "overflows": 0}
    assert observer.facts()["remote"]["mode"] == "poll"
    observer.check()


def test_at_the_limit_of_inotify_one_line_is_logged_and_polling_takes_over(
    observer, root, offers, rescans, monkeypatch, caplog
):
    monkeypatch.setattr(InotifyFD, "add_callback", no_room)
    observer.add("m", root, "inotify")
    assert observer.facts()["m"]["mode"] == "poll"
    ours = [record for record in caplog.records if record.name.startswith("watcher")]
    assert [record.levelname for record in ours if record.levelname != "INFO"] == ["WARNING"]
    assert "sysctl fs.inotify.max_user_watches=" in caplog.text
    assert rescans.calls == [("m", "moved from inotify to polling")]
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")


def test_at_a_limit_reached_later_the_next_check_moves_to_polling(
    observer, root, offers, monkeypatch
):
    observer.add("m", root, "inotify")
    monkeypatch.setattr(InotifyFD, "add_callback", no_room)
    make_maildir(root, ".late")
    deliver(root, "new/0.settled")
    offers.wait_for("new/0.settled")
    observer.check()
    assert observer.facts()["m"]["mode"] == "poll"
    deliver(root, ".late/new/1.a")
    offers.wait_for(".late/new/1.a")


def test_no_maildir_is_refused(observer, tmp_path):
    with pytest.raises(NotAMaildir):
        observer.add("m", tmp_path, "inotify")


def test_checks_that_keep_failing_end_the_process(observer, root, rescans, monkeypatch, caplog):
    observer.add("m", root, "inotify")
    monkeypatch.setattr(WatchedMaildir, "check", lambda self: 1 / 0)
    for _ in range(observe.MAX_FAILURES - 1):
        observer.check()
    assert rescans.count("m") == observe.MAX_FAILURES - 1
    with pytest.raises(ObserverBroken):
        observer.check()


def test_a_polling_thread_that_died_is_started_again(observer, root, offers, caplog):
    observer.add("m", root, "poll")
    part = observer._parts["m"]
    part._stop.set()
    part._thread.join(10)
    part._stop.clear()
    observer.check()
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")


@pytest.mark.parametrize("mode", ["inotify", "poll"])
def test_a_check_while_a_maildir_is_being_taken_up_starts_nothing_twice(
    observer, root, offers, monkeypatch, caplog, mode
):
    """The checks are made in the main thread, a Maildir that comes late is added in another one."""
    kind = {"inotify": WatchedMaildir, "poll": PolledMaildir}[mode]
    start = kind.start

    def start_while_checked(part):
        observer.check()
        start(part)

    monkeypatch.setattr(kind, "start", start_while_checked)
    observer.add("m", root, mode)
    assert "starts again" not in caplog.text and "starting it again" not in caplog.text
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")


@pytest.mark.parametrize("mode", ["inotify", "poll"])
def test_a_check_of_what_was_stopped_does_not_start_it_again(observer, root, caplog, mode):
    observer.add("m", root, mode)
    part = observer._parts["m"]
    part.stop()
    observer.check()
    assert "again" not in caplog.text


def test_a_maildir_on_a_file_system_without_events_is_polled_by_itself(
    observer, root, rescans, monkeypatch, caplog
):
    monkeypatch.setattr(observe, "without_events", lambda where: "nfs4")
    observer.add("m", root, "inotify")
    assert observer.facts()["m"]["mode"] == "poll" and "lies on nfs4" in caplog.text
    assert rescans.calls == []


def test_one_on_which_such_a_file_system_is_mounted_later_is_polled_from_then_on(
    observer, root, offers, rescans, monkeypatch
):
    observer.add("m", root, "inotify")
    monkeypatch.setattr(observe, "without_events", lambda where: "fuse.sshfs")
    observer.check()
    assert observer.facts()["m"]["mode"] == "inotify", "it is looked at now and then"
    observer._look_at_mounts = 0
    observer.check()
    assert observer.facts()["m"]["mode"] == "poll"
    assert rescans.calls == [("m", "moved from inotify to polling")]
    deliver(root, "new/1.a")
    offers.wait_for("new/1.a")
