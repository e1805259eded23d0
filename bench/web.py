"""How fast the pages are as readers get them: through `./run.sh`, beside public-inbox-httpd and HyperKitty in one run.

    python -m bench.web                # pages, 50 readers at once, a crawl
    python -m bench.web --only pages   # or readers, crawl; --mails N takes a part of the corpus

Added to the list corpus are five made threads of 200 messages and one of 1,000. Cold is the first request of a page
since the start; warm the median of the later ones. Set-up: see bench/README.md, and `apt-get install wrk gunicorn`.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

from bench.corpus import WORDS, link_maildir, mail_files, unpacked
from bench.crawl import crawl
from bench.front_door import environment_for, free_port, run_service
from bench.machine import machine_facts
from bench.peers.web import SEARCHES, HyperKittyPages, PublicInboxPages
from bench.timing import only_benchmark, progress
from mrilu.mail.permalinks import hash_of

ROUNDS = 30
LONGEST_SECONDS = 900.0
BIG, HUGE = 200, 1000  # messages of a made thread
READERS = 50
WORD = "segfault"
# milliseconds, the bars
LIMITS = {"thread of 200": 15.0, "thread of 200, cold": 50.0, "thread of 1,000, first byte": 50.0,
          "message": 5.0, "month": 15.0, "not modified": 2.0}  # fmt: skip
# Ours has to be so many times faster.
BARS = {"public-inbox-httpd": 1.0, "hyperkitty": 10.0}
PAGES_A_SECOND, MOST_BYTES = 200.0, 100_000


class Timed(NamedTuple):
    """A request: milliseconds until the first byte of the body and until its end, status, bytes, ETag, Location."""

    first: float
    whole: float
    status: int
    size: int
    tag: str
    place: str


class Site:
    """A server of pages, asked over one connection that stays open."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.port = name, port
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, **fields: str) -> Timed:
        """Ask for a page."""
        began = time.perf_counter()
        self._link.request("GET", path, headers={"Host": "localhost", **fields})
        answer = self._link.getresponse()
        size = len(answer.read(1))
        first = time.perf_counter()
        size += len(answer.read())
        ended = time.perf_counter()
        tag, place = (answer.headers.get(name, "") for name in ("ETag", "Location"))
        took = (first - began) * 1000, (ended - began) * 1000
        return Timed(*took, answer.status, size, tag, place)

    def thread(self, message_id: str) -> str:
        """Return the address of a message's thread."""
        path = f"/t/{hash_of(message_id)}/"
        return self.ask(path).place.partition("#")[0].partition("?")[0] or path

    def forget(self) -> None:
        """Close the connection; the next request opens another."""
        self._link.close()

    def warm(self, path: str, **fields: str) -> Timed:
        """Ask ROUNDS times; return the request with the median time, raising unless each was answered."""
        found = sorted((self.ask(path, **fields) for _ in range(ROUNDS)), key=lambda one: one.whole)
        wrong = {one.status for one in found} - {200, 304}
        if wrong:
            raise AssertionError(f"{self.name} answered {wrong} to {path}")
        return found[len(found) // 2]

    def first_times(self, paths: Sequence[str]) -> float:
        """Ask for each page once; return the median of the milliseconds."""
        found = [self.ask(path) for path in paths]
        wrong = {one.status for one in found} - {200}
        if wrong:
            raise AssertionError(f"{self.name} answered {wrong} to one of {paths}")
        return statistics.median(one.whole for one in found)


def made_thread(folder: Path, name: str, messages: int) -> None:
    """Deliver a thread: each message answers one before it, quotes it and has 30 lines of its own."""
    for number in range(messages):
        parent = f"{name}-{(number - 1) // 3}@bench.example"
        answers = (
            f"In-Reply-To: <{parent}>\nReferences: <{name}-0@bench.example>\n" if number else ""
        )
        own = "".join(f"line {line} of message {number}, and some words\n" for line in range(30))
        quoted = "".join(
            f"> line {line} of message {(number - 1) // 3}, and some words\n" for line in range(5)
        )
        (folder / f"{name}.{number:04}.bench").write_text(
            f"From: Reader {number % 40} <reader{number % 40}@bench.example>\nTo: bench@lists.example.org\n"
            f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S +0000', time.gmtime(1_500_000_000 + 60 * number))}\n"
            f"Subject: {'Re: ' if number else ''}{name}\nMessage-ID: <{name}-{number}@bench.example>\n"
            f"List-Id: <bench.lists.example.org>\n{answers}\n{quoted if number else ''}\n{own}"
        )


def archive(work: Path, most: int) -> Path:
    """Return a Maildir of the corpus (some of it) and the made threads."""
    with unpacked() as corpus:
        maildir = link_maildir(corpus, work / "Maildir")
    for path in mail_files(maildir)[most:]:
        path.unlink()
    folder = next(iter(mail_files(maildir))).parent
    for number in range(5):
        made_thread(folder, f"big{number}", BIG)
    made_thread(folder, "huge", HUGE)
    return maildir


@contextmanager
def serving(maildir: Path, work: Path) -> Iterator[Site]:
    """Run the whole service by `./run.sh` on empty data until the Maildir is imported; it ends with the block."""
    port, log = free_port(), work / "log"
    with run_service(environment_for(maildir, work, port, EMBEDDINGS="off"), log) as service:
        site = Site("mrilu", port)
        until(lambda: is_up(site), service, log)
        until(lambda: "\nlevel: " in log.read_text(), service, log)
        site.forget()  # the server has closed it, if the import took long
        yield site


def until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a server; raises when it ends or takes too long."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"{process.args!r} does not answer: {log.read_text()[-2000:]}")
        time.sleep(0.2)


def is_up(site: Site) -> bool:
    """Tell whether a server answers at all."""
    try:
        return site.ask("/").status < 500
    except (OSError, http.client.HTTPException):
        site.forget()
        return False


def our_pages(site: Site) -> dict[str, float]:
    """Return what the bars are about, in milliseconds."""
    threads = [site.thread(f"big{number}-0@bench.example") for number in range(5)]
    cold = [site.ask(path) for path in threads]
    huge = site.thread("huge-0@bench.example")
    message = f"/m/{hash_of('big0-7@bench.example')}/"
    warm = site.warm(threads[0])
    return {
        "thread of 200, cold": statistics.median(one.whole for one in cold),
        "thread of 200": warm.whole,
        "thread of 1,000, first byte": site.warm(huge).first,
        "message": site.warm(message).whole,
        "month": site.warm("/l/bench.lists.example.org/2017-07/").whole,
        "not modified": site.warm(message, **{"If-None-Match": site.ask(message).tag}).whole,
        "thread, Atom": site.warm(f"{threads[0]}atom.xml").whole,
        "thread, mbox": site.warm(f"{threads[0]}t.mbox.gz").whole,
        "search": site.warm(f"/search?q={WORD}").whole,
        SEARCHES: site.first_times([f"/search?q={word}" for word in WORDS]),
    }


def tell_pages(ours: dict[str, float], peers: Sequence[tuple[str, dict[str, float]]]) -> bool:
    """Print our times with their bars, then how many times longer peers take; return whether all bars are met."""
    passed = True
    for name, took in ours.items():
        limit = LIMITS.get(name)
        verdict = "" if limit is None else ("PASS" if took <= limit else "FAIL")
        passed = passed and verdict != "FAIL"
        print(f"{name:30} {took:8.2f} ms  {'' if limit is None else f'bar {limit:g}'} {verdict}")
    for peer, times in peers:
        for name, took in times.items():
            ratio, bar = took / ours[name], BARS[peer]
            passed = passed and ratio >= bar
            print(
                f"{name:30} {took:8.2f} ms  {peer}: {ratio:.1f}x ours, bar {bar:g} {'PASS' if ratio >= bar else 'FAIL'}"
            )
    return passed


def readers(site: Site, work: Path) -> bool:
    """50 readers at once (wrk) over pages of all kinds, 20 seconds."""
    message = "/m/{}/".format(hash_of("big0-7@bench.example"))
    paths = ["/", "/l/bench.lists.example.org/", "/l/bench.lists.example.org/2017-07/", message,
             site.thread("big1-0@bench.example"), f"/search?q={quote(WORD)}"]  # fmt: skip
    listed = ", ".join(f'"{path}"' for path in paths)
    script = work / "paths.lua"
    script.write_text(
        f"local paths = {{{listed}}}\nlocal at = 0\n"
        "request = function() at = at % #paths + 1 return wrk.format('GET', paths[at]) end\n"
        "done = function(summary) io.write('ERRORS ' .. summary.errors.status + summary.errors.connect"
        " + summary.errors.read + summary.errors.timeout .. '\\n') end\n"
    )
    command = [
        "wrk",
        "-t2",
        f"-c{READERS}",
        "-d20s",
        "-s",
        str(script),
        f"http://127.0.0.1:{site.port}/",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(told.partition("Requests/sec:")[2].split()[0])
    errors = int(told.partition("ERRORS ")[2].split()[0])
    passed = rate >= PAGES_A_SECOND and not errors
    print(
        f"{READERS} readers: {rate:.0f} pages/s, {errors} errors, bar {PAGES_A_SECOND:g} {'PASS' if passed else 'FAIL'}"
    )
    return passed


def main() -> int:
    """Run what was asked for; returns 0 when all bars are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=("pages", "readers", "crawl"))
    parser.add_argument("--mails", type=int, default=10**9)
    chosen = parser.parse_args()
    passed = True
    with only_benchmark(), TemporaryDirectory(prefix="mrilu-web-") as folder:
        work = Path(folder)
        work.chmod(0o711)  # the service reads mail as an account of its own
        maildir = archive(work, chosen.mails)
        progress(f"{len(mail_files(maildir)):,} mails")
        with serving(maildir, work) as site:
            if chosen.only in (None, "pages"):
                ours = our_pages(site)
                peers = [
                    (peer.name, times)
                    for peer in (PublicInboxPages(), HyperKittyPages())
                    if (times := peer.times(maildir, work, Site, free_port(), WORD))
                ]
                passed = tell_pages(ours, peers)
            if chosen.only in (None, "readers"):
                site.forget()  # the server has closed it meanwhile
                passed = readers(site, work) and passed
            if chosen.only in (None, "crawl"):
                passed = crawl(site.port, maildir, work / "data") and passed
        print(machine_facts({}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
