"""Reads the dictionary's exports (DICTIONARY_SOURCE) into the database, one language at a time."""

from __future__ import annotations

import logging
import re
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from peewee import PostgresqlDatabase

from models import Definition, Language, Source
from mrilu.dictionary.entries import Export, ExportUnreadable, Skipped
from mrilu.dictionary.jbovlaste_xml import READER_VERSION, read_export
from mrilu.dictionary.store import mark_language_gone, store_export
from mrilu.downloads.errors import SourceError, SourceRefused, SourceUnreachable
from mrilu.downloads.fetch import Fetched, Limits, fetch
from mrilu.downloads.sources import note_source, validators_of
from mrilu.notifications.events import notify_changed_definitions
from mrilu.queues.runs import recorded
from mrilu.queues.wake import wake_embedding
from mrilu.runtime.database import database
from mrilu.runtime.retry import CONTENT
from mrilu.settings.current import current_settings
from mrilu.settings.table import Settings

logger = logging.getLogger(__name__)

_FILE = re.compile(r"jbo-([A-Za-z0-9-]{1,35})\.(?:xml|json)\Z")
SHOWN = 20  # entries that were skipped, or lost something, that the log names
ALL_MAY_GO = 100  # percent


class DictionaryNotSynced(SourceError):
    """Some languages could not be synced; they stay as they were."""


@recorded
def sync_dictionary(force: bool = False) -> dict[str, int]:
    """Read every export of DICTIONARY_SOURCE into the dictionary; return how much was added, edited, gone ...

    `force` reads unchanged files too and takes those that shrink, or that were deleted. A language that
    fails does not keep the others from being synced; it makes the run fail at the end.
    Raises DictionaryNotSynced, or SourceUnreachable when a later try may succeed.
    """
    settings, db = current_settings(), database()
    exports = find_exports(settings)
    counts: Counter[str] = Counter()
    errors: dict[str, SourceError] = {}
    for tag, source in sorted(exports.items()):
        try:
            counts.update(sync_language(db, tag, source, settings, force=force))
        except SourceError as error:
            logger.exception("language=%s cannot be synced source=%s", tag, source)
            errors[tag] = error
        except CONTENT as error:
            logger.exception("language=%s cannot be stored source=%s", tag, source)
            told = str(error).partition("\n")[0]
            errors[tag] = SourceRefused(f"{source} cannot be stored: {told}")
    errors |= _miss_languages(db, settings, set(exports), counts, force=force)
    if any(counts[change] for change in ("added", "edited", "returned", "gone")):
        wake_embedding(recent=False)
    if errors:
        _raise(errors)
    return dict(counts)


def find_exports(settings: Settings) -> dict[str, str]:
    """Return the sources by language tag. Raises SourceRefused when the folder has none."""
    folder = settings.dictionary_folder
    if folder is None:
        return settings.dictionary_urls
    found: dict[str, str] = {}
    for name in sorted(_names(folder)):
        match = _FILE.match(name)
        if match and match[1] in found:
            raise SourceRefused(
                f"DICTIONARY_SOURCE: {folder} has two exports of {match[1]}: "
                f"{Path(found[match[1]]).name} and {name}; remove one"
            )
        if match:
            found[match[1]] = str(folder / name)
    if not found:
        raise SourceRefused(
            f"DICTIONARY_SOURCE: the folder {folder} has no jbo-LANG.xml and no jbo-LANG.json"
        )
    return found


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise SourceRefused(
            f"DICTIONARY_SOURCE: {folder} cannot be read: {error.strerror}"
        ) from error


def sync_language(
    db: PostgresqlDatabase, tag: str, source: str, settings: Settings, *, force: bool
) -> dict[str, int]:
    """Sync one language from its URL or file; {"unchanged": 1} when it is the file that was read before.

    Raises SourceError.
    """
    known = validators_of(source, READER_VERSION, -1 if force else _live(tag, source))
    with tempfile.TemporaryDirectory(prefix="mrilu-") as folder:
        fetched = fetch(
            source,
            Path(folder),
            known,
            Limits(settings.download_timeout, settings.max_download_bytes),
        )
        if fetched is None:
            logger.info("language=%s unchanged source=%s", tag, source)
            return {"languages": 1, "unchanged": 1}
        export = _read(fetched, source)
    export.language = export.language or tag
    _log_incomplete(tag, export)
    reread = _read_by_another_version(source)
    moment = datetime.now(UTC)
    with db.atomic():
        counts = store_export(
            db,
            tag,
            source,
            export,
            moment,
            ALL_MAY_GO if force else settings.max_shrink,
            reread=reread,
        )
        notify_changed_definitions(db.connection(), Language.get(Language.tag == tag).id, moment)
        note_source(source, fetched, READER_VERSION, counts["definitions"], moment)
    logger.info("dictionary stored language=%s %s", tag, counts)
    return {"languages": 1, **counts}


def _live(tag: str, source: str) -> int:
    """Count the language's definitions if this source gave them; -1 when another did."""
    language = Language.get_or_none(Language.tag == tag, Language.source == source)
    if language is None:
        return -1
    return (
        Definition.select()
        .where(Definition.language == language.id, Definition.gone_at.is_null())
        .count()
    )


def _read(fetched: Fetched, source: str) -> Export:
    try:
        with fetched.path.open("rb") as file:
            return read_export(file)
    except (ExportUnreadable, OSError) as error:
        kind = f" ({fetched.content_type})" if fetched.content_type else ""
        raise SourceRefused(
            f"{source}{kind} is not a jbovlaste export, and none of lensisku: {error}"
        ) from error


def _read_by_another_version(source: str) -> bool:
    """Tell whether this source was read before by a version of our reader that may have read it differently."""
    known = Source.get_or_none(Source.url == source)
    return known is not None and known.reader != READER_VERSION


def _log_incomplete(tag: str, export: Export) -> None:
    """Log which entries were skipped, and what was lost of others."""
    _log_each(tag, "skipped", export.skipped)
    _log_each(tag, "lost", export.lost)


def _log_each(tag: str, what: str, entries: list[Skipped]) -> None:
    for word, reason in entries[:SHOWN]:
        logger.warning("language=%s %s word=%r: %s", tag, what, word, reason)
    if len(entries) > SHOWN:
        logger.warning("language=%s %s more entries=%d", tag, what, len(entries) - SHOWN)


def _miss_languages(
    db: PostgresqlDatabase,
    settings: Settings,
    present: set[str],
    counts: Counter[str],
    *,
    force: bool,
) -> dict[str, SourceError]:
    """Treat languages whose export was deleted as sources that shrank to nothing; return the errors."""
    errors: dict[str, SourceError] = {}
    folder = settings.dictionary_folder
    for language in Language.select():
        if language.tag in present or folder is None or Path(language.source).parent != folder:
            continue
        if _live(language.tag, language.source) <= 0:
            continue
        if not force:
            errors[language.tag] = SourceRefused(
                f"{language.source} was deleted; if that is right, use --force"
            )
            continue
        with db.atomic():
            counts["gone"] += mark_language_gone(db, language.tag, datetime.now(UTC))
    return errors


def _raise(errors: dict[str, SourceError]) -> None:
    message = "; ".join(f"{tag}: {error}" for tag, error in sorted(errors.items()))
    for error in errors.values():
        if isinstance(error, SourceUnreachable):
            raise SourceUnreachable(message) from error
    raise DictionaryNotSynced(message)
