"""`./run.sh subscribe`, `unsubscribe` and `subscriptions`: who is told of what by mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from mrilu.service.account import ServerError

Command = Callable[..., None]


def _targets(command: Command) -> Command:
    """Give a command the three options of which one says what is meant."""
    for name, about in (
        ("--query", 'a saved search: words, "phrases", or, -not'),
        ("--thread", "a thread: its number, or the Message-ID of a mail in it"),
        ("--word", "a word of the dictionary"),
    ):
        command = click.option(name, help=about)(command)
    return command


@click.command()
@click.argument("email")
@_targets
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
    help="all news in one mail (first: none)",
)
def subscribe(
    email: str,
    word: str | None,
    thread: str | None,
    query: str | None,
    locale: str | None,
    timezone: str | None,
    digest: str | None,
) -> None:
    """Tell EMAIL of a word's new definitions, a thread's replies or a search's new matches."""
    from mrilu.cli.connect import connect
    from mrilu.notifications.subscriptions import subscribe as add

    settings = connect()
    _check_zone(timezone)
    db, wish = _wish(word, thread, query)
    with _one_line_refusals():
        new = add(db, email, wish, locale=locale, timezone=timezone, digest=digest)
    print(
        f"{email} {'is now' if new else 'was already'} subscribed to the {wish.kind} {wish.label!r}"
    )
    if settings.smtp_url is None:
        print("SMTP_URL is not set: notifications wait until it is")


@click.command()
@click.argument("email")
@_targets
@click.option("--all", "everything", is_flag=True, help="all subscriptions of this address")
def unsubscribe(
    email: str, word: str | None, thread: str | None, query: str | None, everything: bool
) -> None:
    """Tell EMAIL no more of a word, a thread, a search, or of anything; what waits for it is not sent."""
    from mrilu.cli.connect import connect
    from mrilu.notifications import subscriptions

    if everything == any((word, thread, query)):
        raise click.UsageError("say --word, --thread, --query or --all")
    connect()
    with _one_line_refusals():
        subscriber = subscriptions.find_subscriber(email)
    if subscriber is None:
        raise ServerError(f"{email} has no subscription")
    db, wish = (_database(), None) if everything else _wish(word, thread, query)
    which = (wish.kind, wish.target) if wish else ("", "")
    gone = subscriptions.unsubscribe(db, subscriber.id, *which)
    if not gone:
        raise ServerError(
            f"{email} has no such subscription; ./run.sh subscriptions {email} lists them"
        )
    for one in gone:
        print(f"{email} is no longer subscribed to the {one.kind} {one.label!r}")


@click.command()
@click.argument("email", required=False)
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def subscriptions(email: str | None, as_json: bool) -> None:
    """List all subscriptions, or those of EMAIL."""
    from mrilu.cli.connect import connect
    from mrilu.notifications.subscriptions import find_subscriber

    connect()
    with _one_line_refusals():
        chosen = find_subscriber(email) if email else None
    facts = [] if email and chosen is None else _listed(chosen)
    if as_json:
        print(json.dumps(facts, default=str, indent=1))
        return
    for one in facts:
        print(_line(one))
    if not facts:
        print(f"{email} has no subscription" if email else "nobody has a subscription")


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
        "since": one.created_at,
    }


def _line(one: dict[str, Any]) -> str:
    digest = "" if one["digest"] == "none" else f", {one['digest']} digest"
    note = f"  SUPPRESSED ({one['suppressed']})" if one["suppressed"] else ""
    return f"{one['address']}  {one['kind']} {one['label']!r}  {one['locale']}, {one['timezone']}{digest}{note}"


def _database() -> Any:
    from mrilu.runtime.database import database

    return database()


def _wish(word: str | None, thread: str | None, query: str | None) -> tuple[Any, Any]:
    """Return the database and what the options ask for. Raises ServerError, or UsageError for none or several."""
    from mrilu.notifications import subscriptions as made

    if sum(value is not None for value in (word, thread, query)) != 1:
        raise click.UsageError("say one of --word, --thread and --query")
    db = _database()
    with _one_line_refusals():
        if word is not None:
            return db, made.wish_for_word(word)
        if thread is not None:
            return db, made.wish_for_thread(db.connection(), thread)
        return db, made.wish_for_query(db.connection(), query or "")


@contextmanager
def _one_line_refusals() -> Iterator[None]:
    """Turn what cannot be subscribed to into the one line that the front door prints."""
    from mrilu.notifications.addresses import InvalidAddress
    from mrilu.notifications.subscriptions import NotSubscribable

    try:
        yield
    except (InvalidAddress, NotSubscribable) as error:
        raise ServerError(str(error)) from error


def _check_zone(name: str | None) -> None:
    from mrilu.settings.parsers import zone

    try:
        zone(name or "UTC")
    except ValueError as error:
        raise ServerError(f"--timezone: {error}") from error
