"""from: and list: find by what is known of senders and lists, as they did without."""

from __future__ import annotations

import pytest

from mrilu.search import names
from mrilu.search.grammar import parse
from mrilu.search.names import with_names
from tests.factories import mail
from tests.search.made import OLD, found, receive


def terms(database, text: str):
    return with_names(database, parse(text)).terms()


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("from:ann", ["1@x"]),
        ("from:CATS.example", ["1@x"]),
        ("from:bob", ["2@x"]),
        ("from:nn", ["1@x"]),
        ("from:nobody", []),
        ("from:ann OR from:bob", ["2@x", "1@x"]),
        ("list:a", ["1@x"]),
        ("list:A.x", ["1@x"]),
        ("list:<a.x>", ["1@x"]),
        ("list:elsewhere", []),
        ("list:b -from:bob -list:a", ["4@x", "3@x"]),
        ("has:attachment", ["2@x"]),
    ],
)
@pytest.mark.parametrize("most", [0, 300])
def test_operators_find_the_same_whether_names_are_few_or_many(
    database, archive, monkeypatch, query, ids, most
):
    monkeypatch.setattr(names, "MOST_SENDERS", most)
    monkeypatch.setattr(names, "MOST_LISTS", most)
    assert found(database, query) == ids


def test_names_are_looked_up_where_they_can_be(database, archive):
    ann, short, hidden, lists = terms(database, "from:ann from:nn -from:bob list:b")
    assert len(ann.senders) == 1 and short.senders is None and hidden.senders is None
    assert lists.lists == ("b.x",)


def test_a_name_with_signs_of_patterns_is_taken_as_it_is(database, root):
    receive(root, mail("<1@x>", sender="100%_sure <a@x>", date=OLD))
    receive(root, mail("<2@x>", sender="100 is sure <b@x>", date=OLD))
    assert found(database, 'from:"100%_sure"') == ["1@x"]


def test_each_sender_is_noted_once_and_another_name_is_noted_when_it_changes(database, archive):
    receive(archive, mail("<9@x>", sender="Ann <ann@cats.example>", date=OLD))
    sql = "SELECT count(*) FROM sender WHERE name = %s"
    assert database.execute_sql(sql, ("Ann",)).fetchone()[0] == 1
    database.execute_sql(
        "UPDATE message SET from_name = 'Annette', list_ids = '{new.x}' WHERE message_id = '9@x'"
    )
    assert found(database, "from:annette") == found(database, "list:new") == ["9@x"]
