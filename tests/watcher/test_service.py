import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest

from mrilu.maildir.errors import MaildirError
from mrilu.maildir.names import kind_of, scan
from tests.watcher.conftest import DEADLINE, Recorder, deliver, make_maildir
from watcher import rescan, service
from watcher.observer import ObserverBroken
from watcher.service import Archive, Watcher

SETTINGS = SimpleNamespace(batch_size=100, rescan_seconds=3600.0, poll_seconds=0.01)


class Services:
    """Stands for Redis and PostgreSQL: `away` makes everything raise."""

    def __init__(self) -> None:
        self.away = False
        self.was_emptied = False
        self.known: set[str] = set()
        self.kinds: dict[str, str] = {}
        self.registered, self.sent, self.beats = Recorder(), Recorder(), Recorder()
        self.on_missing = lambda: None

    def _reach(self) -> None:
        if self.away:
            raise ConnectionError("refused")

    def register(self, name, root):
        self._reach()
        kind = self.kinds.get(name) or kind_of(root)
        self.registered(name, root, kind)
        return kind

    def missing(self, name, root):
        self._reach()
        self.on_missing()
        return sorted(set(scan(root)) ^ self.known)

    def submit(self, name, paths, live):
        self._reach()
        self.known.update(paths)
        for path in paths:
            self.sent(path, live)

    def recover(self):
        self._reach()
        return 0

    def beat(self, facts):
        self._reach()
        self.beats(facts)

    def emptied(self):
        was, self.was_emptied = self.was_emptied, False
        return was

    def archive(self) -> Archive:
        return Archive(
            self.register, self.missing, self.submit, self.recover, self.beat, self.emptied
        )


@pytest.fixture
def services():
    return Services()


@pytest.fixture
def watcher(root, services, monkeypatch):
    monkeypatch.setattr(service, "TICK", 0.01)
    one = Watcher({"m": (root, "inotify")}, services.archive(), SETTINGS)
    yield one
    services.away = False
    one.stop()
    if one._upkeep.ident:
        one._upkeep.join(DEADLINE)


def test_what_a_flush_took_from_the_queue_is_offered_again(watcher, root, services):
    deliver(root, "new/1.a")
    watcher.start()
    services.sent.wait_for("new/1.a")
    services.sent.clear()
    services.known.clear()
    services.was_emptied = True
    services.sent.wait_for("new/1.a")


def test_the_backlog_goes_to_the_back_and_live_mail_to_the_front(watcher, root, services):
    deliver(root, "new/1.old")
    watcher.start()
    services.sent.wait_for("new/1.old")
    deliver(root, "new/2.live")
    services.sent.wait_for("new/2.live")
    assert services.sent.calls == [("new/1.old", False), ("new/2.live", True)]
    assert services.registered.calls == [("m", root, "maildir")]


def test_nothing_falls_between_observing_and_scanning(watcher, root, services):
    services.on_missing = partial(deliver, root, "new/during")
    deliver(root, "new/before")
    watcher.start()
    services.sent.wait_for("new/before", "new/during")


def test_mail_that_comes_before_the_services_are_up_is_sent_when_they_are(
    watcher, root, services, caplog
):
    services.away = True
    watcher.start()
    deliver(root, "new/1.a")
    services.away = False
    services.sent.wait_for("new/1.a")


def test_while_the_services_are_away_one_line_is_logged_then_all_is_scanned_again(
    watcher, root, services, caplog
):
    caplog.set_level("INFO")
    watcher.start()
    services.beats.wait_until(lambda: len(services.beats.calls) >= 2)
    before = watcher._rescans.done
    services.away = True
    deliver(root, "new/1.a")
    wait_until(lambda: watcher._failures >= 2)
    services.away = False
    services.sent.wait_for("new/1.a")
    wait_until(lambda: watcher._rescans.done > before)
    assert caplog.text.count("cannot go on: ConnectionError: refused") == 1
    assert "are back after" in caplog.text


def test_an_outage_without_mail_leads_to_a_scan_too(watcher, services):
    watcher.start()
    wait_until(lambda: watcher._rescans.done == 1)
    services.away = True
    wait_until(lambda: watcher._failures >= 1)
    services.away = False
    wait_until(lambda: watcher._rescans.done == 2)


def test_a_maildir_that_goes_away_is_reported_and_scanned_when_it_returns(
    watcher, root, services, caplog, tmp_path
):
    watcher.start()
    services.beats.wait_until(lambda: bool(services.beats.calls))
    wait_until(lambda: watcher._rescans.done)
    root.rename(tmp_path / "away")
    watcher._rescans.want("m", "test")
    watcher._rescans._not_before.clear()
    wait_until(lambda: "no such folder" in caplog.text)
    deliver(tmp_path / "away", "new/1.a")
    (tmp_path / "away").rename(root)
    watcher._rescans._not_before.clear()
    services.sent.wait_for("new/1.a")


def start_and_take_away(watcher, root, tmp_path):
    """Start a watcher, take its Maildir away, and wait until it says so."""
    watcher.start()
    wait_until(lambda: watcher._rescans.done)
    root.rename(tmp_path / "away")
    watcher._rescans.want("m", "test")
    watcher._rescans._not_before.clear()
    wait_until(lambda: "cannot scan" in watcher.facts()["trouble"])


def test_a_maildir_that_stays_away_is_in_every_beat_and_once_in_the_log(
    watcher, root, services, caplog, tmp_path, monkeypatch
):
    monkeypatch.setattr(rescan, "AWAY_SECONDS", 0.05)
    tries = Recorder()
    services.on_missing = lambda: tries("try")
    start_and_take_away(watcher, root, tmp_path)
    services.beats.clear()
    tries.clear()
    tries.wait_until(lambda: len(tries.calls) >= 3)
    services.beats.wait_until(lambda: len(services.beats.calls) >= 3)
    assert all("no such folder" in facts["trouble"] for (facts,) in services.beats.calls)
    assert caplog.text.count("cannot scan") == 1
    (tmp_path / "away").rename(root)
    wait_until(lambda: watcher.facts()["trouble"] == "")


def test_services_that_are_back_are_told_of_while_a_maildir_is_away(
    watcher, root, services, caplog, tmp_path
):
    caplog.set_level("INFO")
    start_and_take_away(watcher, root, tmp_path)
    services.recover = lambda: 1 / 0
    watcher._archive = services.archive()
    wait_until(lambda: watcher._failures >= 1)
    services.recover = lambda: 0
    watcher._archive = services.archive()
    wait_until(lambda: "are back after" in caplog.text)
    assert "cannot scan" in watcher.facts()["trouble"]


def test_the_heartbeat_says_what_is_watched_and_what_waits(watcher, root, services):
    watcher.start()
    services.beats.wait_until(lambda: bool(services.beats.calls))
    facts = services.beats.calls[-1][0]
    assert facts["pending"] == 0 and facts["trouble"] == ""
    assert facts["maildirs"]["m"] == {"mode": "inotify", "folders": 1, "overflows": 0}


def test_the_heart_beats_on_during_a_rescan_and_says_which_it_is(watcher, root, services):
    beats = services.beats

    def three_beats_more():
        already = len(beats.calls)
        beats.wait_until(lambda: len(beats.calls) >= already + 3)

    services.on_missing = three_beats_more
    watcher.start()
    wait_until(lambda: watcher._rescans.done)
    assert {"m": "start"} in [facts["rescans_wanted"] for (facts,) in beats.calls]
    three_beats_more()
    assert beats.calls[-1][0]["rescans_wanted"] == {}


def test_a_maildir_missing_at_the_start_keeps_no_other_from_being_watched(
    services, root, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setattr(service, "TICK", 0.01)
    late = tmp_path / "late"
    one = Watcher({"late": (late, "inotify"), "m": (root, "inotify")}, services.archive(), SETTINGS)
    one.start()
    try:
        deliver(root, "new/1.a")
        services.sent.wait_for("new/1.a")
        services.beats.wait_until(lambda: bool(services.beats.calls))
        assert f"{late}: there is no such folder" in services.beats.calls[-1][0]["trouble"]
        deliver(make_maildir(tmp_path / "made"), "new/1.late")
        (tmp_path / "made").rename(late)
        services.sent.wait_for("new/1.late")
        deliver(late, "new/2.late")
        services.sent.wait_for("new/2.late")
    finally:
        one.stop()
        one._upkeep.join(DEADLINE)
    assert caplog.text.count("late is not watched until it is there") == 1
    assert {call[0] for call in services.registered.calls} == {"late", "m"}


def test_a_flat_folder_is_watched_as_what_it_is_registered_as(services, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "TICK", 0.01)
    root = make_maildir(tmp_path / "flat")
    services.kinds["m"] = "folder"
    one = Watcher({"m": (root, "inotify")}, services.archive(), SETTINGS)
    one.start()
    try:
        wait_until(lambda: one.observer.kind_of("m") == "folder")
        deliver(root, "new/2.eml")
        services.sent.wait_for("new/2.eml")
        (root / "a.eml").write_bytes(b"Subject: x\n\n")
        services.sent.wait_for("a.eml")
    finally:
        one.stop()
        one._upkeep.join(DEADLINE)


def test_a_name_that_is_taken_ends_the_watcher(services, root, monkeypatch):
    monkeypatch.setattr(service, "TICK", 0.01)

    def refuse(*_):
        raise service.Refused("MAILDIR_PATH: the name is taken")

    services.register = refuse
    one = Watcher({"m": (root, "inotify")}, services.archive(), SETTINGS)
    one.start()
    with pytest.raises(service.Refused, match="MAILDIR_PATH"):
        one.run()
    assert services.sent.calls == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_by_a_fault_ends_the_watcher_which_is_started_again(watcher, root):
    watcher.start()
    wait_until(lambda: watcher._registered)
    watcher._batcher._take = lambda: 1 / 0
    deliver(root, "new/1.a")
    wait_until(lambda: not watcher._batcher.alive())
    with pytest.raises(ObserverBroken, match="batcher"):
        watcher.run()


def wait_until(ready, seconds: float = DEADLINE) -> None:
    """For states without a condition of their own."""
    pause, deadline = threading.Event(), time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        pause.wait(0.002)


PROCESS = """
import signal, sys
from pathlib import Path
from types import SimpleNamespace
from mrilu.maildir.names import scan
from watcher import service
from watcher.service import SIGNALS, Archive, Watcher
service.TICK = 0.05
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
def say(*words): print(*words, flush=True)
def missing(name, root):
    say("scan")
    return []
settings = SimpleNamespace(batch_size=100, rescan_seconds=3600.0, poll_seconds=1.0)
archive = Archive(lambda *a: "maildir", missing, lambda m, paths, live: say(*paths), lambda: 0, lambda facts: None)
watcher = Watcher({"m": (Path(sys.argv[1]), "inotify")}, archive, settings)
watcher.start()
sys.exit(watcher.run())
"""


@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGINT])
def test_signals_rescan_and_stop(root, last):
    command = [sys.executable, "-c", PROCESS, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "scan\n"
            deliver(root, "new/1.a")
            assert process.stdout.readline() == "new/1.a\n"
            for again in (signal.SIGUSR1, signal.SIGHUP):
                process.send_signal(again)
                assert process.stdout.readline() == "scan\n"
            process.send_signal(last)
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


def test_a_missing_database_url_is_one_line_and_exit_code_2(root):
    done = run_watcher(MAILDIR_PATH=str(root))
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr and done.stderr.count("\n") == 1


def run_watcher(**environ: str) -> subprocess.CompletedProcess:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, "-m", "watcher"]
    return subprocess.run(command, env=kept | environ, capture_output=True, text=True, timeout=60)


def test_mail_of_a_folder_that_is_another_maildir_waits_until_the_maildir_is_there(
    root, services, monkeypatch
):
    """Another service has the name: what lies here may be a mail that has a name there, too."""
    refusals, mounted = threading.Semaphore(0), threading.Event()
    take_up = services.register

    def refuse(name, where):
        if mounted.is_set():
            return take_up(name, where)
        refusals.release()
        raise MaildirError(where)

    monkeypatch.setattr(service, "TICK", 0.01)
    services.register = refuse
    watcher = Watcher({"m": (root, "inotify")}, services.archive(), SETTINGS)
    deliver(root, "new/1.here")
    watcher.start()
    assert refusals.acquire(timeout=DEADLINE) and refusals.acquire(timeout=DEADLINE)
    watcher._submit("m", ["new/1.here"], True)
    assert watcher._missing("m") == [] and services.sent.calls == []
    mounted.set()
    services.sent.wait_for("new/1.here")
    watcher.stop()
    watcher._upkeep.join(DEADLINE)
