"""/why: what became of a mail, for its sender. Strangers hear no more of it than its pages show."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web.pages.standing import reason_for_sender, told
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.ledger import rejected_for, standing
from mrilu.web.readers import current_reader, readable

pages = Blueprint("why", __name__)

LONGEST = 998  # characters of a line (RFC 5322, 2.1.1)
ARCHIVED, WITHHELD, REJECTED, UNKNOWN = "archived", "withheld", "rejected", "unknown"


class Fate(NamedTuple):
    """What became of a mail: `rows` are what may be read of it, `reason` the kind of reason of its rejection."""

    state: str
    rows: list[MessageRow]
    reason: str = ""


@pages.get("/why")
def why() -> ResponseReturnValue:
    """Say what became of the mail with the Message-ID ?id=: archived, withheld, rejected or unknown."""
    asked, name = asked_for()
    ledger = ask_database(lambda: standing(database()))
    fate = fate_of(name, current_reader()) if name else None
    shown = render_template(
        "why.html", asked=asked, name=name, fate=fate, ledger=told(ledger), waiting=ledger.waiting
    )
    return shown, status_of(asked, fate)


def asked_for() -> tuple[str, str]:
    """Return what the address asks for, and the Message-ID that it means ("" for none)."""
    asked = request.args.get("id", "")[:LONGEST].strip()
    return asked, parse_message_id(asked if "<" in asked else f"<{asked}>") if asked else ""


def fate_of(name: str, reader: Reader) -> Fate:
    """Return what became of the mail with this Message-ID, as far as the reader may know."""
    rows = ask_database(lambda: queries.at_hash(database(), hash_of(name)))
    if seen := readable(rows, reader):
        return Fate(ARCHIVED, seen)
    if any(reader.may_know_of(row.restrictions, row.list_ids) for row in rows):
        return Fate(WITHHELD, [])
    reason = "" if rows else ask_database(lambda: _rejected(name, reader))
    return Fate(REJECTED, [], reason_for_sender(reason)) if reason else Fate(UNKNOWN, [])


def status_of(asked: str, fate: Fate | None) -> int:
    """Return the status of the answer: 404 where nothing is known of what was asked for."""
    return 404 if asked and (fate is None or fate.state == UNKNOWN) else 200


def _rejected(name: str, reader: Reader) -> str:
    database()
    return rejected_for(name, reader)
