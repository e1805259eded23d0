"""Peewee tables of the archive and the queries named by what they are for.

The schema itself is made by migrations/; a test compares the two. `db` is deferred: a process binds
it with `bind` when it has work to do, never at import (rq forks, and a connection must not be shared).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from peewee import (
    BigIntegerField,
    BooleanField,
    DoubleField,
    IntegerField,
    Model,
    PostgresqlDatabase,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import ArrayField, BinaryJSONField, DateTimeTZField, IdentityField, TSVectorField

db = PostgresqlDatabase(None)


def bind(url: str) -> PostgresqlDatabase:
    """Point `db` at the PostgreSQL of `url`; nothing connects yet.

    psycopg 3 is asked for by name because peewee takes psycopg2 where both are installed. The session
    runs in UTC so that every timestamp comes back in UTC whatever the server's default.
    """
    db.init(url, prefer_psycopg3=True, options="-c timezone=UTC -c application_name=mrilu", connect_timeout=10)
    return db


class BaseModel(Model):
    """Bound to the deferred database; table names are those of the migrations."""

    class Meta:
        database = db
        legacy_table_names = False


class FileCounts(NamedTuple):
    """The database's side of one Maildir's ledger, in files."""

    imported: int
    copies: int
    rejected: int


class Maildir(BaseModel):
    """A Maildir (or flat folder of mail) whose files the archive accounts for."""

    id = IdentityField()
    name = TextField(unique=True)
    root = TextField()
    kind = TextField()
    watched = BooleanField()
    added_at = DateTimeTZField()

    @classmethod
    def register(cls, name: str, root: str, kind: str, *, watched: bool = True) -> Maildir:
        """Note where the Maildir `name` lies now; its files keep their rows when the root moved."""
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
    `node` is the 64-bit hash of the Message-ID that thread_link knows it by.
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
    parser_version = SmallIntegerField()
    imported_at = DateTimeTZField()
    search = TSVectorField()

    @classmethod
    def with_message_id(cls, node: int, message_id: str) -> list[Message]:
        """Return the messages that carry this Message-ID, oldest first (several when it was re-used)."""
        rows = cls.select().where(cls.node == node, cls.message_id == message_id)
        return list(rows.order_by(cls.sent_at, cls.id))

    @classmethod
    def reused_ids(cls) -> int:
        """Count the messages whose Message-ID another message (other From or Date) carries too."""
        cursor = db.execute_sql(
            "SELECT coalesce(sum(n - 1), 0)::bigint FROM (SELECT count(*) AS n FROM message GROUP BY node) AS ids"
        )
        return cursor.fetchone()[0]

    def own_text(self) -> str:
        """Return the author's own words: the body without quoted lines, attributions and signature."""
        pairs = zip(self.own_spans[::2], self.own_spans[1::2], strict=True)
        return "".join(self.body[start:end] for start, end in pairs)

    def thread_id(self) -> int:
        """Return the thread this message belongs to."""
        return db.execute_sql("SELECT thread FROM thread_link WHERE node = %s", (self.node,)).fetchone()[0]


class Location(BaseModel):
    """One file of a Maildir and the message it holds; identity is never the path.

    A move new/ -> cur/, a flag change or a new ",S=" suffix changes this row, since `unique_name` stays.
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
    first_seen = DateTimeTZField()
    last_seen = DateTimeTZField()
    gone_at = DateTimeTZField(null=True)

    def path(self) -> str:
        """Return the file's path below its Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)

    @classmethod
    def of_message(cls, message: int) -> list[Location]:
        """Return the files that hold this message, first seen first."""
        return list(cls.select().where(cls.message == message).order_by(cls.first_seen, cls.id))


class Rejected(BaseModel):
    """One file that could not be imported, with the reason; nothing is thrown away."""

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

    def path(self) -> str:
        """Return the file's path below its Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)

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
    """Which thread a Message-ID belongs to, be it seen or only referenced."""

    node = BigIntegerField(primary_key=True)
    thread = BigIntegerField(index=True)


class JobRun(BaseModel):
    """One run of one job: when, how it ended, what it did. It outlives a flush of Redis.

    `slot` is the time that the schedule asked for (None: a person asked). The database lets a slot be
    running or done once, and a job run once at a time (jobs/runs.py).
    """

    id = IdentityField()
    job = TextField()
    rq_id = TextField()
    started_at = DateTimeTZField()
    ended_at = DateTimeTZField(null=True)
    outcome = TextField()
    counts = BinaryJSONField(index=False)
    error = TextField()
    slot = DateTimeTZField(null=True)
    worker = TextField(default="")

    @classmethod
    def record(cls, job: str, rq_id: str, started: datetime, ended: datetime, counts: dict[str, Any]) -> None:
        """Write the row of a run that ended well, in the caller's transaction."""
        cls.insert(
            job=job, rq_id=rq_id, started_at=started, ended_at=ended, outcome="done", counts=counts, error=""
        ).execute()

    @classmethod
    def claim(cls, job: str, rq_id: str, slot: datetime | None, worker: str, started: datetime) -> int | None:
        """Open the row of a run that starts; None when its slot is done or the job runs already."""
        cursor = db.execute_sql(
            "INSERT INTO job_run (job, rq_id, slot, worker, started_at, outcome) "
            "VALUES (%s, %s, %s, %s, %s, 'running') ON CONFLICT DO NOTHING RETURNING id",
            (job, rq_id, slot, worker, started),
        )
        row = cursor.fetchone()
        return row[0] if row else None

    @classmethod
    def close(cls, run: int, outcome: str, ended: datetime, counts: dict[str, Any], error: str) -> bool:
        """End a running row as "done" or "failed"; False when somebody has ended it before."""
        query = cls.update(outcome=outcome, ended_at=ended, counts=counts, error=error)
        return query.where(cls.id == run, cls.outcome == "running").execute() == 1

    @classmethod
    def running(cls, job: str | None = None) -> list[JobRun]:
        """Return the runs that have not ended, of one job or of all."""
        rows = cls.select().where(cls.outcome == "running")
        return list(rows.where(cls.job == job) if job else rows)

    @classmethod
    def latest(cls) -> list[JobRun]:
        """Return each job's most recent run, by the job's name."""
        rows = cls.select().distinct([cls.job]).order_by(cls.job, cls.started_at.desc())
        return list(rows)

    @classmethod
    def expire(cls, before: datetime) -> int:
        """Delete the runs that ended before that time, but the last of each job; return how many."""
        cursor = db.execute_sql(
            "DELETE FROM job_run WHERE ended_at < %s AND id NOT IN "
            "(SELECT DISTINCT ON (job) id FROM job_run ORDER BY job, started_at DESC)",
            (before,),
        )
        return cursor.rowcount


class Source(BaseModel):
    """Where a corpus was last read from, with what a conditional download needs (RFC 9110, 13.1)."""

    url = TextField(primary_key=True)
    etag = TextField()
    last_modified = TextField()
    sha256 = TextField()
    rows = IntegerField()
    fetched_at = DateTimeTZField()

    @classmethod
    def note(cls, url: str, etag: str, last_modified: str, sha256: str, rows: int, fetched: datetime) -> None:
        """Remember what was read, in the transaction that stores it: a refused file is asked for again."""
        facts = {"etag": etag, "last_modified": last_modified, "sha256": sha256, "rows": rows, "fetched_at": fetched}
        cls.insert(url=url, **facts).on_conflict(conflict_target=[cls.url], update=facts).execute()


class Language(BaseModel):
    """A language that Lojban words are defined in, named as its export jbo-TAG.xml is."""

    id = IdentityField()
    tag = TextField(unique=True)
    name = TextField()
    source = TextField()
    synced_at = DateTimeTZField()


class Word(BaseModel):
    """A Lojban word (valsi) and what all its definitions share."""

    id = IdentityField()
    word = TextField(unique=True)
    type = TextField()
    rafsi = ArrayField(TextField, index=False)
    unofficial = BooleanField()


class Definition(BaseModel):
    """One definition of a word in one language; `source_id` is jbovlaste's definitionid."""

    id = IdentityField()
    language = IntegerField()
    word = IntegerField()
    source_id = BigIntegerField()
    text = TextField()
    notes = TextField()
    selmaho = TextField()
    username = TextField()
    realname = TextField()
    score = DoubleField(null=True)
    content_hash = UUIDField()
    added_at = DateTimeTZField()
    changed_at = DateTimeTZField()
    gone_at = DateTimeTZField(null=True)


class DefinitionVersion(BaseModel):
    """The whole entry after one change (before it, when it went); `bulk` came with a source read for the first time."""

    id = IdentityField()
    definition = BigIntegerField()
    version = IntegerField()
    change = TextField()
    bulk = BooleanField()
    content = BinaryJSONField(index=False)
    recorded_at = DateTimeTZField(index=True)


class Keyword(BaseModel):
    """A gloss word (place 0) or place keyword of a definition, or an entry of the dictionary's other half.

    `direction` is "from" (Lojban, with a definition) or "to" (Lojban, without one).
    """

    id = IdentityField()
    language = IntegerField()
    direction = TextField()
    definition = BigIntegerField(null=True)
    valsi = TextField()
    text = TextField()
    sense = TextField()
    place = SmallIntegerField()
    position = SmallIntegerField()


class Sentence(BaseModel):
    """A Lojban sentence with its English and how good the pair is (muplis)."""

    id = IdentityField()
    pair_hash = UUIDField(unique=True)
    lojban = TextField()
    english = TextField()
    rating = TextField()
    added_at = DateTimeTZField()
    changed_at = DateTimeTZField()


DICTIONARY = (Source, Language, Word, Definition, DefinitionVersion, Keyword, Sentence)
ALL = (Maildir, Message, Location, Rejected, Thread, ThreadLink, JobRun, *DICTIONARY)
