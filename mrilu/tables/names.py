"""Names that search looks up: of senders and of lists."""

from __future__ import annotations

from peewee import BigIntegerField, TextField
from playhouse.postgres_ext import IdentityField

from mrilu.tables.base import BaseModel


class Sender(BaseModel):
    """Who has written: the name and address of messages, kept by triggers; `key` is `sender_key` of both.

    One may be there twice, and stays when its last message is gone.
    """

    id = IdentityField()
    key = BigIntegerField(index=True)
    name = TextField()
    address = TextField()


class KnownList(BaseModel):
    """A List-Id that messages have or had, kept by triggers; one may be there twice."""

    id = IdentityField()
    name = TextField()
