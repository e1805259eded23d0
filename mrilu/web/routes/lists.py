"""Lists and their months to read."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.kept import Kept
from mrilu.web.keyset import BEGINNING, END, mark_of, place_at
from mrilu.web.pages.charts import months_histogram
from mrilu.web.pages.threads import conversations
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.readers import current_reader, readable

pages = Blueprint("lists", __name__)


@pages.get("/l/")
def all_lists() -> ResponseReturnValue:
    """Show all lists."""
    return redirect(url_for("start.start"))


@pages.get("/l/<name>/")
def mailing_list(name: str) -> ResponseReturnValue:
    """Show a list: its months, and its newest threads."""
    list_id, reader = _list_named(name), current_reader()

    rows = ask_database(lambda: queries.posted(database(), list_id, BEGINNING, (END, 0), 200))
    if not rows:
        return _list_elsewhere(name)
    by_month = months_of(list_id)
    facts = ("list", list_id, by_month, [row.version() for row in rows], reader)

    def make() -> str:
        return render_template(
            "list.html",
            list_id=list_id,
            months=by_month,
            histogram=months_histogram(by_month, lambda month: addresses.of_list(list_id, month)),
            conversations=conversations(readable(rows, reader))[:30],
            count=sum(number for _, number in by_month),
        )

    return answer(*facts, make=make)


@pages.get("/l/<name>/<month>/")
def month_of_list(name: str, month: str) -> ResponseReturnValue:
    """Show the threads of a month (in UTC), that with the newest message first; ?before= goes on."""
    list_id, reader = _list_named(name), current_reader()
    if (since := addresses.month_in(month)) is None:
        abort(404)
    until = addresses.month_after(since)
    before = place_at(request.args.get("before", "")) or (until, 0)
    rows = ask_database(lambda: queries.posted(database(), list_id, since, min(before, (until, 0))))
    if not rows and "before" not in request.args:
        abort(404)
    others = [one for one, _ in months_of(list_id)]
    facts = ("month", list_id, month, before, others, [row.version() for row in rows], reader)

    def make() -> str:
        return render_template(
            "month.html",
            list_id=list_id,
            month=month,
            earlier=max((one for one in others if one < month), default=""),
            later=min((one for one in others if one > month), default=""),
            conversations=conversations(readable(rows, reader)),
            further=mark_of(rows[-1]) if len(rows) == queries.IN_MONTH else "",
        )

    return answer(*facts, make=make)


def months_of(list_id: str) -> list[tuple[str, int]]:
    """Return how many messages each month of a list has; up to KEPT_SECONDS old, since all of a list is counted."""
    kept: Kept[list[tuple[str, int]]] = current_app.extensions["months"]
    return kept.get(list_id, lambda: ask_database(lambda: queries.months(database(), list_id)))


def _list_named(name: str) -> str:
    """Return the List-Id; raises 404 for a list that the reader may not know of."""
    list_id = "" if name == addresses.NO_LIST else name.lower()
    if not current_reader().may_see_list(list_id):
        abort(404)
    return list_id


def _list_elsewhere(name: str) -> ResponseReturnValue:
    """Lead from the first part of a List-Id to the list, where it is the only one."""
    reader = current_reader()
    found = ask_database(lambda: queries.lists(database(), reader))
    named = [one.list_id for one in found if one.list_id.startswith(f"{name.lower()}.")]
    if len(named) != 1:
        abort(404)
    return redirect(addresses.of_list(named[0]))
