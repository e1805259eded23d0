"""The whole service by `./run.sh` on a folder of its own, and what is seen of it from outside while it imports."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
from redis import Redis

from bench.corpus import PROJECT, fresh_mails, publish, stage
from bench.environment import caller_and
from bench.service import FOUND_BY_ID
from bench.timing import progress
from mrilu.mail.thread_keys import node_of

START_SECONDS = 120.0
LIVE_EVERY = 1.0  # seconds between two live mails
LIVE_SECONDS = 60.0  # after which one that is not found counts as lost
LIVE_MAILS = 100_000  # more than any run delivers
STATISTICS = 15.0  # seconds between two looks at memory
RESTING = 0.1  # processor seconds in a second: the service waits for work
PROCESSOR = 2.0  # seconds between two looks at processor time
TAKEN_IN = """
SELECT coalesce(sum(value), 0)::bigint FROM total
 WHERE name = 'items' AND job = 'import_messages' AND label IN ('imported', 'copies', 'rejected')
"""


class FrontDoor:
    """A running `./run.sh`; `run` runs a further command of it, `link` is a session of its database."""

    def __init__(self, process: subprocess.Popen[bytes], environ: dict[str, str]) -> None:
        self.process, self.environ = process, environ
        self.urls = self._urls()
        self.link: psycopg.Connection = psycopg.connect(self.urls["DATABASE_URL"], autocommit=True)
        self.redis: Redis = Redis.from_url(self.urls["REDIS_URL"])

    def _urls(self) -> dict[str, str]:
        """Wait for the servers and the tables; return what `./run.sh env` says. Raises TimeoutError."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            lines = self.run("env").stdout.splitlines()
            urls = dict(shlex.split(line)[1].split("=", 1) for line in lines if "=" in line)
            with suppress(psycopg.Error, KeyError):
                with psycopg.connect(urls["DATABASE_URL"]) as link:
                    link.execute(TAKEN_IN)
                return urls
            time.sleep(0.2)
        raise TimeoutError("./run.sh did not bring its servers up")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ./run.sh."""
        command = ["./run.sh", *words]
        return subprocess.run(
            command, cwd=PROJECT, env=self.environ, capture_output=True, text=True
        )

    def taken_in(self, link: psycopg.Connection | None = None) -> int:
        """Return how many files imports have taken in."""
        row = (link or self.link).execute(TAKEN_IN).fetchone()
        return int(row[0]) if row else 0

    def processes(self) -> list[psutil.Process]:
        """Return all of the service's processes, servers included."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def processor_seconds(self) -> float:
        """Return the processor time of all of them since their start, ended children included."""
        total = 0.0
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                total += sum(one.cpu_times()[:4])
        return total

    def settle(self) -> None:
        """Wait until its processes rest, for START_SECONDS at most: what each start does is over."""
        deadline, before = time.monotonic() + START_SECONDS, 0.0
        while time.monotonic() < deadline and self.processor_seconds() - before > RESTING:
            before = self.processor_seconds()
            time.sleep(1.0)

    def watcher_peak(self) -> int:
        """Return the watcher's peak resident memory in bytes."""
        for one in self.processes():
            with suppress(psutil.NoSuchProcess):
                if "-m watcher" in " ".join(one.cmdline()) or one.cmdline()[-1:] == ["watcher"]:
                    status = Path(f"/proc/{one.pid}/status").read_text()
                    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        raise AssertionError("no watcher runs")


@contextmanager
def front_door(maildir: Path, work: Path) -> Iterator[FrontDoor]:
    """Run `./run.sh` on empty data below `work`; it ends with the block, and its data stay."""
    environ = environment_for(maildir, work, free_port())
    with run_service(environ, work / "log") as process:
        yield FrontDoor(process, environ)


def environment_for(maildir: Path, work: Path, port: int, **more: str) -> dict[str, str]:
    """Return the environment of a service that has all its data below `work` and its pages at the port."""
    return caller_and(
        DATA_DIR=work / "data",
        MAILDIR_PATH=f"bench={maildir}",
        WEB_ADDRESS=f"127.0.0.1:{port}",
        **more,
    )


@contextmanager
def run_service(environ: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `./run.sh`; it is asked to stop at the end of the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["./run.sh"],
            cwd=PROJECT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class LiveMail(threading.Thread):
    """Delivers a mail each second and waits until a search finds it; `milliseconds` are those of each delivery."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(daemon=True)
        self.url, self.folder = url, folder
        self.milliseconds: list[float] = []
        self.lost = 0
        self._ended = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as link:
            for message_id, mail in fresh_mails(LIVE_MAILS, seed=71):
                self._deliver(link, message_id, mail)
                if self._ended.wait(LIVE_EVERY):
                    return

    def _deliver(self, link: psycopg.Connection, message_id: str, mail: bytes) -> None:
        name, node = f"{time.time_ns()}.live", node_of(message_id)
        stage(self.folder, name, mail)
        began = time.perf_counter()
        publish(self.folder, name)
        while time.perf_counter() - began < LIVE_SECONDS:
            row = link.execute(FOUND_BY_ID, (message_id, node)).fetchone()
            if row and row[0]:
                self.milliseconds.append((time.perf_counter() - began) * 1000)
                return
            time.sleep(0.003)
        self.lost += 1

    def end(self) -> None:
        """Deliver no more."""
        self._ended.set()
        self.join()


@dataclass
class Progress:
    """When how many files were in, and the peaks: bytes of all processes (PSS) and of Valkey.

    `work` has the processor seconds at some of the moments: they tell less of what else the machine does.
    """

    steps: list[tuple[float, int]] = field(default_factory=list)
    work: list[tuple[float, float]] = field(default_factory=list)
    memory: int = 0
    valkey: int = 0

    def seconds_at(self, files: float) -> float:
        """Return when so many files were in, interpolated."""
        before = (0.0, 0)
        for moment, count in self.steps:
            if count >= files:
                share = (files - before[1]) / (count - before[1])
                return before[0] + share * (moment - before[0])
            before = (moment, count)
        return before[0]

    def tenths(self, files: int) -> list[float]:
        """Return the rate of each tenth of the files, in files a second; the start counts as part of the first."""
        ends = [self.seconds_at(files * tenth / 10) for tenth in range(1, 11)]
        return [
            files / 10 / (end - start) for start, end in zip([0.0, *ends[:-1]], ends, strict=True)
        ]

    def work_of_tenths(self, files: int) -> list[float]:
        """Return the processor milliseconds a file in each tenth of the files."""
        ends = [self.seconds_at(files * tenth / 10) for tenth in range(11)]
        moments, seconds = zip((0.0, 0.0), *self.work, strict=True)
        spent = [_interpolated(end, moments, seconds) for end in ends]
        return [
            (late - early) / files * 10_000 for early, late in zip(spent, spent[1:], strict=False)
        ]

    def worst_stall(self) -> float:
        """Return the longest time in which nothing went in, after the first batch."""
        moments = [moment for moment, _ in self.steps]
        return max(
            (late - early for early, late in zip(moments, moments[1:], strict=False)), default=0.0
        )


def _interpolated(at: float, moments: Sequence[float], values: Sequence[float]) -> float:
    place = bisect_left(moments, at)
    if place == len(moments):
        return values[-1]
    if not place:
        return values[0]
    share = (at - moments[place - 1]) / (moments[place] - moments[place - 1])
    return values[place - 1] + share * (values[place] - values[place - 1])


def watch_import(
    door: FrontDoor, live: LiveMail, files: int, began: float, seconds: float
) -> Progress:
    """Look until so many files are in, live mail from the first one on; raises TimeoutError after `seconds`."""
    seen, looked = Progress(), 0.0
    while not seen.steps or seen.steps[-1][1] < files:
        now = time.perf_counter() - began
        if now > seconds:
            raise TimeoutError(f"{seen.steps[-1:]} of {files} files after {seconds:.0f} s")
        _note_count(seen, door.taken_in(), now, live)
        if not seen.work or now - seen.work[-1][0] > PROCESSOR:
            seen.work.append((now, door.processor_seconds()))
        if now - looked > STATISTICS:
            looked = now
            seen.memory = max(seen.memory, _memory(door.processes()))
        seen.valkey = max(seen.valkey, _valkey(door.redis))
        time.sleep(0.1)
    seen.work.append((time.perf_counter() - began, door.processor_seconds()))
    return seen


def _note_count(seen: Progress, count: int, now: float, live: LiveMail) -> None:
    if count and not seen.steps:
        live.start()
    before = seen.steps[-1][1] if seen.steps else 0
    if count > before:
        seen.steps.append((now, count))
    if count // 50_000 > before // 50_000:
        progress(f"{count:,} after {now:.0f} s, {seen.work[-1][1]:.0f} processor seconds")


def _memory(processes: Sequence[psutil.Process]) -> int:
    """Return the bytes that the processes have together; what they share counts once (PSS)."""
    total = 0
    for one in processes:
        with suppress(psutil.Error, OSError):
            rollup = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return total


def _valkey(redis: Redis) -> int:
    facts = redis.info("memory")
    return int(facts["used_memory"]) if isinstance(facts, dict) else 0
