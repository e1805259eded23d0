"""A deterministic encoder and small dictionaries: what the tests of meaning are made with."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from models import Definition, Keyword, Language, Sentence, Word, db
from mrilu.embeddings.chunks import Spans
from mrilu.embeddings.model import Model

DIMENSIONS = 32
NOW = datetime(2026, 11, 24, tzinfo=UTC)
WORD = re.compile(r"\w+")
TOKEN = re.compile(r"\w+|[^\w\s]")


def fake_model(name: str = "fake@1", max_tokens: int = 32) -> Model:
    return Model(name, name, Path("nowhere"), DIMENSIONS, max_tokens)


class FakeEncoder:
    """Texts that share words are near to each other; `encoded` holds all texts in their order."""

    def __init__(
        self,
        model: Model | None = None,
        heard: Callable[[Sequence[str]], None] = lambda texts: None,
    ) -> None:
        self.model = model or fake_model()
        self.encoded: list[str] = []
        self.heard = heard

    def tokens(self, texts: Sequence[str]) -> list[Spans]:
        return [[match.span() for match in TOKEN.finditer(text)] for text in texts]

    def encode(self, texts: Sequence[str]) -> Any:
        self.heard(texts)
        self.encoded.extend(texts)
        summed = np.array(
            [
                sum((_direction(word) for word in WORD.findall(text.lower())), _direction(""))
                for text in texts
            ]
        )
        return (summed / np.linalg.norm(summed, axis=1, keepdims=True)).astype(np.float32)


def _direction(word: str) -> Any:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(DIMENSIONS) * (1 if word else 0.01)


def define(
    word: str,
    text: str,
    glosses: Sequence[str] = (),
    notes: str = "",
    language: str = "en",
    kind: str = "gismu",
) -> Definition:
    """Add a word with one definition, indexed as the dictionary sync does."""
    tongue, _ = Language.get_or_create(
        tag=language, defaults={"name": language, "source": "", "synced_at": NOW}
    )
    entry, _ = Word.get_or_create(
        word=word, defaults={"type": kind, "rafsi": [], "unofficial": False}
    )
    made = Definition.create(
        language=tongue.id,
        word=entry.id,
        source_id=Definition.select().count() + 1,
        text=text,
        notes=notes,
        selmaho="",
        username="",
        realname="",
        content_hash=uuid.uuid4(),
        added_at=NOW,
        changed_at=NOW,
    )
    for position, gloss in enumerate(glosses, 1):
        Keyword.create(
            language=tongue.id,
            direction="from",
            definition=made.id,
            valsi=word,
            text=gloss,
            sense="",
            place=0,
            position=position,
        )
    index(made)
    return made


def index(definition: Definition) -> None:
    db.execute_sql(
        "UPDATE definition SET search = definition_search(id) WHERE id = %s", (definition.id,)
    )


def change(definition: Definition, **fields: Any) -> None:
    """Change a definition as the dictionary sync does: its content hash changes, too."""
    Definition.update(content_hash=uuid.uuid4(), **fields).where(
        Definition.id == definition.id
    ).execute()
    index(definition)


def pair(lojban: str, english: str) -> int:
    return Sentence.insert(
        pair_hash=uuid.uuid4(),
        lojban=lojban,
        english=english,
        rating="",
        added_at=NOW,
        changed_at=NOW,
    ).execute()
