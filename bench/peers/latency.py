"""Single deliveries, from the rename into new/ until the mail can be found, beside a loop as people write it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bench.corpus import link_maildir, publish, stage
from bench.peers.notmuch import Notmuch
from bench.peers.tool import PeerFailed, missing_programs, run_command

# $1 is the folder to watch, $2 the FIFO: a line goes there when `notmuch new` has returned, hence committed.
LOOP = """inotifywait --monitor --event moved_to --format %f "$1" |
while read -r mail; do notmuch new --quiet; echo "$mail"; done > "$2"
"""
LONGEST_SECONDS = 30.0
REST_SECONDS = 0.05


class NotmuchLoop:
    """inotifywait in a pipe to `notmuch new`."""

    name = "inotifywait + notmuch new"

    def __init__(self) -> None:
        self.notmuch = Notmuch()

    def available(self) -> str | None:
        return missing_programs({"notmuch": "notmuch", "inotifywait": "inotify-tools"})

    def prepare(self, maildir: Path, work: Path) -> None:
        """Index a copy of the Maildir (as large as the archive that we hold ourselves, so that both carry the same)."""
        shutil.rmtree(work, ignore_errors=True)
        copy = link_maildir(maildir, work / "Maildir")
        for leaf in ("tmp", "new", "cur"):
            (copy / leaf).mkdir(parents=True, exist_ok=True)
        self.notmuch.create(copy, work)
        self.notmuch.index(copy, work)

    def deliver_each(self, work: Path, mails: Iterable[tuple[str, bytes]]) -> list[float]:
        """Deliver (Message-ID, bytes) one at a time; milliseconds from each rename until it was searchable.

        May be called once a round; give each round mails of another seed, or the check by Message-ID proves nothing.
        """
        with self._loop(work) as finished:
            return [self._deliver(work, finished, message_id, mail) for message_id, mail in mails]

    def _deliver(self, work: Path, finished: IO[str], message_id: str, mail: bytes) -> float:
        maildir, name = work / "Maildir", f"{time.time_ns()}.bench"
        stage(maildir, name, mail)
        start = time.perf_counter()
        publish(maildir, name)
        line = finished.readline()
        elapsed = time.perf_counter() - start
        count = run_command(
            ["notmuch", "count", f"id:{message_id}"], self.notmuch.environment(work)
        )
        if line.strip() != name or int(count) != 1:
            raise PeerFailed(
                f"{self.name}: {name} was signalled as {line!r} and found {count.strip()} times"
            )
        time.sleep(REST_SECONDS)
        return elapsed * 1000

    @contextmanager
    def _loop(self, work: Path) -> Iterator[IO[str]]:
        """Run the shell loop for the block; gives the FIFO that says which mails are done."""
        fifo, log = work / "finished", work / "loop.log"
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        command = ["sh", "-c", LOOP, "sh", str(work / "Maildir" / "new"), str(fifo)]
        with open(log, "wb") as messages:
            loop = subprocess.Popen(
                command, env=self.notmuch.environment(work), stderr=messages, start_new_session=True
            )
        try:
            with open(fifo) as finished:
                wait_for_text(log, "Watches established")
                yield finished
        finally:
            os.killpg(loop.pid, signal.SIGTERM)
            loop.wait(timeout=10)


def wait_for_text(log: Path, text: str) -> None:
    """Wait until a program has written `text` to its log; raises `PeerFailed` with the log after half a minute."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while text not in (written := log.read_text(errors="replace")):
        if time.monotonic() > deadline:
            raise PeerFailed(f"no {text!r} in {log.name}: {written[-500:]}")
        time.sleep(0.01)
