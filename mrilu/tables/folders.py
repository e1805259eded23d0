"""What the archive knows of Maildirs as folders on disks: which directories they were, and what vanished at once."""

from __future__ import annotations

from peewee import (
    BooleanField,
    CompositeKey,
    DecimalField,
    DoubleField,
    IntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import BinaryJSONField, DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel


class MailFolder(BaseModel):
    """The directory that a folder of a Maildir was when known files were last seen in it ("" is the root).

    `device` is the boot's id and the device's number. `doubted_at` is when another one was first found there.
    """

    maildir = IntegerField()
    folder = TextField()
    device = TextField()
    inode = DecimalField(20, 0)
    doubted_at = DateTimeTZField(null=True)

    class Meta:
        primary_key = CompositeKey("maildir", "folder")


class MaildirPlace(BaseModel):
    """Where a service has a Maildir that it registered, and whether it watches it (`since` its last start)."""

    maildir = IntegerField()
    service = TextField()
    root = TextField()
    watched = BooleanField()
    since = DateTimeTZField()

    class Meta:
        primary_key = CompositeKey("maildir", "service")


class Vanishing(BaseModel):
    """Many files of a Maildir (`folder`: of that one; NULL: of several) that went at once: their messages are kept.

    `files` is how many are still missing. It ends when they are back, when a person confirms it, or by time.
    """

    id = IdentityField()
    maildir = IntegerField()
    folder = TextField(null=True)
    since = DateTimeTZField()
    files = IntegerField()
    ended_at = DateTimeTZField(null=True)
    outcome = TextField(null=True)

    @classmethod
    def open_of(cls, maildir: int) -> list[Vanishing]:
        """Return those of a Maildir that are held back, oldest first."""
        rows = cls.select().where((cls.maildir == maildir) & cls.ended_at.is_null())
        return list(rows.order_by(cls.since, cls.id))


class RemovedMessage(BaseModel):
    """The identity of a message that was removed with its last file: when it comes back it is not news."""

    identity = UUIDField(primary_key=True)
    removed_at = DateTimeTZField(index=True)


class LedgerCheck(BaseModel):
    """The last look at a watched Maildir's ledger.

    `complete_to` is when a look last found nothing waiting (NULL: never yet), `waiting` and `rejected` are files, and
    `trouble` is the kind of what kept this look from seeing all, "" if nothing did. `seconds` is how long it took.
    `facts` is the ledger that was drawn up (mrilu/archive/ledger_checks.py), for operators.
    """

    maildir = IntegerField(primary_key=True)
    checked_at = DateTimeTZField()
    complete_to = DateTimeTZField(null=True)
    waiting = IntegerField()
    rejected = IntegerField()
    trouble = TextField()
    seconds = DoubleField()
    facts = BinaryJSONField(index=False, null=True)
