"""What templates can say beside Jinja's own: addresses of pages, and how foreign texts are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, timedelta, timezone

from flask import Flask, current_app
from markupsafe import Markup, escape

from models import Reader, Restriction
from mrilu.mail.permalinks import hash_of
from mrilu.notifications.compose import readable_definition
from mrilu.search.facets import Facet
from mrilu.search.snippet import Segment
from mrilu.web import addresses
from mrilu.web.access import is_operator
from mrilu.web.masking import masked, masked_parts
from mrilu.web.pages.texts import visible
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.quotes import End
from mrilu.web.readers import shows_addresses


def prepare(app: Flask) -> None:
    """Give the application's templates their filters and functions."""
    app.jinja_env.filters.update(
        shown=shown,
        shown_parts=shown_parts,
        moment=moment,
        author=author,
        hash=hash_of,
        plain=readable_definition,
        day="{:%Y-%m-%d}".format,
        utc_day=lambda moment: moment.astimezone(UTC).date(),
    )
    app.jinja_env.globals.update(
        place_of_list=addresses.of_list,
        place_of_message=addresses.of_message,
        place_of_thread=addresses.of_thread,
        place_of_search=addresses.of_search,
        place_of_word=addresses.of_word,
        place_of_word_then=addresses.of_word_then,
        facet_links=facet_links,
        is_operator=is_operator,
        obstacles=obstacles,
    )


def shown(text: str) -> str:
    """Return a foreign text as readers see it: addresses masked, controls shown."""
    return visible(text if shows_addresses() else masked(text))


def shown_parts(parts: Sequence[Segment]) -> Markup:
    """Return a snippet as readers see it, with what was looked for marked."""
    texts = [one.text for one in parts]
    masks = texts if shows_addresses() else masked_parts(texts)
    told = [escape(visible(text)) for text in masks]
    marked = [
        f"<mark>{text}</mark>" if one.hit else text for text, one in zip(told, parts, strict=True)
    ]
    return Markup("".join(marked))  # noqa: S704 - each part is escaped


def facet_links(values: Sequence[Facet], narrowed: Callable[[Facet], str]) -> Markup:
    """Return links to narrower searches, each with how many messages it finds."""
    links = [
        f'<a href="{escape(narrowed(one))}"><bdi>{escape(shown(one.name))}</bdi></a> {one.messages:,}'
        for one in values
    ]
    return Markup(" · ".join(links))  # noqa: S704 - what is foreign is escaped


def moment(row: MessageRow) -> str:
    """Return when a message was sent, by UTC and, where they differ, by the sender's clock."""
    text = f"{row.sent_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if not row.utc_offset:
        return text
    local = row.sent_at.astimezone(timezone(timedelta(minutes=row.utc_offset)))
    return f"{text} ({local:%H:%M %z})"


def author(row: MessageRow | End) -> str:
    """Return the author's name, or the address, as readers see it."""
    return shown(row.from_name or row.from_address) or "(nobody)"


def obstacles(row: MessageRow) -> list[str]:
    """Return why not everyone may read a message that is shown to an operator; never any for a stranger's."""
    told = {
        Restriction.WITHHELD: "withheld",
        Restriction.NO_ARCHIVE: "X-No-Archive",
        Restriction.OWN: "our own notification",
    }
    everyone: Reader = current_app.config["READER"]
    hidden = [word for bit, word in told.items() if row.restrictions & everyone.hidden & bit]
    closed = any(not everyone.may_see_list(one) for one in row.list_ids)
    return hidden + ["private list"] * closed
