"""Notifications: how fast they go out, what saved searches cost an import, and what kill -9 of the sender does.

.venv/bin/python -m bench.notifications            # all; or: send, match, kill
"""

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import models
from bench.corpus import mail_files, unpacked
from bench.machine import machine_facts
from bench.timing import only_benchmark, progress
from jobs.import_messages import import_paths
from jobs.send_notifications import delivery_of
from mrilu import migrations
from mrilu.notifications.subscriptions import drop_subscriptions, subscribe, target_for_query
from mrilu.queues.rules import limits_of, news_rules_of
from mrilu.runtime.database import database as process_database
from mrilu.runtime.database import disconnect
from mrilu.service.postgres import Cluster
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from mrilu.settings.table import PROJECT, Settings

NOTIFICATIONS = 10_000
SEARCHES = 10_000
MAILS = 1_000
KILLS = 200
BATCH = 250  # mails in one import job
LEASE = 1.0  # seconds, so that the next sender need not wait long for what a killed one had claimed
PER_SECOND = 500.0  # the bars
MATCH_SECONDS = 2.0
_WORD = re.compile(r"[a-z]{4,12}")


class Bar(NamedTuple):
    """A line of the result."""

    name: str
    measured: str
    bar: str
    passed: bool


@contextmanager
def database(folder: Path) -> Iterator[Settings]:
    """A PostgreSQL with fsync on, this process bound to it."""
    with Cluster(folder) as cluster:
        migrations.apply(models.bind(cluster.url))
        settings = replace(
            load({}),
            database_url=cluster.url,
            mail_from="mrilu <notify@bench.example>",
            notify_days=40_000,
            mail_rate=10**9,
            domain_rate=10**9,
            site_url="https://bench.example",
        )
        use_settings(settings)
        yield settings
        disconnect()
        forget_settings()


@contextmanager
def mailbox(notes: Path, settings: Settings) -> Iterator[Settings]:
    """The SMTP server in a process of its own, and the settings that lead to it."""
    command = [sys.executable, "-m", "bench.mailbox", str(notes)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield replace(settings, smtp_url=f"smtp://127.0.0.1:{int(server.stdout.readline())}")
        server.kill()


def import_corpus(maildir: Path, paths: Sequence[str], settings: Settings) -> float:
    """Import these mails in batches as the service does; return the seconds."""
    db = process_database()
    models.Maildir.register("bench", str(maildir), "maildir")
    start = time.perf_counter()
    for first in range(0, len(paths), BATCH):
        import_paths(
            db,
            "bench",
            list(paths[first : first + BATCH]),
            limits_of(settings),
            news_rules_of(settings),
        )
    return time.perf_counter() - start


def forget_mail() -> None:
    """Empty the archive and the outbox; subscriptions stay."""
    process_database().execute_sql(
        "TRUNCATE location, message, thread, thread_link, rejected, notification RESTART IDENTITY CASCADE"
    )


def fill_outbox(number: int) -> None:
    """Write so many rows about the mails of the archive, each for a subscriber of its own."""
    db = process_database()
    db.execute_sql(
        "TRUNCATE subscriber, subscription, subscription_lexeme, notification RESTART IDENTITY CASCADE"
    )
    db.execute_sql(
        "INSERT INTO subscriber (address) SELECT 'reader-' || n || '@domain' || n %% 50 || '.example' "
        "FROM generate_series(1, %s) AS n",
        (number,),
    )
    db.execute_sql(
        "INSERT INTO subscription (subscriber, kind, target, label, search) "
        "SELECT id, 'query', 'coi', 'coi', 'coi' FROM subscriber"
    )
    db.execute_sql(
        "INSERT INTO notification (subscriber, subscription, kind, subject) "
        "SELECT s.id, s.id, 'query', ids[1 + s.id %% array_length(ids, 1)] "
        "FROM subscription AS s, (SELECT array_agg(id) FROM message) AS m (ids)"
    )
    db.execute_sql("ANALYZE")


def accepted(notes: Path) -> Counter[str]:
    """How often each Message-ID was accepted."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return Counter(line.split()[1] for line in lines)


def send(settings: Settings, work: Path) -> Bar:
    """Send 10,000 notifications over one connection."""
    rates = []
    for turn in range(3):
        fill_outbox(NOTIFICATIONS)
        notes = work / f"send-{turn}"
        with mailbox(notes, settings) as chosen:
            delivery = delivery_of(process_database(), chosen)
            delivery.seconds = 3600.0
            start = time.perf_counter()
            counts = delivery.run()
            rates.append(NOTIFICATIONS / (time.perf_counter() - start))
        found = accepted(notes)
        if counts != {"sent": NOTIFICATIONS} or not len(found) == found.total() == NOTIFICATIONS:
            raise AssertionError(
                f"counts {counts}, {found.total()} accepted, {len(found)} different"
            )
        progress(f"send: {rates[-1]:.0f} notifications/s")
    rate = statistics.median(rates)
    return Bar(
        "10,000 notifications, one connection",
        f"{rate:.0f}/s",
        f">= {PER_SECOND:.0f}/s",
        rate >= PER_SECOND,
    )


def searches_of(maildir: Path, rng: random.Random) -> list[str]:
    """Searches of one to three words that stand together in some mail."""
    files = mail_files(maildir)
    found: list[str] = []
    while len(found) < SEARCHES:
        words = _WORD.findall(
            rng.choice(files).read_bytes().decode("latin-1").partition("\n\n")[2][:4000]
        )
        if len(words) > 20:
            found.append(" ".join(rng.sample(words, rng.choice((1, 2, 2, 3)))))
    return found


def save_searches(queries: Sequence[str]) -> int:
    """Save each search for a subscriber of its own; common words alone are not a search. Return how many were saved."""
    db = process_database()
    saved = 0
    with db.atomic():
        for number, query in enumerate(queries):
            try:
                target = target_for_query(db.connection(), query)
            except ValueError:
                continue
            saved += subscribe(db, f"reader-{number}@bench.example", target)
    db.execute_sql("ANALYZE")
    return saved


def match(settings: Settings, maildir: Path, paths: Sequence[str]) -> Bar:
    """Import 1,000 mails with and without 10,000 saved searches, in alternation."""
    rng = random.Random(6)
    sample = rng.sample(list(paths), MAILS)
    queries = searches_of(maildir, rng)
    seconds: dict[bool, list[float]] = {False: [], True: []}
    import_corpus(maildir, sample, settings)
    for turn in range(6):
        searching = turn % 2 == 1
        drop_subscriptions(process_database(), [one.id for one in models.Subscription.select()])
        saved = save_searches(queries) if searching else 0
        forget_mail()
        seconds[searching].append(import_corpus(maildir, sample, settings))
        rows = models.Notification.select().count()
        progress(f"match: {saved} searches, {seconds[searching][-1]:.2f} s, {rows} notifications")
    more = statistics.median(seconds[True]) - statistics.median(seconds[False])
    base = statistics.median(seconds[False])
    name = f"{SEARCHES:,} saved searches, import of {MAILS:,} mails ({base:.2f} s without)"
    return Bar(name, f"{more:+.2f} s", f"< {MATCH_SECONDS:g} s", more < MATCH_SECONDS)


def kill(settings: Settings, work: Path) -> Bar:
    """Kill the sender at random moments; then let one finish."""
    rng, number = random.Random(9), 12_000
    fill_outbox(number)
    notes = work / "kill"
    hit = 0
    with mailbox(notes, settings) as chosen:
        disconnect()
        forget_settings()
        for turn in range(KILLS):
            hit += _killed_sender(chosen, rng.uniform(0.0, 0.3))
            if turn % 50 == 49:
                progress(f"kill: {turn + 1} rounds, {accepted(notes).total()} mails accepted")
        _finish(chosen)
    found = accepted(notes)
    states = models.Notification.by_state()
    lost, twice = number - len(found), found.total() - len(found)
    passed = lost == 0 and twice <= hit and states["sent"] == number and hit == KILLS
    measured = f"{lost} lost, {twice} twice in {hit} kills ({number:,} mails)"
    return Bar(f"{KILLS} rounds of kill -9", measured, "0 lost, at most one twice a kill", passed)


def _killed_sender(settings: Settings, seconds: float) -> bool:
    """Fork a sender, kill it after some time; True if it was still at work."""
    child = os.fork()
    if child == 0:
        try:
            use_settings(settings)
            _send_for_ever(settings)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _send_for_ever(settings: Settings) -> None:
    while True:
        delivery = delivery_of(process_database(), settings)
        delivery.lease_seconds = LEASE
        delivery.run()
        time.sleep(0.01)


def _finish(settings: Settings) -> None:
    use_settings(settings)
    while models.Notification.by_state()["waiting"]:
        delivery_of(process_database(), settings).run()
        time.sleep(0.05)


def main() -> int:
    """Run the benchmarks that are asked for; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "what", nargs="*", choices=["send", "match", "kill", []], help="all by default"
    )
    chosen = parser.parse_args().what or ["send", "match", "kill"]
    bars = []
    with (
        only_benchmark(),
        unpacked() as maildir,
        tempfile.TemporaryDirectory(prefix="mrilu-bench-") as work,
    ):
        paths = [str(path.relative_to(maildir)) for path in mail_files(maildir)]
        with database(Path(work) / "pg") as settings:
            import_corpus(maildir, paths[:MAILS], settings)
            if "send" in chosen:
                bars.append(send(settings, Path(work)))
            if "match" in chosen:
                bars.append(match(settings, maildir, paths))
            if "kill" in chosen:
                bars.append(kill(settings, Path(work)))
    print("\n".join(f"{name}: {value}" for name, value in machine_facts().items()))
    for bar in bars:
        print(f"{'PASS' if bar.passed else 'FAIL'}  {bar.name}: {bar.measured} (bar: {bar.bar})")
    return 0 if all(bar.passed for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
