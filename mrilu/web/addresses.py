"""The addresses of pages. What leads to messages is made of the Message-ID's hash: it survives a new database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from urllib.parse import quote, quote_plus, urlencode

NO_LIST = "-"  # in addresses: mail of no list
_DAY = re.compile(r"(?:19|20)\d\d-\d\d-\d\d", re.ASCII)
_MONTH = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])")


def of_list(list_id: str, month: str = "") -> str:
    """Return the page of a list, or of one of its months ("2024-03")."""
    place = f"/l/{quote(list_id or NO_LIST, safe='')}/"
    return f"{place}{month}/" if month else place


def of_message(message_hash: str) -> str:
    """Return the page of the messages whose Message-ID has this hash."""
    return f"/m/{message_hash}/"


def of_file(message_hash: str, number: int, name: str, nth: int = 1) -> str:
    """Return the address of a part of a message, the `nth` of those with this hash."""
    which = f"{nth}-{number}" if nth > 1 else str(number)
    return f"{of_message(message_hash)}files/{which}/{quote(name, safe='')}"


def of_thread(message_hash: str, at: str = "", view: str = "flat") -> str:
    """Return the page of the thread of a message, at the message `at`."""
    query = f"?view={view}" if view != "flat" else ""
    return f"/t/{message_hash}/{query}{f'#{at}' if at else ''}"


def of_word(word: str) -> str:
    """Return the page of a word."""
    return f"/w/{quote(word, safe='')}"


def of_word_then(word: str, day: date) -> str:
    """Return the page of a word as the dictionary had it at the end of a day (UTC)."""
    return f"{of_word(word)}/at/{day.isoformat()}"


def of_search(query: str, **more: str) -> str:
    """Return the page of a search."""
    return "/search?" + urlencode({"q": query} | {name: one for name, one in more.items() if one})


def narrower(query: str, by: str = "") -> Callable[[str], str]:
    """Return what gives the page of a search that is narrowed by further terms."""
    head, tail = of_search(f"{query.strip()} "), f"&by={by}" if by else ""
    return lambda terms: f"{head}{_quoted(terms)}{tail}"


@lru_cache(maxsize=2000)  # most searches are narrowed by the same years and lists
def _quoted(terms: str) -> str:
    return quote_plus(terms)


def with_query(path: str, arguments: dict[str, str]) -> str:
    """Return an address of this site with these arguments."""
    return f"{quote(path)}?{urlencode(arguments)}"


def month_in(text: str) -> datetime | None:
    """Return the beginning (UTC) of the month that an address names, None if it names none."""
    if not _MONTH.fullmatch(text):
        return None
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


def day_in(text: str) -> date | None:
    """Return the day that an address names ("2024-01-31"), None if it names none."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def day_after(day: date) -> datetime:
    """Return the end of a day (UTC), which is the beginning of the next one."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def month_after(month: datetime) -> datetime:
    """Return the beginning of the next month."""
    return (month + timedelta(days=32)).replace(day=1)
