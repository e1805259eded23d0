"""Run contenders in alternation, keep medians, and compare them with our bars.

A contender is anything with a name, `available` and `run`, and `prepare` where it needs that: the peers
(`bench.peers`) and ourselves.
"""

import fcntl
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

Results = dict[str, list["Result"]]
Bars = Mapping[str, float]
NO_BARS: Bars = {}


@dataclass(frozen=True)
class Result:
    """One timed run: wall seconds, how many mails it handled, and what the reader must know about it."""

    seconds: float
    mails: int
    note: str = ""

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds


class Contender(Protocol):
    """What `take_turns` runs."""

    name: str

    def available(self) -> str | None:
        """None, or why it cannot run here and how to install it."""

    def run(self, maildir: Path, work: Path) -> Result:
        """One timed run, once a round; raises when the sanity check fails."""


@runtime_checkable
class Prepared(Protocol):
    """A contender that needs something before its first round."""

    def prepare(self, maildir: Path, work: Path) -> None:
        """Untimed set-up, once before the first round."""


@dataclass(frozen=True)
class Row:
    """A line of the table: a contender's median against ours, per mail, with the bar that we set ourselves.

    `bar` is how many times faster per mail than this contender we promise to be; `limit` the most seconds it may take.
    """

    name: str
    seconds: float
    mails: int
    rate: float
    times_ours: float | None
    bar: float | None
    limit: float | None
    note: str

    @property
    def verdict(self) -> str:
        """PASS when bar and limit are kept, FAIL when one is missed, empty when there is nothing to keep."""
        kept = []
        if self.bar is not None and self.times_ours is not None:
            kept.append(self.times_ours >= self.bar)
        if self.limit is not None:
            kept.append(self.seconds <= self.limit)
        return ("PASS" if all(kept) else "FAIL") if kept else ""

    @property
    def promise(self) -> str:
        """Bar and limit as the table shows them: "7x", "0.3 s"."""
        bar = [] if self.bar is None else [f"{self.bar:g}x"]
        return " ".join(bar + ([] if self.limit is None else [f"{self.limit:g} s"]))


def take_turns(
    contenders: Sequence[Contender], maildir: Path, work: Path, rounds: int = 3
) -> Results:
    """Run the available contenders in alternation, `rounds` times each, each in its own folder under `work`.

    What one has written is on the disk before the next begins: no fsync waits for another contender's data.
    """
    present = [contender for contender in contenders if _is_present(contender)]
    folders = {contender.name: _own_folder(contender, work) for contender in present}
    for contender in present:
        if isinstance(contender, Prepared):
            contender.prepare(maildir, folders[contender.name])
    results: Results = {contender.name: [] for contender in present}
    for turn in range(rounds):
        for contender in present:
            os.sync()
            result = contender.run(maildir, folders[contender.name])
            results[contender.name].append(result)
            progress(
                f"round {turn + 1}: {contender.name} {result.seconds:.2f} s, {result.rate:.0f} mails/s {result.note}"
            )
    return results


def _is_present(contender: Contender) -> bool:
    reason = contender.available()
    if reason:
        progress(f"left out: {contender.name}: {reason}")
    return reason is None


def _own_folder(contender: Contender, work: Path) -> Path:
    folder = work / "".join(letter if letter.isalnum() else "-" for letter in contender.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def progress(line: str) -> None:
    """Say on stderr what goes on, so that stdout holds the table or the JSON alone."""
    print(line, file=sys.stderr, flush=True)


def median_result(results: Sequence[Result]) -> Result:
    """The run with the median time (the slower of the middle two when the number is even)."""
    return sorted(results, key=lambda result: result.seconds)[len(results) // 2]


def compare(results: Results, ours: str | None, bars: Bars, limits: Bars) -> list[Row]:
    """One row a contender, from the medians; without `ours` among the results no ratio is given."""
    medians = {name: median_result(runs) for name, runs in results.items()}
    own = medians.get(ours) if ours else None
    rows = []
    for name, run in medians.items():
        times = own.rate / run.rate if own else None
        rows.append(
            Row(
                name,
                run.seconds,
                run.mails,
                run.rate,
                times,
                bars.get(name),
                limits.get(name),
                run.note,
            )
        )
    return rows


def as_table(rows: Sequence[Row]) -> str:
    """The rows as text: seconds, mails/s, how many times our time a mail takes, the promise and the verdict."""
    width = max([len(row.name) for row in rows] + [9])
    lines = [f"{'contender':{width}} {'seconds':>9} {'mails/s':>9} {'x ours':>8} {'bar':>6}"]
    for row in rows:
        times = "" if row.times_ours is None else f"{row.times_ours:.2f}"
        numbers = f"{row.seconds:9.3f} {row.rate:9.0f} {times:>8} {row.promise:>6}"
        lines.append(f"{row.name:{width}} {numbers} {row.verdict:4} {row.note}".rstrip())
    return "\n".join(lines)


def as_json(rows: Sequence[Row], results: Results, machine: Mapping[str, object]) -> str:
    """Everything for scripts: the machine, the rows with their verdicts, and every single run."""
    runs = {name: [asdict(result) for result in single] for name, single in results.items()}
    table = [{**asdict(row), "verdict": row.verdict} for row in rows]
    return json.dumps({"machine": dict(machine), "rows": table, "runs": runs}, indent=2)


def report(
    results: Results,
    machine: Mapping[str, object],
    ours: str | None = None,
    bars: Bars = NO_BARS,
    limits: Bars = NO_BARS,
    to_json: bool = False,
) -> bool:
    """Print the table with the machine's facts on top (or JSON); True when no bar and no limit is missed."""
    rows = compare(results, ours, bars, limits)
    facts = "\n".join(f"{name}: {value}" for name, value in machine.items())
    print(as_json(rows, results, machine) if to_json else f"{facts}\n\n{as_table(rows)}")
    return all(row.verdict != "FAIL" for row in rows)


def percentile(milliseconds: Sequence[float], percent: int) -> float:
    """The value below which `percent` of the values lie (interpolated)."""
    return statistics.quantiles(milliseconds, n=100, method="inclusive")[percent - 1]


@contextmanager
def only_benchmark() -> Iterator[None]:
    """Hold the machine's benchmark lock for the block; wait while another benchmark runs.

    The lock is a file in the temporary folder, the same that `flock -o FILE command` takes. When such a `flock` is our
    own ancestor, it holds the lock for us and waiting would never end.
    """
    path = Path(tempfile.gettempdir()) / "mrilu-bench.lock"
    with open(path, "a") as file:
        if not _held_by_ancestor(path):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress(f"waiting for another benchmark ({path})")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _held_by_ancestor(path: Path) -> bool:
    """Whether a process above us holds a flock on `path` (Linux: /proc/locks names process and inode)."""
    inode = f":{path.stat().st_ino}"
    try:
        held = Path("/proc/locks").read_text().split("\n")
    except OSError:
        return False
    holders = {
        fields[4]
        for fields in map(str.split, held)
        if len(fields) > 5 and fields[5].endswith(inode)
    }
    return not holders.isdisjoint(_ancestors())


def _ancestors() -> Iterator[str]:
    pid = str(os.getppid())
    while pid not in ("0", "1"):
        yield pid
        pid = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
