"""What a user does, on one database: start, import, dictionary, search by text and meaning, backup, restore, doctor."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from mrilu.settings.table import PROJECT
from tests.acceptance.conftest import Service, open_folder
from tests.factories import deliver, mail

SAMPLES = PROJECT / "samples"
BODY = "The kettle boils; put the leaves into the pot.\n"
PATIENCE = 600.0  # seconds for a step, on a machine that has other things to do
PAUSE = 2.0  # between two tries, each of which is a command


def version_of(url: str) -> str:
    """Return the versions of PostgreSQL and pgvector."""
    asked = "SELECT current_setting('server_version'), (SELECT default_version FROM pg_available_extensions "
    with psycopg.connect(url) as link:
        told = link.execute(f"{asked} WHERE name = 'vector')").fetchone()
    assert told is not None
    return f"{told[0].split()[0]}, {'pgvector ' + told[1] if told[1] else 'no pgvector'}"


def steps(url: str) -> Iterator[str]:
    """Do it all, and yield a word on each step that is done; raises AssertionError."""
    with open_folder() as folder:
        service = Service(folder)
        service.environ |= {
            "DATABASE_URL": url,
            "DICTIONARY_SOURCE": str(SAMPLES / "dictionary"),
            "EXPORT_FORMATS": "json",
        }
        shutil.chown(service.maildir, "nobody")
        try:
            yield from _of_service(service, folder)
        finally:
            service.end()


def _of_service(service: Service, folder: Path) -> Iterator[str]:
    service.launch()
    service.until(lambda: "mrilu is up" in service.said(), PATIENCE)
    yield "start"
    deliver(service.maildir, mail("<tea@x>", subject="Brewing", body=BODY))
    _until(service, lambda: _finds(service, "--text", "kettle"))
    yield "import, text"
    exported = ("export", "en", "json", "-o", "/dev/null")
    _until(service, lambda: not service.run(*exported).returncode)
    yield "dictionary"
    if service.status()["embeddings"]["state"] == "missing":
        yield "no meaning"
    else:
        _until(service, lambda: _finds(service, "--meaning", "how to make a hot drink"))
        yield "meaning"
    _comes_back(service, folder / "backup")
    yield "backup"
    # the workers that the restore stopped are back after a moment
    _until(service, lambda: not service.run("doctor").returncode)
    yield "doctor"


def _until(service: Service, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, service.said()
        time.sleep(PAUSE)


def _finds(service: Service, how: str, words: str) -> bool:
    done = service.run("search", how, "--json", words)
    return not done.returncode and "tea@x" in done.stdout


def _comes_back(service: Service, backup: Path) -> None:
    for words in (("backup", str(backup)), ("withhold", "<tea@x>", "--erase")):
        done = service.run(*words)
        assert done.returncode == 0, done.stderr
    assert not _finds(service, "--text", "kettle")
    done = service.run("restore", "--yes", str(backup))
    assert done.returncode == 0, done.stderr
    _until(service, lambda: _finds(service, "--text", "kettle"))
