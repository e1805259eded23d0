"""Stores an export as one language's dictionary, by difference and in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.dictionary import sql
from mrilu.dictionary.entries import Entry, Export, Reverse
from mrilu.downloads.errors import refuse_shrink


class Known(NamedTuple):
    """A definition that the database has; `gone` says that the last export no longer had it."""

    id: int
    content_hash: UUID
    gone: bool


class Changed(NamedTuple):
    """An entry to write, its hash, and what happened to it: added, edited or returned."""

    entry: Entry
    content_hash: UUID
    change: str


@dataclass
class Plan:
    """What to do so that the database has what the export has; `live` definitions were there before."""

    live: int
    changed: list[Changed] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


def make_plan(known: Mapping[int, Known], entries: Iterable[Entry]) -> Plan:
    """Compare the database's definitions (by source_id) with the export's entries. Pure."""
    plan = Plan(live=sum(not one.gone for one in known.values()))
    present = set()
    for entry in entries:
        present.add(entry.source_id)
        before, now = known.get(entry.source_id), entry.content_hash()
        if before is None:
            plan.changed.append(Changed(entry, now, "added"))
        elif before.gone:
            plan.changed.append(Changed(entry, now, "returned"))
        elif before.content_hash != now:
            plan.changed.append(Changed(entry, now, "edited"))
    plan.gone = [
        one.id for source_id, one in known.items() if not one.gone and source_id not in present
    ]
    return plan


def store_export(
    db: PostgresqlDatabase,
    tag: str,
    source: str,
    export: Export,
    now: datetime,
    max_shrink: int,
    *,
    reread: bool = False,
) -> dict[str, int]:
    """Make the language `tag` what the export says and return how many definitions were added, edited ...

    `reread`: the file was read before by another version of our reader, so what differs is not news ("bulk").
    Call it in a transaction. Raises SourceRefused when more than `max_shrink` percent would go.
    """
    connection = db.connection()
    language, bulk = _open_language(connection, tag, source, export.language, now)
    rows = _rows(connection, sql.KNOWN_DEFINITIONS, language)
    plan = make_plan(
        {row[0]: Known(row[1], row[2], row[3] is not None) for row in rows}, export.entries
    )
    # Another source may number its definitions differently; in the same one, entries that all changed their
    # numbers are another dictionary.
    kept = len(export.entries) if bulk else plan.live - len(plan.gone)
    refuse_shrink(f"the dictionary jbo-{tag}", plan.live, kept, max_shrink)
    facts = {"language": language, "now": now, "bulk": bulk or reread, "gone": plan.gone}
    _write_changed(connection, plan.changed, facts)
    if plan.gone:
        connection.execute(sql.MARK_GONE, facts)
        connection.execute(sql.INSERT_GONE_VERSIONS, facts)
    return _counts(plan, export) | _store_reverse(connection, language, export.reverse)


def _open_language(
    connection: Connection, tag: str, source: str, name: str, now: datetime
) -> tuple[int, bool]:
    """Return the language's id, its row locked, and whether this source is new to it."""
    before = connection.execute(
        "SELECT source FROM language WHERE tag = %s FOR UPDATE", (tag,)
    ).fetchone()
    row = connection.execute(
        "INSERT INTO language (tag, name, source, synced_at) VALUES (%s, %s, %s, %s) ON CONFLICT (tag) DO UPDATE "
        "SET name = excluded.name, source = excluded.source, synced_at = excluded.synced_at RETURNING id",
        (tag, name, source, now),
    ).fetchone()
    assert row is not None
    return row[0], before is None or before[0] != source


def _rows(connection: Connection, statement: Any, language: int) -> list[tuple[Any, ...]]:
    return connection.execute(statement, (language,)).fetchall()


def _write_changed(connection: Connection, changed: list[Changed], facts: dict[str, Any]) -> None:
    if not changed:
        return
    connection.execute(sql.CREATE_STAGING)
    with connection.cursor().copy(sql.COPY_STAGING) as copy:
        for entry, content_hash, change in changed:
            content = json.dumps(entry.content(), ensure_ascii=False)
            copy.write_row(
                (
                    entry.source_id,
                    entry.word,
                    entry.type,
                    entry.unofficial,
                    list(entry.rafsi),
                    entry.selmaho,
                    entry.definition,
                    entry.notes,
                    entry.username,
                    entry.realname,
                    entry.score,
                    entry.jargon,
                    entry.etymology,
                    list(entry.examples),
                    list(entry.tags),
                    content_hash,
                    change,
                    content,
                )
            )
    for statement in sql.WRITE_STAGED:
        connection.execute(statement, facts)


def _store_reverse(connection: Connection, language: int, reverse: list[Reverse]) -> dict[str, int]:
    known = {Reverse(*row[:4]): row[4] for row in _rows(connection, sql.KNOWN_REVERSE, language)}
    wanted = dict.fromkeys(reverse)
    added = [one for one in wanted if one not in known]
    removed = [number for one, number in known.items() if one not in wanted]
    if removed:
        connection.execute(sql.DELETE_REVERSE, (removed,))
    if added:
        with connection.cursor().copy(sql.COPY_REVERSE) as copy:
            for one in added:
                copy.write_row((language, "to", one.valsi, one.text, one.sense, one.place, 0))
    return {"reverse_added": len(added), "reverse_removed": len(removed)}


def _counts(plan: Plan, export: Export) -> dict[str, int]:
    changes = [one.change for one in plan.changed]
    return {
        "definitions": len(export.entries),
        "added": changes.count("added"),
        "edited": changes.count("edited"),
        "returned": changes.count("returned"),
        "gone": len(plan.gone),
        "skipped": len(export.skipped),
        "lost": len(export.lost),
    }


def mark_language_gone(db: PostgresqlDatabase, tag: str, now: datetime) -> int:
    """Mark all definitions of a language as gone (its export is no more); return how many. Call it in a transaction."""
    connection = db.connection()
    rows = connection.execute(
        "SELECT definition.id FROM definition JOIN language ON language.id = definition.language "
        "WHERE tag = %s AND gone_at IS NULL",
        (tag,),
    ).fetchall()
    facts = {"now": now, "gone": [row[0] for row in rows], "bulk": True}
    connection.execute(sql.MARK_GONE, facts)
    connection.execute(sql.INSERT_GONE_VERSIONS, facts)
    return len(rows)
