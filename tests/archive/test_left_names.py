"""A sender or a list that no message has any more is forgotten, and none that one has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase

from jobs.upkeep import upkeep
from models import DoubtedName, KnownList, Message, Sender
from mrilu.archive.left_names import LOCK, forget_left_names
from mrilu.archive.withholding import ERASED, HIDDEN, withhold
from mrilu.settings.table import Settings
from tests.factories import mail
from tests.search.made import OLD, found, receive

INSERT = """
INSERT INTO message (identity, message_id, message_id_derived, node, subject, cleaned_subject, subject_key, orphan,
    from_name, from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids,
    body, own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, search, permalink)
SELECT gen_random_uuid(), 'late@x', message_id_derived, -node, subject, cleaned_subject, subject_key, orphan,
    from_name, from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids,
    body, own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, search, permalink
  FROM message WHERE from_name = 'Ann'
"""
WAITS = "SELECT count(*) FROM pg_locks WHERE relation = 'sender'::regclass AND NOT granted"


@pytest.fixture
def two_senders(root: Path) -> None:
    """Ann wrote to a list of her own, Bob twice to another."""
    receive(root, mail("<1@x>", list_id="<a.x>", sender="Ann <ann@x>", date=OLD))
    for name in ("<2@x>", "<3@x>"):
        receive(root, mail(name, list_id="<b.x>", sender="Bob <bob@x>", date=OLD))


def names() -> tuple[set[str], set[str]]:
    return {one.name for one in Sender.select()}, {one.name for one in KnownList.select()}


def test_what_the_last_message_leaves_is_forgotten(
    database: PostgresqlDatabase, two_senders: None
) -> None:
    database.execute_sql("DELETE FROM message WHERE message_id IN ('1@x', '2@x')")
    assert forget_left_names(database) == 2
    assert names() == ({"Bob"}, {"b.x"})
    assert not DoubtedName.select().count()
    assert found(database, "from:bob list:b") == ["3@x"]


def test_what_a_message_changes_is_forgotten(
    database: PostgresqlDatabase, two_senders: None
) -> None:
    database.execute_sql(
        "UPDATE message SET from_name = 'Anna', list_ids = '{a.x,c.x}' WHERE message_id = '1@x'"
    )
    assert forget_left_names(database) == 1
    assert names() == ({"Anna", "Bob"}, {"a.x", "b.x", "c.x"})


def test_upkeep_forgets_them(database: PostgresqlDatabase, two_senders: None) -> None:
    database.execute_sql("DELETE FROM message")
    assert upkeep()["forgotten_names"] == 4


def test_the_name_of_who_wrote_what_was_erased_is_gone_at_once(
    database: PostgresqlDatabase, two_senders: None
) -> None:
    withhold(database, list(Message.select().where(Message.from_name == "Bob")), HIDDEN, "me", "")
    withhold(database, list(Message.select().where(Message.from_name == "Ann")), ERASED, "me", "")
    assert names() == ({"", "Bob"}, {"a.x", "b.x"})


@pytest.fixture
def links(two_senders: None, service_settings: Settings) -> Iterator[list[psycopg.Connection]]:
    """Two sessions: an import, and one that looks on."""
    url = str(service_settings.database_url)
    with psycopg.connect(url) as link, psycopg.connect(url, autocommit=True) as looking:
        yield [link, looking]


def test_an_import_at_work_keeps_its_sender(
    database: PostgresqlDatabase, links: list[psycopg.Connection]
) -> None:
    """It found the sender in the table, and nobody sees its message yet."""
    link, looking = links
    link.execute(INSERT)
    database.execute_sql("DELETE FROM message WHERE message_id = '1@x'")
    assert forget_left_names(database) == 0
    assert DoubtedName.select().count() == 2
    ending = threading.Thread(target=lambda: until_one_waits(looking) and link.commit())
    ending.start()
    assert forget_left_names(database) == 0
    ending.join()
    assert not DoubtedName.select().count()
    assert names() == ({"Ann", "Bob"}, {"a.x", "b.x"})


def test_an_import_that_comes_meanwhile_notes_the_sender_anew(
    database: PostgresqlDatabase, links: list[psycopg.Connection]
) -> None:
    link, looking = links
    importing = threading.Thread(target=lambda: link.execute(INSERT) and link.commit())
    with database.atomic():
        connection = database.connection()
        connection.execute(LOCK)
        importing.start()
        until_one_waits(looking)
        connection.execute("DELETE FROM sender WHERE name = 'Ann'")
    importing.join()
    assert names()[0] == {"Ann", "Bob"}


def until_one_waits(looking: psycopg.Connection) -> bool:
    """Wait until a session waits for the table of senders."""
    while looking.execute(WAITS).fetchone() == (0,):
        continue
    return True
