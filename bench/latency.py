"""From the rename into new/ to committed and searchable, beside a notmuch loop: `python bench/latency.py`."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

# The project's folder instead of the script's, in which modules may be named like the standard library's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench.corpus import fresh_mails, link_maildir, mail_files, publish, stage, unpacked  # noqa: E402
from bench.machine import debian_versions, machine_facts  # noqa: E402
from bench.peers import PACKAGES  # noqa: E402
from bench.peers.latency import REST_SECONDS, NotmuchLoop  # noqa: E402
from bench.service import FOUND_BY_ID, Service, service  # noqa: E402
from bench.timing import only_benchmark, percentile  # noqa: E402
from mrilu.mail.thread_keys import node_of  # noqa: E402

BACKLOG_FILES = 100_000
BACKLOG_LIMIT_SECONDS = 1.0


def deliver_each(
    running: Service, mails: Iterable[tuple[str, bytes]], rest: float = REST_SECONDS
) -> list[float]:
    """Deliver (Message-ID, bytes) one at a time; milliseconds from each rename until a search finds the mail.

    The search by its words and Message-ID is asked again and again by one connection, which costs us a core's worth of
    waiting that the notmuch loop does not have; nothing tells the benchmark that a commit is done.
    """
    times = []
    for message_id, mail in mails:
        name = f"{time.time_ns()}.bench"
        stage(running.maildir, name, mail)
        node = node_of(message_id)
        began = time.perf_counter()
        publish(running.maildir, name)
        while not running.value(FOUND_BY_ID, message_id, node):
            time.sleep(0.0002)
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(rest)
    return times


def race(maildir: Path, work: Path, rounds: int, count: int) -> bool:
    """Both loops over archives of the same size, in alternation; whether the bars are met."""
    peer = NotmuchLoop()
    reason = peer.available()
    copy = link_maildir(maildir, work / "ours" / "Maildir")
    for leaf in ("tmp", "new", "cur"):
        (copy / leaf).mkdir(parents=True, exist_ok=True)
    if reason:
        print(f"left out: {peer.name}: {reason}", file=sys.stderr)
    else:
        peer.prepare(maildir, work / "peer")
    with service(copy, work / "service") as running:
        running.spawn("watcher")
        running.wait_for_files(len(mail_files(copy)))
        deliver_each(running, fresh_mails(20, seed=99))
        ours, theirs = [], []
        for turn in range(rounds):
            ours += [deliver_each(running, fresh_mails(count, seed=turn))]
            theirs += (
                []
                if reason
                else [peer.deliver_each(work / "peer", fresh_mails(count, seed=turn + 1000))]
            )
    return print_race(ours, theirs)


def print_race(ours: list[list[float]], theirs: list[list[float]]) -> bool:
    """Print the medians over the rounds of p50 and p95, with the bars; whether these are met."""
    table = {
        name: percentiles(rounds)
        for name, rounds in (("mrilu", ours), ("inotifywait + notmuch new", theirs))
        if rounds
    }
    for name, (half, most) in table.items():
        print(f"{name:26} p50 {half:7.2f} ms   p95 {most:7.2f} ms")
    half, most = table["mrilu"]
    spread = most < 3 * half
    print(f"p95 under 3x p50: {'PASS' if spread else 'FAIL'} ({most / half:.2f}x)")
    if not theirs:
        return spread
    quick = half <= table["inotifywait + notmuch new"][0]
    print(f"p50 no worse than the loop: {'PASS' if quick else 'FAIL'}")
    return spread and quick


def percentiles(rounds: list[list[float]]) -> tuple[float, float]:
    """The medians over the rounds of p50 and p95 in milliseconds."""
    return tuple(
        statistics.median(percentile(times, percent) for times in rounds) for percent in (50, 95)
    )  # type: ignore[return-value]


def beside_backlog(maildir: Path, work: Path, files: int) -> bool:
    """Deliver single mails while a first import of `files` files runs; whether each was found within a second."""
    copy = many_mails(work / "many", files)
    with service(copy, work / "backlog") as running:
        running.spawn("watcher")
        running.until(lambda: running.value("SELECT count(*) FROM message") > 0)
        times = deliver_each(running, fresh_mails(30, seed=7), rest=0.2)
        left = files - running.value("SELECT count(*) FROM location")
    shutil.rmtree(copy)
    worst = max(times)
    passed = worst < BACKLOG_LIMIT_SECONDS * 1000 and left > 0
    print(
        f"\nbeside a first import of {files} ({left} left at the end): p50 {percentile(times, 50):.0f} ms, worst "
        f"{worst:.0f} ms (bar: 1,000 ms) {'PASS' if passed else 'FAIL'}"
    )
    return passed


def many_mails(root: Path, count: int) -> Path:
    """Make a Maildir of `count` different mails of about 2 kB."""
    for leaf in ("tmp", "new", "cur"):
        (root / leaf).mkdir(parents=True, exist_ok=True)
    for number, (_, mail) in enumerate(fresh_mails(count, seed=5)):
        (root / "cur" / f"{1_600_000_000 + number}.many:2,S").write_bytes(mail)
    return root


def main() -> None:
    """Run both; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mails", type=int, default=100)
    parser.add_argument("--backlog", type=int, default=BACKLOG_FILES, help="0 leaves that part out")
    options = parser.parse_args()
    with (
        only_benchmark(),
        unpacked() as maildir,
        tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder,
    ):
        print(json.dumps(machine_facts(debian_versions(PACKAGES)), indent=1, default=str))
        passed = [race(maildir, Path(folder), options.rounds, options.mails)]
        if options.backlog:
            passed.append(beside_backlog(maildir, Path(folder), options.backlog))
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
