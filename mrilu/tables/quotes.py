"""The quote graph; what writes it is mrilu/quotes."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    BooleanField,
    CompositeKey,
    IntegerField,
    SmallIntegerField,
    TextField,
)

from mrilu.tables.base import BaseModel


class Quote(BaseModel):
    """Lines of a message, body[start:stop], that came from body[source_start:source_stop] of `source`.

    `passage` to `last_passage` are the source's passages there; `whole`: all of its own words stand here unchanged;
    `answered`: the message's own words follow, and the lines are quoted the least deep of those above.
    """

    message = BigIntegerField()
    start = IntegerField()
    stop = IntegerField()
    source = BigIntegerField(index=True)
    source_start = IntegerField()
    source_stop = IntegerField()
    passage = SmallIntegerField()
    last_passage = SmallIntegerField()
    whole = BooleanField()
    answered = BooleanField()

    class Meta:
        primary_key = CompositeKey("message", "start")


class QuoteWait(BaseModel):
    """A message whose quotations are to be looked for, kept by triggers; `again`: only since a source may have come.

    `xid` is the transaction that wrote the message, `tries` how often a process began with it.
    """

    message = BigIntegerField(primary_key=True)
    xid = BigIntegerField()
    again = BooleanField(default=False)
    tries = SmallIntegerField(default=0)


class QuoteSought(BaseModel):
    """A message with quotations, `unfound` of them without a source; `seen` is the snapshot that was looked at."""

    message = BigIntegerField(primary_key=True)
    unfound = IntegerField()
    seen = TextField()
