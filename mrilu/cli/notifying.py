"""`./run.sh subscribe`, `unsubscribe` and `subscriptions`: who is notified of what by mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any

import click

from mrilu.service.account import ServerError

Command = Callable[..., None]


def _targets(command: Command) -> Command:
    """Give a command the options of which one names the target."""
    for name, about in (
        (
            "--query",
            'a saved search, written as for search: words, "phrases", OR, -not, from:, list: ...',
        ),
        ("--thread", "a thread: its number, or the Message-ID of a mail in it"),
        ("--word", "a word of the dictionary"),
    ):
        command = click.option(name, help=about)(command)
    return click.option("--new-words", is_flag=True, help="every word that is new in a language")(
        command
    )


@click.command()
@click.argument("email")
@_targets
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="TAG",
    help="with --word or --new-words: only definitions in this language (may be repeated)",
)
@click.option(
    "--locale",
    type=click.Choice(["en", "jbo", "ja", "zh"]),
    help="language of the mails (first: en)",
)
@click.option(
    "--timezone", help="zone of the times in the mails and of the digest's day (first: UTC)"
)
@click.option(
    "--digest",
    type=click.Choice(["none", "hourly", "daily"]),
    help="all notifications in one mail (first: none)",
)
@click.option(
    "--digest-hour",
    type=click.IntRange(0, 23),
    help="hour of a daily digest, in the subscriber's zone (first: 0)",
)
@click.option(
    "--confirm",
    is_flag=True,
    help="send a mail with a link first; the subscription begins when the link is opened",
)
def subscribe(
    email: str,
    word: str | None,
    thread: str | None,
    query: str | None,
    new_words: bool,
    languages: tuple[str, ...],
    confirm: bool,
    **facts: Any,
) -> None:
    """Notify EMAIL of a word's new definitions, new words, a thread's replies or a search's new matches."""
    from mrilu.cli.connect import connect
    from mrilu.notifications.confirmation import request_subscription
    from mrilu.notifications.subscriptions import subscribe as add

    settings = connect()
    _check_zone(facts["timezone"])
    if languages and not (word or new_words):
        raise click.UsageError("--language goes with --word or --new-words")
    db, target = _target(word, thread, query, new_words, languages)
    with _one_line_refusals():
        if confirm:
            sent = request_subscription(db, email, target, datetime.now(UTC), **facts)
            done = "is asked to confirm" if sent else "was already asked to confirm, or has,"
            print(f"{email} {done} the subscription to {_named(target.kind, target.label)}")
        else:
            new = add(db, email, target, **facts)
            done = "is now" if new else "was already"
            print(f"{email} {done} subscribed to {_named(target.kind, target.label)}")
    if settings.smtp_url is None:
        print("SMTP_URL is not set: notifications wait until it is")
    elif warning := _address_warning(email, settings):
        print(f"warning: {warning}")


def _named(kind: str, label: str) -> str:
    return "all new words" if kind == "words" else f"the {kind} {label!r}"


def _address_warning(email: str, settings: Any) -> str:
    """Return what the mail server is known not to take about the address; "" if nothing."""
    if email.rpartition("@")[0].isascii():
        return ""
    from mrilu.notifications.smtp import Session, SessionRefused, SessionUnavailable, server_of

    server = server_of(settings.smtp_url, settings.smtp_ca_file, min(settings.smtp_timeout, 10.0))
    try:
        session = Session(server, parseaddr(settings.mail_from)[1].rpartition("@")[2])
    except (SessionRefused, SessionUnavailable) as error:
        return f"whether the mail server takes addresses beyond ASCII is not known: {error}"
    try:
        takes_it = session.takes_utf8_addresses
    finally:
        session.close()
    if takes_it:
        return ""
    return (
        f"the mail server {server.host} takes no addresses beyond ASCII (SMTPUTF8, RFC 6531): "
        f"nothing can be sent to {email}"
    )


@click.command()
@click.argument("email")
@_targets
@click.option("--all", "everything", is_flag=True, help="all subscriptions of this address")
def unsubscribe(
    email: str,
    word: str | None,
    thread: str | None,
    query: str | None,
    new_words: bool,
    everything: bool,
) -> None:
    """End EMAIL's subscription to a word, a thread, a search, or to everything; what waits for it is not sent."""
    from mrilu.cli.connect import connect
    from mrilu.notifications import subscriptions

    if everything == any((word, thread, query, new_words)):
        raise click.UsageError("say --word, --thread, --query, --new-words or --all")
    connect()
    with _one_line_refusals():
        subscriber = subscriptions.find_subscriber(email)
    if subscriber is None:
        raise ServerError(f"{email} has no subscription")
    db, target = (_database(), None) if everything else _target(word, thread, query, new_words, ())
    which = (target.kind, target.target) if target else ("", "")
    gone = subscriptions.unsubscribe(db, subscriber.id, *which)
    if not gone:
        raise ServerError(
            f"{email} has no such subscription; ./run.sh subscriptions {email} lists them"
        )
    for one in gone:
        print(f"{email} is no longer subscribed to {_named(one.kind, one.label)}")


@click.command()
@click.argument("email", required=False)
@click.option("--dead", is_flag=True, help="notifications that were given up, with the reply")
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def subscriptions(email: str | None, dead: bool, as_json: bool) -> None:
    """List all subscriptions, or those of EMAIL; with --dead, what could not be delivered."""
    from mrilu.cli.connect import connect
    from mrilu.notifications.subscriptions import find_subscriber

    connect()
    with _one_line_refusals():
        chosen = find_subscriber(email) if email else None
    found = [] if email and chosen is None else _dead(chosen) if dead else _listed(chosen)
    if as_json:
        print(json.dumps(found, default=str, indent=1))
        return
    for one in found:
        print(_dead_line(one) if dead else _line(one))
    if not found:
        what = "dead notification" if dead else "subscription"
        print(f"{email} has no {what}" if email else f"there is no {what}")


def _dead(chosen: Any) -> list[dict[str, Any]]:
    from models import Notification

    return Notification.dead(chosen.id if chosen else None)


def _dead_line(one: dict[str, Any]) -> str:
    tries = f"{one['attempts']} {'try' if one['attempts'] == 1 else 'tries'}"
    return (
        f"{one['finished_at']:%Y-%m-%d %H:%M}  {one['address'] or '(deleted)'}  "
        f"{one['kind']} {one['label'] or ''!r}  {tries}  {one['reply']}"
    )


def _listed(chosen: Any) -> list[dict[str, Any]]:
    from models import Subscriber, Subscription

    rows = Subscriber.select().order_by(Subscriber.id) if chosen is None else [chosen]
    return [_facts(row, one) for row in rows for one in Subscription.of(row.id)]


def _facts(subscriber: Any, one: Any) -> dict[str, Any]:
    return {
        "address": subscriber.address,
        "kind": one.kind,
        "label": one.label,
        "target": one.target,
        "locale": subscriber.locale,
        "timezone": subscriber.timezone,
        "digest": subscriber.digest,
        "suppressed": subscriber.suppressed_reply,
        "languages": list(one.languages),
        "digest_hour": subscriber.digest_hour,
        "confirmed": one.confirmed_at is not None,
        "since": one.created_at,
    }


def _line(one: dict[str, Any]) -> str:
    hour = f" at {one['digest_hour']}:00" if one["digest"] == "daily" and one["digest_hour"] else ""
    digest = "" if one["digest"] == "none" else f", {one['digest']} digest{hour}"
    only = f" (only {', '.join(one['languages'])})" if one["languages"] else ""
    waits = "" if one["confirmed"] else "  NOT CONFIRMED YET"
    note = f"  SUPPRESSED ({one['suppressed']})" if one["suppressed"] else ""
    what = "new words" if one["kind"] == "words" else f"{one['kind']} {one['label']!r}"
    return (
        f"{one['address']}  {what}{only}  {one['locale']}, {one['timezone']}{digest}{waits}{note}"
    )


def _database() -> Any:
    from mrilu.runtime.database import database

    return database()


def _target(
    word: str | None,
    thread: str | None,
    query: str | None,
    new_words: bool,
    languages: tuple[str, ...],
) -> tuple[Any, Any]:
    """Return the database and what the options ask for. Raises ServerError, or UsageError for none or several."""
    from mrilu.notifications import subscriptions as made

    if sum(value is not None for value in (word, thread, query)) + new_words != 1:
        raise click.UsageError("say one of --word, --thread, --query and --new-words")
    db = _database()
    with _one_line_refusals():
        if new_words:
            return db, made.target_for_new_words(languages)
        if word is not None:
            return db, made.target_for_word(word, languages)
        if thread is not None:
            return db, made.target_for_thread(db.connection(), thread)
        return db, made.target_for_query(db.connection(), query or "")


@contextmanager
def _one_line_refusals() -> Iterator[None]:
    """Turn what cannot be subscribed to into the one line that the front door prints."""
    from mrilu.notifications.addresses import InvalidAddress
    from mrilu.notifications.confirmation import TooManyRequests
    from mrilu.notifications.subscriptions import NotSubscribable

    try:
        yield
    except (InvalidAddress, NotSubscribable, TooManyRequests) as error:
        raise ServerError(str(error)) from error


def _check_zone(name: str | None) -> None:
    from mrilu.settings.parsers import zone

    try:
        zone(name or "UTC")
    except ValueError as error:
        raise ServerError(f"--timezone: {error}") from error
