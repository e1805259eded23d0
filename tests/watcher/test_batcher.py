import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisAway

from tests.watcher.conftest import Recorder
from watcher import batcher as batch
from watcher.batcher import Batcher


class Queue(Recorder):
    """Stands for the queue: records (maildir, paths, live); `away` makes it raise, `stalled` makes it wait."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.attempts = Recorder()
        self.go_on = threading.Event()
        self.go_on.set()

    def submit(self, maildir, paths, live):
        self.attempts(maildir)
        self.go_on.wait(10)
        if self.away:
            raise RedisAway("refused")
        self(maildir, paths, live)

    def paths(self, maildir="m"):
        return [path for name, paths, _ in self.calls for path in paths if name == maildir]

    def wait_for_paths(self, *paths, maildir="m"):
        self.wait_until(lambda: set(paths) <= set(self.paths(maildir)))


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(batch, "FIRST_DELAY", 0.005)
    return Queue()


@pytest.fixture
def batcher(queue):
    one = Batcher(queue.submit, batch_size=100, burst=200)
    one.start()
    yield one
    queue.away = False
    queue.go_on.set()
    one.close(5)


def test_a_lone_mail_is_submitted_at_once_to_the_front(batcher, queue):
    began = time.monotonic()
    batcher.offer("m", "new/1.a")
    queue.wait_for_paths("new/1.a")
    assert queue.calls == [("m", ["new/1.a"], True)]
    assert queue.times[0] - began < 0.1
    assert batcher.pending() == 0


def test_only_what_follows_a_submission_closely_is_gathered(queue):
    one = Batcher(queue.submit, rest=3600, quiet=5, gather=5)
    one._sent_at = time.monotonic() - 3601
    one.start()
    one.offer("m", "new/lone")
    queue.wait_until(lambda: queue.paths() == ["new/lone"], seconds=2)
    one.offer("m", "new/1")
    one.offer("m", "new/2")
    assert one.close(5) == 0
    assert [paths for _, paths, _ in queue.calls] == [["new/lone"], ["new/1", "new/2"]]


def test_a_flood_goes_in_full_batches_to_the_back(batcher, queue):
    queue.go_on.clear()
    batcher.offer("m", "new/first")
    queue.attempts.wait_for("m")
    paths = [f"new/{n}" for n in range(1000)]
    for path in paths:
        batcher.offer("m", path)
    queue.go_on.set()
    queue.wait_for_paths(*paths)
    assert queue.paths() == ["new/first", *paths]
    assert [len(some) for _, some, _ in queue.calls] == [1] + [100] * 10
    assert [live for _, _, live in queue.calls][2:] == [False] * 9


def test_a_lone_mail_soon_after_a_flood_is_live_again(queue):
    one = Batcher(queue.submit, batch_size=10, burst=10)
    now = time.monotonic()
    one._tokens, one._refilled_at = 0.0, now
    assert not one._is_live(10)
    one._refilled_at = now - 2  # two seconds later
    assert one._is_live(1)
    assert one._is_live(1)
    assert not one._is_live(1)


def test_duplicates_in_the_buffer_collapse(batcher, queue):
    queue.go_on.clear()
    batcher.offer("m", "new/0")
    queue.attempts.wait_for("m")
    for _ in range(5):
        batcher.offer("m", "new/1")
        batcher.offer("m", "new/2")
    assert batcher.pending() == 2
    queue.go_on.set()
    queue.wait_for_paths("new/1", "new/2")
    assert queue.paths() == ["new/0", "new/1", "new/2"]


def test_a_path_that_changes_again_while_it_is_submitted_is_submitted_again(batcher, queue):
    queue.go_on.clear()
    batcher.offer("m", "new/0")
    queue.attempts.wait_for("m")
    batcher.offer("m", "new/0")
    queue.go_on.set()
    queue.wait_until(lambda: len(queue.paths()) == 2)
    assert queue.paths() == ["new/0", "new/0"]


def test_while_redis_is_away_the_paths_are_kept_and_sent_when_it_is_back(queue, caplog):
    rescans = Recorder()
    one = Batcher(queue.submit, rescan=rescans)
    queue.away = True
    one.start()
    one.offer("m", "new/1")
    one.offer("m", "new/2")
    queue.attempts.wait_until(lambda: len(queue.attempts.calls) >= 4)
    assert one.failing() and one.pending() >= 1
    queue.away = False
    queue.wait_for_paths("new/1", "new/2")
    rescans.wait_for("m")
    assert one.close(5) == 0
    assert caplog.text.count("cannot reach the queue") == 1


def test_a_maildir_that_is_refused_does_not_hold_up_the_others(queue):
    def submit(maildir, paths, live):
        queue.attempts(maildir)
        if maildir == "bad":
            raise ValueError("no such Maildir")
        queue(maildir, paths, live)

    one = Batcher(submit)
    one.offer("bad", "new/1")
    one.offer("good", "new/2")
    one.start()
    queue.wait_for_paths("new/2", maildir="good")
    assert one.close(5) == 1


def test_the_buffer_is_bounded_and_a_rescan_finds_what_it_dropped(queue):
    rescans = Recorder()
    one = Batcher(queue.submit, rescan=rescans, limit=3)
    for n in range(10):
        one.offer("m", f"new/{n}")
    assert one.pending() == 3
    assert rescans.calls == [("m", "more than 3 paths wait for the queue")]
    one.start()
    queue.wait_for_paths("new/0", "new/1", "new/2")
    assert one.close(5) == 0


def test_a_second_overflow_of_the_buffer_asks_for_a_second_rescan(queue):
    rescans = Recorder()
    one = Batcher(queue.submit, rescan=rescans, limit=1)
    queue.go_on.clear()
    one.start()
    for round_ in range(2):
        one.offer("m", f"new/{round_}.a")
        queue.attempts.wait_until(lambda r=round_: len(queue.attempts.calls) > 2 * r)
        for n in range(3):
            one.offer("m", f"new/{round_}.{n}")
        queue.go_on.set()
        queue.wait_for_paths(f"new/{round_}.0")
        queue.go_on.clear()
    queue.go_on.set()
    one.close(5)
    assert len(rescans.calls) == 2


def test_closing_sends_what_waits(queue):
    one = Batcher(queue.submit, batch_size=10)
    for n in range(95):
        one.offer("m", f"new/{n}")
    one.start()
    assert one.close(5) == 0
    assert len(queue.paths()) == 95
    assert not one.alive()


def test_closing_gives_up_while_redis_is_away_and_says_how_many_are_left(queue, monkeypatch):
    monkeypatch.setattr(batch, "FIRST_DELAY", 3600.0)
    monkeypatch.setattr(batch, "LAST_DELAY", 3600.0)
    queue.away = True
    one = Batcher(queue.submit)
    one.start()
    one.offer("m", "new/1")
    queue.attempts.wait_for("m")
    assert one.close(60) == 1
    assert not one.alive(), "it does not wait for the next try"


def test_after_a_day_without_redis_what_waits_is_sent(queue, monkeypatch):
    monkeypatch.setattr(batch, "FIRST_DELAY", 0.0)
    monkeypatch.setattr(batch, "LAST_DELAY", 0.0)
    queue.away = True
    one = Batcher(queue.submit)
    one.start()
    one.offer("m", "new/1")
    # 2.0 ** 1024 is no float: five seconds each, that is 85 minutes.
    queue.attempts.wait_until(lambda: len(queue.attempts.calls) > 1100 or not one.alive())
    queue.away = False
    queue.wait_for_paths("new/1")
    assert one.close(5) == 0
    assert queue.paths() == ["new/1"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30).map(str)), max_size=200),
    st.integers(1, 20),
)
def test_whatever_is_offered_in_any_order_is_submitted(offered, size):
    queue = Queue()
    one = Batcher(queue.submit, batch_size=size, rest=0)
    one.start()
    for maildir, path in offered:
        one.offer(maildir, path)
    assert one.close(5) == 0
    assert {(maildir, path) for maildir, paths, _ in queue.calls for path in paths} == set(offered)
    assert all(len(paths) <= size for _, paths, _ in queue.calls)
