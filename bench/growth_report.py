"""The table and the plot of bench.growth's figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

Run = Mapping[str, Any]

RATE, STALL, LIVE, WATCHER, VALKEY, STATUS = 2500, 5.0, 1000, 300, 100, 2.0
EVEN = 0.2  # how much a tenth's rate may differ from the first's
WIDE, HIGH, LEFT, TOP, FOOT = 720, 300, 60, 30, 40
COLOURS = ("#8a8a8a", "#2a78b5", "#c0392b")
COLUMNS = (
    ("mails", lambda run: f"{run['mails']:,}"),
    ("mails/s", lambda run: f"{run['rate']:,}"),
    ("slowest, fastest tenth", lambda run: f"{min(run['tenths']):,}, {max(run['tenths']):,}"),
    ("CPU ms a mail, by tenth", lambda run: f"{min(run['ms of tenths']):.2f} to {max(run['ms of tenths']):.2f}"),
    ("worst stall", lambda run: f"{run['stall s']} s"),
    ("live p50, worst", lambda run: f"{run['live p50 ms']}, {run['live max ms']:,} ms"),
    ("rescan", lambda run: f"{run['rescan s']} s"),
    ("status", lambda run: f"{run['status s']} s"),
    ("text search p50, p95", lambda run: f"{run['search p50 ms']}, {run['search p95 ms']} ms"),
    ("watcher, Valkey, all", lambda run: f"{run['watcher MB']}, {run['valkey MB']}, {run['all MB']:,} MB"),
    ("database a mail", lambda run: f"{run['database bytes'] / 1000:.1f} kB"),
)  # fmt: skip


def table(runs: Sequence[Run]) -> str:
    """Return the runs as a Markdown table, a line each."""
    lines = ["| " + " | ".join(title for title, _ in COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += ["| " + " | ".join(shown(run) for _, shown in COLUMNS) + " |" for run in runs]
    return "\n".join(lines)


def missed(run: Run) -> list[str]:
    """Return a line for each bar that a run misses; a rate counts from 100,000 mails on."""
    first, mails = run["tenths"][0], run["mails"]
    uneven = max(abs(one - first) / first for one in run["tenths"])
    bars = (
        ("mails/s", run["rate"], mails < 100_000 or run["rate"] >= RATE),
        ("a tenth differs from the first", f"{uneven:.0%}", mails < 1_000_000 or uneven <= EVEN),
        ("stall in s", run["stall s"], run["stall s"] <= STALL),
        ("live mail in ms", run["live max ms"], run["live max ms"] < LIVE and not run["live lost"]),
        ("watcher in MB", run["watcher MB"], run["watcher MB"] < WATCHER),
        ("Valkey in MB", run["valkey MB"], run["valkey MB"] < VALKEY),
        ("status in s", run["status s"], run["status s"] < STATUS),
    )
    return [f"MISSED at {mails:,} mails: {name}: {value}" for name, value, kept in bars if not kept]


def to_svg(runs: Sequence[Run]) -> str:
    """Return a picture: the rate in each tenth of the import, a line for each size."""
    top = max(RATE, *(rate for run in runs for rate in run["tenths"])) * 1.1
    bar = _height(RATE, top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDE}" height="{HIGH}" fill="white"/>',
        _text(LEFT, TOP - 12, "mails a second in each tenth of a first import through ./run.sh"),
        f'<path d="M{LEFT} {bar}H{WIDE - 20}" stroke="#bbb" stroke-dasharray="4"/>',
        _text(5, bar + 4, f"{RATE:,}"),
        f'<path d="M{LEFT} {TOP}V{HIGH - FOOT}H{WIDE - 20}" fill="none" stroke="black"/>',
        *(_text(_place(tenth), HIGH - FOOT + 16, f"{tenth + 1}0%") for tenth in range(10)),
    ]
    for run, colour, row in zip(runs, COLOURS * len(runs), range(len(runs)), strict=False):
        points = " ".join(
            f"{_place(tenth)},{_height(rate, top)}" for tenth, rate in enumerate(run["tenths"])
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(_text(LEFT + 150 * row, HIGH - 8, f"{run['mails']:,} mails", colour))
    return "\n".join([*parts, "</svg>", ""])


def _place(tenth: int) -> int:
    return LEFT + 20 + tenth * (WIDE - LEFT - 70) // 9


def _height(rate: float, top: float) -> int:
    return round(HIGH - FOOT - (HIGH - FOOT - TOP) * rate / top)


def _text(left: int, base: int, words: str, colour: str = "black") -> str:
    return f'<text x="{left}" y="{base}" fill="{colour}">{escape(words)}</text>'
