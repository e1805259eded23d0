"""python -m bench.growth [--mails 10000 100000 1000000]: the archive through the front door, ever larger.

For each size: the list corpus, re-keyed (bench/rekeyed.py), is laid into a Maildir, `./run.sh` starts on empty data,
and a live mail comes each second. Then the unchanged rescan, `status`, searches, disk. Each size's figures are kept in
docs/growth.json; the table and docs/growth.svg are made of all that are there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.corpus import PROJECT, unpacked
from bench.front_door import FrontDoor, LiveMail, Progress, front_door, watch_import
from bench.growth_report import missed, table, to_svg
from bench.machine import machine_facts
from bench.rekeyed import fill_maildir
from bench.search import SPEED_QUERIES
from bench.timing import only_benchmark, percentile, progress
from mrilu.runtime.database import database, disconnect
from mrilu.search.engine import Wanted, search
from mrilu.search.query_vector import encode_query
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load

SIZES = (10_000, 100_000, 1_000_000)
LEAST_RATE = 350  # files a second: at less, a run is given up
KEPT = PROJECT / "docs" / "growth.json"
PLOT = PROJECT / "docs" / "growth.svg"
ROUNDS = 5


def measure(mails: int, work: Path) -> dict[str, Any]:
    """Import so many mails on an empty folder, and return what was measured."""
    maildir, size = laid_out(mails, work)
    began = time.perf_counter()
    with front_door(maildir, work) as door:
        live = LiveMail(door.urls["DATABASE_URL"], maildir / ".live")
        seen = watch_import(door, live, mails, began, 60 + mails / LEAST_RATE)
        live.end()
        found = _of_import(mails, seen, live) | {
            "watcher MB": round(door.watcher_peak() / 2**20),
            "mails": mails,
            "mail bytes": round(size / mails),
        }
        progress(json.dumps(found))
        return found | _afterwards(door, mails)


def laid_out(mails: int, work: Path) -> tuple[Path, int]:
    """Return a Maildir of so many mails and their bytes; one that was made whole before is taken again."""
    maildir, made = work / "Maildir", work / "made"
    shutil.rmtree(maildir / ".live", ignore_errors=True)
    if not made.exists():
        shutil.rmtree(maildir, ignore_errors=True)
        with unpacked() as corpus:
            made.write_text(str(fill_maildir(corpus, maildir, mails)))
    for leaf in ("tmp", "new", "cur"):
        (maildir / ".live" / leaf).mkdir(parents=True)
    size = int(made.read_text())
    progress(f"{mails:,} mails, {size / 1e9:.2f} GB")
    return maildir, size


def _of_import(mails: int, seen: Progress, live: LiveMail) -> dict[str, Any]:
    times = live.milliseconds or [0.0]
    return {
        "rate": round(mails / seen.steps[-1][0]),
        "tenths": [round(one) for one in seen.tenths(mails)],
        "ms of tenths": [round(one, 3) for one in seen.work_of_tenths(mails)],
        "stall s": round(seen.worst_stall(), 2),
        "live p50 ms": round(statistics.median(times)),
        "live max ms": round(max(times)),
        "live lost": live.lost,
        "valkey MB": round(seen.valkey / 2**20, 1),
        "all MB": round(seen.memory / 2**20),
    }


def _afterwards(door: FrontDoor, mails: int) -> dict[str, Any]:
    """Time what people ask of an archive that is full."""
    door.link.execute("VACUUM ANALYZE message, location")
    text = _searches(door)
    return {
        "rescan s": _seconds(door, "rescan"),
        "status s": _seconds(door, "status"),
        "search p50 ms": round(statistics.median(text), 1),
        "search p95 ms": round(percentile(text, 95), 1),
        "database bytes": round(
            _value(door, "SELECT pg_database_size(current_database())") / mails
        ),
    }


def _seconds(door: FrontDoor, word: str) -> float:
    """Return the median of three runs of a command, from the shell to its end."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        door.run(word)
        times.append(time.perf_counter() - began)
    return round(statistics.median(times), 2)


def _value(door: FrontDoor, query: str) -> int:
    row = door.link.execute(query).fetchone()
    return int(row[0]) if row else 0


def _searches(door: FrontDoor) -> list[float]:
    """Return the milliseconds of each text search of bench.search, in this process."""
    urls = door.urls
    use_settings(load({name: urls[name] for name in ("DATABASE_URL", "REDIS_URL")}))
    db, times = database(), []
    for turn in range(ROUNDS + 1):
        for query in SPEED_QUERIES:
            began = time.perf_counter()
            search(db, query, "message", Wanted("text"), encode_query)
            if turn:
                times.append((time.perf_counter() - began) * 1000)
    disconnect()
    forget_settings()
    return times


def main() -> None:
    """Measure the sizes, keep the figures, draw the table and the plot; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--work", type=Path, help="a folder that is kept: data and mails, by size")
    parser.add_argument("--lay-out", action="store_true", help="only make the mails in --work")
    options = parser.parse_args()
    if options.lay_out:
        for mails in options.mails:
            (options.work / str(mails)).mkdir(parents=True, exist_ok=True)
            laid_out(mails, options.work / str(mails))
        return
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    with only_benchmark(), tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder:
        Path(folder).chmod(0o755)
        for mails in options.mails:
            work = (options.work or Path(folder)) / str(mails)
            work.mkdir(parents=True, exist_ok=True)
            for left in ("data", "log"):
                subprocess.run(["rm", "-rf", work / left], check=True)
            kept[str(mails)] = measure(mails, work) | {"machine": machine_facts({})}
            KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    runs = sorted(kept.values(), key=lambda one: one["mails"])
    PLOT.write_text(to_svg(runs))
    print(table(runs))
    failures = [line for one in runs for line in missed(one)]
    print("\n".join(failures) or "all bars are met")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
