"""Threads summed up once for each of their versions: what a thread's page costs does not grow with the thread."""

from __future__ import annotations

from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import Reader
from mrilu.web.kept import KeptBySize
from mrilu.web.queries import archive, versions
from mrilu.web.queries.archive import MessageRow, ThreadState
from mrilu.web.readers import first_told_of

MOST = 20_000  # threads; some 400 bytes each

_states: KeptBySize[ThreadState] = KeptBySize(MOST, lambda _: 1)


class VersionedState(NamedTuple):
    """A thread as one reader may see it, and what changes with any of its messages and links."""

    state: ThreadState
    version: str


class FoundThread(NamedTuple):
    """A thread by one of its messages (without its text), and what its page depends on."""

    named: MessageRow
    state: ThreadState
    version: str


def find_thread(db: PostgresqlDatabase, message_hash: str, reader: Reader) -> FoundThread | None:
    """Return the thread of a message, None where the reader may know of no message of this hash."""
    named = first_told_of(archive.heads_at_hash(db, message_hash), reader)
    return FoundThread(named, *thread_state(db, named.thread, reader)) if named else None


def thread_state(db: PostgresqlDatabase, thread: int, reader: Reader) -> VersionedState:
    """Return how a thread stands now."""
    version = versions.of_thread(db, thread)

    def ask() -> ThreadState:
        return archive.thread_state(db, thread, reader)

    return VersionedState(_states.get((thread, version, reader), ask), version)
