"""An email as the bytes of a mail. Pure: the same email at the same time gives the same bytes, boundary and all."""

from __future__ import annotations

from base64 import encodebytes
from binascii import b2a_qp
from datetime import UTC, datetime, tzinfo
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mrilu.dictionary.markup import readable
from mrilu.notifications.addresses import bracketed_ids, checked_address, one_line
from mrilu.notifications.changes import Change
from mrilu.notifications.emails import (
    ConfirmItem,
    DefinitionItem,
    Email,
    Item,
    MessageItem,
    Site,
)
from mrilu.notifications.headers import encoded_mailbox, encoded_text
from mrilu.notifications.links import (
    SubscriptionScope,
    confirm_url,
    message_url,
    preferences_url,
    sign,
    unsubscribe_url,
    word_url,
)
from mrilu.notifications.own import own_list_id, own_message_id
from mrilu.notifications.rich_text import CONTROLS, as_html, as_text, excerpt, with_marks
from mrilu.notifications.wording import Words, counted, environment, words

MAX_REFERENCES = 10
MAX_TEXT = 5000  # characters of a definition
# "=_" occurs neither in quoted-printable nor in base64 (RFC 2045, 6.7 (5)), and every part is one of them.
_BOUNDARY = "=_mrilu"


class _Policy(EmailPolicy):
    """Writes fields as they are: they are folded already, and folding again would break them (a long URL)."""

    def fold(self, name: str, value: Any) -> str:
        return f"{name}: {value}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


_ASCII = _Policy(linesep="\r\n", cte_type="7bit", raise_on_defect=True)
_UTF8 = _ASCII.clone(utf8=True)  # RFC 6531, only for recipients whose address needs it


def compose(email: Email, site: Site, now: datetime) -> EmailMessage:
    """Return the mail of an email that has an address and items, ready for `as_bytes`.

    Its Message-ID is the email's for good. No text of an item can add to or end a header.
    Raises InvalidAddress.
    """
    t = words(email.locale)
    title = _title_of(email, t)
    address = checked_address(email.address or "")
    message = EmailMessage(policy=_ASCII if address.isascii() else _UTF8)
    _set_verbatim(message, "From", _from_header(site.sender, site.address))
    message.set_raw("To", address)
    _set_verbatim(message, "Subject", encoded_text(title, indent=len("Subject: ")))
    for name, value in _own_headers(email, site, now).items():
        _set_verbatim(message, name, value)
    _set_parts(message, _facts(email, site, t, title))
    return message


@lru_cache(maxsize=4)
def _from_header(sender: str, address: str) -> str:
    return encoded_mailbox(one_line(parseaddr(sender)[0]), address, indent=len("From: "))


def _set_verbatim(message: EmailMessage, name: str, value: str) -> None:
    if not (value.isascii() and value.replace("\r\n ", " ").isprintable()):
        raise ValueError(f"{name} would not be one header")
    message.set_raw(name, value)


def _own_headers(email: Email, site: Site, now: datetime) -> dict[str, str]:
    """Return the headers that say to machines what this is (RFC 3834, 2919, 2369, 8058)."""
    url = unsubscribe_url(site.url, _token(email, site))
    return {
        "Message-ID": own_message_id(email.key, site.address),
        "Date": format_datetime(now),
        **_thread_headers(email),
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "List-Id": f"<{own_list_id(site.url)}>",
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _thread_headers(email: Email) -> dict[str, str]:
    """Put the notification of a reply where the reply stands in its thread, and answers to it where the thread is."""
    reply = email.items[0]
    if email.digest or not isinstance(reply, MessageItem) or reply.kind != "thread":
        return {}
    answers = {"Reply-To": reply.reply_to} if reply.reply_to else {}
    parents = bracketed_ids([*reply.references, *reply.in_reply_to])
    nearest = bracketed_ids([*reply.in_reply_to, *reply.references[::-1], reply.message_id])
    if not nearest:
        return answers
    kept = (
        parents if len(parents) <= MAX_REFERENCES else parents[:1] + parents[1 - MAX_REFERENCES :]
    )
    return {
        **answers,
        "In-Reply-To": nearest[0],
        "References": "\r\n ".join(kept or nearest[:1]),
    }


def _token(email: Email, site: Site) -> str:
    scope = SubscriptionScope(email.subscriber, email.subscription, email.unsubscribed)
    return sign(scope, site.token_key)


def _title_of(email: Email, t: Words) -> str:
    if not email.digest:
        return one_line(_item_title(email.items[0], t))
    day = email.created_at.astimezone(_zone_of(email.timezone))
    count = len(email.items) + email.more
    return one_line(counted(t["title"], "digest", count, date=f"{day:%Y-%m-%d}"))


@lru_cache(maxsize=64)
def _zone_of(name: str) -> tzinfo:
    """Return a zone; UTC for one that this machine does not know: another's database of zones may be newer."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _item_title(item: Item, t: Words) -> str:
    if isinstance(item, ConfirmItem):
        return t["title"]["confirm"]
    if isinstance(item, DefinitionItem):
        return t["title"][item.change].format(
            word=one_line(item.word, 80), language=one_line(item.language, 40)
        )
    subject = one_line(item.subject, 150) or t["label"]["no_subject"]
    return t["title"][item.kind].format(subject=subject, label=one_line(item.label, 60))


def _facts(email: Email, site: Site, t: Words, title: str) -> dict[str, Any]:
    """Return what the templates show."""
    first = email.items[0]
    kind = "digest" if email.digest else first.kind
    manage = sign(SubscriptionScope(email.subscriber), site.token_key, "preferences")
    return {
        "t": t,
        "locale": email.locale,
        "title": title,
        "items": [_shown(item, email, site, t) for item in email.items],
        "more": counted(t["label"], "more", email.more) if email.more else "",
        "why": t["why"][kind].format(label=one_line(first.label), site=site.url),
        "stop": t["why"]["stop_all" if email.subscription is None else "stop"],
        "stop_url": unsubscribe_url(site.url, _token(email, site)),
        "preferences_url": "" if kind == "confirm" else preferences_url(site.url, manage),
    }


def _shown(item: Item, email: Email, site: Site, t: Words) -> dict[str, Any]:
    title = one_line(_item_title(item, t))
    if isinstance(item, ConfirmItem):
        return _confirmation(item, email, site, t) | {"title": title}
    if isinstance(item, DefinitionItem):
        return _definition(item, site, t) | {"title": title}
    return _message(item, email, site) | {"title": title}


def _confirmation(item: ConfirmItem, email: Email, site: Site, t: Words) -> dict[str, Any]:
    scope = SubscriptionScope(email.subscriber, item.subscription, email.unsubscribed)
    label = one_line(item.label)
    return {
        "kind": "confirm",
        "text": t["confirm"]["asked"].format(
            what=t["what"][item.asked].format(label=label), site=site.url
        ),
        "url": confirm_url(site.url, sign(scope, site.token_key, "confirm")),
    }


def _definition(item: DefinitionItem, site: Site, t: Words) -> dict[str, Any]:
    return {
        "kind": "word",
        "author": one_line(item.author),
        "language": item.language,
        "url": word_url(site.url, item.word),
        "text": readable_definition(item.text),
        "before": readable_definition(item.before),
        "notes": "" if _has_changed(item, "notes") else readable_definition(item.notes),
        "changes": [_shown_change(change, t) for change in item.changes],
    }


def _has_changed(item: DefinitionItem, field: str) -> bool:
    return any(change.field == field for change in item.changes)


def _shown_change(change: Change, t: Words) -> dict[str, Any]:
    name = one_line(change.field, 40)
    return {
        "name": t["field"].get(name, name),
        "before": readable_definition(change.before) or "—",
        "after": readable_definition(change.after) or "—",
        "added": [one_line(readable_definition(one)) for one in change.added],
        "removed": [one_line(readable_definition(one)) for one in change.removed],
    }


def _message(item: MessageItem, email: Email, site: Site) -> dict[str, Any]:
    sent = item.sent_at.astimezone(_zone_of(email.timezone))
    author = f"{item.from_name} <{item.from_address}>" if item.from_name else item.from_address
    shown = excerpt(with_marks(item.own_text, item.marks))
    return {
        "kind": item.kind,
        "author": one_line(author),
        "date": f"{sent:%Y-%m-%d %H:%M %Z}",
        "lists": one_line(", ".join(item.lists)),
        "text": as_text(shown),
        "html": as_html(shown),
        "url": message_url(site.url, item.message_id),
    }


def readable_definition(text: str) -> str:
    """Return a definition or its notes as people write it: "$x_{1}$ goes, see {klama}" becomes "x₁ goes, see klama"."""
    return readable(CONTROLS.sub(" ", text[:MAX_TEXT])).strip()


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
