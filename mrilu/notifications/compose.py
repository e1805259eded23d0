"""A letter as a mail. Pure: the same letter at the same time gives the same mail, boundary and all."""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from mrilu.dictionary.markup import readable
from mrilu.notifications.addresses import bracketed_ids, checked_address, one_line
from mrilu.notifications.letter import DefinitionNews, Letter, MessageNews, News, Site
from mrilu.notifications.links import Stop, message_url, sign, unsubscribe_url, word_url
from mrilu.notifications.own import own_list_id, own_message_id
from mrilu.notifications.wording import Words, environment, words

EXCERPT_LINES = 40
EXCERPT_CHARS = 3000
MAX_REFERENCES = 10
MAX_TEXT = 5000  # characters of a definition
# Everything but line feeds and tabs that steers a terminal or cannot be encoded.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
# Only the subject is left to the policy's folding. The others are made of checked ASCII, and folding could but break
# them (a long URL would become an encoded word).
_FOLDED = frozenset(("subject", "from"))
# "=_" occurs neither in quoted-printable nor in base64 (RFC 2045, 6.7 (5)), and every part is one of them.
_BOUNDARY = "=_mrilu"


class _Policy(EmailPolicy):
    def fold(self, name: str, value: Any) -> str:
        return (
            super().fold(name, value)
            if name.lower() in _FOLDED
            else f"{name}: {value}{self.linesep}"
        )

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


_ASCII = _Policy(linesep="\r\n", cte_type="7bit", raise_on_defect=True)
_UTF8 = _ASCII.clone(utf8=True)  # RFC 6531, only for recipients whose address needs it


def compose(letter: Letter, site: Site, now: datetime) -> EmailMessage:
    """Return the mail of a letter that has an address and news, ready for `as_bytes`.

    Its Message-ID is the letter's for good. No text of a letter can add to or end a header.
    Raises InvalidAddress.
    """
    t = words(letter.locale)
    title = _title_of(letter, t)
    address = checked_address(letter.address or "")
    message = EmailMessage(policy=_ASCII if address.isascii() else _UTF8)
    message.set_raw("From", _from_header(site.sender))
    message.set_raw("To", address)
    message["Subject"] = title
    for name, value in _own_headers(letter, site, now).items():
        _set_verbatim(message, name, value)
    _set_parts(message, _facts(letter, site, t, title))
    return message


@lru_cache(maxsize=4)
def _from_header(sender: str) -> Any:
    name, address = parseaddr(sender)
    return _ASCII.header_store_parse("From", Address(one_line(name), addr_spec=address))[1]


def _set_verbatim(message: EmailMessage, name: str, value: str) -> None:
    if not (value.isascii() and value.replace("\r\n ", " ").isprintable()):
        raise ValueError(f"{name} would not be one header")
    message.set_raw(name, value)


def _own_headers(letter: Letter, site: Site, now: datetime) -> dict[str, str]:
    """Return the headers that tell machines what this is (RFC 3834, 2919, 2369, 8058)."""
    url = unsubscribe_url(site.url, _token(letter, site))
    headers = {
        "Message-ID": own_message_id(letter.key, site.address),
        "Date": format_datetime(now),
        **_thread_headers(letter),
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "List-Id": f"<{own_list_id(site.url)}>",
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return headers


def _thread_headers(letter: Letter) -> dict[str, str]:
    """Put the notification of a reply where the reply stands in its thread."""
    reply = letter.news[0]
    if letter.digest or not isinstance(reply, MessageNews) or reply.kind != "thread":
        return {}
    parents = bracketed_ids([*reply.references, *reply.in_reply_to])
    nearest = bracketed_ids([*reply.in_reply_to, *reply.references[::-1], reply.message_id])
    if not nearest:
        return {}
    kept = (
        parents if len(parents) <= MAX_REFERENCES else parents[:1] + parents[1 - MAX_REFERENCES :]
    )
    return {"In-Reply-To": nearest[0], "References": "\r\n ".join(kept or nearest[:1])}


def _token(letter: Letter, site: Site) -> str:
    return sign(Stop(letter.subscriber, letter.stop, letter.unsubscribed), site.token_key)


def _title_of(letter: Letter, t: Words) -> str:
    if not letter.digest:
        return one_line(_news_title(letter.news[0], t))
    day = letter.created_at.astimezone(ZoneInfo(letter.timezone))
    count = len(letter.news) + letter.more
    return one_line(t["title"]["digest"].format(count=count, date=f"{day:%Y-%m-%d}"))


def _news_title(news: News, t: Words) -> str:
    if isinstance(news, DefinitionNews):
        return t["title"][news.change].format(
            word=one_line(news.word, 80), language=one_line(news.language, 40)
        )
    subject = one_line(news.subject, 150) or t["label"]["no_subject"]
    return t["title"][news.kind].format(subject=subject, label=one_line(news.label, 60))


def _facts(letter: Letter, site: Site, t: Words, title: str) -> dict[str, Any]:
    """Return what the templates show."""
    kind = "digest" if letter.digest else letter.news[0].kind
    return {
        "t": t,
        "locale": letter.locale,
        "title": title,
        "news": [_shown(news, letter, site, t) for news in letter.news],
        "more": t["label"]["more"].format(count=letter.more) if letter.more else "",
        "why": t["why"][kind].format(label=one_line(letter.news[0].label)),
        "stop": t["why"]["stop_all" if letter.stop is None else "stop"],
        "stop_url": unsubscribe_url(site.url, _token(letter, site)),
    }


def _shown(news: News, letter: Letter, site: Site, t: Words) -> dict[str, str]:
    title = one_line(_news_title(news, t))
    if isinstance(news, DefinitionNews):
        texts = {"text": news.text, "before": news.before, "notes": news.notes}
        shown = {name: readable_definition(text) for name, text in texts.items()}
        author, url = one_line(news.author), word_url(site.url, news.word)
        return {
            "kind": "word",
            "title": title,
            "author": author,
            "language": news.language,
            "url": url,
            **shown,
        }
    sent = news.sent_at.astimezone(ZoneInfo(letter.timezone))
    return {
        "kind": news.kind,
        "title": title,
        "author": one_line(
            f"{news.from_name} <{news.from_address}>" if news.from_name else news.from_address
        ),
        "date": f"{sent:%Y-%m-%d %H:%M %Z}",
        "lists": one_line(", ".join(news.lists)),
        "text": excerpt(news.own_text),
        "url": message_url(site.url, news.id),
    }


def readable_definition(text: str) -> str:
    """Return a definition or its notes as people write it: "$x_{1}$ goes, see {klama}" becomes "x₁ goes, see klama"."""
    return readable(_CONTROLS.sub(" ", text[:MAX_TEXT])).strip()


def excerpt(text: str) -> str:
    """Return the beginning of what an author wrote, by whole lines, with "[…]" where it goes on."""
    clean = _CONTROLS.sub(" ", text.replace("\r\n", "\n")).strip("\n")
    lines = clean[:EXCERPT_CHARS].split("\n")
    cut = len(clean) > EXCERPT_CHARS
    if cut and len(lines) > 1:
        lines.pop()
    kept = [line.rstrip() for line in lines[:EXCERPT_LINES]]
    return "\n".join([*kept, "[…]"] if cut or len(lines) > EXCERPT_LINES else kept)


def _set_parts(message: EmailMessage, facts: dict[str, Any]) -> None:
    """Add the text and the HTML. Parsed headers are kept and shared: parsing them is most of a mail's time."""
    message.set_raw("MIME-Version", "1.0")
    message.set_raw("Content-Type", _content_type(f'multipart/alternative; boundary="{_BOUNDARY}"'))
    templates = environment()
    text = templates.get_template("mail.txt.j2").render(facts).lstrip("\n")
    message.set_payload(
        [_part("plain", text), _part("html", templates.get_template("mail.html.j2").render(facts))]
    )


@lru_cache(maxsize=8)
def _content_type(value: str) -> Any:
    return _ASCII.header_store_parse("Content-Type", value)[1]


def _part(subtype: str, text: str) -> EmailMessage:
    """Return a part in quoted-printable, or in base64 where that is shorter (Japanese, Chinese)."""
    raw = text.encode()
    part = EmailMessage(policy=_ASCII)
    part.set_raw("Content-Type", _content_type(f'text/{subtype}; charset="utf-8"'))
    if (len(raw) - len(text)) * 5 > len(raw):
        part.set_raw("Content-Transfer-Encoding", "base64")
        part.set_payload(encodebytes(raw).decode("ascii"))
    else:
        part.set_raw("Content-Transfer-Encoding", "quoted-printable")
        part.set_payload(b2a_qp(raw, istext=True).decode("ascii"))
    return part
