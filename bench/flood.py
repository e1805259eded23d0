"""50,000 files moved in at once, and unchanged rescans up to 200,000 files: `python bench/flood.py`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

# The project's folder instead of the script's, in which modules may be named like the standard library's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import models  # noqa: E402
from bench.corpus import fresh_mails  # noqa: E402
from bench.machine import machine_facts  # noqa: E402
from bench.service import Service, service  # noqa: E402
from bench.timing import only_benchmark  # noqa: E402
from mrilu.archive.ledger import balance, difference  # noqa: E402

WATCHER_LIMIT = 150 * 1024**2
SCANS = (17_332, 50_000, 100_000, 200_000)
SCAN_LIMIT_SECONDS = 0.3
# Linear: a file may not cost more than this many times what it costs in the smallest scan.
LINEAR = 1.5
KNOWN = """
INSERT INTO location (maildir, folder, unique_name, subdir, name, flags, size, message, copy)
SELECT %s, '', n || '.scan', 'cur', n || '.scan:2,S', 'S', 0, (SELECT min(id) FROM message), false
  FROM generate_series(%s::bigint, %s::bigint) AS n
"""


def flood(work: Path, count: int) -> bool:
    """Move `count` mails into new/ as fast as rename(2) goes; whether all are in once and the watcher stayed small."""
    maildir = make_maildir(work / "Maildir")
    staged = work / "staged"
    staged.mkdir()
    for number, (_, mail) in enumerate(fresh_mails(count, seed=3)):
        (staged / f"{1_700_000_000 + number}.flood").write_bytes(mail)
    with service(maildir, work / "flood") as running:
        running.spawn("watcher")
        running.until(lambda: running.value("SELECT count(*) FROM maildir"))
        began = time.perf_counter()
        for path in staged.iterdir():
            path.rename(maildir / "new" / path.name)
        moved = time.perf_counter() - began
        running.wait_for_files(count)
        seconds = time.perf_counter() - began
        memory = running.watcher_memory()
        return print_flood(running, count, moved, seconds, memory)


def print_flood(running: Service, count: int, moved: float, seconds: float, memory: int) -> bool:
    """Print one line and the verdict."""
    models.bind(running.urls["DATABASE_URL"]).connect(reuse_if_open=True)
    found = balance(models.db, models.Maildir.get(), set())
    whole = found.level and found.imported == count == running.value("SELECT count(*) FROM message")
    passed = whole and memory < WATCHER_LIMIT
    print(
        f"{count} files moved in within {moved:.1f} s, all in after {seconds:.1f} s ({count / seconds:.0f}/s), "
        f"{'ledger level, no duplicate' if whole else 'LEDGER NOT LEVEL'}; watcher peak {memory / 1024**2:.0f} MB "
        f"(bar 150 MB) {'PASS' if passed else 'FAIL'}"
    )
    models.db.close()
    return passed


def rescans(work: Path, sizes: tuple[int, ...]) -> bool:
    """Compare ever larger unchanged Maildirs with their rows; whether the time is short and grows linearly."""
    maildir = make_maildir(work / "scans")
    (maildir / "new" / "1.first").write_bytes(next(fresh_mails(1))[1])
    costs = {}
    with service(maildir, work / "rescans") as running:
        running.spawn("watcher")
        running.wait_for_files(1)
        running.kill("watcher")
        models.bind(running.urls["DATABASE_URL"]).connect(reuse_if_open=True)
        known = 0
        for size in sizes:
            for number in range(known, size):
                (maildir / "cur" / f"{number}.scan:2,S").touch()
            running.link.execute(KNOWN, (models.Maildir.get().id, known, size - 1))
            running.link.execute("ANALYZE location")
            known = size
            costs[size] = statistics.median(time_rescan(maildir) for _ in range(3))
        models.db.close()
    return print_rescans(costs)


def time_rescan(maildir: Path) -> float:
    """Return the seconds of one unchanged rescan."""
    began = time.perf_counter()
    found = difference(models.db, maildir, "bench")
    seconds = time.perf_counter() - began
    if found.paths:
        raise AssertionError(f"{len(found.paths)} files differ in an unchanged Maildir")
    return seconds


def print_rescans(costs: dict[int, float]) -> bool:
    """Print a line for each size and the verdict."""
    smallest = min(costs)
    growth = max(costs[size] / size for size in costs) / (costs[smallest] / smallest)
    for size, seconds in costs.items():
        print(
            f"unchanged rescan of {size} files: {seconds:.3f} s ({seconds / size * 1e6:.1f} us a file)"
        )
    passed = costs[smallest] < SCAN_LIMIT_SECONDS and growth < LINEAR
    print(
        f"{smallest} files under {SCAN_LIMIT_SECONDS} s and linear ({growth:.2f}x): {'PASS' if passed else 'FAIL'}"
    )
    return passed


def make_maildir(root: Path) -> Path:
    """Make an empty Maildir."""
    for leaf in ("tmp", "new", "cur"):
        (root / leaf).mkdir(parents=True)
    return root


def main() -> None:
    """Run both; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    options = parser.parse_args()
    with only_benchmark(), tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder:
        print(json.dumps(machine_facts({}), default=str))
        passed = [flood(Path(folder), options.files), rescans(Path(folder), SCANS)]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
