"""A source's memory: what a conditional download may rely on, and writing it down with the data."""

from __future__ import annotations

from datetime import datetime

from models import Source
from mrilu.downloads.fetch import Fetched, Validators


def validators_of(url: str, reader: int, live_rows: int) -> Validators:
    """Return what makes a download conditional; nothing when the data is not what that download left.

    That is so when the table was emptied or changed by hand, and when our reader has changed since.
    """
    row = Source.get_or_none(Source.url == url)
    if row is None or row.reader != reader or row.rows != live_rows:
        return Validators()
    return Validators(row.etag, row.last_modified)


def note_source(url: str, fetched: Fetched, reader: int, rows: int, now: datetime) -> None:
    """Remember what was read, in the transaction that stores it: a refused file is downloaded again."""
    Source.note(
        url,
        etag=fetched.validators.etag,
        last_modified=fetched.validators.last_modified,
        sha256=fetched.sha256,
        reader=reader,
        rows=rows,
        fetched_at=now,
    )
