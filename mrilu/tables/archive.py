"""The archive: Maildirs, messages, their files, rejected mail, threads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, NamedTuple

from peewee import (
    SQL,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    DoubleField,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import (
    ArrayField,
    BinaryJSONField,
    DateTimeTZField,
    IdentityField,
    TSVectorField,
)

from mrilu.mail.own_words.spans import own_text, paired
from mrilu.mail.permalinks import hash_of, permalink_in
from mrilu.tables.base import BaseModel, db

WATCH_ONLY = """
DELETE FROM maildir_place AS p USING maildir AS m
 WHERE m.id = p.maildir AND p.service = %s AND p.watched AND m.name <> ALL(%s)
"""
WATCHED_BY_ANY = """
UPDATE maildir AS m SET watched = NOT watched
 WHERE watched <> (name = ANY(%s) OR EXISTS (SELECT FROM maildir_place AS p WHERE p.maildir = m.id AND p.watched))
"""


class FileCounts(NamedTuple):
    """The database's side of one Maildir's ledger, in files."""

    imported: int
    copies: int
    rejected: int


class Here(NamedTuple):
    """The service that this process belongs to, and where its settings say that each Maildir lies."""

    service: str
    roots: Mapping[str, str]


class Maildir(BaseModel):
    """A Maildir (or flat folder of mail) whose files the archive accounts for.

    `root` is where the service that registered it last has it; `place` is where it lies for this one. `mark` is what
    its file of this name holds (mrilu/maildir/mark.py). `here` is set when the database is bound.
    """

    here: ClassVar[Here] = Here("", {})

    id = IdentityField()
    name = TextField(unique=True)
    root = TextField()
    kind = TextField()
    watched = BooleanField()
    added_at = DateTimeTZField()
    restored_at = DateTimeTZField(null=True)
    gone_confirmed_at = DateTimeTZField(null=True)
    mark = UUIDField(null=True)

    @property
    def place(self) -> str:
        """Where it lies on this host: where MAILDIR_PATH says, else where it was registered."""
        return self.place_of(self.name, self.root)

    @classmethod
    def place_of(cls, name: str, root: str) -> str:
        """Return where the Maildir `name`, registered at `root`, lies on this host."""
        return cls.here.roots.get(name) or root

    @property
    def awaited_since(self) -> datetime:
        """Since when its files are looked for: those that lay there before were not late."""
        return max(self.added_at, self.restored_at or self.added_at)

    @classmethod
    def mark_restored(cls) -> None:
        """Note that a backup was restored now."""
        db.execute_sql("UPDATE maildir SET restored_at = now()")

    @classmethod
    def register(cls, name: str, root: str, kind: str, *, watched: bool = True) -> Maildir:
        """Record where the Maildir `name` is now; its files keep their rows when the root moved."""
        row = cls._upsert(name, root, kind, watched)
        return cls.get_by_id(row)

    @classmethod
    def _upsert(cls, name: str, root: str, kind: str, watched: bool) -> int:
        cursor = db.execute_sql(
            "INSERT INTO maildir (name, root, kind, watched) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (name) DO UPDATE SET root = excluded.root, kind = excluded.kind, "
            "watched = maildir.watched OR excluded.watched RETURNING id",
            (name, root, kind, watched),
        )
        return cursor.fetchone()[0]

    @classmethod
    def add(cls, name: str, root: str, kind: str) -> Maildir | None:
        """Register a folder that is not watched; None if the name is another's already."""
        cursor = db.execute_sql(
            "INSERT INTO maildir (name, root, kind, watched) VALUES (%s, %s, %s, false) "
            "ON CONFLICT (name) DO NOTHING RETURNING id",
            (name, root, kind),
        )
        row = cursor.fetchone()
        return cls.get_by_id(row[0]) if row else None

    def has_files(self) -> bool:
        """Tell whether the database knows a file that should be on disk."""
        return any(self.file_counts())

    def is_known(self) -> bool:
        """Tell whether the database has ever known a file of it."""
        row = db.execute_sql(
            "SELECT EXISTS (SELECT FROM location WHERE maildir = %s) "
            "OR EXISTS (SELECT FROM rejected WHERE maildir = %s)",
            (self.id, self.id),
        ).fetchone()
        return bool(row[0])

    @classmethod
    def watch_only(cls, names: tuple[str, ...]) -> None:
        """Note that this service watches these Maildirs and no others; those of other services stay as they are."""
        db.execute_sql(WATCH_ONLY, (cls.here.service, list(names)))
        db.execute_sql(WATCHED_BY_ANY, (list(names),))

    def file_counts(self) -> FileCounts:
        """Count the live files that the database knows: imported, copies, rejected."""
        row = db.execute_sql(
            "SELECT count(*) FILTER (WHERE NOT copy), count(*) FILTER (WHERE copy), "
            "(SELECT count(*) FROM rejected WHERE maildir = %s AND gone_at IS NULL) "
            "FROM location WHERE maildir = %s AND gone_at IS NULL",
            (self.id, self.id),
        ).fetchone()
        return FileCounts(*row)


class Message(BaseModel):
    """One message, however many files hold it; see RFC 5322 for the header's fields.

    `own_spans` are start, end, start, end ... character offsets in `body` of what the author wrote.
    `node` is the 64-bit hash of the Message-ID that thread_link knows it by. `text_state` changes whenever
    another text is read out of its file (NULL: it never did). `permalink` finds it by the hash of its Message-ID
    (mrilu/mail/permalinks.py), `utc_offset` is the sender's clock in minutes east of Greenwich, and `restrictions`
    are bits of what stands against showing it (mrilu/tables/visibility.py).
    """

    id = IdentityField()
    identity = UUIDField(unique=True)
    message_id = TextField()
    message_id_derived = BooleanField()
    node = BigIntegerField(index=True)
    subject = TextField()
    cleaned_subject = TextField()
    subject_key = BigIntegerField(null=True)
    orphan = BooleanField()
    from_name = TextField()
    from_address = TextField()
    to_addresses = BinaryJSONField(index=False)
    cc_addresses = BinaryJSONField(index=False)
    sent_at = DateTimeTZField(index=True)
    date_source = TextField()
    list_ids = ArrayField(TextField, index=False)
    in_reply_to = ArrayField(TextField, index=False)
    reference_ids = ArrayField(TextField, index=False)
    body = TextField()
    own_spans = ArrayField(IntegerField, index=False)
    parts = BinaryJSONField(index=False)
    has_attachment = BooleanField()
    signed = BooleanField()
    encrypted = BooleanField()
    defects = ArrayField(TextField, index=False)
    parser_version = SmallIntegerField(index=True)
    imported_at = DateTimeTZField()
    search = TSVectorField()
    text_state = UUIDField(null=True)
    permalink = BigIntegerField(index=True)
    utc_offset = SmallIntegerField(null=True)
    restrictions = SmallIntegerField(default=0)

    @classmethod
    def with_message_id(cls, node: int, message_id: str) -> list[Message]:
        """Return the messages that carry this Message-ID, oldest first (several when it was re-used)."""
        rows = cls.select().where(cls.node == node, cls.message_id == message_id)
        return list(rows.order_by(cls.sent_at, cls.id))

    @classmethod
    def at_permalink(cls, message_hash: str) -> list[Message]:
        """Return the messages whose Message-ID has this hash, oldest first."""
        number = permalink_in(message_hash)
        rows = cls.select().where(cls.permalink == number) if number is not None else ()
        found = [row for row in rows if hash_of(row.message_id) == message_hash.upper()]
        return sorted(found, key=lambda row: (row.sent_at, row.id))

    @classmethod
    def numbers(cls) -> tuple[int, int]:
        """Count the messages, and those whose Message-ID another message (other From or Date) carries too."""
        # From the index on `node` alone, in its order: no message is read, nothing is grouped or sorted.
        messages, ids = db.execute_sql(
            "SELECT count(*), count(DISTINCT node) FROM message"
        ).fetchone()
        return messages, messages - ids

    def own_text(self) -> str:
        """Return the author's own words: the body without quoted lines, attributions and signature."""
        return own_text(self.body, paired(self.own_spans))

    def thread_id(self) -> int:
        """Return the thread this message belongs to."""
        return db.execute_sql(
            "SELECT thread FROM thread_link WHERE node = %s", (self.node,)
        ).fetchone()[0]


class Withholding(BaseModel):
    """An operator's decision that a message is not shown; kept by identity, so that a new import does not undo it.

    `kind` is hidden (it can be shown again) or erased (its text is out of the database). `by` and `reason` are for
    operators.
    """

    identity = UUIDField(primary_key=True)
    message_id = TextField()
    kind = TextField()
    by = TextField()
    reason = TextField()
    decided_at = DateTimeTZField()


class Location(BaseModel):
    """One file of a Maildir and the message it holds; identity is never the path.

    A move new/ -> cur/, a flag change or a new ",S=" suffix changes this row, since `unique_name` stays. `mtime`
    (seconds since 1970) and `size` are those of the file that was read; `vanishing` with many others it went.
    `named` are Message-IDs that this copy of the message refers to and no file before it did (NULL: none).
    """

    id = IdentityField()
    maildir = IntegerField()
    folder = TextField()
    unique_name = TextField()
    nth = SmallIntegerField()
    subdir = TextField()
    name = TextField()
    flags = TextField()
    size = BigIntegerField()
    list_id = TextField(null=True)
    message = BigIntegerField(index=True)
    copy = BooleanField()
    named = ArrayField(TextField, index=False, null=True)
    first_seen = DateTimeTZField()
    last_seen = DateTimeTZField()
    gone_at = DateTimeTZField(null=True)
    mtime = DoubleField(null=True)
    vanishing = IntegerField(null=True)

    def path(self) -> str:
        """Return the file's path below its Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)

    @classmethod
    def of_message(cls, message: int) -> list[Location]:
        """Return the files that hold this message, first seen first."""
        return list(cls.select().where(cls.message == message).order_by(cls.first_seen, cls.id))


# "too-slow" is also the parser's word for a mail that took its time; only that of the whole import is meant.
RECONSIDER = """
UPDATE rejected SET parser_version = 0
 WHERE maildir = %s AND gone_at IS NULL AND parser_version > 0
   AND (reason = 'killed-worker' OR (reason = 'too-slow' AND strpos(error, 'IMPORT_TIMEOUT') > 0))
   AND last_seen < now() - least(interval '1 day', interval '1 hour' * 2 ^ least(attempts - 1, 10))
"""


class Rejected(BaseModel):
    """One file that could not be imported, with the reason; nothing is thrown away.

    `message_id` and `list_ids` are of its header, as far as that could be read.
    """

    id = IdentityField()
    maildir = IntegerField()
    folder = TextField()
    unique_name = TextField()
    nth = SmallIntegerField()
    subdir = TextField()
    name = TextField()
    size = BigIntegerField()
    reason = TextField()
    error = TextField()
    attempts = IntegerField()
    parser_version = SmallIntegerField()
    first_seen = DateTimeTZField()
    last_seen = DateTimeTZField()
    gone_at = DateTimeTZField(null=True)
    mtime = DoubleField(null=True)
    message_id = TextField(null=True)
    list_ids = ArrayField(TextField, index=False, null=True)

    def path(self) -> str:
        """Return the file's path below its Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)

    @classmethod
    def with_message_id(cls, name: str) -> list[Rejected]:
        """Return the live files that were rejected and have this Message-ID, the last first."""
        same = SQL("md5(message_id) = md5(%s)", (name,)), cls.message_id == name
        return list(cls.select().where(*same, cls.gone_at.is_null()).order_by(cls.id.desc()))

    @classmethod
    def reconsider(cls, maildir: int) -> int:
        """Let the next rescan try files again that were set aside a while ago for a worker's end; return how many.

        The fault may have been another's, such as a machine without memory. The while is an hour and doubles
        with each attempt, up to a day.
        """
        return int(db.connection().execute(RECONSIDER, (maildir,)).rowcount)

    @classmethod
    def unreadable(cls, maildir: int, limit: int) -> list[Rejected]:
        """Return the live files that could not be read when they were tried, `limit` at most."""
        found = cls.select().where(
            cls.maildir == maildir, cls.reason == "unreadable", cls.gone_at.is_null()
        )
        return list(found.limit(limit))

    @classmethod
    def by_reason(cls) -> dict[str, int]:
        """Count the live rejected files of all Maildirs by reason."""
        cursor = db.execute_sql(
            "SELECT reason, count(*) FROM rejected WHERE gone_at IS NULL GROUP BY reason ORDER BY 2 DESC, 1"
        )
        return dict(cursor.fetchall())


class Thread(BaseModel):
    """One conversation; `merged_into` leads on from a thread that a late parent joined to another."""

    id = IdentityField()
    merged_into = BigIntegerField(null=True)


class ThreadLink(BaseModel):
    """Which thread a Message-ID belongs to, be it seen or only referenced; `origin` is the one it came to first."""

    node = BigIntegerField(primary_key=True)
    thread = BigIntegerField(index=True)
    origin = BigIntegerField(null=True)


class ThreadEdge(BaseModel):
    """Why a message (`node`) is in the thread of `other`: it names it (sequence 0), or follows it by subject."""

    message = BigIntegerField()
    other = BigIntegerField(index=True)
    sequence = BigIntegerField()
    node = BigIntegerField(index=True)

    class Meta:
        primary_key = CompositeKey("message", "other", "sequence")


class SubjectEntry(BaseModel):
    """A message's place in a list's sequence of equal subjects; `orphan`: it is a reply that names no parent."""

    sequence = BigIntegerField()
    sent_at = DateTimeTZField()
    identity = UUIDField()
    message = BigIntegerField(index=True)
    node = BigIntegerField()
    orphan = BooleanField()

    class Meta:
        primary_key = CompositeKey("sequence", "sent_at", "identity")
