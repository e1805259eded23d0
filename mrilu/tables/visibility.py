"""Who may read which message: one rule, which search, pages, feeds, downloads and notifications all ask."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntFlag
from typing import Any, NamedTuple


class Restriction(IntFlag):
    """Bits of `message.restrictions`: what stands against showing a message to everyone."""

    NO_ARCHIVE = 1  # its author asked for it
    WITHHELD = 2  # an operator decided it (`withholding`)
    OWN = 4  # a notification of ours that came back: its links act for its recipient


class Reader(NamedTuple):
    """What a reader may not see: messages with one of these `Restriction` bits, and those of any of these lists."""

    hidden: int
    closed_lists: tuple[str, ...]

    def may_read(self, restrictions: int, list_ids: Collection[str]) -> bool:
        """Tell whether the reader may see a message."""
        return not restrictions & self.hidden and not any(
            one in self.closed_lists for one in list_ids
        )

    def may_know_of(self, restrictions: int, list_ids: Collection[str]) -> bool:
        """Tell whether the reader may hear that a message was here and is withheld."""
        withheld = restrictions & Restriction.WITHHELD
        return bool(withheld) and self.may_read(restrictions & ~Restriction.WITHHELD, list_ids)

    def told(self) -> Reader:
        """Return the reader of all that this one may read, or may hear was here and is withheld."""
        return self._replace(hidden=self.hidden & ~Restriction.WITHHELD)

    def may_see_list(self, list_id: str) -> bool:
        """Tell whether the reader may know of a list."""
        return list_id not in self.closed_lists


OPERATOR = Reader(0, ())


def stranger(closed_lists: tuple[str, ...], *, respect_no_archive: bool) -> Reader:
    """Return the reader that everyone is: PRIVATE_LISTS are closed, a withheld message is hidden."""
    asked = Restriction.NO_ARCHIVE if respect_no_archive else 0
    return Reader(int(asked | Restriction.WITHHELD | Restriction.OWN), closed_lists)


class Visible(NamedTuple):
    """SQL that holds for the messages that a reader may see ("" for all), with its parameters."""

    sql: str
    parameters: tuple[Any, ...]


def visible_to(reader: Reader, alias: str) -> Visible:
    """Return the condition on the row of `message` that `alias` names."""
    sql: list[str] = []
    parameters: list[Any] = []
    if reader.hidden:
        # The planner takes the second part alone for one row in 200, and walks all messages for a page of them.
        sql.append(f"({alias}.restrictions = 0 OR {alias}.restrictions & %s = 0)")
        parameters.append(reader.hidden)
    if reader.closed_lists:
        sql.append(f"NOT {alias}.list_ids && %s::text[]")
        parameters.append(list(reader.closed_lists))
    return Visible(" AND ".join(sql), tuple(parameters))
