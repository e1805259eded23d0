"""`./run.sh withhold` and `restore-message`: what is not shown any more, and what is shown again."""

from __future__ import annotations

import getpass
import shutil
from typing import TYPE_CHECKING

import click

from mrilu.service.account import ServerError

if TYPE_CHECKING:
    from models import Message


@click.command()
@click.argument("name", metavar="MESSAGE-ID|HASH")
@click.option("--reason", default="", help="why; kept for operators, never shown to readers")
@click.option("--erase", is_flag=True, help="take the text out of the database, for good")
@click.option("--with-quotes", is_flag=True, help="withhold the replies that quote it, too")
def withhold(name: str, reason: str, erase: bool, with_quotes: bool) -> None:
    """Show a message no more: on no page, in no search, no notification. Its links say that it was here.

    The file stays in the Maildir: delete it there if it has to go.
    """
    from models import db
    from mrilu.archive import withholding
    from mrilu.cli.connect import connect
    from mrilu.mail.permalinks import hash_of

    settings = connect()
    messages = _named(name)
    quotes = {
        one.id: (one, n) for message in messages for one, n in withholding.quoting(db, message)
    }
    taken = {one.id: one for one in messages}
    if with_quotes:
        taken |= {number: one for number, (one, _) in quotes.items()}
    paths = _files(list(taken.values()))
    kind = withholding.ERASED if erase else withholding.HIDDEN
    withholding.withhold(db, list(taken.values()), kind, getpass.getuser(), reason)
    # Mboxes that were made before have it. Nobody is given them any more, but they lie on the disk.
    shutil.rmtree(settings.data_dir / "downloads" / "made", ignore_errors=True)
    print(f"{len(taken):,} message{'s are' if len(taken) > 1 else ' is'} {kind}")
    for one, count in quotes.values():
        if one.id not in taken:
            print(f"quoted ({count:,} lines) by /m/{hash_of(one.message_id)}/ <{one.message_id}>")
    if quotes and not with_quotes:
        print("--with-quotes withholds these, too")
    for path in paths:
        print(f"the file stays: {path}")


@click.command("restore-message")
@click.argument("name", metavar="MESSAGE-ID|HASH")
def restore_message(name: str) -> None:
    """Show a message again that was withheld, but not erased."""
    from models import Restriction, db
    from mrilu.archive import withholding
    from mrilu.cli.connect import connect

    connect()
    messages = [one for one in _named(name) if one.restrictions & Restriction.WITHHELD]
    try:
        if not messages:
            raise withholding.NotWithheld(f"{name} is not withheld")
        withholding.show_again(db, messages)
    except withholding.NotWithheld as error:
        raise ServerError(str(error)) from error
    print(f"{len(messages):,} shown again")


def _named(name: str) -> list[Message]:
    """Return the messages with this Message-ID, or hash of one. Raises ServerError."""
    from models import Message
    from mrilu.mail.headers.identifiers import parse_message_id
    from mrilu.mail.permalinks import hash_of

    found = Message.at_permalink(name.strip("/").removeprefix("m/"))
    if not found and (message_id := parse_message_id(name if "<" in name else f"<{name}>")):
        found = Message.at_permalink(hash_of(message_id))
    if not found:
        raise ServerError(
            f"there is no message {name!r}: give its Message-ID, or the hash in its link"
        )
    return found


def _files(messages: list[Message]) -> list[str]:
    from models import Location, Maildir

    roots = {one.id: one.place for one in Maildir.select()}
    rows = [row for one in messages for row in Location.of_message(one.id) if row.gone_at is None]
    return [f"{roots[row.maildir]}/{row.path()}" for row in rows]
