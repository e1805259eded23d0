"""Who reads: everyone, as the settings say, or an operator; and how much of addresses is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from flask import current_app

from models import OPERATOR, Reader
from mrilu.web.access import is_operator
from mrilu.web.queries.archive import MessageRow


def current_reader() -> Reader:
    """Return what the one who asks may read: operators all, everyone else what the settings say."""
    reader: Reader = OPERATOR if is_operator() else current_app.config["READER"]
    return reader


def shows_addresses() -> bool:
    """Tell whether mail addresses are spelt out."""
    return bool(current_app.config["SHOW_ADDRESSES"])


class Restricted(Protocol):
    """A message as far as is needed to tell who may read it."""

    @property
    def restrictions(self) -> int:
        """The bits of what stands against showing it."""

    @property
    def list_ids(self) -> list[str]:
        """The lists that it is on."""


M = TypeVar("M", bound=Restricted)


def readable(rows: Iterable[M], reader: Reader) -> list[M]:
    """Return those of the messages that the reader may read."""
    return [row for row in rows if reader.may_read(row.restrictions, row.list_ids)]


def told_of(row: MessageRow, reader: Reader) -> bool:
    """Tell whether the reader may read a message, or may know that it stood here."""
    return reader.told().may_read(row.restrictions, row.list_ids)


def first_told_of(rows: Iterable[MessageRow], reader: Reader) -> MessageRow | None:
    """Return the first of the messages that the reader may read or may know of, None where all are closed."""
    return next((row for row in rows if told_of(row, reader)), None)
