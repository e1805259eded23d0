"""Small makers with defaults: mails, Maildirs, deliveries."""

from __future__ import annotations

import itertools
from pathlib import Path

from models import Maildir

_numbers = itertools.count(1)


def mail(
    message_id: str | None = None,
    *,
    subject: str = "hello",
    sender: str = "Mirli <mirli@lists.example>",
    date: str | None = "Mon, 06 Oct 2025 09:12:44 +0200",
    references: str = "",
    in_reply_to: str = "",
    list_id: str = "",
    body: str = "coi rodo\n",
    more: str = "",
) -> bytes:
    """Return the bytes of one plain mail; an empty or None field is left out."""
    number = next(_numbers)
    name = f"<{number}@lists.example>" if message_id is None else message_id
    fields = {
        "From": sender,
        "Date": date,
        "Subject": subject,
        "Message-ID": name,
        "References": references,
        "In-Reply-To": in_reply_to,
        "List-Id": list_id,
    }
    head = "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    return f"{head}{more}\n{body}".encode()


def make_maildir(root: Path, *folders: str) -> Path:
    """Make a Maildir with the Maildir++ folders named (".List")."""
    for folder in ("", *folders):
        for subdir in ("tmp", "new", "cur"):
            (root / folder / subdir).mkdir(parents=True, exist_ok=True)
    return root


def deliver(root: Path, raw: bytes, path: str | None = None) -> str:
    """Deliver one mail as a mail server does (tmp/, then a rename) and return its path below root."""
    place = path or f"new/{1_700_000_000 + next(_numbers)}.M1P1.host"
    target = root / place
    partial = target.parent.parent / "tmp" / f"partial-{next(_numbers)}"
    partial.write_bytes(raw)
    partial.rename(target)
    return place


def register(root: Path, name: str = "test") -> Maildir:
    """Register the Maildir at `root`."""
    return Maildir.register(name, str(root), "maildir")
