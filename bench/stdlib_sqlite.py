"""The archive that one would write in an hour: stdlib email (policy.default) into SQLite with FTS5.

A peer of the import benchmark, and a program by itself: `python bench/stdlib_sqlite.py MAILDIR DATABASE`.
It shares no code with mrilu. One transaction, executemany, and the index built once at the end. It keeps what an
archive's pages need and mrilu keeps too: threads' references, the list, and each attachment's name, size and hash.
"""

import email
import email.policy
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

SCHEMA = """
CREATE TABLE mail (id INTEGER PRIMARY KEY, path TEXT UNIQUE, message_id TEXT, subject TEXT, sender TEXT,
                   recipients TEXT, copied TEXT, sent TEXT, in_reply_to TEXT, refers_to TEXT, list TEXT, body TEXT,
                   attachments TEXT);
CREATE VIRTUAL TABLE mail_text USING fts5 (subject, sender, body, content='mail', content_rowid='id',
                                           tokenize='porter unicode61');
"""
INSERT = """INSERT INTO mail (path, message_id, subject, sender, recipients, copied, sent, in_reply_to, refers_to, list,
                              body, attachments) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
HEADERS = (
    "message-id",
    "subject",
    "from",
    "to",
    "cc",
    "date",
    "in-reply-to",
    "references",
    "list-id",
)


def read_header(message: EmailMessage, name: str) -> str:
    """A header as text. The parser of policy.default raises on some real headers: those count as empty."""
    try:
        return clean(str(message[name] or ""))
    except Exception:
        return ""


def read_body(message: EmailMessage) -> str:
    """The text a reader would see: the plain part, else the HTML part."""
    try:
        part = message.get_body(("plain", "html"))
        return clean(part.get_content()) if part else ""
    except Exception:  # unknown charset or broken structure: keep what is there
        return clean(message.as_bytes().decode("utf-8", "replace"))


def list_attachments(message: EmailMessage) -> str:
    """Name, type, size and hash of each attachment, as JSON."""
    found = []
    for part in message.walk():
        if part.is_multipart() or part.get_content_maintype() == "text" and not part.get_filename():
            continue
        content = bytes(part.get_payload(decode=True) or b"")
        digest = hashlib.sha256(content).hexdigest()
        found.append(
            [clean(part.get_filename() or ""), part.get_content_type(), len(content), digest]
        )
    return json.dumps(found)


def clean(text: str) -> str:
    """Replace lone surrogates, which SQLite cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")


def read_maildir(maildir: Path) -> Iterator[tuple[str, ...]]:
    """One row for each file in new/ and cur/ of the Maildir and its subfolders."""
    for path in maildir.rglob("*"):
        if path.parent.name in ("new", "cur") and path.is_file():
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            headers = [read_header(message, name) for name in HEADERS]
            yield (str(path), *headers, read_body(message), list_attachments(message))


def build_archive(maildir: Path, database: Path) -> int:
    """Read the whole Maildir into a new database; gives the number of mails."""
    connection = sqlite3.connect(database)
    connection.executescript(SCHEMA)
    with connection:
        connection.executemany(INSERT, read_maildir(maildir))
        connection.execute("INSERT INTO mail_text (mail_text) VALUES ('rebuild')")
    count: int = connection.execute("SELECT count(*) FROM mail").fetchone()[0]
    connection.close()
    return count


if __name__ == "__main__":
    print(build_archive(Path(sys.argv[1]), Path(sys.argv[2])))
