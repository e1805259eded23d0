"""The fault suite: a running service, mail coming in, one fault after the other, and the truth after each.

    python -m tests.faults                  each fault once, in under five minutes (.ci/run)
    python -m tests.faults --rounds 500     the nightly form (.ci/nightly): faults by chance
    python -m tests.faults --only Maildir   some of them

Prints the seconds from each fault's end until the ledger was level, and at the end the worst of each fault. The
exit code is 0 only if no mail was lost, stored twice or half, each notification went out once, and all were in time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.faults.scene import Scene, scene
from tests.faults.table import EMBEDS, FAULTS, HARD, Fault, can_strike, named

LONGEST = 120.0  # seconds after which a round is given up
NEWS_SECONDS = 60.0
EMBEDDED_SECONDS = 120.0


class Report:
    """The rounds so far."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.bounds: dict[str, float] = {}
        self.faults: list[str] = []

    def add(self, fault: Fault, took: float | None, wrong: str) -> None:
        """Take one round down, and print it."""
        shown = "never level" if took is None else f"{took:5.1f} s"
        late = took is None or took > fault.bound
        self.seconds[fault.name].append(LONGEST if took is None else took)
        self.bounds[fault.name] = fault.bound
        if late:
            self.faults.append(f"{fault.name}: {shown} (bound {fault.bound:.0f} s)")
        if wrong:
            self.faults.append(f"{fault.name}: {wrong}")
        mark = "FAULT" if late or wrong else "ok"
        print(f"{mark:<6}{fault.name:<34}{shown}  {wrong}", flush=True)

    def table(self) -> str:
        """Return the worst recovery of each fault as a Markdown table."""
        lines = ["| fault | rounds | worst | bound |", "|---|---|---|---|"]
        for name, seconds in self.seconds.items():
            lines.append(
                f"| {name} | {len(seconds)} | {max(seconds):.1f} s | {self.bounds[name]:.0f} s |"
            )
        return "\n".join(lines)


def strike(stage: Scene, fault: Fault, report: Report) -> None:
    """One round: mail comes in, the fault begins at a random moment and ends, and the ledger is waited for."""
    stage.feed.forget()
    stage.feed.start()
    time.sleep(stage.chance.uniform(0.2, 0.7))
    with fault.strike(stage):
        time.sleep(fault.seconds)
    ended = time.monotonic()
    time.sleep(0.3)
    stage.feed.stop()
    took = stage.until_level(LONGEST)
    total = None if took is None else time.monotonic() - ended
    found = stage.findings() if took is not None else None
    wrong = str(found) if found else ""
    if took is None:
        wrong = json.dumps(stage.trouble(), default=str)[:1500]
    report.add(fault, total, wrong)


def until_told(stage: Scene) -> str:
    """Wait until each notification went out; return what is missing or doubled."""
    deadline = time.monotonic() + NEWS_SECONDS
    query = "SELECT count(*), count(*) FILTER (WHERE state = 'sent') FROM notification"
    while True:
        with stage.link() as link:
            written, sent = link.execute(query).fetchone()
        mails, delivered = len(stage.office.accepted), stage.delivered()
        arrived, again = len(set(delivered)), max(0, mails - len(delivered))
        if written == sent == arrived == len(delivered):
            told = f", but for {again} that a crash of PostgreSQL made forgotten" if again else ""
            print(f"{written} notifications, each delivered once{told}", flush=True)
            return ""
        stage.service.run("run", "send_notifications")  # its minute is not waited for
        if time.monotonic() > deadline:
            return f"{written} notifications, {sent} sent, {mails} e-mails of {arrived} arrived"
        time.sleep(1)


def play(
    report: Report, faults: list[Fault], seed: int, rounds: int, *, embeds: bool = False
) -> None:
    """Run faults by chance, or each once if `rounds` is 0, over one service."""
    with tempfile.TemporaryDirectory(prefix="mrilu-faults-") as folder:
        Path(folder).chmod(0o711)
        with scene(Path(folder), seed, rounds, embeds=embeds) as stage:
            able = [one for one in faults if can_strike(one, stage.disks)]
            for one in faults:
                if one not in able:
                    print(f"left out: {one.name}: only root can make it, where it may mount")
            for fault in stage.chance.choices(able, k=rounds) if rounds else able:
                try:
                    strike(stage, fault, report)
                except (
                    Exception
                ) as error:  # the table of what was tried is worth more than a traceback
                    report.faults.append(f"{fault.name}: the suite itself failed: {error!r}"[:1000])
                    break
            if wrong := until_told(stage):
                report.faults.append(wrong)
            if embeds and (left := stage.until_embedded(EMBEDDED_SECONDS)):
                report.faults.append(f"{left} messages have no vectors")


def main() -> int:
    """Run the suite; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=0, help="faults by chance, so many; 0: each once"
    )
    parser.add_argument("--only", default="", help="the faults whose name contains this")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    chosen = named(asked.only) if asked.only else [*FAULTS, *EMBEDS]
    print(f"seed {asked.seed}", flush=True)
    report, began = Report(), time.monotonic()
    usual = [one for one in chosen if one not in EMBEDS]
    able = usual + ([HARD] if asked.rounds and not asked.only else [])
    if usual:
        play(report, able, asked.seed, asked.rounds)
    if embedding := [one for one in chosen if one in EMBEDS]:
        play(report, embedding, asked.seed, asked.rounds // 50, embeds=True)
    print(f"\n{report.table()}\n\n{time.monotonic() - began:.0f} s")
    for line in report.faults:
        print(f"FAULT {line}", file=sys.stderr)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
