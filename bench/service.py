"""mrilu itself for the benchmarks: the servers, workers and watcher of a real service, in a folder of the run's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

import models
from bench.corpus import PROJECT
from bench.environment import caller_and
from mrilu import migrations
from mrilu.service.postgres import Cluster
from mrilu.service.programs import PROGRAMS
from mrilu.service.valkey import Server
from mrilu.settings.load import load

LONGEST_SECONDS = 600.0
MAIL_WORKERS = load({}).mail_workers
POLL_SECONDS = 0.02
# Cheap to ask often: the runs' counts, which are committed with the mails they count.
COUNTED = """
SELECT coalesce(sum(value::int), 0) FROM job_run, jsonb_each_text(counts)
 WHERE job = 'import_messages' AND key IN ('imported', 'copies', 'rejected')
"""
# What a reader would ask: the words of the subject and own text, and the Message-ID.
FOUND_BY_ID = """
SELECT count(*) FROM message
 WHERE message_id = %s AND node = %s AND search @@ websearch_to_tsquery('mrilu', 'bench')
"""
# The pending list is part of the index: the race is over only when it has been merged.
MERGE_PENDING = "SELECT gin_clean_pending_list('message_search')"


class Service:
    """Running servers and mail workers; the watcher starts when the clock does. Everything is durable (fsync on)."""

    def __init__(self, maildir: Path, cluster: Cluster, valkey: Server, log: Path) -> None:
        self.maildir, self.log = maildir, log
        self.urls = {
            "DATABASE_URL": cluster.url,
            "REDIS_URL": valkey.url,
            "RQ_REDIS_URL": valkey.url,
        }
        self.link: psycopg.Connection = psycopg.connect(cluster.url, autocommit=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def spawn(self, name: str) -> subprocess.Popen[bytes]:
        """Start one row of mrilu/service/programs.py as supervisor would."""
        row = next(program for program in PROGRAMS if program.name == name)
        words = [
            word.format(project=PROJECT, code=PROJECT, mail_workers=MAIL_WORKERS)
            for word in row.arguments.split()
        ]
        environ = caller_and(**self.urls, MAILDIR_PATH=f"bench={self.maildir}", PYTHONPATH=PROJECT)
        with self.log.open("ab") as log:
            command = [sys.executable, "-P", *words]
            process = subprocess.Popen(
                command, cwd=PROJECT, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        self.processes[name] = process
        return process

    def kill(self, name: str, how: int = signal.SIGTERM) -> None:
        """End a program and its children."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        process.wait(30)

    def value(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row."""
        row = self.link.execute(query, arguments).fetchone()
        return row[0] if row else None

    def until(self, ready: Callable[[], object]) -> None:
        """Wait for a condition; raises TimeoutError."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"mrilu did not finish: {self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(POLL_SECONDS)

    def wait_for_files(self, count: int) -> None:
        """Wait until so many files are accounted for and the index's pending list is merged."""
        self.until(lambda: self.value(COUNTED) >= count)
        self.link.execute(MERGE_PENDING)

    def watcher_memory(self) -> int:
        """Return the watcher's peak resident memory in bytes."""
        status = Path(f"/proc/{self.processes['watcher'].pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def processor_seconds(self) -> float:
        """Return the processor time of the servers, workers and watcher since their start, ended children included."""
        return sum(sum(one.cpu_times()[:4]) for one in psutil.Process().children(recursive=True))

    def workers_ready(self, count: int) -> bool:
        """Whether so many mail workers wait for jobs."""
        import redis

        with redis.Redis.from_url(self.urls["REDIS_URL"]) as client:
            return len(client.smembers("rq:workers:mail")) >= count


@contextmanager
def service(maildir: Path, work: Path, workers: bool = True) -> Iterator[Service]:
    """Start servers (and workers) on empty data below `work`; everything ends with the block."""
    work.mkdir(parents=True, exist_ok=True)
    with Cluster(work / "pg") as cluster, Server(work / "vk") as valkey:
        migrations.apply(models.bind(cluster.url))
        models.db.close()
        running = Service(maildir, cluster, valkey, work / "log")
        try:
            if workers:
                running.spawn("mail")
                running.until(lambda: running.workers_ready(MAIL_WORKERS))
            yield running
        finally:
            for name in list(running.processes):
                running.kill(name, signal.SIGKILL)
            running.link.close()
