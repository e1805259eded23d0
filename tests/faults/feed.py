"""Mail that arrives while faults happen: steadily, in bursts, by rename, by moves and written in place."""

from __future__ import annotations

import itertools
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

STEADY = 25  # mails a second
WORD = "gerku"  # in every twentieth mail: what the suite's subscriber looks for


@dataclass(frozen=True)
class Sent:
    """One file as it was delivered: the message in it, and its whole text."""

    message_id: str
    body: str


class Feed:
    """Delivers numbered mails into one Maildir from a thread of its own; `sent` is the truth, by unique name."""

    def __init__(self, maildir: Path, chance: random.Random) -> None:
        self.maildir, self.chance = maildir, chance
        self.sent: dict[str, Sent] = {}
        self.total = 0
        self._numbers = itertools.count(1)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def forget(self) -> None:
        """Begin a round: what earlier ones delivered was compared."""
        self.sent = {}

    def start(self) -> None:
        """Deliver steadily, with a burst now and then, and move some of it as a reader of mail does."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1 / STEADY):
            for _ in range(200 if self.chance.random() < 0.01 else 1):
                name = self._delivered()
            if name and self.chance.random() < 0.2:
                self._read_by_a_person(name)

    def _delivered(self) -> str:
        name, raw = self._made()
        try:
            partial = self.maildir / "tmp" / name
            partial.write_bytes(raw)
            partial.rename(self.maildir / "new" / name)
        except OSError:  # the Maildir is away: an MTA tries again later
            self._take_back(name)
            return ""
        return name

    def _read_by_a_person(self, name: str) -> None:
        try:
            (self.maildir / "new" / name).rename(self.maildir / "cur" / f"{name}:2,S")
        except OSError:
            return

    def burst(self, count: int) -> None:
        """Move that many files in at once: written first, then all renamed."""
        made = [self._made() for _ in range(count)]
        for name, raw in made:
            (self.maildir / "tmp" / name).write_bytes(raw)
        for name, _ in made:
            (self.maildir / "tmp" / name).rename(self.maildir / "new" / name)

    def in_place(self, count: int, pause: float) -> None:
        """Write files where they stay, in two goes, as careless programs do."""
        made = [self._made() for _ in range(count)]
        for name, raw in made:
            (self.maildir / "new" / name).write_bytes(raw[: len(raw) // 2])
        time.sleep(pause)
        for name, raw in made:
            with open(self.maildir / "new" / name, "ab") as file:
                file.write(raw[len(raw) // 2 :])

    def _made(self) -> tuple[str, bytes]:
        number = next(self._numbers)
        name = f"{1_700_000_000 + number}.M{number}P1.host"
        word = f"{WORD}\n" if number % 20 == 0 else ""
        lines = "".join(f"line {line} of mail {number}\n" for line in range(40))
        body = f"mail {number}\n{word}{lines}end of mail {number}\n"
        message_id = f"{number}@faults.example"
        head = (
            f"From: Ann <ann@example.org>\nDate: Tue, 24 Nov 2026 10:00:00 +0000\n"
            f"Message-ID: <{message_id}>\nSubject: mail {number}\n\n"
        )
        self.sent[name] = Sent(message_id, body)
        self.total += 1
        return name, (head + body).encode()

    def _take_back(self, name: str) -> None:
        del self.sent[name]
        self.total -= 1
