from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from uuid import UUID

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.notifications.addresses import InvalidAddress
from mrilu.notifications.changes import Change
from mrilu.notifications.compose import compose, readable_definition
from mrilu.notifications.emails import (
    ConfirmItem,
    DefinitionItem,
    Email,
    MessageItem,
    Site,
    posting_address,
)
from mrilu.notifications.links import verify
from mrilu.notifications.rich_text import excerpt, with_marks
from mrilu.notifications.wording import LOCALES, counted, words

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SITE = Site("mrilu <notify@archive.example>", "https://archive.example", b"key")
REPLY = MessageItem(
    "thread",
    "lo cmavo",
    7,
    "reply@x.example",
    "Re: lo cmavo",
    "Mirli",
    "mirli@x.example",
    datetime(2026, 11, 24, 23, 30, tzinfo=UTC),
    ("lojban.example",),
    "mi jimpe\n",
    ("parent@x.example",),
    ("root@x.example", "parent@x.example"),
)
FOUND = replace(REPLY, kind="query", label="coi rodo")
WORD = DefinitionItem(
    "word", "klama", "klama", "en", "edited", "$x_1$ goes to $x_{2}$", "a note", "Robin", "x1 comes"
)


def email_of(*news, **facts) -> Email:
    made = Email(
        11, UUID(int=5), 3, "a@x.org", "", "en", "Europe/Berlin", 0, False, NOW, 4, news or (REPLY,)
    )
    return replace(made, **facts)


def sent(*news, **facts):
    raw = compose(email_of(*news, **facts), SITE, NOW).as_bytes()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n")) and b"\n" not in raw.replace(
        b"\r\n", b""
    )
    return message_from_bytes(raw, policy=default)


def text_of(message, subtype="plain") -> str:
    return message.get_body((subtype,)).get_content()


def test_a_reply_stands_in_its_thread():
    mail = sent()
    assert mail["In-Reply-To"] == "<parent@x.example>"
    assert mail["References"].split() == ["<root@x.example>", "<parent@x.example>"]
    assert mail["Subject"] == "Reply: Re: lo cmavo"
    assert "In-Reply-To" not in sent(FOUND) and "References" not in sent(WORD)


def test_a_reply_without_references_refers_to_the_message_itself():
    assert sent(replace(REPLY, in_reply_to=(), references=()))["In-Reply-To"] == "<reply@x.example>"
    bad = replace(REPLY, in_reply_to=("x\r\nBcc: y@z",), references=("no at",), message_id="é@x")
    assert "In-Reply-To" not in sent(bad)


def test_long_references_keep_the_root_and_the_nearest():
    many = tuple(f"{number}@x.example" for number in range(50))
    listed = sent(replace(REPLY, references=many))["References"].split()
    assert len(listed) == 10 and listed[0] == "<0@x.example>" and listed[-1] == "<parent@x.example>"


def test_machines_are_told_what_it_is():
    mail = sent()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "<notifications.archive.example>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Message-ID"] == "<notification.00000000000000000000000000000005@archive.example>"
    assert mail["Date"].datetime == NOW and str(mail["From"]) == "mrilu <notify@archive.example>"
    assert mail.get_content_type() == "multipart/alternative"


def test_the_unsubscribe_link_is_whole_and_signed_for_this_subscription():
    site = replace(SITE, url=f"https://{'long-' * 30}archive.example")
    raw = compose(email_of(), site, NOW).as_bytes()
    url = re.search(rb"^List-Unsubscribe: <(.*)>\r$", raw, re.MULTILINE)[1].decode()
    stop = verify(url.rpartition("/")[2], b"key")
    assert (stop.subscriber, stop.subscription, stop.epoch) == (3, 4, 0)
    assert url in text_of(message_from_bytes(raw, policy=default))


def test_the_same_letter_gives_the_same_mail():
    assert compose(email_of(), SITE, NOW).as_bytes() == compose(email_of(), SITE, NOW).as_bytes()


def test_times_are_those_of_the_subscribers_zone():
    assert "2026-11-25 00:30 CET" in text_of(sent())


def test_times_are_told_in_utc_where_this_machine_does_not_know_the_zone():
    for zone in ("europe/berlin", "UTC+3", "../etc/passwd"):
        assert "2026-11-24 23:30 UTC" in text_of(sent(timezone=zone))
        assert "2026-11-24" in sent(timezone=zone, digest=True)["Subject"]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize(
    "news", [(REPLY,), (FOUND,), (WORD,), (replace(WORD, change="added", before=""),)]
)
def test_every_language_says_everything(locale, news):
    mail = sent(*news, locale=locale)
    t = words(locale)
    for part in (text_of(mail), text_of(mail, "html").replace("&#39;", "'")):
        assert t["why"]["stop"] in part and "{" not in part.replace("{{", "")
        assert "/unsubscribe/" in part
    assert f'lang="{locale}"' in text_of(mail, "html")
    kind = news[0].kind if news[0].kind != "word" else news[0].change
    assert t["title"][kind].split("{")[0] in mail["Subject"]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_digest_holds_all_news_and_counts_the_rest(locale):
    mail = sent(REPLY, FOUND, WORD, locale=locale, digest=True, subscription=None, more=12)
    t = words(locale)
    assert mail["Subject"] == t["title"]["digest"].format(count=15, date="2026-11-24")
    for part in (text_of(mail), text_of(mail, "html")):
        assert "lo cmavo" in part and "coi rodo" in part and "klama" in part
        assert t["label"]["more"].format(count=12) in part.replace("&#39;", "'")
    assert "In-Reply-To" not in mail
    assert verify(text_of(mail).split("/unsubscribe/")[1].split()[0], b"key").subscription is None


def test_all_languages_have_the_same_phrases():
    shapes = [
        {
            (group, name, tuple(re.findall(r"{\w+}", text)))
            for group, names in words(one).items()
            for name, text in names.items()
        }
        for one in LOCALES
    ]

    def as_sets(shape):
        return {(group, name, frozenset(fields)) for group, name, fields in shape}

    assert all(as_sets(shape) == as_sets(shapes[0]) for shape in shapes)


EVIL = "coi\r\nBcc: victim@x.org\r\n\r\n<script>alert(1)</script>"
HEADERS = {
    "From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "Precedence", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "MIME-Version", "Content-Type",
}  # fmt: skip


@pytest.mark.parametrize(
    "news",
    [
        replace(FOUND, subject=EVIL),
        replace(FOUND, from_name=EVIL),
        replace(FOUND, from_address=EVIL),
        replace(FOUND, label=EVIL),
        replace(FOUND, lists=(EVIL,)),
        replace(FOUND, own_text=EVIL),
        replace(FOUND, message_id=EVIL),
        replace(WORD, word=EVIL, label=EVIL),
        replace(WORD, language=EVIL, text=EVIL, notes=EVIL, author=EVIL, before=EVIL),
    ],
)
def test_no_text_can_add_a_header_or_markup(news):
    mail = sent(news)
    assert set(mail.keys()) == HEADERS
    assert "<script>" not in text_of(mail, "html")
    assert len(list(mail.iter_parts())) == 2


@hypothesis.settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.sampled_from(LOCALES))
def test_whatever_the_texts_are_the_headers_are_ours(subject, name, label, locale):
    for news in (
        replace(FOUND, subject=subject, from_name=name, label=label),
        replace(WORD, word=name, label=label),
    ):
        assert set(sent(news, locale=locale).keys()) == HEADERS


def test_a_recipient_that_is_no_address_is_refused():
    for address in ("a@x.org\r\nBcc: b@x.org", "a@x.org>", "", None):
        with pytest.raises(InvalidAddress):
            compose(email_of(address=address), SITE, NOW)


def test_a_sender_with_a_name_beyond_ascii_is_encoded():
    site = replace(SITE, sender="郵便 <n@x.example>")
    mail = message_from_bytes(compose(email_of(), site, NOW).as_bytes(), policy=default)
    assert str(mail["From"]) == "郵便 <n@x.example>"


def test_an_address_beyond_ascii_makes_a_utf8_mail():
    raw = compose(email_of(address="ユーザー@x.example"), SITE, NOW).as_bytes()
    assert "To: ユーザー@x.example\r\n".encode() in raw


def test_definitions_are_readable():
    shown = readable_definition("$x_1$ goes to $x_{12}$; $a=b$ \x1b[31m costs $5")
    assert shown == "x₁ goes to x₁₂; a=b [31m costs $5"
    edited = text_of(sent(WORD))
    assert (
        "x₁ comes" in edited
        and "x₁ goes to x₂" in edited
        and "a note" in edited
        and "Robin" in edited
    )


def test_an_excerpt_says_where_it_goes_on():
    assert excerpt("a\nb\n") == "a\nb"
    assert excerpt("line\n" * 100) == "\n".join(["line"] * 40 + ["[…]"])
    assert excerpt("x" * 9000) == "x" * 3000 + "\n[…]"
    assert excerpt(with_marks("\x00\x1b", ())).strip() == ""


LIST_REPLY = replace(REPLY, reply_to="lojban@lists.example")


def test_answers_to_a_reply_go_to_its_list():
    assert sent(LIST_REPLY)["Reply-To"] == "lojban@lists.example"
    for mail in (
        sent(REPLY),
        sent(replace(LIST_REPLY, kind="query")),
        sent(LIST_REPLY, digest=True),
    ):
        assert "Reply-To" not in mail


@pytest.mark.parametrize(
    ("lists", "recipients", "address"),
    [
        (
            ["lojban.googlegroups.com"],
            ["ann@x.org", "Lojban@googlegroups.com"],
            "lojban@googlegroups.com",
        ),
        (["r-help.r-project.org"], ["r-help@stat.math.ethz.ch"], "r-help@stat.math.ethz.ch"),
        (["a.x.org", "b.x.org"], ["b@x.org"], "b@x.org"),
        (["lojban"], ["lojban@x.org"], "lojban@x.org"),
        (["lojban.x.org"], ["ann@x.org"], ""),
        ([], ["ann@x.org"], ""),
        (["a.x.org"], ["a@x.org>\r\nBcc: b@y.org"], ""),
    ],
)
def test_the_posting_address_is_the_recipient_that_the_list_is_named_after(
    lists, recipients, address
):
    assert posting_address(lists, recipients) == address


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("count", [1, 3])
def test_one_and_three_are_said_right(locale, count):
    mail = sent(*[REPLY] * count, locale=locale, digest=True, subscription=None)
    assert mail["Subject"] == counted(words(locale)["title"], "digest", count, date="2026-11-24")
    english = sent(*[REPLY] * count, digest=True, more=1)["Subject"]
    assert english == f"{count + 1} notifications (2026-11-24)"
    assert sent(REPLY, digest=True)["Subject"] == "1 notification (2026-11-24)"


def test_matched_words_are_marked():
    mail = sent(replace(FOUND, own_text="mi klama\n", marks=((3, 8),)))
    assert "mi *klama*" in text_of(mail) and "mi <mark>klama</mark>" in text_of(mail, "html")


def test_an_edit_shows_what_changed_in_glosses_and_notes():
    changes = (
        Change("glosses", added=("go",), removed=("leave",)),
        Change("notes", "old", "{bajra}"),
    )
    mail = sent(replace(WORD, before="", changes=changes, notes="{bajra}"))
    text, html = text_of(mail).replace("\r\n", "\n"), text_of(mail, "html")
    assert "Glosses:\n− leave\n+ go" in text and "Notes:\nBefore: old\nNow: bajra" in text
    assert "<ins>+ go</ins>" in html and "<del>− leave</del>" in html
    assert text.count("bajra") == 1


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("asked", ["word", "words", "thread", "query"])
def test_a_confirmation_says_what_was_asked_for_and_how_to_say_yes(locale, asked):
    item = ConfirmItem("confirm", "klama <b>", asked, 4)
    mail = sent(item, locale=locale)
    t = words(locale)
    assert mail["Subject"] == t["title"]["confirm"] and mail["List-Unsubscribe"]
    token = text_of(mail).split("/confirm/")[1].split()[0]
    assert verify(token, b"key", "confirm") == (3, 4, 0) and verify(token, b"key") is None
    assert t["what"][asked].format(label="klama <b>") in text_of(mail)
    assert "/preferences/" not in text_of(mail) and "<b>" not in text_of(mail, "html")


def test_every_other_mail_leads_to_the_preferences():
    token = text_of(sent()).split("/preferences/")[1].split()[0]
    assert verify(token, b"key", "preferences").subscriber == 3 and verify(token, b"key") is None
