"""One email to one subscriber: its items, and how claimed rows of the outbox are read into emails."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from mrilu.mail.own_words.spans import own_text, paired
from mrilu.notifications.addresses import InvalidAddress, checked_address
from mrilu.notifications.changes import Change, changes_of
from mrilu.search.snippet import marked_spans

MAX_ITEMS = 200  # of one digest; the others are only counted
OWN_TEXT_CHARS = 6000
MARKED_PARTS = 4  # of OWN_TEXT_CHARS, in which matched words are looked for

EMAILS = """
SELECT n.id, n.message_key, n.subscriber, r.address, coalesce(r.suppressed_reply, ''),
       coalesce(r.locale, 'en'), coalesce(r.timezone, 'UTC'), coalesce(r.unsubscribed, 0), n.digest, n.created_at,
       CASE WHEN n.digest THEN NULL ELSE n.subscription END
  FROM notification AS n LEFT JOIN subscriber AS r ON r.id = n.subscriber WHERE n.id = ANY(%s) ORDER BY n.id
"""
ROWS = """
SELECT coalesce(n.mail, n.id), n.kind, n.subject, coalesce(s.label, ''), coalesce(s.kind, n.kind),
       coalesce(s.languages, '{}'), s.search::text
  FROM notification AS n LEFT JOIN subscription AS s ON s.id = n.subscription
 WHERE (n.id = ANY(%(ids)s) OR n.mail = ANY(%(ids)s)) AND n.state = 'waiting'
   AND (n.kind <> 'confirm' OR s.confirmed_at IS NULL AND s.id IS NOT NULL) ORDER BY n.id
"""
MESSAGES = f"""
SELECT id, message_id, subject, from_name, from_address, sent_at, list_ids,
       left(body, {2 * MARKED_PARTS * OWN_TEXT_CHARS}), own_spans, in_reply_to, reference_ids,
       to_addresses, cc_addresses
  FROM message WHERE id = ANY(%s)
"""  # noqa: S608 - numbers of ours
DEFINITIONS = """
SELECT v.id, w.word, l.tag, v.change, v.content, b.content FROM definition_version AS v
  JOIN definition AS d ON d.id = v.definition JOIN word AS w ON w.id = d.word JOIN language AS l ON l.id = d.language
  LEFT JOIN definition_version AS b ON b.definition = v.definition AND b.version = v.version - 1
 WHERE v.id = ANY(%s)
"""

Span = tuple[int, int]


@dataclass(frozen=True)
class MessageItem:
    """A message that came in, as a reply in a followed thread or as a match of a saved search (`label`).

    `marks` are [start, end) character offsets in `own_text` of the words that matched. `reply_to` is the posting
    address of its list, "" where none is known.
    """

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
    reply_to: str = ""
    marks: tuple[Span, ...] = ()


@dataclass(frozen=True)
class DefinitionItem:
    """A definition that is new, edited or back; of an edit its text `before`, and what else was changed."""

    kind: str  # "word", or "words" for who follows all new ones
    label: str
    word: str
    language: str
    change: str  # "added", "edited" or "returned"
    text: str
    notes: str
    author: str
    before: str = ""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class ConfirmItem:
    """A question: shall this subscription, which was asked for, begin? `asked` is the subscription's kind."""

    kind: str  # "confirm"
    label: str
    asked: str
    subscription: int


Item = MessageItem | DefinitionItem | ConfirmItem


@dataclass(frozen=True)
class Email:
    """One email. `subscription` is the one that its unsubscribe link gives up; None (a digest): all of them."""

    id: int
    key: UUID
    subscriber: int
    address: str | None
    suppressed: str  # what a server said of the address, when nothing more is to be sent to it
    locale: str
    timezone: str
    unsubscribed: int
    digest: bool
    created_at: datetime
    subscription: int | None
    items: tuple[Item, ...] = ()
    more: int = 0  # items of a large digest that are only counted
    rows: int = 1  # of the outbox that it tells of, whose items were deleted, too

    @property
    def is_confirmation(self) -> bool:
        """Tell whether it asks for a confirmation: then it is all that it asks."""
        return bool(self.items) and isinstance(self.items[0], ConfirmItem)


@dataclass(frozen=True)
class Site:
    """The sender as in MAIL_FROM, the site's URL, the key of signed links, and the address that bounces go to."""

    sender: str
    url: str
    token_key: bytes
    bounce_address: str = ""

    @cached_property
    def address(self) -> str:
        """The sender's address alone."""
        return parseaddr(self.sender)[1]

    def envelope_sender(self, key: UUID) -> str:
        """Return the sender of the envelope: with BOUNCE_ADDRESS, one that names the email (VERP)."""
        if not self.bounce_address:
            return self.address
        local, _, domain = self.bounce_address.rpartition("@")
        return f"{local}+{key.hex}@{domain}"


class _Row(NamedTuple):
    """A row of the outbox with what its subscription says."""

    mail: int
    kind: str
    subject: int
    label: str
    asked: str
    languages: list[str]
    search: str | None


def read_emails(connection: Connection, ids: list[int]) -> list[Email]:
    """Return the emails of these rows (of a digest: its first row). What was deleted since is not an item."""
    found = connection.execute(EMAILS, (ids,)).fetchall()
    rows, more = _first_rows([_Row(*row) for row in connection.execute(ROWS, {"ids": ids})])
    items = _Items(connection, rows)
    by_mail: dict[int, list[Item]] = defaultdict(list)
    for row in rows:
        if (item := items.of(row)) is not None:
            by_mail[row.mail].append(item)
    whole = more + Counter(row.mail for row in rows)
    return [
        replace(_email(row), items=tuple(by_mail[row[0]]), more=more[row[0]], rows=whole[row[0]])
        for row in found
    ]


def _email(row: tuple[Any, ...]) -> Email:
    number, key, subscriber, address, suppressed, locale, timezone, unsubscribed, digest = row[:9]
    return Email(
        number,
        key,
        subscriber,
        address,
        suppressed,
        locale,
        timezone,
        unsubscribed,
        digest,
        *row[9:11],
    )


def _first_rows(rows: list[_Row]) -> tuple[list[_Row], Counter[int]]:
    """Return at most MAX_ITEMS rows of each mail, and how many more each has."""
    counts = Counter[int]()
    kept = []
    for row in rows:
        counts[row.mail] += 1
        if counts[row.mail] <= MAX_ITEMS:
            kept.append(row)
    return kept, counts - Counter(dict.fromkeys(counts, MAX_ITEMS))


class _Items:
    """The items of rows: messages and versions are read at once, and each search marks a message once."""

    def __init__(self, connection: Connection, rows: list[_Row]) -> None:
        self.connection = connection
        versions = [row.subject for row in rows if row.kind == "word"]
        messages = [row.subject for row in rows if row.kind in ("thread", "query")]
        self.messages = _by_id(connection, MESSAGES, messages)
        self.versions = _by_id(connection, DEFINITIONS, versions)
        self.marks = self._find_marks([row for row in rows if row.kind == "query" and row.search])

    def of(self, row: _Row) -> Item | None:
        """Return the item of a row; None when what it was about was deleted."""
        if row.kind == "confirm":
            return ConfirmItem("confirm", row.label, row.asked, -row.subject)
        if row.kind == "word":
            version = self.versions.get(row.subject)
            return definition_item(row.asked, row.label, version) if version else None
        message = self.messages.get(row.subject)
        if message is None:
            return None
        marks = self.marks.get((row.subject, row.search or ""), ())
        return message_item(row.kind, row.label, message, marks)

    def _find_marks(self, rows: list[_Row]) -> dict[tuple[int, str], tuple[Span, ...]]:
        """Return the marks by message and search; each pair is looked into once, however many subscribers it has."""
        keys = {(row.subject, row.search or "") for row in rows if row.subject in self.messages}
        texts = {key: _own_text(self.messages[key[0]]) for key in keys}
        found: dict[tuple[int, str], tuple[Span, ...]] = {}
        for start in range(0, MARKED_PARTS * OWN_TEXT_CHARS, OWN_TEXT_CHARS):
            # the first part of a text that has marks is enough
            open_keys = [key for key in keys if key not in found and len(texts[key]) > start]
            parts = [(texts[key][start : start + OWN_TEXT_CHARS], key[1]) for key in open_keys]
            for key, spans in zip(open_keys, marked_spans(self.connection, parts), strict=True):
                if spans:
                    found[key] = tuple((start + first, start + last) for first, last in spans)
        return found


def _by_id(connection: Connection, statement: Any, ids: list[int]) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row for row in connection.execute(statement, (list(set(ids)),))} if ids else {}


def _own_text(row: tuple[Any, ...]) -> str:
    return own_text(row[7], paired(row[8]))[: MARKED_PARTS * OWN_TEXT_CHARS]


def message_item(
    kind: str, label: str, row: tuple[Any, ...], marks: tuple[Span, ...] = ()
) -> MessageItem:
    """Return the item of a row of MESSAGES."""
    (number, message_id, subject, name, address, sent_at, lists, _, _, in_reply_to, references) = (
        row[:11]
    )
    recipients = [str(one[1]) for one in (*row[11], *row[12]) if len(one) > 1 and one[1]]
    return MessageItem(
        kind,
        label,
        number,
        message_id,
        subject,
        name,
        address,
        sent_at,
        tuple(lists),
        _own_text(row),
        tuple(in_reply_to),
        tuple(references),
        posting_address(lists, recipients),
        marks,
    )


def posting_address(lists: Sequence[str], recipients: Sequence[str]) -> str:
    """Return the address of a list that a message was sent to; "" if none of its recipients is a list's.

    A List-Id is the posting address with a dot for the "@" (RFC 2919, 3), but for lists whose host was renamed:
    then the first label still is the local part.
    """
    named = [(one.partition(".")[0].lower(), one.lower()) for one in lists if one]
    addresses = [one.lower() for one in recipients]
    exact = [one for one in addresses if one.replace("@", ".", 1) in {full for _, full in named}]
    similar = [one for one in addresses if one.partition("@")[0] in {name for name, _ in named}]
    for address in (*exact, *similar):
        try:
            checked = checked_address(address)
        except InvalidAddress:
            continue
        if checked.isascii():
            return checked
    return ""


def definition_item(kind: str, label: str, row: tuple[Any, ...]) -> DefinitionItem:
    """Return the item of a row of DEFINITIONS."""
    _, word, language, change, content, earlier = row
    author = content.get("realname") or content.get("username") or ""
    edited = earlier if change == "edited" and earlier else {}
    before = edited.get("definition") or ""
    return DefinitionItem(
        kind,
        label or word,
        word,
        language,
        change,
        content.get("definition", ""),
        content.get("notes", ""),
        author,
        before if before != content.get("definition") else "",
        changes_of(edited, content) if edited else (),
    )
