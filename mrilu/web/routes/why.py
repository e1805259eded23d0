"""/why: what became of a mail, for its sender. Strangers hear no more of it than its pages show."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.readers import current_reader, readable

pages = Blueprint("why", __name__)

LONGEST = 998  # characters of a line (RFC 5322, 2.1.1)


@pages.get("/why")
def why() -> ResponseReturnValue:
    """Say whether the mail with the Message-ID ?id= is in the archive, and where."""
    asked = request.args.get("id", "")[:LONGEST].strip()
    name = parse_message_id(asked if "<" in asked else f"<{asked}>") if asked else ""
    rows = ask_database(lambda: queries.at_hash(database(), hash_of(name))) if name else []
    reader = current_reader()
    seen = readable(rows, reader)
    gone = not seen and any(reader.may_know_of(row.restrictions, row.list_ids) for row in rows)
    status = 200 if seen or gone or not asked else 404
    return render_template("why.html", asked=asked, name=name, rows=seen, gone=gone), status
