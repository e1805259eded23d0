"""Lists and their months to read."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer, kept_answer
from mrilu.web.keyset import BEGINNING, END, mark_at, place_at
from mrilu.web.pages.charts import months_histogram
from mrilu.web.pages.standing import told, version
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.conversations import ListPage, Period, page_of
from mrilu.web.queries.ledger import standing
from mrilu.web.readers import current_reader

pages = Blueprint("lists", __name__)

ON_LIST, IN_MONTH = 30, 50  # threads of a page


@pages.get("/l/")
def all_lists() -> ResponseReturnValue:
    """Show all lists."""
    return redirect(url_for("start.start"))


@pages.get("/l/<name>/")
def mailing_list(name: str) -> ResponseReturnValue:
    """Show a list: its months, and its threads, that with the newest message first; ?before= goes on."""
    list_id, reader = list_named(name), current_reader()
    by_month = months_of(list_id)
    if not by_month:
        return _list_elsewhere(name)
    before = place_at(request.args.get("before", ""))
    whole = Period(list_id, BEGINNING, END)
    found = ask_database(lambda: page_of(database(), whole, before or (END, 0), ON_LIST, reader))
    ledger = ask_database(lambda: standing(database()))
    facts = ("list", list_id, by_month, before, found, version(ledger), reader)

    def make() -> str:
        return render_template(
            "list.html",
            list_id=list_id,
            months=by_month,
            histogram=months_histogram(by_month, lambda month: addresses.of_list(list_id, month)),
            page=found,
            further=mark_at(found.further),
            first=before is None,
            before=mark_at(before),
            count=sum(number for _, number in by_month),
            ledger=told(ledger),
        )

    return answer(*facts, make=make)


@pages.get("/l/<name>/<month>/")
def month_of_list(name: str, month: str) -> ResponseReturnValue:
    """Show the threads of a month (in UTC), that with the newest message first; ?before= goes on."""
    list_id, reader = list_named(name), current_reader()
    if (since := addresses.month_in(month)) is None:
        abort(404)
    until = addresses.month_after(since)
    before = place_at(request.args.get("before", ""))
    whole = Period(list_id, since, until)

    def ask() -> tuple[list[str], ListPage]:
        db = database()
        known = [one for one, _ in queries.months(db, list_id)]
        return known, page_of(db, whole, before or (until, 0), IN_MONTH, reader)

    others, found = ask_database(ask)
    if month not in others:
        abort(404)
    facts = ("month", list_id, month, before, others, found, reader)

    def make() -> str:
        return render_template(
            "month.html",
            list_id=list_id,
            month=month,
            earlier=max((one for one in others if one < month), default=""),
            later=min((one for one in others if one > month), default=""),
            page=found,
            further=mark_at(found.further),
            first=before is None,
            before=mark_at(before),
        )

    return kept_answer(*facts, make=make)


def months_of(list_id: str) -> list[tuple[str, int]]:
    """Return how many messages each month of a list has, oldest first; withheld ones count."""
    return ask_database(lambda: queries.months(database(), list_id))


def list_named(name: str) -> str:
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
