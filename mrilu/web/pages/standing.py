"""The ledger and the reasons of rejections in words for readers. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from mrilu.web.queries.ledger import Standing

STEP = 600  # seconds
# No more than the sender of a mail may know: the kind of the reason, never its details.
KINDS = {
    "too-large": "it is larger than this archive takes",
    "empty": "it arrived empty",
    "no-header": "it does not begin with a mail header",
    "unreadable": "its file cannot be read; it is tried again",
    "compressed": "its file is compressed in a way that cannot be read",
}
OTHER = "it could not be read; it is tried again when the archive reads mail better"


def told(standing: Standing) -> str:
    """Return one sentence on what of the delivered mail is here, "" where nothing is known yet."""
    if standing.checked_at is None:
        return ""
    behind = [part for part in _behind(standing) if part]
    if standing.complete_to is None:
        return f"{_sentence(behind)}." if behind else ""
    if not behind:
        return f"Complete to {_moment(standing.complete_to)}, nothing missing."
    return f"Complete to {_moment(standing.complete_to)}; {'; '.join(behind)}."


def version(standing: Standing) -> tuple[object, ...]:
    """Return what a page that tells of it depends on: a later time alone makes it another page every ten minutes."""
    to = standing.complete_to
    return (int(to.timestamp()) // STEP if to else None, *standing[2:])


def reason_for_sender(reason: str) -> str:
    """Return why a mail was rejected, as its sender may know it."""
    return KINDS.get(reason, OTHER)


def _behind(standing: Standing) -> tuple[str, ...]:
    return (
        _mails(standing.waiting, "waits", "wait"),
        _mails(standing.rejected, "could not be read", "could not be read"),
        "some mail cannot be looked for just now" if standing.trouble else "",
    )


def _mails(number: int, one: str, more: str) -> str:
    if not number:
        return ""
    return f"1 mail {one}" if number == 1 else f"{number:,} mails {more}"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
