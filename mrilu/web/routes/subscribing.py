"""Pages of subscribers: subscribe, confirm, change, unsubscribe. None needs a login: each link is signed.

A mail client POSTs to /unsubscribe/TOKEN (RFC 8058). Scanners of mail follow every link, so a GET changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from models import Reader, Subscriber, Subscription
from mrilu.notifications import subscriptions
from mrilu.notifications.addresses import InvalidAddress
from mrilu.notifications.confirmation import TooManyRequests, confirm, request_subscription
from mrilu.notifications.links import Outcome, SubscriptionScope, token_key, unsubscribe, verify
from mrilu.notifications.preferences import (
    DIGESTS,
    Preferences,
    give_up,
    read_preferences,
    save_preferences,
)
from mrilu.notifications.subscriptions import NotSubscribable, Target
from mrilu.notifications.wording import LOCALES, named, words
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings
from mrilu.web.patience import Asker

pages = Blueprint("subscribing", __name__)

PATIENCE = 10.0  # seconds
KINDS = ("word", "words", "thread", "query")
_database = Asker("database")


class _Link(NamedTuple):
    """A signed link: its scope, its subscriber's language, and what it is about, for people ("": it was deleted)."""

    scope: SubscriptionScope
    locale: str
    what: str


@pages.get("/unsubscribe/<token>")
def ask_unsubscribe(token: str) -> ResponseReturnValue:
    """Ask whether it is meant."""
    link = _ask(lambda: _read_link(token, "unsubscribe"))
    return _show("unsubscribe", link) if link else _forged()


@pages.post("/unsubscribe/<token>")
def give_up_subscription(token: str) -> ResponseReturnValue:
    """Give up the subscription (or all) that the token names; again is not an error."""
    link = _ask(lambda: _read_link(token, "unsubscribe"))
    if link is None or _ask(lambda: _unsubscribe(token)) is Outcome.FORGED:
        return _forged()
    return _show("unsubscribed", link)


@pages.get("/confirm/<token>")
def ask_confirm(token: str) -> ResponseReturnValue:
    """Ask whether the subscription shall begin."""
    link = _ask(lambda: _read_link(token, "confirm"))
    if link is None:
        return _forged()
    return _show("confirm" if link.what else "expired", link)


@pages.post("/confirm/<token>")
def begin_subscription(token: str) -> ResponseReturnValue:
    """Begin the subscription that the token confirms; again is not an error."""
    link = _ask(lambda: _read_link(token, "confirm"))
    if link is None or _ask(lambda: _confirm(token)) is Outcome.FORGED:
        return _forged()
    return _show("confirmed" if link.what else "expired", link)


@pages.get("/preferences/<token>")
def show_preferences(token: str) -> ResponseReturnValue:
    """Show what a subscriber chose."""
    scope = _ask(lambda: _verified(token, "preferences"))
    return _preferences(scope.subscriber) if scope else _forged()


@pages.post("/preferences/<token>")
def change_preferences(token: str) -> ResponseReturnValue:
    """Save the choices, or give up the subscriptions that are named by `remove` (a number, or all)."""
    scope = _ask(lambda: _verified(token, "preferences"))
    if scope is None:
        return _forged()
    removed = request.form.getlist("remove")
    try:
        if removed:
            _ask(lambda: _remove(scope.subscriber, removed))
        else:
            chosen = _chosen_preferences()
            _ask(lambda: save_preferences(database(), scope.subscriber, chosen, datetime.now(UTC)))
    except NotSubscribable as error:
        return _preferences(scope.subscriber, problem=str(error))
    return _preferences(scope.subscriber, saved=True)


@pages.get("/subscribe")
def ask_subscribe() -> ResponseReturnValue:
    """Show the form; /subscribe?word=W, ?thread=T and ?query=Q fill it in."""
    given = next((kind for kind in KINDS if request.args.get(kind)), "word")
    return _form(kind=given, target=request.args.get(given, ""))


@pages.post("/subscribe")
def ask_to_confirm() -> ResponseReturnValue:
    """Send a mail that asks for a confirmation; the answer does not tell whether the address is known."""
    form = request.form
    kind, target, address = form.get("kind", ""), form.get("target", ""), form.get("address", "")
    facts = {"locale": _locale(), "digest": form.get("digest", "none")}
    # Mail is sent of what everyone may read, whoever asks for it.
    reader: Reader = current_app.config["READER"]
    tags = form.get("languages", "").replace(",", " ").split()
    try:
        if kind not in KINDS or facts["digest"] not in DIGESTS:
            raise NotSubscribable("kind and digest: choose one of those in the form")
        _ask(lambda: _request(address, kind, target, tags, facts, reader))
    except (NotSubscribable, InvalidAddress) as error:
        return _form(problem=str(error), kind=kind, target=target, address=address), 400
    except TooManyRequests as error:
        return _form(problem=str(error), kind=kind, target=target, address=address), 429
    t = words(_locale())
    return render_template(
        "subscription.html", locale=_locale(), p=t["page"], state="sent", address=address.strip()
    )


def _ask(work: Any) -> Any:
    return _database.ask(work, PATIENCE)


def _locale() -> str:
    """Return the reader's language, of those we have."""
    chosen = request.values.get("locale", "")
    if chosen in LOCALES:
        return chosen
    return request.accept_languages.best_match(LOCALES, "en") or "en"


def _key() -> bytes:
    return token_key(database(), current_settings().token_secret)


def _verified(token: str, purpose: str) -> SubscriptionScope | None:
    return verify(token, _key(), purpose)


def _read_link(token: str, purpose: str) -> _Link | None:
    scope = _verified(token, purpose)
    if scope is None:
        return None
    subscriber = Subscriber.get_or_none(Subscriber.id == scope.subscriber)
    locale = subscriber.locale if subscriber else _locale()
    if scope.subscription is None:
        return _Link(scope, locale, words(locale)["what"]["all"])
    row = Subscription.get_or_none(
        Subscription.id == scope.subscription, Subscription.subscriber == scope.subscriber
    )
    return _Link(
        scope, locale, named(words(locale), row.kind, row.label, row.languages) if row else ""
    )


def _unsubscribe(token: str) -> Outcome:
    return unsubscribe(database(), token, _key())


def _confirm(token: str) -> Outcome:
    return confirm(database(), token, _key())


def _remove(subscriber: int, removed: list[str]) -> None:
    mine = [one.id for one in Subscription.of(subscriber)]
    give_up(
        database(), subscriber, [one for one in mine if "all" in removed or str(one) in removed]
    )


def _chosen_preferences() -> Preferences:
    form = request.form
    hour = form.get("digest_hour", "0")
    if not (hour.isascii() and hour.isdecimal() and len(hour) <= 2):
        raise NotSubscribable("digest_hour: use an hour from 0 to 23")
    return Preferences(
        form.get("locale", "en"),
        form.get("timezone", "UTC").strip(),
        form.get("digest", "none"),
        int(hour),
    )


def _request(
    address: str,
    kind: str,
    target: str,
    languages: list[str],
    facts: dict[str, Any],
    reader: Reader,
) -> None:
    db = database()
    found = _target(db.connection(), kind, target, languages, reader)
    request_subscription(db, address, found, datetime.now(UTC), **facts)


def _target(
    connection: Any, kind: str, target: str, languages: list[str], reader: Reader
) -> Target:
    if kind == "words":
        return subscriptions.target_for_new_words(languages)
    if kind == "word":
        return subscriptions.target_for_word(target, languages)
    if kind == "thread":
        return subscriptions.target_for_thread(connection, target, reader)
    return subscriptions.target_for_query(connection, target)


def _show(state: str, link: _Link) -> ResponseReturnValue:
    return render_template(
        "subscription.html",
        locale=link.locale,
        p=words(link.locale)["page"],
        state=state,
        what=link.what,
    )


def _form(problem: str = "", **given: str) -> str:
    locale = _locale()
    return render_template(
        "subscribe.html",
        locale=locale,
        p=words(locale)["page"],
        kinds=KINDS,
        digests=DIGESTS,
        problem=problem,
        given=given,
    )


def _preferences(subscriber: int, problem: str = "", saved: bool = False) -> ResponseReturnValue:
    found = _ask(lambda: read_preferences(subscriber))
    if found is None:
        return _forged()
    chosen, rows = found
    t = words(chosen.locale)
    shown = [(row.id, named(t, row.kind, row.label, row.languages)) for row in rows]
    page = render_template(
        "preferences.html",
        locale=chosen.locale,
        p=t["page"],
        chosen=chosen,
        subscriptions=shown,
        locales=LOCALES,
        digests=DIGESTS,
        problem=problem,
        saved=saved,
    )
    return page, 400 if problem else 200


def _forged() -> ResponseReturnValue:
    locale = _locale()
    page = render_template(
        "subscription.html", locale=locale, p=words(locale)["page"], state="forged"
    )
    return page, 404
