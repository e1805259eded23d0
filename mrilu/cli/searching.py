"""`./run.sh search QUERY`: messages, words and sentences, by text and by meaning."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mrilu.cli import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from mrilu.search.engine import Page, Wanted
    from mrilu.settings.table import Settings

PLACES = {"messages": "message", "words": "word", "sentences": "sentence"}
# "-word" is for the query, and so is "-hello".
_QUERY_TAKES_DASHES: dict[str, Any] = {
    "ignore_unknown_options": True,
    "help_option_names": ["--help"],
}


@click.command(context_settings=_QUERY_TAKES_DASHES)
@click.argument("words", nargs=-1, required=True, metavar="QUERY")
@click.option("--text", "mode", flag_value="text", help="by its words alone")
@click.option("--meaning", "mode", flag_value="meaning", help="by its meaning alone")
@click.option(
    "--in", "place", type=click.Choice([*PLACES, "all"]), default="all", help="where to look (all)"
)
@click.option("--threads", is_flag=True, help="one hit a thread")
@click.option("--language", default="", metavar="TAG", help="words defined in this language only")
@click.option("--limit", type=click.IntRange(1, 200), default=10, help="hits a page (10)")
@click.option("--page", type=click.IntRange(1), default=1, help="which page (1)")
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def search(
    words: tuple[str, ...],
    mode: str | None,
    place: str,
    threads: bool,
    language: str,
    limit: int,
    page: int,
    as_json: bool,
) -> None:
    """Search the archive and the dictionary; exit code 1 if nothing is found, 2 if the query is wrong.

    from: to: list: subject: before: after: has:attachment is:thread thread:HASH "a phrase" -word OR

    before:2024-03-31 and after:2024-03 mean the start of that day or month in UTC, as the dates that are shown.
    """
    from mrilu.cli.connect import connect
    from mrilu.search.engine import Wanted
    from mrilu.search.grammar import QueryError
    from mrilu.search.patience import SearchTooSlow

    settings, query = connect(), as_query(words)
    wanted = Wanted(
        mode or "fused", threads, limit, (page - 1) * limit, language, settings.search_timeout
    )
    try:
        pages = find_pages(settings, query, place, wanted)
    except QueryError as error:
        print(f"mrilu: {error}\n  {query}\n  {' ' * (error.column - 1)}^", file=sys.stderr)
        sys.exit(2)
    except SearchTooSlow as error:
        print(f"mrilu: {error}", file=sys.stderr)
        sys.exit(2)
    if as_json:
        print(json.dumps([asdict(one) for one in pages], default=str, ensure_ascii=False, indent=1))
    else:
        show(pages, wanted)
    sys.exit(0 if any(one.total for one in pages) else 1)


def as_query(words: Sequence[str]) -> str:
    """Return the query as it was typed: the shell took the quotation marks off phrases."""
    return words[0] if len(words) == 1 else " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    from mrilu.search.grammar import OPERATORS

    if " " not in word or '"' in word:
        return word
    name, colon, value = word.partition(":")
    if colon and name.lstrip("-").lower() in OPERATORS:
        return f'{name}:"{value}"'
    return f'-"{word[1:]}"' if word.startswith("-") else f'"{word}"'


def find_pages(settings: Settings, query: str, place: str, wanted: Wanted) -> list[Page]:
    """Return a page for each place to look; mail's operators leave out the others. Raises QueryError."""
    from mrilu.runtime.database import database
    from mrilu.search.engine import search as search_one
    from mrilu.search.grammar import parse
    from mrilu.search.query_vector import QueryEncoder, encode_query

    def encode(model: Any, text: str) -> Sequence[float]:
        return encode_query(model, text, settings.embedding_device)

    encoder: QueryEncoder | None = encode if settings.embeddings else None
    of_mail = parse(query).of_mail() is not None
    places = (
        [PLACES[place]] if place != "all" else ["message"] if of_mail else list(PLACES.values())
    )
    return [search_one(database(), query, one, wanted, encoder) for one in places]


def show(pages: Sequence[Page], wanted: Wanted) -> None:
    """Print the pages for a person."""
    console = terminal.console(highlight=False)
    for page in pages:
        if page.hits:
            last = wanted.offset + len(page.hits)
            more = " or more" if page.more else ""
            console.print(f"[bold]{page.kind}s[/] {wanted.offset + 1}-{last} of {page.total}{more}")
        for hit in page.hits:
            _SHOWN[page.kind](console, hit)
    for notice in dict.fromkeys(notice for page in pages for notice in page.notices):
        print(notice, file=sys.stderr)
    if not any(page.hits for page in pages):
        print(
            "nothing found" if not any(page.total for page in pages) else "no more hits",
            file=sys.stderr,
        )


def _show_message(console: Console, hit: Any) -> None:
    from rich.text import Text

    more = f" (+{hit.in_thread - 1} in the thread)" if hit.in_thread > 1 else ""
    console.print(
        Text(f"{hit.sent_at:%Y-%m-%d}  {hit.subject or '(no subject)'}{more}", style="bold cyan")
    )
    who = hit.from_name or hit.from_address
    console.print(
        Text(f"    {who}  {' '.join(hit.list_ids)}  <{hit.message_id}>", style="dim"),
        soft_wrap=True,
    )
    console.print(
        Text.assemble(
            "    ", *((one.text, "bold yellow" if one.hit else "") for one in hit.snippet)
        )
    )


def _show_word(console: Console, hit: Any) -> None:
    from rich.text import Text

    from mrilu.dictionary.markup import plain

    head = Text.assemble((hit.word, "bold cyan"), (f"  {hit.type} · {hit.language}", "dim"))
    console.print(head)
    console.print(
        Text(f"    {'; '.join(hit.glosses)}{' — ' if hit.glosses else ''}{plain(hit.definition)}")
    )


def _show_sentence(console: Console, hit: Any) -> None:
    from rich.text import Text

    console.print(Text.assemble((hit.lojban, "bold cyan"), "\n    ", hit.english))


_SHOWN = {"message": _show_message, "word": _show_word, "sentence": _show_sentence}
