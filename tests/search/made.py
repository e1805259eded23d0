"""Small archives to search, and searches of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.import_messages import import_messages
from mrilu.search.engine import Wanted, search
from tests.embeddings.made import FakeEncoder
from tests.factories import deliver

OLD, NEW = "Mon, 06 Oct 2003 09:12:44 +0000", "Mon, 06 Oct 2025 09:12:44 +0000"


def receive(root: Path, *mails: bytes) -> None:
    assert import_messages("test", [deliver(root, one) for one in mails])["imported"] == len(mails)


def found(db: Any, text: str, **how: Any) -> list[str]:
    return [one.message_id for one in search(db, text, "message", Wanted(mode="text", **how)).hits]


def encode(made: FakeEncoder) -> Callable[[Any, str], list[float]]:
    return lambda model, text: made.encode([text])[0].tolist()
