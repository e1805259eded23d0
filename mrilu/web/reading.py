"""What links in notifications lead to: a message of the archive, a word of the dictionary. Plain pages, no scripts."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from models import Definition, Language, Message, Word
from mrilu.notifications.compose import readable_definition
from mrilu.notifications.links import PURPOSES
from mrilu.notifications.own import OWN_ID_PATTERN
from mrilu.notifications.rich_text import as_html, with_marks
from mrilu.settings.current import current_settings
from mrilu.web.patience import Asker

# Links that need no login, where a notification was quoted.
_SIGNED = re.compile(rf"(/(?:{'|'.join(PURPOSES)})/)[\w.-]+")

pages = Blueprint("reading", __name__)

PATIENCE = 10.0  # seconds
MAX_BODY = 200_000  # characters of a message that are shown
MAX_ID = 2**63 - 1
_database = Asker("database")
_ADDRESS = re.compile(r"(?<=[\w.+-])@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")


@pages.get("/message/<int:number>")
def message(number: int) -> ResponseReturnValue:
    """Show one message; the addresses of people are not spelt out, since anyone may read it."""
    row = _database.ask(lambda: _message(number), PATIENCE)
    if row is None:
        abort(404)
    sent = row.sent_at.astimezone(ZoneInfo(current_settings().timezone))
    body = row.body[:MAX_BODY] + ("\n[…]" if len(row.body) > MAX_BODY else "")
    return render_template(
        "message.html",
        subject=row.subject,
        author=hidden_addresses(row.from_name or row.from_address),
        date=f"{sent:%Y-%m-%d %H:%M %Z}",
        lists=", ".join(row.list_ids),
        body=as_html(with_marks(hidden_addresses(body), ())),
        message_id=row.message_id,
    )


@pages.get("/word/<path:word>")
def word(word: str) -> ResponseReturnValue:
    """Show a word's definitions in all languages."""
    found = _database.ask(lambda: _definitions(word), PATIENCE) if word.isprintable() else []
    if not found:
        abort(404)
    return render_template("word.html", word=found[0]["word"], definitions=found)


def hidden_addresses(text: str) -> str:
    """Return the text without the domains of mail addresses and without the keys of signed links."""
    return _ADDRESS.sub("@…", _SIGNED.sub(r"\1…", text))


def _message(number: int) -> Message | None:
    """Return a message; not a notification of ours that was archived: its links act for its recipient."""
    row = Message.get_or_none(Message.id == number) if number <= MAX_ID else None
    return None if row is None or re.match(OWN_ID_PATTERN, row.message_id, re.I) else row


def _definitions(word: str) -> list[dict[str, Any]]:
    rows: Any = (
        Definition.select(Definition, Word.word, Word.type, Language.tag, Language.name)
        .join(Word, on=Definition.word == Word.id)
        .switch(Definition)
        .join(Language, on=Definition.language == Language.id)
        .where(Word.word.in_([word, word.strip(" .")]), Definition.gone_at.is_null())
        .order_by(Language.tag, Definition.score.desc(nulls="LAST"), Definition.id)
        .dicts()
    )
    return [
        {
            **row,
            "text": readable_definition(row["text"]),
            "notes": readable_definition(row["notes"]),
        }
        for row in rows
    ]
