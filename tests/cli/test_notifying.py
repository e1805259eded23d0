from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from models import Subscriber, Subscription
from mrilu.cli.__main__ import main


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
