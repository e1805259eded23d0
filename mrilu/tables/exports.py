"""The cache of dictionary exports, and what could not be exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from peewee import BigIntegerField, BlobField, DoubleField, IntegerField, TextField, fn
from playhouse.postgres_ext import DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel, db
from mrilu.tables.dictionary import Language

PIECE = 1024 * 1024


class CachedExport(BaseModel):
    """The last good copy of one language in one format (pdf, latex, xml, json, tsv, stardict, epub)."""

    id = IdentityField()
    language = IntegerField()
    format = TextField()
    filename = TextField()
    content_type = TextField()
    content = BlobField()
    size = BigIntegerField()
    sha256 = TextField()
    source_hash = TextField()
    seconds = DoubleField()
    built_at = DateTimeTZField()

    @classmethod
    def source_hashes(cls, language: int) -> dict[str, str]:
        """Return from what each format of the language was built."""
        rows = cls.select(cls.format, cls.source_hash).where(cls.language == language)
        return {row.format: row.source_hash for row in rows}

    @classmethod
    def store(cls, language: int, name: str, **facts: Any) -> None:
        """Replace the copy of one format, and forget that it ever failed; both or neither."""
        with db.atomic():
            cls.insert(language=language, format=name, **facts).on_conflict(
                conflict_target=[cls.language, cls.format], update=facts
            ).execute()
            FailedExport.forget(language, name)

    @classmethod
    def listed(cls) -> list[dict[str, Any]]:
        """Return what is cached (without content): tag, name, format, filename, content_type, size, sha256 ..."""
        facts = (
            cls.format,
            cls.filename,
            cls.content_type,
            cls.size,
            cls.sha256,
            cls.seconds,
            cls.built_at,
        )
        query = cls.select(Language.tag, Language.name, *facts).join(
            Language, on=(Language.id == cls.language)
        )
        rows: Any = query.order_by(Language.tag, cls.format).dicts()
        return list(rows)

    @classmethod
    def find(cls, tag: str, name: str) -> CachedExport | None:
        """Return the copy of a language (by its tag) in a format, without content; None when there is none."""
        wanted = [field for field in cls._meta.sorted_fields if field is not cls.content]
        query = cls.select(*wanted).join(Language, on=(Language.id == cls.language))
        return query.where(Language.tag == tag, cls.format == name).first()

    def pieces(self, piece: int = PIECE) -> Iterator[bytes]:
        """Yield the content in pieces of at most `piece` bytes, so that no process holds it whole.

        All come from one copy: it stops with LookupError when the copy was replaced in between.
        """
        for start in range(0, self.size, piece):
            yield self.part(start, piece)

    def part(self, start: int, length: int) -> bytes:
        """Return at most `length` bytes of the content from `start` on. Raises LookupError as `pieces` does."""
        content = fn.substring(CachedExport.content, start + 1, length)
        query = CachedExport.select(content.alias("piece")).where(
            CachedExport.id == self.id, CachedExport.sha256 == self.sha256
        )
        row = query.tuples().first()
        if row is None:
            raise LookupError(f"{self.filename} was replaced while it was read")
        return bytes(row[0])


class FailedExport(BaseModel):
    """Why a language could not be exported in a format at the last try."""

    id = IdentityField()
    language = IntegerField()
    format = TextField()
    error = TextField()
    failed_at = DateTimeTZField()

    @classmethod
    def note(cls, language: int, name: str, error: str, moment: datetime) -> None:
        """Remember the failure; the copy in the cache stays."""
        facts = {"error": error, "failed_at": moment}
        cls.insert(language=language, format=name, **facts).on_conflict(
            conflict_target=[cls.language, cls.format], update=facts
        ).execute()

    @classmethod
    def forget(cls, language: int, name: str) -> None:
        """Forget that a format failed: its copy in the cache is the current one."""
        cls.delete().where(cls.language == language, cls.format == name).execute()

    @classmethod
    def forget_all_but(cls, formats: Iterable[str]) -> None:
        """Forget failures of formats that are built no more."""
        cls.delete().where(cls.format.not_in(list(formats))).execute()

    @classmethod
    def listed(cls) -> list[dict[str, Any]]:
        """Return all failures: tag, format, error, failed_at."""
        query = cls.select(Language.tag, cls.format, cls.error, cls.failed_at)
        rows: Any = (
            query.join(Language, on=(Language.id == cls.language))
            .order_by(Language.tag, cls.format)
            .dicts()
        )
        return list(rows)
