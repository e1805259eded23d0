"""python -m bench.migrations [--messages N]: do readers notice a migration of a million messages? And scrapes?

The first schema step is applied and filled with mail; then each further step, while readers ask again and again;
before full text comes, the dictionary is filled with all languages of the corpus and 20,000 sentences. The bar is
that no answer takes more than a second. The same reads while nothing migrates are measured first, as the control:
what they need by themselves, on this machine at this load, is not caused by a migration. Then /metrics is scraped over
HTTP: the bar is 50 ms in the median; the slowest is printed, too.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from hashlib import md5
from pathlib import Path

import psycopg
from playhouse.migrations import Runner

import models
from bench.bars import report_bars
from bench.environment import caller_and
from bench.filled import fill_plain_dictionary, fill_sentences
from bench.machine import machine_facts
from bench.million import fill
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.table import PROJECT

LONGEST = 1.0  # seconds that a reader may wait
SCRAPE = 0.050
SCRAPES = 40
CONTROL = 1.5  # seconds, as long as the longest step
# Parameters, not random() in SQL: that is volatile, and would make each of these read the whole table.
READS = (
    "SELECT subject FROM message WHERE id = %(id)s",
    "SELECT id FROM message WHERE search @@ %(word)s::tsquery LIMIT 20",
    "SELECT name FROM location WHERE message = %(id)s",
    "SELECT job FROM job_run ORDER BY id DESC LIMIT %(few)s",
    "SELECT thread FROM thread_link LIMIT %(few)s",
    "SELECT text FROM definition WHERE id = %(id)s",
    "SELECT lojban FROM sentence WHERE id = %(id)s",
    "SELECT valsi FROM keyword WHERE definition = %(id)s",
    "SELECT type FROM word WHERE id = %(id)s",
)
SINCE_DICTIONARY = (
    "FROM definition ",
    "FROM sentence ",
    "FROM keyword ",
    "FROM word ",
)  # there are from 0002 on
FULL_TEXT = "0005_embeddings"  # before it the dictionary is filled
MODEL = "INSERT INTO embedding_model (name, source, dimensions, current) VALUES ('bench', 'bench', 3, true)"
WEB = "127.0.0.1:18025"
TOKEN = "0123456789abcdef0123456789abcdef"  # of a server that lives for the bench


class Readers:
    """Threads that ask what readers ask, and remember the slowest answer."""

    def __init__(self, url: str, reads: Sequence[str] = READS) -> None:
        self.url, self.worst, self._ended = url, 0.0, threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(statement,)) for statement in reads
        ]

    def _read(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as link:
            while not self._ended.is_set():
                number = random.randrange(10_000)
                word = md5(str(number % 5000).encode(), usedforsecurity=False).hexdigest()
                facts = {"id": number, "word": word, "few": 1 + number % 20}
                began = time.perf_counter()
                link.execute(statement, facts).fetchall()
                self.worst = max(self.worst, time.perf_counter() - began)
                self._ended.wait(0.005)

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def measure(messages: int) -> dict[str, tuple[list[float], float]]:
    """Return the slowest read during each step, and the times of the scrapes."""
    with tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder:
        with Cluster(Path(folder) / "pg") as cluster, Server(Path(folder) / "vk") as valkey:
            db = models.bind(cluster.url)
            runner = Runner(db, str(PROJECT / "mrilu" / "migrations"))
            names = sorted(path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py"))
            with db.connection_context():
                step(runner, names[0])
                fill(db.connection(), messages, messages // 5)
                measured = {}
                for name in names[1:]:
                    if name == FULL_TEXT:
                        print(f"  {fill_plain_dictionary(db):,} definitions", flush=True)
                        fill_sentences(db)
                        measured["longest read, control"] = (control(cluster.url), LONGEST)
                    measured[f"longest read during {name}"] = (
                        [during(runner, name, cluster.url)],
                        LONGEST,
                    )
                # with a model, what waits to be embedded is counted beside the scrapes
                db.execute_sql(MODEL)
            return measured | {
                "a scrape of /metrics": (scrapes(cluster.url, valkey.url, folder), SCRAPE)
            }


def step(runner: Runner, name: str) -> None:
    """Apply the steps up to `name`."""
    runner.up(target=name)


def control(url: str) -> list[float]:
    """Return the longest waits of readers in three spans in which nothing else is done."""
    worst = []
    for _ in range(3):
        with Readers(url) as readers:
            until(lambda: readers.worst > 0)
            readers.worst = 0.0
            time.sleep(CONTROL)
        worst.append(readers.worst)
    return worst


def during(runner: Runner, name: str, url: str) -> float:
    """Apply one step while readers read; return the longest that one had to wait."""
    old = tuple(one for one in READS if not any(table in f"{one} " for table in SINCE_DICTIONARY))
    with Readers(url, old if name < "0003" else READS) as readers:
        until(lambda: readers.worst > 0)
        readers.worst = 0.0
        began = time.perf_counter()
        step(runner, name)
        print(f"  {name}: {time.perf_counter() - began:.2f} s", flush=True)
    return readers.worst


def until(ready: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def scrapes(database: str, redis: str, folder: str) -> list[float]:
    """Serve the pages in a process of their own, and time scrapes."""
    environ = caller_and(
        DATABASE_URL=database,
        REDIS_URL=redis,
        DATA_DIR=folder,
        WEB_ADDRESS=WEB,
        LOG_LEVEL="error",
        METRICS_TOKEN=TOKEN,
        PYTHONPATH=PROJECT,
    )
    web = subprocess.Popen([sys.executable, "-P", "-m", "mrilu.web"], env=environ)
    try:
        until(answers)
        times = []
        for _ in range(SCRAPES):
            began = time.perf_counter()
            scrape()
            times.append(time.perf_counter() - began)
        print(f"  slowest scrape {max(times) * 1000:.1f} ms", flush=True)
        return times
    finally:
        web.terminate()
        web.wait()


def answers() -> bool:
    """Tell whether a scrape is answered, with PostgreSQL's part in it."""
    try:
        return b'mrilu_up{service="postgresql"} 1.0' in scrape()
    except OSError:
        return False


def scrape() -> bytes:
    """Return what /metrics says."""
    asked = urllib.request.Request(
        f"http://{WEB}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    chosen = parser.parse_args()
    sys.exit(
        0
        if report_bars(
            measure(chosen.messages), machine_facts({"messages": f"{chosen.messages:,}"})
        )
        else 1
    )
