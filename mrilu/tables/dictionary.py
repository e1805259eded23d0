"""The dictionary and the sentence pairs, with where they come from."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigIntegerField,
    BooleanField,
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

from mrilu.tables.base import BaseModel


class Source(BaseModel):
    """Where a corpus was last read from, with what a conditional download needs (RFC 9110, 13.1)."""

    url = TextField(primary_key=True)
    etag = TextField()
    last_modified = TextField()
    sha256 = TextField()
    rows = IntegerField()
    reader = SmallIntegerField()
    fetched_at = DateTimeTZField()

    @classmethod
    def note(cls, url: str, **facts: Any) -> None:
        """Remember what was read, in the transaction that stores it: a refused file is asked for again."""
        cls.insert(url=url, **facts).on_conflict(conflict_target=[cls.url], update=facts).execute()


class Language(BaseModel):
    """A language that Lojban words are defined in, named as its export jbo-TAG.xml is."""

    id = IdentityField()
    tag = TextField(unique=True)
    name = TextField()
    source = TextField()
    synced_at = DateTimeTZField()


class Word(BaseModel):
    """A Lojban word (valsi), with the facts of the definition that changed last."""

    id = IdentityField()
    word = TextField(unique=True)
    type = TextField()
    rafsi = ArrayField(TextField, index=False)
    unofficial = BooleanField()


class Definition(BaseModel):
    """One definition of a word in one language; `source_id` is jbovlaste's definitionid.

    `type` is None until the definition is written by a version that keeps its facts with it: the word's then count.
    """

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
    search = TSVectorField(index=False)
    type = TextField(null=True)
    rafsi = ArrayField(TextField, index=False, default=list)
    unofficial = BooleanField(default=False)
    jargon = TextField(default="")
    etymology = TextField(default="")
    examples = ArrayField(TextField, index=False, default=list)
    tags = ArrayField(TextField, index=False, default=list)


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
    search = TSVectorField(index=False)
