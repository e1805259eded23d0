"""What the archive holds, compared with what was delivered, file by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from tests.faults.feed import Sent

ROWS = """
SELECT l.unique_name, m.message_id, m.body FROM location AS l JOIN message AS m ON m.id = l.message
 WHERE l.gone_at IS NULL AND l.unique_name = ANY(%s)
"""
MESSAGES = "SELECT message_id, count(*) FROM message WHERE message_id = ANY(%s) GROUP BY message_id"
NEWS = """
SELECT m.message_id, count(n.id) FROM message AS m LEFT JOIN notification AS n
    ON n.subject = m.id AND n.kind = 'query'
 WHERE m.message_id = ANY(%s) GROUP BY m.message_id
"""
REJECTED = (
    "SELECT unique_name, reason FROM rejected WHERE gone_at IS NULL AND unique_name = ANY(%s)"
)


class Row(NamedTuple):
    """A file in the archive, with its message."""

    name: str
    message_id: str
    body: str


@dataclass
class Findings:
    """What is not as it was delivered, by unique name or Message-ID."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)  # notifications that are missing or doubled

    def __bool__(self) -> bool:
        """Tell whether anything is wrong."""
        return any((self.lost, self.twice, self.half, self.rejected, self.news))

    def __str__(self) -> str:
        """Count each kind, with one example."""
        told = [
            f"{len(names)} {kind} ({names[0]} ...)" for kind, names in vars(self).items() if names
        ]
        return ", ".join(told) or "all as delivered"


def compare(
    sent: Mapping[str, Sent],
    rows: Iterable[Row],
    messages: Mapping[str, int],
    rejected: Mapping[str, str],
    news: Mapping[str, int],
) -> Findings:
    """Compare each file with its row, each message with its text. Pure.

    `messages` counts the messages of each Message-ID, `news` the notifications of those that are to have one.
    """
    found = Findings()
    files: dict[str, list[Row]] = {}
    for row in rows:
        files.setdefault(row.name, []).append(row)
    for name, one in sent.items():
        held = files.get(name, [])
        if name in rejected:
            found.rejected.append(f"{name}: {rejected[name]}")
        elif not held or messages.get(one.message_id, 0) == 0:
            found.lost.append(name)
        elif len(held) > 1 or messages[one.message_id] > 1:
            found.twice.append(name)
        elif held[0].message_id != one.message_id or held[0].body.strip() != one.body.strip():
            found.half.append(name)
    found.news = [f"{key}: {number}" for key, number in news.items() if number != 1]
    return found


def look(link: psycopg.Connection, sent: Mapping[str, Sent], word: str) -> Findings:
    """Read the archive, and compare it with what was delivered; each mail with `word` has one notification."""
    names, ids = list(sent), [one.message_id for one in sent.values()]
    wanted = [one.message_id for one in sent.values() if word in one.body]
    return compare(
        sent,
        (Row(*row) for row in link.execute(ROWS, [names])),
        dict(link.execute(MESSAGES, [ids]).fetchall()),
        dict(link.execute(REJECTED, [names]).fetchall()),
        dict(link.execute(NEWS, [wanted]).fetchall()),
    )


def doubled(delivered: Iterable[str]) -> list[str]:
    """Return the notifications (by Message-ID) that were delivered more than once."""
    return [key for key, number in Counter(delivered).items() if number > 1]
