"""Lists and their months to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import kept_answer
from mrilu.web.keyset import BEGINNING, END, mark_at, place_at
from mrilu.web.pages.charts import months_histogram
from mrilu.web.pages.standing import told, version
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.conversations import Period, page_of
from mrilu.web.queries.ledger import Standing, standing
from mrilu.web.queries.versions import ListVersion, of_list, of_month
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
    known, ledger = ask_database(lambda: list_and_ledger(list_id))
    if not known.months:
        return _list_elsewhere(name)
    before = place_at(request.args.get("before", ""))

    def make() -> str:
        whole = Period(list_id, BEGINNING, END)
        return render_template(
            "list.html",
            list_id=list_id,
            months=known.months,
            histogram=months_histogram(known.months, lambda one: addresses.of_list(list_id, one)),
            **_threads_of(whole, before, ON_LIST, reader),
            count=sum(number for _, number in known.months),
            ledger=told(ledger),
        )

    return kept_answer("list", list_id, known, before, version(ledger), reader, make=make)


def list_and_ledger(list_id: str) -> tuple[ListVersion, Standing]:
    """Ask the database how a list stands, and the archive."""
    db = database()
    return of_list(db, list_id), standing(db)


@pages.get("/l/<name>/<month>/")
def month_of_list(name: str, month: str) -> ResponseReturnValue:
    """Show the threads of a month (in UTC), that with the newest message first; ?before= goes on."""
    list_id, reader = list_named(name), current_reader()
    if (since := addresses.month_in(month)) is None:
        abort(404)
    known = ask_database(lambda: of_month(database(), list_id, since))
    if not known.messages:
        abort(404)
    before = place_at(request.args.get("before", ""))

    def make() -> str:
        whole = Period(list_id, since, addresses.month_after(since))
        return render_template(
            "month.html",
            list_id=list_id,
            month=month,
            earlier=known.earlier,
            later=known.later,
            **_threads_of(whole, before, IN_MONTH, reader),
        )

    return kept_answer("month", list_id, month, before, known, reader, make=make)


def _threads_of(
    period: Period, before: tuple[datetime, int] | None, wanted: int, reader: Reader
) -> dict[str, Any]:
    """Return what both pages show of their threads."""
    start = before or (period.until, 0)
    found = ask_database(lambda: page_of(database(), period, start, wanted, reader))
    return {
        "page": found,
        "further": mark_at(found.further),
        "first": before is None,
        "before": mark_at(before),
    }


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
