"""A running service with mail coming in, its servers' addresses, and the small disks that some faults fill."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import peewee
import psutil
import psycopg
import redis

from mrilu.queues.ledgers import ledgers
from mrilu.runtime.database import database, disconnect
from mrilu.service.account import server_account
from mrilu.settings.current import use_settings
from mrilu.settings.load import load
from tests.acceptance.conftest import Service
from tests.faults.feed import WORD, Feed
from tests.faults.source import Source
from tests.faults.truth import Findings, doubled, look
from tests.notifications.postoffice import PostOffice

A_ROUND = 10  # MB that the database may grow by in a round
DISKS = {"postgresql": 700, "valkey": 600, "exports": 64, "tmp": 64}  # MB; a start wants 512 free
# Embedding what waits takes its time: it has recovered when it is at it again (and `until_embedded` waits for its end).
RUN = """
SELECT count(*) > 0 FROM job_run
 WHERE job = %s AND (outcome = 'done' OR job = 'embed_missing' AND outcome = 'running')
   AND extract(epoch FROM started_at) >= %s
"""
NOT_EMBEDDED = """
SELECT count(*) FROM message AS m WHERE NOT EXISTS (SELECT FROM embedded WHERE kind = 'message' AND owner = m.id)
"""
UNDER_WAY = "SELECT FROM job_run WHERE job = %s AND outcome = 'running'"
FORCED = ("export_dictionaries",)  # it has nothing to do otherwise
FORGOTTEN_SECONDS = 0.25  # FLUSH_SECONDS, and what a busy machine adds
A_START = 3.0  # seconds until a job that was asked for has begun
AWAY = (psycopg.Error, peewee.PeeweeException, redis.RedisError, OSError)


class Scene:
    """What a fault acts upon."""

    def __init__(
        self, folder: Path, seed: int, office: PostOffice, rounds: int, embeds: bool
    ) -> None:
        self.sizes = DISKS | {"postgresql": DISKS["postgresql"] + A_ROUND * rounds}
        self.chance = random.Random(seed)
        self.service, self.office = Service(folder), office
        self.feed = Feed(self.service.maildir, self.chance)
        self.disks: dict[str, Path] = {}
        self.source = Source()
        self.crashes: list[float] = []  # of PostgreSQL, by the monotonic clock
        self.runs_wanted: dict[str, float] = {}  # jobs that must have a good run since that time
        self.service.environ |= {
            "EMBEDDINGS": "on" if embeds else "off",
            "EXPORT_FORMATS": "pdf,json,epub",
            "MAX_HOURLY": "1000000",
            "MAIL_RATE": "1000000",
            "DOMAIN_RATE": "1000000",
            "MUPLIS_URL": self.source.url,
            "SMTP_TIMEOUT": "2",  # what a killed sender held is free again after twelve of these
            "MAX_DELAY": "4",
            "LOG_LEVEL": "warning",
            "SMTP_URL": f"smtp://127.0.0.1:{office.port}?starttls=never",
            "MAIL_FROM": "mrilu@faults.example",
        }

    def start(self) -> None:
        """Start the service with its subscriber."""
        self._mount()
        self.service.start()
        done = self.service.run("subscribe", "reader@example.org", "--query", WORD)
        assert done.returncode == 0, done.stderr
        self.connect()

    def connect(self) -> None:
        """Find the servers' addresses, and point this process's queries at them."""
        printed = self.service.run("env").stdout.splitlines()
        known = dict(line.removeprefix("export ").split("=", 1) for line in printed)
        self.urls = {name: shlex.split(known[name])[0] for name in ("DATABASE_URL", "REDIS_URL")}
        use_settings(load(self.urls | {"DATA_DIR": str(self.service.data)}))

    def _mount(self) -> None:
        """Give the servers, the exports and /tmp disks of their own, where root may mount."""
        if os.geteuid() != 0:
            return
        self.service.data.mkdir(mode=0o711, parents=True)
        account = server_account("nobody")
        base = Path(tempfile.mkdtemp(prefix="mrilu-faults-"))
        base.chmod(0o711)
        self.disks["base"] = base
        for name, size in self.sizes.items():
            disk = base / name
            disk.mkdir()
            owner = account if name in ("postgresql", "valkey") else None
            options = f"size={size}m,mode={'700' if owner else '1777'}"
            options += f",uid={owner.uid},gid={owner.gid}" if owner else ""
            command = ["mount", "-t", "tmpfs", "-o", options, "mrilu-faults", str(disk)]
            if subprocess.run(command, capture_output=True).returncode:
                return
            self.disks[name] = disk
            if name == "tmp":
                self.service.environ["TMPDIR"] = str(disk)
            else:
                (self.service.data / name).symlink_to(disk)

    def end(self) -> None:
        """Stop everything, and remove what lies outside of the scene's folder."""
        self.feed.stop()
        self.source.shutdown()
        self.source.server_close()
        with contextlib.suppress(*AWAY):
            disconnect()
        self.service.end()
        for name, disk in self.disks.items():
            if name != "base":
                subprocess.run(["umount", "--lazy", str(disk)], capture_output=True)
        if "base" in self.disks:
            shutil.rmtree(self.disks["base"], ignore_errors=True)

    # -- what faults use

    def processes(self, mark: str) -> list[psutil.Process]:
        """Return our programs whose command line contains `mark`."""
        found = self.service.processes(mark)
        # Without its supervisor the service ends, and says so: that is the power cut's round.
        return [one for one in found if not _is_supervisor(one)]

    def postmaster(self) -> psutil.Process:
        """Return the database server's first process."""
        [one] = [
            one
            for one in self.processes("/postgres")
            if one.name() == "postgres"
            and (one.parent() is None or one.parent().name() != "postgres")
        ]
        return one

    def redis(self) -> redis.Redis:
        """Return a client of its own."""
        return redis.Redis.from_url(self.urls["REDIS_URL"], socket_timeout=10)

    def link(self) -> psycopg.Connection:
        """Return a connection of its own to the database."""
        return psycopg.connect(self.urls["DATABASE_URL"], autocommit=True, connect_timeout=5)

    def kill_tree(self) -> None:
        """Kill the service as a power cut does: everything at once, and nothing is cleaned up."""
        first = self.service.process
        assert first is not None
        victims = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        for one in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGSTOP)  # so that none starts another again
        for one in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        first.wait()

    # -- what the runner asks

    def is_level(self) -> bool:
        """Tell whether each file is in its place, as `status` would say, by the disk and by the numbers."""
        try:
            database()
            facts = [one for one in ledgers() if one["watched"]]
        except AWAY:
            return False
        level = bool(facts) and all(one["level"] and not one["gap"] for one in facts)
        return level and self._is_matched() and self._has_run()

    def until_at_work(self, job: str, seconds: float) -> None:
        """Ask for runs of the job until one is met under way. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        words = ("run", job, *(("--force",) if job in FORCED else ()))
        with self.link() as link, ThreadPoolExecutor(1) as asking:
            while time.monotonic() < deadline:
                asked = asking.submit(self.service.run, *words)
                soon = time.monotonic() + A_START
                while time.monotonic() < soon or not asked.done():
                    if link.execute(UNDER_WAY, [job]).rowcount:
                        return
                    time.sleep(0.005)
        raise TimeoutError(f"{job} was never met under way")

    def _is_matched(self) -> bool:
        """Tell whether the subscribers of all mail were found."""
        try:
            with self.link() as link:
                return not link.execute("SELECT FROM news LIMIT 1").rowcount
        except AWAY:
            return False

    def _has_run(self) -> bool:
        """Tell whether each job that must have a good run has one; none is then wanted any more."""
        try:
            with self.link() as link:
                for job, since in list(self.runs_wanted.items()):
                    done = link.execute(RUN, [job, since]).fetchone()
                    if done is None or not done[0]:
                        return False
        except AWAY:
            return False
        self.runs_wanted.clear()
        return True

    def until_level(self, seconds: float) -> float | None:
        """Wait until the archive is level; return the seconds that it took, None if it never was."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.is_level():
                return time.monotonic() - began
            time.sleep(0.1)
        return None

    def until_embedded(self, seconds: float) -> int:
        """Wait until all mail has its vectors; return how many messages have none in the end."""
        deadline = time.monotonic() + seconds
        with self.link() as link:
            while (
                left := link.execute(NOT_EMBEDDED).fetchone()[0]
            ) and time.monotonic() < deadline:
                time.sleep(0.5)
        return int(left)

    def findings(self) -> Findings:
        """Compare what this round delivered with the archive, and each e-mail with those before."""
        with self.link() as link:
            found = look(link, self.feed.sent, WORD)
        found.news += doubled(self.delivered())
        return found

    def delivered(self) -> list[str]:
        """Return the Message-IDs of the e-mails that were accepted.

        Left out is what PostgreSQL forgot in a crash that came right after it: that is sent again, as promised
        (jobs/send_notifications.py).
        """
        accepted = list(self.office.accepted)  # more may come at any moment
        last = {one.message_id: one.at for one in accepted}
        return [
            one.message_id
            for one in accepted
            if one.at == last[one.message_id]
            or not any(0 <= crash - one.at <= FORGOTTEN_SECONDS for crash in self.crashes)
        ]

    def trouble(self) -> dict[str, Any]:
        """Return what tells why a round failed."""
        done = self.service.run("status")
        return {"status": done.stdout or done.stderr, "said": self.service.said()[-500:]}


def _is_supervisor(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "supervisor.supervisord" in process.cmdline()
    return False


@contextlib.contextmanager
def scene(folder: Path, seed: int, rounds: int, *, embeds: bool = False) -> Iterator[Scene]:
    """Set the scene, and clear it away."""
    with PostOffice() as office:
        made = Scene(folder, seed, office, rounds, embeds)
        try:
            made.start()
            yield made
        finally:
            made.end()
