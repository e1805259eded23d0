"""The stdlib script of `bench/stdlib_sqlite.py`, run by the same Python as the benchmark."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from bench import stdlib_sqlite
from bench.corpus import mail_files
from bench.peers.tool import Found, own_environment, timed_command


class StdlibScript:
    """email with policy.default and SQLite FTS5; it can only build anew."""

    name = "stdlib+sqlite"

    def available(self) -> str | None:
        with closing(sqlite3.connect(":memory:")) as connection:
            options = {option for (option,) in connection.execute("PRAGMA compile_options")}
        return None if "ENABLE_FTS5" in options else "this Python's SQLite was built without FTS5"

    def create(self, maildir: Path, work: Path) -> None:
        (work / "archive.sqlite3").unlink(missing_ok=True)

    def index(self, maildir: Path, work: Path) -> float:
        command = [
            sys.executable,
            stdlib_sqlite.__file__,
            str(maildir),
            str(work / "archive.sqlite3"),
        ]
        return timed_command(command, own_environment(work))

    def sample(self, maildir: Path) -> list[Path]:
        return mail_files(maildir)

    def find(self, word: str, maildir: Path, work: Path) -> Found:
        with closing(sqlite3.connect(work / "archive.sqlite3")) as connection:
            mails = connection.execute("SELECT count(*) FROM mail").fetchone()[0]
            hits = connection.execute(
                "SELECT count(*) FROM mail_text WHERE mail_text MATCH ?", [word]
            ).fetchone()[0]
        return Found(mails, hits)
