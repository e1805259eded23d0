"""Names that search looks up: of senders and of lists."""

from __future__ import annotations

from peewee import BigIntegerField, TextField
from playhouse.postgres_ext import IdentityField

from mrilu.tables.base import BaseModel


class Sender(BaseModel):
    """Who has written: the name and address of messages, kept by triggers; `key` is `sender_key` of both.

    One may be there twice; it goes some time after its last message (mrilu/archive/left_names.py).
    """

    id = IdentityField()
    key = BigIntegerField(index=True)
    name = TextField()
    address = TextField()


class KnownList(BaseModel):
    """A List-Id that messages have, kept by triggers as a sender is; one may be there twice."""

    id = IdentityField()
    name = TextField()


class DoubtedName(BaseModel):
    """What a message no longer has, noted by triggers: the `key` of a sender, or the `name` of a list."""

    id = IdentityField()
    sender = BigIntegerField(null=True)
    list = TextField(null=True)
