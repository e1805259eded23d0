"""The pages that links in notifications lead to."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from jobs.import_messages import import_messages
from models import Message
from mrilu.notifications.links import message_url, word_url
from tests.factories import deliver, mail, make_maildir, register


def test_a_message_can_be_read_and_gives_no_address_away(
    tmp_path: Path, pages: FlaskClient
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    body = "<script>x</script> see https://a.example/x, ask bob@x.example\n"
    raw = mail(subject="<b>coi</b>", sender="ann@x.example", body=body, list_id="<l.example>")
    assert import_messages("test", [deliver(root, raw)]) == {"imported": 1}
    answer = pages.get(message_url("", Message.get().message_id))
    assert answer.status_code == 200 and "&lt;b&gt;coi" in answer.text
    assert "<script>" not in answer.text and 'href="https://a.example/x"' in answer.text
    assert "x.example" not in answer.text and "ann@…" in answer.text and "l.example" in answer.text


@pytest.mark.parametrize("word", ["klama", "a'u", "x/y", "é ?#"])
def test_a_word_can_be_looked_up(word, pages: FlaskClient, database) -> None:
    database.execute_sql(
        "INSERT INTO language (id, tag, name, source, synced_at) VALUES (1, 'en', 'English', 's', now())"
    )
    database.execute_sql("INSERT INTO word (id, word, type) VALUES (1, %s, '')", (word,))
    database.execute_sql(
        "INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, realname, content_hash, "
        "added_at, changed_at) VALUES (1, 1, 1, '$x_1$ goes {bajra}', '', '', '', '', gen_random_uuid(), now(), now())"
    )
    answer = pages.get(word_url("", word))
    assert answer.status_code == 200 and "x₁ goes bajra" in answer.text
    database.execute_sql("UPDATE definition SET gone_at = now()")
    assert pages.get(word_url("", word)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/message/1", f"/message/{10**30}", "/message/x", "/word/klama", "/word/%00", "/word/"]
)
def test_what_is_not_there_is_not_found(path, pages: FlaskClient) -> None:
    assert pages.get(path, follow_redirects=True).status_code == 404


def test_links_that_act_for_a_subscriber_are_not_shown(tmp_path: Path, pages: FlaskClient) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    body = "> Unsubscribe:\n> https://a.example/unsubscribe/1.2.0.abc-DEF_x\nwhy?\n"
    own = f"<notification.{'a' * 32}@a.example>"
    for raw in (mail(body=body), mail(own, body=body)):
        assert import_messages("test", [deliver(root, raw)]) == {"imported": 1}
    quoted, notification = Message.select().order_by(Message.id)
    page = pages.get(message_url("", quoted.message_id)).text
    assert "abc-DEF_x" not in page and "why?" in page
    assert pages.get(message_url("", notification.message_id)).status_code == 404


def test_links_of_older_notifications_lead_on(tmp_path: Path, pages: FlaskClient) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    import_messages("test", [deliver(root, mail("<one@x>", body="aardvark"))])
    led = pages.get(f"/message/{Message.get().id}")
    assert led.status_code == 302 and "aardvark" in pages.get(led.location).text
    assert pages.get("/word/a'u").location == "/w/a'u"
