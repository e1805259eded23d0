"""A network that asks for too much waits; nobody is locked out, and costly requests leave threads to readers."""

from __future__ import annotations

import threading

import pytest
from flask.testing import FlaskClient

from mrilu.search.patience import SearchTooSlow
from mrilu.web.limits import AT_ONCE, PAGE, SEARCH, Rates, prefix_of
from mrilu.web.server import THREADS
from tests.web.conftest import Ask

FAR = {"REMOTE_ADDR": "192.0.2.7"}
ASKED = "/search?q=tea"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("[2001:db8:1:2::3]", "2001:db8:1::/48"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("unix", ""),
    ],
)
def test_networks_are_prefixes_of_addresses(address: str, network: str) -> None:
    assert prefix_of(address) == network


def test_who_asks_too_much_waits_as_long_as_told_and_no_longer() -> None:
    now = [0.0]
    rates = Rates({SEARCH: 60}, clock=lambda: now[0])
    for _ in range(int(AT_ONCE)):
        assert rates.seconds_to_wait("net", SEARCH) == 0
    wait = rates.seconds_to_wait("net", SEARCH)
    assert 0 < wait <= 1 and rates.seconds_to_wait("other", SEARCH) == 0
    for _ in range(1000):  # asking on makes it no longer
        assert rates.seconds_to_wait("net", SEARCH) == wait
    now[0] += wait
    assert rates.seconds_to_wait("net", SEARCH) == 0


@pytest.mark.parametrize("kind", [PAGE, SEARCH])
def test_a_reader_with_a_page_each_second_never_waits(kind: str) -> None:
    now = [0.0]
    rates = Rates({PAGE: 1200, SEARCH: 120}, clock=lambda: now[0])
    for second in range(3 * 3600):
        now[0] = float(second)
        assert rates.seconds_to_wait("net", kind) == 0


def test_searches_are_limited_by_themselves_and_the_answer_says_when_to_come(
    open_pages: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    pages = open_pages(search_rate=2)
    statuses = [pages.get(ASKED, environ_base=FAR).status_code for _ in range(4)]
    assert statuses == [200, 200, 503, 503]
    late = pages.get(ASKED, environ_base={"REMOTE_ADDR": "192.0.2.200"})
    assert late.status_code == 503 and 1 <= int(late.headers["Retry-After"]) <= 60
    assert "come again in" in late.text and late.headers["Content-Security-Policy"]
    assert pages.get("/", environ_base=FAR).status_code == 200
    assert pages.get(ASKED, environ_base={"REMOTE_ADDR": "198.51.100.7"}).status_code == 200
    assert caplog.text.count("network=192.0.2.0/24 kind=search") == 1


def test_a_proxy_of_this_machine_says_for_whom_it_asks(open_pages: Ask) -> None:
    pages = open_pages(search_rate=1)

    def ask(forwarded: str, peer: str = "127.0.0.1") -> int:
        given = {"X-Forwarded-For": forwarded} if forwarded else {}
        return pages.get(ASKED, headers=given, environ_base={"REMOTE_ADDR": peer}).status_code

    assert [ask("192.0.2.7"), ask("10.9.9.9, 192.0.2.8"), ask("198.51.100.7")] == [200, 503, 200]
    assert [ask("") for _ in range(3)] == [200] * 3
    # who comes by himself is who he is, whatever he says
    assert [ask("203.0.113.1", "203.0.113.77"), ask("8.8.8.8", "203.0.113.78")] == [200, 503]


def test_open_pages_that_ask_whether_they_changed_cost_nothing(open_pages: Ask) -> None:
    pages = open_pages(page_rate=3)
    tag = {"If-None-Match": pages.get("/", environ_base=FAR).headers["ETag"]}
    asked = [pages.get("/", headers=tag, environ_base=FAR).status_code for _ in range(20)]
    assert asked == [304] * 20
    read = [pages.get("/", environ_base=FAR).status_code for _ in range(3)]
    assert read == [200, 200, 503]


def test_health_is_never_limited(open_pages: Ask) -> None:
    pages = open_pages(page_rate=1)
    assert {pages.get("/livez", environ_base=FAR).status_code for _ in range(5)} == {200}


def test_costly_requests_take_half_of_the_threads_and_readers_go_on(
    pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go_on = threading.Semaphore(0), threading.Event()

    def slow(work: object) -> object:
        inside.release()
        assert go_on.wait(30)
        raise SearchTooSlow(10.0)

    monkeypatch.setattr("mrilu.web.routes.search.ask_database", slow)
    client = pages.application.test_client
    busy = [threading.Thread(target=lambda: client().get(ASKED)) for _ in range(THREADS // 2)]
    for one in busy:
        one.start()
    for _ in busy:
        assert inside.acquire(timeout=30)
    shed = pages.get(ASKED)
    assert shed.status_code == 503 and shed.headers["Retry-After"] == "2"
    assert pages.get("/").status_code == 200
    go_on.set()
    for one in busy:
        one.join(30)
    assert pages.get(ASKED).headers["Retry-After"] == "60"  # the seats were given back
