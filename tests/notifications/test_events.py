"""Which events reach whose outbox, in the event's own transaction."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from jobs.import_messages import import_messages
from models import Message, Notification, Subscriber, Subscription
from mrilu.archive.removal import remove_gone_messages
from mrilu.notifications import subscriptions
from mrilu.notifications.events import notify_changed_definitions
from tests.factories import deliver

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def told() -> list[tuple[str, str, int]]:
    """(address, kind, subject) of every row, sorted."""
    addresses = {row.id: row.address for row in Subscriber.select()}
    return sorted(
        (addresses[row.subscriber], row.kind, row.subject) for row in Notification.select()
    )


@pytest.fixture
def follow(database):
    def follow_thread(thread: str, address: str = "a@x.org") -> None:
        target = subscriptions.target_for_thread(database.connection(), thread)
        assert subscriptions.subscribe(database, address, target)

    return follow_thread


@pytest.fixture
def watch_word(database):
    def watch(word: str, address: str = "a@x.org") -> None:
        assert subscriptions.subscribe(database, address, subscriptions.target_for_word(word))

    return watch


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("coi", True), ("COI rodo", True), ('"coi rodo"', True), ('"rodo coi"', False), ("a'u", True), ("ahu", True),
        ("coi -mikce", True), ("coi -rodo", False), ("mikce or rodo", True), ("Café", True), ("日本", True),
        ("日中", False),
    ],
)  # fmt: skip
def test_a_search_finds_what_the_sites_search_finds(query, matches, arrive, search_for):
    search_for(query, "a@x.org")
    arrive(subject="coi rodo", body="a'u cafe 日本語\n")
    assert len(told()) == matches


@pytest.mark.parametrize("query", ["", "-spam", "the", "spam or -ham", "x" * 501, "\x00"])
def test_a_search_that_names_no_word_is_refused(query, database):
    with pytest.raises(subscriptions.NotSubscribable):
        subscriptions.target_for_query(database.connection(), query)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("from:ann list:lojban walk", True), ("from:ANN@X.example", True), ("from:bob walk", False),
        ("list:lojban.lists.example", True), ("list:lojban.lists", True),
        ("list:loj", False), ("list:tea", False),
        ("subject:stroll", True), ("subject:walk", False), ("-subject:walk stroll", True),
        ("subject:walk OR walk", True),
        ("to:list@", True), ("to:nobody", False), ("to:nobody OR walk", True),
        ("from:ann -walk", False),
        ("from:ann -run", True), ("-from:ann walk", False), ("-from:bob walk", True),
        ("after:2020 before:2999", True), ("before:2020 walk", False), ("has:attachment walk", False),
        ("-has:attachment from:ann", True),
        ("is:thread walk", True), ('"a walk" from:ann', True), ('"walk stroll" from:ann', False),
        ("the from:ann", True),
        ("from:bob OR stroll", True), ("from:bob OR from:ann", True), ("list:tea OR list:lojban", True),
        ("subject:stroll or zzz", True), ('"stroll or zzz"', False),
    ],
)  # fmt: skip
def test_a_saved_search_knows_the_operators_of_search(query, matches, arrive, search_for):
    arrive("<root@x.example>", subject="other")
    search_for(query, "a@x.org")
    arrive(
        subject="a stroll",
        body="for a walk\n",
        sender="Ann <ann@x.example>",
        in_reply_to="<root@x.example>",
        list_id="<lojban.lists.example>",
        more="To: list@lists.example\n",
    )
    assert len(told()) == matches


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("before:soon walk", "needs a date"),
        ("has:legs walk", "knows only attachment"),
        ("from: walk", "needs a value"),
        ('walk "a', "never closed"),
        ("walk OR", "OR needs"),
    ],
)
def test_what_search_refuses_is_refused_by_its_name(query, hint, database):
    with pytest.raises(subscriptions.NotSubscribable, match=hint):
        subscriptions.target_for_query(database.connection(), query)


def test_operator_searches_of_several_messages_match_each_by_itself(arrive, search_for, database):
    search_for("from:ann", "a@x.org")
    search_for("list:tea.example", "b@x.org")
    arrive(sender="ann@x.example")
    arrive(sender="bob@x.example", list_id="<tea.example>")
    arrive(sender="bob@x.example", list_id="<tea.example.org>")
    assert [row[0] for row in told()] == ["a@x.org", "b@x.org", "b@x.org"]


def test_without_subscriptions_nothing_is_written(arrive):
    arrive(subject="coi")
    assert told() == []


def test_a_message_is_told_once_whatever_leads_to_it(arrive, search_for, follow):
    arrive("<root@x>", subject="coi")
    follow("root@x")
    search_for("coi", "a@x.org")
    search_for("rodo", "a@x.org", "b@x.org")
    arrive("<reply@x>", subject="Re: coi", in_reply_to="<root@x>", body="rodo\n")
    reply = Message.get(Message.message_id == "reply@x").id
    assert told() == [("a@x.org", "thread", reply), ("b@x.org", "query", reply)]


def test_a_file_that_is_a_copy_is_no_news(arrive, search_for, database):
    search_for("coi", "a@x.org")
    arrive("<same@x>", subject="coi", date=format_datetime(datetime.now(UTC)))
    before = told()
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    [path] = root.glob("new/*")
    copy = deliver(root, path.read_bytes())
    assert import_messages("test", [copy]) == {"copies": 1}
    assert told() == before and len(before) == 1


def test_nobody_is_told_of_their_own_mail(arrive, search_for):
    search_for("coi", "mirli@lists.example", "a@x.org")
    arrive(subject="coi", sender="Mirli <MIRLI@lists.example>")
    assert [row[0] for row in told()] == ["a@x.org"]


def test_old_mail_is_no_news(arrive, search_for):
    search_for("coi", "a@x.org")
    arrive(subject="coi", date=format_datetime(datetime.now(UTC) - timedelta(days=31)))
    assert told() == []
    arrive(subject="coi", date=format_datetime(datetime.now(UTC) - timedelta(days=29)))
    assert len(told()) == 1


def test_a_followed_thread_goes_along_when_a_late_parent_joins_it_to_another(arrive, follow):
    arrive("<left@x>", references="<lost@x>")
    arrive("<right@x>")
    follow("left@x", "left@x.org")
    follow("right@x", "right@x.org")
    arrive("<lost@x>", references="<right@x>")  # its arrival makes one thread of the two
    arrive("<reply@x>", in_reply_to="<right@x>")
    ids = {row.message_id: row.id for row in Message.select()}
    assert told() == [
        ("left@x.org", "thread", ids["lost@x"]),
        ("left@x.org", "thread", ids["reply@x"]),
        ("right@x.org", "thread", ids["lost@x"]),
        ("right@x.org", "thread", ids["reply@x"]),
    ]


def test_a_thread_can_be_followed_by_its_number_merged_ones_too(arrive, follow, database):
    arrive("<left@x>", references="<lost@x>")
    arrive("<right@x>")
    merged = Message.get(Message.message_id == "right@x").thread_id()
    arrive("<lost@x>", references="<right@x>")
    survivor = Message.get(Message.message_id == "right@x").thread_id()
    merged = (
        merged
        if merged != survivor
        else database.execute_sql("SELECT id FROM thread").fetchone()[0]
    )
    follow(str(merged))
    arrive("<reply@x>", in_reply_to="<left@x>")
    assert told() == [("a@x.org", "thread", Message.get(Message.message_id == "reply@x").id)]


def test_a_message_that_is_only_referenced_can_be_followed(arrive, follow):
    arrive("<child@x>", references="<ghost@x>")
    follow("<ghost@x>")
    arrive("<other@x>", references="<ghost@x>")
    assert len(told()) == 1


@pytest.mark.parametrize("thread", ["99999", "none@x", "", "9" * 40])
def test_a_thread_that_is_not_there_cannot_be_followed(thread, database):
    with pytest.raises(subscriptions.NotSubscribable):
        subscriptions.target_for_thread(database.connection(), thread)


def test_an_import_that_is_rolled_back_tells_nobody(arrive, search_for, database):
    search_for("coi", "a@x.org")
    with pytest.raises(ZeroDivisionError), database.atomic():
        arrive(subject="coi")
        assert len(told()) == 1
        raise ZeroDivisionError
    assert told() == [] and Message.select().count() == 0


def change(database, word: str, change: str, *, bulk: bool = False, **content: object) -> None:
    """Write one version of a definition as the dictionary's sync does, with its notifications."""
    one = database.execute_sql
    with database.atomic():
        one(
            "INSERT INTO language (id, tag, name, source, synced_at) VALUES (1, 'en', 'English', 's', now()) "
            "ON CONFLICT DO NOTHING"
        )
        one("INSERT INTO word (word, type) VALUES (%s, 'gismu') ON CONFLICT DO NOTHING", (word,))
        definition = one(
            "INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, realname, "
            "content_hash, added_at, changed_at) SELECT 1, id, id, '', '', '', '', '', gen_random_uuid(), now(), now() "
            "FROM word WHERE word = %s ON CONFLICT (language, source_id) DO UPDATE SET text = '' RETURNING id",
            (word,),
        ).fetchone()[0]
        moment = datetime.now(UTC)
        one(
            "INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at) "
            "SELECT %s, count(*) + 1, %s, %s, %s, %s FROM definition_version WHERE definition = %s",
            (definition, change, bulk, json.dumps(content), moment, definition),
        )
        notify_changed_definitions(database.connection(), 1, moment)


def test_new_edited_and_returned_definitions_of_a_word_are_news(database, watch_word):
    watch_word("KLAMA.")
    watch_word("a'u", "b@x.org")
    change(database, "klama", "added", definition="one")
    change(database, "klama", "edited", definition="two")
    change(database, "klama", "gone", definition="two")
    change(database, "klama", "returned", definition="two")
    change(database, "bajra", "added", definition="x")
    change(database, "a'u", "added", definition="x")
    assert [row[:2] for row in told()] == [("a@x.org", "word")] * 3 + [("b@x.org", "word")]


def test_votes_and_credits_are_no_news(database, watch_word):
    change(database, "klama", "added", definition="one", score=1, username="a")
    watch_word("klama")
    change(database, "klama", "edited", definition="one", score=2, username="b", realname="B")
    assert told() == []
    change(database, "klama", "edited", definition="one", score=2, notes="new")
    assert len(told()) == 1


def test_a_source_that_is_read_for_the_first_time_is_no_news(database, watch_word):
    watch_word("klama")
    change(database, "klama", "added", bulk=True, definition="one")
    assert told() == []


def test_the_dictionary_sync_writes_notifications(database, watch_word, tmp_path, service_settings):
    from dataclasses import replace

    from jobs.sync_dictionary import sync_dictionary
    from mrilu.runtime.database import database as process_database
    from mrilu.settings.current import use_settings

    entry = (
        '<dictionary><direction from="lojban" to="English"><valsi word="klama" type="gismu">'
        "<definition>{}</definition><definitionid>1</definitionid></valsi></direction></dictionary>"
    )
    file = tmp_path / "jbo-en.xml"
    use_settings(replace(service_settings, dictionary_source=str(tmp_path)))
    process_database()
    watch_word("klama")
    for text in ("one", "two"):
        file.write_text(entry.format(text))
        sync_dictionary()
    assert len(told()) == 1


def test_subscribing_twice_is_one_subscription_and_options_change_only_when_given(database):
    target = subscriptions.target_for_word("klama")
    assert subscriptions.subscribe(database, "A@X.org", target, locale="ja", digest="daily")
    assert not subscriptions.subscribe(database, "a@x.org", target, timezone="Asia/Tokyo")
    [row] = Subscriber.select()
    assert (row.locale, row.digest, row.timezone) == ("ja", "daily", "Asia/Tokyo")
    assert Subscription.select().count() == 1


def test_a_zone_that_postgresql_does_not_know_is_refused(database):
    with pytest.raises(subscriptions.NotSubscribable, match="Mars"):
        subscriptions.subscribe(
            database, "a@x.org", subscriptions.target_for_word("klama"), timezone="Mars/Olympus"
        )
    assert Subscriber.select().count() == 0


@pytest.mark.parametrize("word", ["", " . ", "\r\n", "x" * 101])
def test_what_is_no_word_is_refused(word):
    with pytest.raises(subscriptions.NotSubscribable):
        subscriptions.target_for_word(word)


@pytest.mark.parametrize(
    "ours",
    [
        {"sender": "Archive <Notify@x.org>"},
        {"message_id": f"<notification.{'a' * 32}@x.org>"},
        {"list_id": "<notifications.archive.example>"},
        {"more": "Auto-Submitted: auto-replied\n"},
        {"more": "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n"},
    ],
)
def test_our_own_mail_and_automatic_answers_are_archived_and_are_no_news(
    ours, arrive, search_for, follow, configured
):
    configured(None, mail_from="mrilu <notify@x.org>")
    arrive("<root@x.org>", subject="coi")
    follow("root@x.org", "b@x.org")
    search_for("zarci", "a@x.org")
    arrive(subject="zarci", in_reply_to="<root@x.org>", **ours)
    assert told() == [] and Message.select().count() == 2
    arrive(subject="zarci", in_reply_to="<root@x.org>", more="Auto-Submitted: auto-generated\n")
    assert [row[:2] for row in told()] == [("a@x.org", "query"), ("b@x.org", "thread")]


def test_a_message_that_was_removed_and_comes_back_is_no_news(arrive, search_for, database):
    search_for("coi", "a@x.org")
    arrive("<same@x>", subject="coi", date=format_datetime(datetime.now(UTC)))
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    [path] = root.glob("new/*")
    raw = path.read_bytes()
    path.unlink()
    import_messages("test", [f"new/{path.name}"])
    assert remove_gone_messages(database, grace=0) == 1 and Message.select().count() == 0
    Notification.delete().execute()
    assert import_messages("test", [deliver(root, raw)]) == {"imported": 1}
    assert told() == []
    arrive("<another@x>", subject="coi", date=format_datetime(datetime.now(UTC)))
    assert len(told()) == 1


def add_definition(database, word: str, tag: str, source_id: int, bulk: bool = False) -> None:
    """Add a definition as the dictionary's sync does, with its notifications."""
    with database.atomic():
        moment = datetime.now(UTC)
        language = database.execute_sql(
            "INSERT INTO language (tag, name, source, synced_at) VALUES (%s, '', 's', now()) "
            "ON CONFLICT (tag) DO UPDATE SET synced_at = now() RETURNING id",
            (tag,),
        ).fetchone()[0]
        database.execute_sql(
            "INSERT INTO word (word, type) VALUES (%s, '') ON CONFLICT DO NOTHING", (word,)
        )
        database.execute_sql(
            "WITH made AS (INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, "
            "realname, content_hash, added_at, changed_at) "
            "SELECT %s, id, %s, '', '', '', '', '', gen_random_uuid(), %s, %s "
            "FROM word WHERE word = %s RETURNING id) "
            "INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at) "
            "SELECT id, 1, 'added', %s, '{}', %s FROM made",
            (language, source_id, moment, moment, word, bulk, moment),
        )
        notify_changed_definitions(database.connection(), language, moment)


def test_all_new_words_are_those_without_an_older_definition_in_the_language(database):
    assert subscriptions.subscribe(database, "all@x.org", subscriptions.target_for_new_words())
    japanese = subscriptions.target_for_new_words(["ja"])
    assert subscriptions.subscribe(database, "ja@x.org", japanese)
    assert subscriptions.subscribe(database, "word@x.org", subscriptions.target_for_word("klama"))
    add_definition(database, "old", "en", 1, bulk=True)
    add_definition(database, "klama", "en", 2)
    assert [row[0] for row in told()] == ["all@x.org", "word@x.org"]
    add_definition(database, "klama", "en", 3)
    add_definition(database, "old", "en", 4)
    assert [row[0] for row in told()] == ["all@x.org", "word@x.org", "word@x.org"]
    add_definition(database, "old", "ja", 5)
    assert [row[0] for row in told()].count("ja@x.org") == 1
    assert [row[0] for row in told()].count("all@x.org") == 2


def test_a_word_may_be_followed_in_some_languages_only(database):
    target = subscriptions.target_for_word("klama", ["EN", "en-Simple", "en"])
    assert target.languages == ("en", "en-simple")
    assert subscriptions.subscribe(database, "a@x.org", target)
    for number, tag in enumerate(("en", "ja", "en-simple")):
        add_definition(database, "klama", tag, number)
    assert len(told()) == 2
    assert not subscriptions.subscribe(database, "a@x.org", subscriptions.target_for_word("klama"))
    add_definition(database, "klama", "de", 9)
    assert len(told()) == 3


def test_who_follows_a_word_and_all_new_ones_gets_one_mail(database):
    for target in (subscriptions.target_for_new_words(), subscriptions.target_for_word("klama")):
        assert subscriptions.subscribe(database, "a@x.org", target)
    add_definition(database, "klama", "en", 1)
    [row] = Notification.select()
    assert Subscription.get_by_id(row.subscription).kind == "word"
