"""Vectors of meaning by model; what wrote them is mrilu/embeddings."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    BooleanField,
    CompositeKey,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
)
from playhouse.postgres_ext import DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel, db


class EmbeddingModel(BaseModel):
    """A model whose vectors are kept; `source` is what EMBEDDING_MODEL said, `current` is the one that is searched."""

    id = IdentityField()
    name = TextField(unique=True)
    source = TextField()
    dimensions = SmallIntegerField()
    current = BooleanField(default=False)
    added_at = DateTimeTZField()

    @classmethod
    def searched(cls) -> EmbeddingModel | None:
        """Return the model whose vectors are searched; None before the first run."""
        return cls.get_or_none(cls.current)

    @classmethod
    def register(cls, name: str, source: str, dimensions: int) -> EmbeddingModel:
        """Return the row of a model; the very first one is searched while it is still being filled."""
        db.execute_sql(
            "INSERT INTO embedding_model (name, source, dimensions, current) "
            "VALUES (%s, %s, %s, NOT EXISTS (SELECT FROM embedding_model)) "
            "ON CONFLICT (name) DO UPDATE SET source = excluded.source",
            (name, source, dimensions),
        )
        return cls.get(cls.name == name)

    def is_alone(self) -> bool:
        """Tell whether this model's vectors are searched and there are no others."""
        return (
            self.current
            and not EmbeddingModel.select().where(EmbeddingModel.id != self.id).exists()
        )

    def make_current(self) -> None:
        """Search this model's vectors from now on, and drop those of all others."""
        with db.atomic():
            EmbeddingModel.delete().where(EmbeddingModel.id != self.id).execute()
            EmbeddingModel.update(current=True).where(EmbeddingModel.id == self.id).execute()


class Embedded(BaseModel):
    """A source that has been embedded: `state` is its content then, `recipe` how its text was made of it."""

    model = SmallIntegerField()
    kind = TextField()
    owner = BigIntegerField()
    state = UUIDField()
    recipe = SmallIntegerField()
    chunks = SmallIntegerField()

    class Meta:
        primary_key = CompositeKey("model", "kind", "owner")


class Embedding(BaseModel):
    """One chunk of a source with its vector; `start` is its place (characters) in a message's own text.

    Vectors are read and written in binary by mrilu/embeddings, not through here.
    """

    model = SmallIntegerField()
    kind = TextField()
    owner = BigIntegerField()
    chunk = SmallIntegerField()
    text_hash = UUIDField()
    start = IntegerField()
    vector = TextField()

    class Meta:
        primary_key = CompositeKey("model", "kind", "owner", "chunk")
