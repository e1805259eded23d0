from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from models import Subscriber, Subscription
from mrilu.cli.__main__ import main
from tests.notifications.postoffice import PostOffice


@pytest.fixture
def command(database, service_settings, monkeypatch):
    """Run a command on the session's servers; returns (exit code, what it printed)."""
    monkeypatch.setattr("mrilu.cli.connect.connect", lambda: service_settings)

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, list(words))
        return result.exit_code, result.output

    return run


def test_subscribe_list_and_unsubscribe(command):
    code, said = command(
        "subscribe", "a@x.org", "--word", "klama", "--locale", "jbo", "--timezone", "Asia/Tokyo"
    )
    assert (
        code == 0
        and "a@x.org is now subscribed to the word 'klama'" in said
        and "SMTP_URL is not set" in said
    )
    assert command("subscribe", "a@x.org", "--query", "coi rodo", "--digest", "daily")[0] == 0
    assert "was already" in command("subscribe", "a@x.org", "--query", "coi rodo")[1]
    assert command("subscriptions")[1].splitlines() == [
        "a@x.org  word 'klama'  jbo, Asia/Tokyo, daily digest",
        "a@x.org  query 'coi rodo'  jbo, Asia/Tokyo, daily digest",
    ]
    facts = json.loads(command("subscriptions", "A@X.ORG", "--json")[1])
    assert [(one["kind"], one["label"]) for one in facts] == [
        ("word", "klama"),
        ("query", "coi rodo"),
    ]
    assert (
        "no longer subscribed to the word"
        in command("unsubscribe", "a@x.org", "--word", "klama")[1]
    )
    assert command("unsubscribe", "a@x.org", "--all")[0] == 0
    assert command("subscriptions")[1] == "there is no subscription\n"
    assert (Subscriber.select().count(), Subscription.select().count()) == (1, 0)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("subscribe", "nobody", "--word", "klama"), "not a mail address"),
        (("subscribe", "a@x.org", "--thread", "77"), "no thread 77"),
        (("subscribe", "a@x.org", "--query", "-spam"), "names no word"),
        (("subscribe", "a@x.org", "--word", "klama", "--timezone", "Mars"), "--timezone"),
        (("subscribe", "a@x.org", "--query", 'from:"ann'), "never closed"),
        (("subscribe", "a@x.org", "--query", "before:soon coi"), "needs a date"),
        (("subscribe", "a@x.org", "--new-words", "--language", "e n"), "language tag"),
        (("subscribe", "a@x.org", "--query", "coi", "--language", "en"), "--language goes with"),
        (("subscribe", "a@x.org", "--word", "a", "--new-words"), "say one of"),
        (("subscribe", "a@x.org"), "say one of"),
        (("subscribe", "a@x.org", "--word", "a", "--query", "b"), "say one of"),
        (("subscribe", "a@x.org", "--word", "a", "--locale", "xx"), "xx"),
        (("unsubscribe", "a@x.org"), "say --word"),
        (("unsubscribe", "a@x.org", "--all"), "has no subscription"),
        (("unsubscribe", "a@x.org", "--all", "--word", "a"), "say --word"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, hint, command):
    code, said = command(*words)
    assert code != 0 and hint in said and "Traceback" not in said
    assert Subscription.select().count() == 0


def test_unsubscribing_from_what_is_not_subscribed_says_where_to_look(command):
    command("subscribe", "a@x.org", "--word", "klama")
    code, said = command("unsubscribe", "a@x.org", "--word", "bajra")
    assert code == 1 and "./run.sh subscriptions a@x.org" in said


def test_new_words_languages_and_the_hour_of_a_digest(command):
    said = command(
        "subscribe",
        "a@x.org",
        "--new-words",
        "--language",
        "en",
        "--language",
        "ja",
        "--digest",
        "daily",
        "--digest-hour",
        "7",
    )[1]
    assert "a@x.org is now subscribed to all new words" in said
    assert command("subscriptions")[1] == (
        "a@x.org  new words (only en, ja)  en, UTC, daily digest at 7:00\n"
    )
    assert "all new words" in command("unsubscribe", "a@x.org", "--new-words")[1]


def test_an_operator_may_have_an_address_asked_first(command):
    said = command("subscribe", "a@x.org", "--word", "klama", "--confirm")[1]
    assert "a@x.org is asked to confirm the subscription to the word 'klama'" in said
    assert "NOT CONFIRMED YET" in command("subscriptions")[1]
    assert "already asked" in command("subscribe", "a@x.org", "--word", "klama", "--confirm")[1]
    assert "is now subscribed" in command("subscribe", "a@x.org", "--word", "klama")[1]
    assert "NOT CONFIRMED YET" not in command("subscriptions")[1]


def test_dead_notifications_are_listed_with_the_servers_reply(command, database):
    assert command("subscriptions", "--dead")[1] == "there is no dead notification\n"
    command("subscribe", "a@x.org", "--word", "klama")
    for number, attempts in ((1, 1), (2, 14)):
        database.execute_sql(
            "INSERT INTO notification (subscriber, subscription, kind, subject, state, attempts, finished_at, reply) "
            "VALUES (%s, 1, 'word', %s, 'dead', %s, '2026-11-24 12:00Z', 'RCPT: 550 5.1.1 no such user')",
            (number, number, attempts),
        )
    known, unknown = sorted(command("subscriptions", "--dead")[1].splitlines(), reverse=True)
    assert known == "2026-11-24 12:00  a@x.org  word 'klama'  1 try  RCPT: 550 5.1.1 no such user"
    assert "(deleted)" in unknown and "14 tries" in unknown
    [one] = json.loads(command("subscriptions", "a@x.org", "--dead", "--json")[1])
    assert one["reply"] == "RCPT: 550 5.1.1 no such user" and one["address"] == "a@x.org"


@pytest.mark.parametrize(
    ("takes_it", "email", "warned"),
    [(False, "ü@x.org", True), (True, "ü@x.org", False), (False, "u@straße.example", False)],
)
def test_an_address_that_the_mail_server_does_not_take_is_warned_of(
    takes_it, email, warned, database, service_settings, monkeypatch
):
    with PostOffice(smtputf8=takes_it) as office:
        settings = replace(
            service_settings, smtp_url=f"smtp://127.0.0.1:{office.port}", mail_from="n@x.org"
        )
        monkeypatch.setattr("mrilu.cli.connect.connect", lambda: settings)
        said = CliRunner().invoke(main, ["subscribe", email, "--word", "klama"]).output
    assert "is now subscribed" in said and ("SMTPUTF8" in said) == warned


def test_a_mail_server_that_is_away_leaves_it_unknown(database, service_settings, monkeypatch):
    settings = replace(service_settings, smtp_url="smtp://127.0.0.1:1", mail_from="n@x.org")
    monkeypatch.setattr("mrilu.cli.connect.connect", lambda: settings)
    said = CliRunner().invoke(main, ["subscribe", "ü@x.org", "--word", "klama"]).output
    assert "is now subscribed" in said and "is not known" in said
