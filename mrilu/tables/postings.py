"""What pages of lists and threads are found by; triggers keep it (migrations 0024, 0036, 0041)."""

from __future__ import annotations

from peewee import BigIntegerField, CompositeKey, DateField
from playhouse.postgres_ext import DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel


class Posting(BaseModel):
    """A message on a list, kept by triggers; `list` is `list_number` of its List-Id, that of "" for mail of no list."""

    list = BigIntegerField()
    sent_at = DateTimeTZField()
    message = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("list", "sent_at", "message")


class PostingCount(BaseModel):
    """How many messages a list has in a month (UTC; its first day), kept by triggers: the sum of all such rows.

    What changes about these messages, or their threads, writes one of the rows anew (migration 0041).
    """

    id = IdentityField()
    list = BigIntegerField()
    month = DateField()
    messages = BigIntegerField()

    class Meta:
        indexes = ((("list", "month"), False),)


class ThreadVersion(BaseModel):
    """The version of a thread: its rows, and the transactions that wrote them; none where it is as it was made."""

    thread = BigIntegerField()
    part = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("thread", "part")
