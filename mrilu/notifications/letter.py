"""What one mail to one subscriber tells, as `compose` needs it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property
from uuid import UUID


@dataclass(frozen=True)
class MessageNews:
    """A message that came in, as a reply in a followed thread or as a match of a saved search (`label`)."""

    kind: str  # "thread" or "query"
    label: str
    id: int
    message_id: str
    subject: str
    from_name: str
    from_address: str
    sent_at: datetime
    lists: tuple[str, ...]
    own_text: str
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class DefinitionNews:
    """A definition that is new, edited or back; `before` is its text before an edit."""

    kind: str  # "word"
    label: str
    word: str
    language: str
    change: str  # "added", "edited" or "returned"
    text: str
    notes: str
    author: str
    before: str = ""


News = MessageNews | DefinitionNews


@dataclass(frozen=True)
class Letter:
    """One mail. `stop` is the subscription that its unsubscribe link gives up; None (a digest): all of them."""

    id: int
    key: UUID
    subscriber: int
    address: str | None
    suppressed: str  # what a server said of the address, when it is to be written to no more
    locale: str
    timezone: str
    unsubscribed: int
    digest: bool
    created_at: datetime
    stop: int | None
    news: tuple[News, ...] = ()
    more: int = 0  # news of a large digest that are only counted


@dataclass(frozen=True)
class Site:
    """Who writes: the sender as in MAIL_FROM, the site's URL and the key of unsubscribe links."""

    sender: str
    url: str
    token_key: bytes

    @cached_property
    def address(self) -> str:
        """The sender's address alone."""
        return parseaddr(self.sender)[1]
