"""Puts the dictionary of each language into the cache in each format; what did not change is not built again."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rq.timeouts import BaseTimeoutException

from models import CachedExport, FailedExport, Language
from mrilu.exports import build
from mrilu.exports.book import Report
from mrilu.exports.fonts import NotInstalled
from mrilu.exports.rows import read_book, source_hash
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database
from mrilu.runtime.retry import is_transient
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

SHOWN = 10  # characters without a glyph that the log names


class ExportsFailed(Exception):
    """Some exports could not be built; their last good copies stay."""


@recorded
def export_dictionaries(
    languages: list[str] | None = None, formats: list[str] | None = None, force: bool = False
) -> dict[str, int]:
    """Build the exports whose data changed, of all languages or those named; return how many were built, unchanged ...

    `force` builds unchanged ones too. Those whose packages are not installed yet wait for the run that the end of
    the installation asks for. One that fails does not keep the others from being built; it makes the run fail at the
    end. Raises ExportsFailed.
    """
    database()
    wanted = tuple(formats or current_settings().export_formats)
    FailedExport.forget_all_but({*wanted, *current_settings().export_formats})
    counts: Counter[str] = Counter(built=0, unchanged=0)
    errors: dict[str, Exception] = {}
    chosen, done = _languages(languages), set[str]()
    # Again for formats whose packages were installed during the run: the run that the installation asked for was
    # refused beside this one.
    while ready := [name for name in _ready(wanted) if name not in done]:
        for language in chosen:
            export_language(language, ready, counts, errors, force=force)
        done.update(ready)
    waiting = len(chosen) * len(set(wanted) - done)
    if waiting:
        counts["waiting"] = waiting
    if errors:
        raise _failure(errors, counts)
    return dict(counts)


def _ready(formats: Iterable[str]) -> tuple[str, ...]:
    """Return those of the formats whose packages are there; log what the others wait for."""
    ready = []
    for name in formats:
        try:
            build.check_installed(name)
            ready.append(name)
        except NotInstalled as error:
            logger.info("format=%s waits: %s", name, error)
    return tuple(ready)


def _languages(tags: Iterable[str] | None) -> list[Language]:
    """Return the languages to export. Raises ExportsFailed for one that is not known."""
    known = {language.tag: language for language in Language.select().order_by(Language.tag)}
    unknown = sorted(set(tags or ()) - known.keys())
    if unknown:
        there = ", ".join(known) or "none"
        raise ExportsFailed(f"there is no dictionary of {', '.join(unknown)}; there is {there}")
    return [language for tag, language in known.items() if not tags or tag in tags]


def export_language(
    language: Language,
    formats: Iterable[str],
    counts: Counter[str],
    errors: dict[str, Exception],
    *,
    force: bool,
) -> None:
    """Build what is not current of one language; counts and errors (by "tag format") are added to."""
    # The hash is taken before the rows: should they change in between, the next run builds them again.
    data = source_hash(database().connection(), language.id)
    cached = {} if force else CachedExport.source_hashes(language.id)
    with tempfile.TemporaryDirectory(prefix="mrilu-") as folder:
        for name in formats:
            try:
                source = hashlib.sha256(f"{data} {build.builder_hash(name)}".encode()).hexdigest()
                if cached.get(name) == source:
                    FailedExport.forget(language.id, name)
                    counts["unchanged"] += 1
                    continue
                export_format(language, name, source, Path(folder))
                counts["built"] += 1
            except BaseTimeoutException:
                raise  # it is the job's own end that comes as an exception, wherever it is
            except Exception as error:
                if is_transient(error):
                    raise
                logger.exception(
                    "language=%s format=%s cannot be exported; the last copy stays",
                    language.tag,
                    name,
                )
                FailedExport.note(language.id, name, str(error), datetime.now(UTC))
                errors[f"{language.tag} {name}"] = error


def export_format(language: Language, name: str, source: str, folder: Path) -> None:
    """Build one language in one format and store it. Raises BuildFailed: nothing is stored."""
    settings, began = current_settings(), time.monotonic()
    book, target = _written_book(language, folder), folder / name
    report = build.build(
        name, book, target, build.Limits(settings.export_timeout, settings.export_memory)
    )
    seconds, content = time.monotonic() - began, target.read_bytes()
    target.unlink()
    database()
    CachedExport.store(
        language.id,
        name,
        filename=build.FORMATS[name].filename.format(tag=language.tag),
        content_type=build.FORMATS[name].content_type,
        content=content,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        source_hash=source,
        seconds=seconds,
        built_at=datetime.now(UTC),
    )
    _log_report(language.tag, name, report)
    logger.info(
        "exported language=%s format=%s bytes=%d seconds=%.1f",
        language.tag,
        name,
        len(content),
        seconds,
    )


def _written_book(language: Language, folder: Path) -> Path:
    """Return the file of the language's book for the builds; it is read from the database once a run."""
    path = folder / "book"
    if not path.exists():
        book = read_book(database().connection(), language.id, language.tag, language.name)
        path.write_text(book.to_json(), encoding="utf-8")
    return path


def _log_report(tag: str, name: str, report: Report) -> None:
    if report.missing:
        some = sorted(report.missing.items(), key=lambda pair: -pair[1])[:SHOWN]
        shown = " ".join(f"U+{ord(letter):04X}({number})" for letter, number in some)
        logger.warning(
            "without glyphs language=%s format=%s characters=%d: %s",
            tag,
            name,
            len(report.missing),
            shown,
        )
    for warning in report.warnings:
        logger.warning("export warning language=%s format=%s: %s", tag, name, warning)


def _failure(errors: dict[str, Exception], counts: Counter[str]) -> ExportsFailed:
    message = "; ".join(f"{what}: {error}" for what, error in errors.items())
    done = " ".join(f"{key}={number}" for key, number in counts.items())
    return ExportsFailed(f"{len(errors)} failed ({done}): {message}")
