"""A crawler's visit: 50 connections over every address, cold, beside one reader and mail that is delivered."""

from __future__ import annotations

import http.client
import re
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import quantiles

import psutil

CONNECTIONS = 50
SECONDS = 60.0
READER_P95, DELIVERY_SECONDS, GROWTH = 200.0, 1.0, 1.5  # milliseconds, seconds, times
MAIL = """From: Crawl <crawl@bench.example>
Date: Mon, 01 Jan 2018 00:00:00 +0000
Subject: crawl {word}
Message-ID: <{word}@bench.example>
List-Id: <bench.lists.example.org>

{word} was delivered while a crawler was here
"""


class _Crawler:
    def __init__(self, port: int) -> None:
        self.port, self.paths = port, SimpleQueue[str]()
        self.statuses: dict[int, int] = {}
        self.ended = threading.Event()

    def fill(self) -> int:
        """Queue all addresses that the sitemaps name; return how many."""
        count, waiting = 0, ["/sitemap.xml"]
        while waiting:
            text = ask(self.port, waiting.pop())[1].decode()
            for place in re.findall(r"<loc>https?://[^/<]+([^<]+)</loc>", text):
                if "<sitemapindex" in text:
                    waiting.append(place)
                else:
                    self.paths.put(place)
                    count += 1
        return count

    def run(self) -> None:
        """Ask for address after address over one connection."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self.ended.is_set():
            try:
                path = self.paths.get_nowait()
            except Empty:
                return
            try:
                link.request("GET", path)
                answer = link.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                link.close()
                status = 0
            self.statuses[status] = self.statuses.get(status, 0) + 1


def ask(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body over a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def crawl(port: int, maildir: Path, data: Path) -> bool:
    """Crawl for a minute at most; tell what readers and deliveries met; return whether the bars are met."""
    crawler = _Crawler(port)
    addresses, before = crawler.fill(), memory(data)
    threads = [threading.Thread(target=crawler.run, daemon=True) for _ in range(CONNECTIONS)]
    for one in threads:
        one.start()
    began, waits, deliveries = time.monotonic(), list[float](), list[float]()
    folder = next(path for path in maildir.rglob("new") if path.is_dir())
    while time.monotonic() - began < SECONDS and any(one.is_alive() for one in threads):
        start = time.perf_counter()
        ask(port, "/l/bench.lists.example.org/2017-07/")
        waits.append((time.perf_counter() - start) * 1000)
        if len(deliveries) < 10 and time.monotonic() - began > 5 * len(deliveries):
            deliveries.append(delivered(port, folder, f"crawlword{len(deliveries)}"))
    crawler.ended.set()
    for one in threads:
        one.join(70)
    p95, slowest, grown = quantiles(waits, n=20)[18], max(deliveries), memory(data) / before
    passed = p95 <= READER_P95 and slowest <= DELIVERY_SECONDS and grown <= GROWTH
    told = sum(crawler.statuses.values())
    print(
        f"crawl: {told} of {addresses} addresses in {time.monotonic() - began:.0f} s, {crawler.statuses}; reader p95 "
        f"{p95:.0f} ms (bar {READER_P95:g}), delivered and searchable in {slowest:.2f} s at worst "
        f"(bar {DELIVERY_SECONDS:g}), web's memory {grown:.2f} times {'PASS' if passed else 'FAIL'}"
    )
    return passed


def delivered(port: int, folder: Path, word: str) -> float:
    """Deliver a mail; return the seconds until a search finds it."""
    began = time.monotonic()
    hidden = folder.parent / "tmp" / f"{word}.bench"
    hidden.parent.mkdir(exist_ok=True)
    hidden.write_text(MAIL.format(word=word))
    hidden.rename(folder / hidden.name)
    while f"crawl {word}".encode() not in ask(port, f"/search?q={word}")[1]:
        if time.monotonic() - began > 30:
            break
        time.sleep(0.02)
    return time.monotonic() - began


def memory(data: Path) -> int:
    """Return the resident bytes of the web processes that serve this data folder."""
    found = 0
    for one in psutil.process_iter(["cmdline"]):
        words = " ".join(one.info["cmdline"] or ())
        if "mrilu.web" in words or (str(data) in words and " web" in words):
            found += one.memory_info().rss
    return max(1, found)
