"""The words of the dictionary, with their definitions."""

from __future__ import annotations

from typing import Any

from models import Definition, Language, Word
from mrilu.notifications.compose import readable_definition


def definitions(word: str) -> list[dict[str, Any]]:
    """Return the definitions of a word in all languages, the best of each first."""
    rows: Any = (
        Definition.select(Definition, Word.word, Word.type, Language.tag, Language.name)
        .join(Word, on=Definition.word == Word.id)
        .switch(Definition)
        .join(Language, on=Definition.language == Language.id)
        .where(Word.word.in_([word, word.strip(" .")]), Definition.gone_at.is_null())
        .order_by(Language.tag, Definition.score.desc(nulls="LAST"), Definition.id)
        .dicts()
    )
    return [
        {
            **row,
            "text": readable_definition(row["text"]),
            "notes": readable_definition(row["notes"]),
        }
        for row in rows
    ]
