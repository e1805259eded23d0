"""Who is answered first where more is asked for than there are threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mrilu.web.limits import is_costly
from mrilu.web.server import KEPT, THREADS, MultiSocketServer
from mrilu.web.turns import HALF_LIFE, MOST_BEHIND, MOST_DEAR_WAITING, MUCH, Turn, Turns, Use
from tests.web.test_server import DEADLINE, connect, running, until

__all__ = ["running"]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(most_dear=2, most_heavy=3, clock=clock)


def user(clock: Clock, seconds: float) -> Use:
    """Return an asker who has just taken so many seconds of the threads."""
    use = Use()
    use.add(seconds, clock.now)
    return use


def order(turns: Turns) -> list[str]:
    """Return the names of those that may be answered now, each ended before the next one begins."""
    found: list[str] = []
    while turns:
        turn = turns.popleft()
        found.append(name_of(turn))
        turns.end(turn, 0.0)
    return found


def name_of(turn: Turn) -> str:
    return turn.answer.__name__


def wait(turns: Turns, name: str, use: Use, *, dear: bool = False) -> None:
    def answer() -> None: ...

    answer.__name__ = name
    turns.append(answer, use, dear=dear)


def test_who_took_little_goes_before_who_took_much_and_equals_by_arrival(
    turns: Turns, clock: Clock
) -> None:
    wait(turns, "crawler", user(clock, 1.0))
    wait(turns, "first", Use())
    wait(turns, "second", Use())
    assert order(turns) == ["first", "second", "crawler"]


def test_a_costly_request_goes_behind_a_cheap_one(turns: Turns) -> None:
    wait(turns, "search", Use(), dear=True)
    wait(turns, "page", Use())
    assert order(turns) == ["page", "search"]


def test_nobody_waits_behind_others_for_good(turns: Turns, clock: Clock) -> None:
    wait(turns, "crawler", user(clock, 1000.0))
    clock.now += MOST_BEHIND + 0.1
    wait(turns, "newcomer", Use())
    assert order(turns) == ["crawler", "newcomer"]


def test_what_was_taken_is_forgotten_by_and_by(clock: Clock) -> None:
    use = user(clock, 8.0)
    assert use.taken(clock.now + 3 * HALF_LIFE) == pytest.approx(1.0)


def test_who_takes_much_and_what_is_costly_leave_threads_to_others(
    turns: Turns, clock: Clock
) -> None:
    heavy = user(clock, 2 * MUCH)
    for number in range(4):
        wait(turns, f"heavy {number}", heavy)
    for number in range(3):
        wait(turns, f"search {number}", Use(), dear=True)
    taken = [turns.popleft() for _ in range(5)]
    assert sorted(map(name_of, taken)) == ["heavy 0", "heavy 1", "heavy 2", "search 0", "search 1"]
    assert not turns and len(turns) == 2
    wait(turns, "page", Use())
    assert order(turns) == ["page"]
    turns.end(taken[0], 0.0)
    assert name_of(turns.popleft()) in ("heavy 3", "search 2")


def test_of_too_many_costly_requests_the_next_ones_are_told_to_come_again(turns: Turns) -> None:
    for _ in range(MOST_DEAR_WAITING + 3):
        wait(turns, "search", Use(), dear=True)
    assert [name_of(turns.popleft()) for _ in range(3)] == ["search"] * 3
    assert len(turns) == MOST_DEAR_WAITING and not turns
    with pytest.raises(IndexError):
        turns.popleft()


def test_a_network_is_one_asker_over_all_its_connections(turns: Turns, clock: Clock) -> None:
    turns.use_of("192.0.2.0/24").add(1.0, clock.now)
    wait(turns, "same", turns.use_of("192.0.2.0/24"))
    wait(turns, "other", turns.use_of("198.51.100.0/24"))
    assert order(turns) == ["other", "same"]


@pytest.mark.parametrize(
    "path", ["/search", "/search/atom.xml", "/l/x/2024-05/mbox.gz", "/l/x/2024-05/sitemap.xml"]
)
def test_what_is_costly_is_known_by_its_path(path: str) -> None:
    assert is_costly(path) and not is_costly(f"/m{path}/")


class Held:
    """An application whose pages wait until they are let go, but for /quick."""

    def __init__(self) -> None:
        self.go, self.inside = threading.Event(), threading.Semaphore(0)

    def __call__(self, environ: dict, start_response: Callable) -> Iterator[bytes]:
        if environ["PATH_INFO"] != "/quick":
            self.inside.release()
            self.go.wait(DEADLINE)
        start_response("200 OK", [("Content-Length", "2")])
        return iter([b"ok"])


@pytest.mark.parametrize("running", [Held()], indirect=True)
def test_a_newcomer_is_answered_while_heavy_askers_have_all_threads_that_they_may(
    running: MultiSocketServer, request: pytest.FixtureRequest
) -> None:
    held: Held = request.node.callspec.params["running"]
    ask = b"GET %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n"
    running.task_dispatcher.queue.use_of("192.0.2.0/24").add(9.0, time.monotonic())
    links: list[socket.socket] = []
    try:
        for number in range(2 * THREADS):
            links.append(connect(running))
            links[-1].sendall(ask % (b"/", b"192.0.2.%d" % number))
        for _ in range(THREADS - KEPT):
            assert held.inside.acquire(timeout=DEADLINE)
        with connect(running) as reader:
            reader.sendall(ask % (b"/quick", b"198.51.100.7"))
            assert until(reader, b"ok").endswith(b"ok") and not held.go.is_set()
        assert not held.inside.acquire(blocking=False)
    finally:
        held.go.set()
        for link in links:
            assert until(link, b"ok").endswith(b"ok")
            link.close()
