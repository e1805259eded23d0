"""The facts of /status turned into rows, charts and sentences. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from markupsafe import Markup

from mrilu.queues.lag import BOUNDS, label_of
from mrilu.web.charts.bars import Bar, bars, sparkline

Hours = Mapping[tuple[datetime, str], float]
LEDGER = {"gap": "has a gap", "cannot be drawn up": "cannot be drawn up"}
COUNTED = ("imported", "copies", "rejected")
LABELS = tuple(label_of(bound) for bound in (*BOUNDS, math.inf))


class HourRow(NamedTuple):
    """What came in one hour, and how long the half, and all but a twentieth, of it waited at most (seconds)."""

    hour: datetime
    imported: int
    copies: int
    rejected: int
    median: str
    late: str


def hour_rows(now: datetime, mails: Hours, lag: Hours) -> list[HourRow]:
    """Return the last 24 hours and the one that has begun, oldest first."""
    made = []
    for hour in hours_until(now):
        counts = {label: int(mails.get((hour, label), 0)) for label in COUNTED}
        waited = [lag.get((hour, label), 0.0) for label in LABELS]
        made.append(
            HourRow(hour, **counts, median=quantile(waited, 0.5), late=quantile(waited, 0.95))
        )
    return made


def hours_until(now: datetime) -> list[datetime]:
    """Return the beginnings (UTC) of the last 24 hours and of the one that has begun."""
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [this - timedelta(hours=number) for number in range(24, -1, -1)]


def quantile(buckets: Sequence[float], share: float) -> str:
    """Return the bound (of lag.BOUNDS) that this share of the mails stayed below; "" where there are none."""
    wanted, seen = share * sum(buckets), 0.0
    if not wanted:
        return ""
    for label, number in zip(LABELS, buckets, strict=True):
        seen += number
        if seen >= wanted:
            return label
    return LABELS[-1]


def waited(label: str) -> str:
    """Return a bound in words: "at most 0.25 s"."""
    return (
        f"over {BOUNDS[-1]:g} s" if label == LABELS[-1] else f"at most {label} s" if label else "-"
    )


def mails_chart(rows: Sequence[HourRow]) -> Markup:
    """Return the mails of each hour: imported, copies, rejected, one on the other."""
    shown = []
    for row in rows:
        counts = (("", row.imported), ("copy", row.copies), ("bad", row.rejected))
        told = f"{row.imported:,} imported, {row.copies:,} copies, {row.rejected:,} rejected"
        shown.append(Bar(counts, f"{row.hour:%H:%M}: {told}"))
    total = sum(row.imported + row.copies for row in rows)
    return bars(shown, f"mails by hour over the last day, {total:,} in all")


def lag_chart(rows: Sequence[HourRow]) -> Markup:
    """Return for each hour how long all but a twentieth of the mails waited, by a logarithmic scale."""
    shown = []
    for row in rows:
        seconds = 2 * BOUNDS[-1] if row.late == LABELS[-1] else float(row.late or 0)
        kind = "bad" if seconds > 60 else ""
        shown.append(Bar(((kind, seconds),), f"{row.hour:%H:%M}: {waited(row.late)}"))
    return bars(
        shown, "how long mails waited for their import, by hour over the last day", logarithmic=True
    )


def longest(rows: Sequence[HourRow]) -> str:
    """Return the longest that 95 of 100 mails of an hour waited, in words."""
    known = [row.late for row in rows if row.late]
    return waited(max(known, key=LABELS.index, default=""))


def size_chart(sizes: Hours, label: str) -> Markup:
    """Return how a size grew, a bar for each measure, 60 at most; nothing for one measure."""
    known = sorted((hour, value) for (hour, name), value in sizes.items() if name == label)
    if len(known) < 2:
        return Markup("")
    step = max(1, math.ceil(len(known) / 60))
    shown = [
        Bar((("", value),), f"{hour:%Y-%m-%d %H:%M}: {in_bytes(value)}")
        for hour, value in known[::-1][::step][::-1]
    ]
    return bars(shown, f"{label} over the last 30 days")


def growth(sizes: Hours, label: str) -> str:
    """Return the last measure of a size, and how much it grew since the first one; "" where there is none."""
    known = sorted((hour, value) for (hour, name), value in sizes.items() if name == label)
    if not known:
        return ""
    (first, before), (_, after) = known[0], known[-1]
    sign = "-" if after < before else "+"
    return f"{in_bytes(after)}, {sign}{in_bytes(abs(after - before))} since {first:%Y-%m-%d %H:%M}"


def runs_line(runs: Sequence[tuple[str, float]]) -> Markup:
    """Return how long a job's last runs took, failed ones marked."""
    kinds = {"failed": "bad", "running": "copy"}
    failed = sum(outcome == "failed" for outcome, _ in runs)
    longest = max((seconds for _, seconds in runs), default=0.0)
    told = f"the last {len(runs)} runs: {failed} failed, the longest took {longest:.1f} s"
    return sparkline([(kinds.get(outcome, ""), seconds) for outcome, seconds in runs], told)


def in_bytes(number: float) -> str:
    """Return a size in the largest binary unit of which it has one."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def state_of(ledger: Mapping[str, Any]) -> str:
    """Return a word on a Maildir's ledger, as `./run.sh status` says it."""
    aside = "" if ledger["watched"] else " (not watched)"
    if "error" in ledger:
        return f"cannot be drawn up{aside}"
    if ledger["level"]:
        return f"level{aside}"
    if aside:
        return f"differs{aside}"
    gap = any(ledger[key] for key in ("lost", "stale", "unreadable", "held"))
    return "gap" if gap else "working"


def queues_gist(moving: Any) -> str:
    """Return in a few words what the queues hold."""
    told = {key: sum(one[key] for one in moving.queues) for key in ("waiting", "running", "failed")}
    failed = f", {told['failed']:,} failed" if told["failed"] else ""
    return f"{told['waiting']:,} waiting, {told['running']:,} running{failed}"


def schedule_gist(jobs: Any) -> str:
    """Return in a few words how the schedule stands."""
    coming = [row["next"] for row in jobs.rows if row["next"]]
    following = f", next at {min(coming):%H:%M:%S} UTC" if coming else ""
    return f"{len(jobs.rows)} jobs{following}"


def is_amiss(jobs: Any) -> bool:
    """Tell whether a job of the schedule failed or is overdue."""
    return any(row["outcome"] == "failed" or row["overdue"] for row in jobs.rows)


def rejected_gist(stored: Any) -> str:
    """Return in a few words how many mails were rejected, and why."""
    counts = stored.rejected_by_reason
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items()) or "none"


def notifications_gist(slow: Any) -> str:
    """Return in a few words what the outbox holds."""
    known = slow.notifications
    return f"{known['waiting']:,} waiting, {known['dead']:,} given up"


def exports_gist(stored: Any) -> str:
    """Return in a few words how many exports there are."""
    failed = f", {stored.failed_exports} failed" if stored.failed_exports else ""
    return f"{len(stored.exports)} files{failed}"


def troubles(moving: Any, jobs: Any, slow: Any) -> list[str]:
    """Return what an operator should look at first, each in a sentence; facts that are not there tell nothing."""
    told = []
    if moving:
        told += moving.trouble
        told += [f"The {name} does not run." for name, lives in moving.beats.items() if not lives]
        told += [
            f"No worker takes jobs from the queue {one['name']}."
            for one in moving.queues
            if not one["workers"]
        ]
    for row in jobs.rows if jobs else ():
        if row["outcome"] == "failed":
            told.append(f"{row['job']} failed: {row['error']}")
        elif row["overdue"]:
            told.append(f"{row['job']} is overdue.")
    for one in slow.ledgers if slow else ():
        if one["watched"] and state_of(one) in ("gap", "cannot be drawn up"):
            told.append(f"The ledger of {one['maildir']} {LEDGER[state_of(one)]}.")
    return told
