"""Search over messages, words and sentences: what is named outright, full text and meaning, fused.

Each kind is searched by itself. The rankings are of bounded depth and without chance in them, so that pages of
one query never overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from peewee import PostgresqlDatabase

from jobs.embedding.model import EncoderMissing
from models import EmbeddingModel
from search.conditions import ALWAYS, Condition, both, condition_of
from search.direct import glossed_words, named_messages, named_words
from search.fulltext import LIVE_WORDS, find_text
from search.fusion import Fused, Ranking, fuse, grouped
from search.grammar import Query, QueryError, parse
from search.lexemes import Lexemes, any_of, look_up
from search.meaning import find_near
from search.query_vector import QueryEncoder
from search.results import Hit, show_messages, show_sentences, show_words, threads_of
from search.spelling import LONGEST, find_alike

KINDS = ("message", "word", "sentence")
MODES = ("fused", "text", "meaning")
DIRECT = "direct"
# What the first place of each ranking counts; found on the labelled queries of bench/quality.
TEXT_COUNTS, MEANING_COUNTS, GLOSS_COUNTS, SPELLING_COUNTS = 0.7, 1.0, 1.0, 0.8
# Beside meaning, hits by text that hold less than this share of the query only disturb.
LEAST_SHARE = 0.7
NO_MODEL = "nothing has been embedded yet: these hits are by text alone"


@dataclass(frozen=True)
class Wanted:
    """How to search: `mode` is fused, text or meaning; words of one language (a tag) or of all."""

    mode: str = "fused"
    by_thread: bool = False
    limit: int = 20
    offset: int = 0
    language: str = ""


@dataclass
class Page:
    """One page of the hits of one kind; `total` counts all pages' hits, `notices` are for the reader."""

    kind: str
    hits: Sequence[Hit]
    total: int
    notices: list[str] = field(default_factory=list)


DEFAULT = Wanted()


def search(
    db: PostgresqlDatabase,
    text: str,
    kind: str = "message",
    wanted: Wanted = DEFAULT,
    encode: QueryEncoder | None = None,
) -> Page:
    """Return one page of what answers the query. Raises QueryError.

    Without `encode`, or when it raises EncoderMissing, the page is by text alone, with a notice.
    """
    query = parse(text)
    foreign = query.of_mail() if kind != "message" else None
    if foreign:
        raise QueryError(f"{foreign.operator}: is for messages only", foreign.column)
    return _Search(db, query, kind, wanted).page(encode)


class _Search:
    """One query over one kind."""

    def __init__(self, db: PostgresqlDatabase, query: Query, kind: str, wanted: Wanted) -> None:
        self.db, self.query, self.kind, self.wanted = db, query, kind, wanted
        self.lexemes: Lexemes = look_up(db, query.terms())
        self.scope = self._scope()
        self.notices: list[str] = []
        self.starts: dict[int, int] = {}  # of a message's nearest chunk

    def _scope(self) -> Condition:
        if self.kind != "word":
            return ALWAYS
        tag = Condition("s.language = (SELECT id FROM language WHERE tag = %s)", (self.wanted.language,))
        return both(LIVE_WORDS, tag if self.wanted.language else ALWAYS)

    def page(self, encode: QueryEncoder | None) -> Page:
        rankings = self.ranked(encode)
        hits, in_thread = self._by_thread(rankings) if self.wanted.by_thread else (self._fused(rankings), {})
        chosen = hits[self.wanted.offset : self.wanted.offset + self.wanted.limit]
        return Page(self.kind, self._shown(chosen, in_thread), len(hits), self.notices)

    def ranked(self, encode: QueryEncoder | None) -> dict[str, Ranking]:
        """Return the rankings to be fused, by name."""
        rankings: dict[str, Ranking] = {}
        near = self._near(encode) if self.wanted.mode != "text" else []
        if near:
            rankings["meaning"] = dict.fromkeys(near, MEANING_COUNTS)
        if self.wanted.mode != "meaning" or self.notices:
            rankings["text"] = self._text(beside_meaning=bool(near))
        if self.kind == "word" and self.wanted.mode != "meaning":
            rankings["gloss"] = dict.fromkeys(glossed_words(self.db, self.query, self.scope), GLOSS_COUNTS)
            rankings["spelling"] = dict.fromkeys(self._alike(), SPELLING_COUNTS)
        return rankings

    def _text(self, beside_meaning: bool) -> Ranking:
        found = find_text(self.db, self.kind, self.query, self.lexemes, self.scope)
        if not beside_meaning:
            return dict.fromkeys(found, TEXT_COUNTS)
        return {one: TEXT_COUNTS * share**2 for one, share in found.items() if share >= LEAST_SHARE}

    def _named(self) -> list[int]:
        if self.kind == "message":
            return named_messages(self.query)
        return named_words(self.db, self.query, self.scope) if self.kind == "word" else []

    def _near(self, encode: QueryEncoder | None) -> list[int]:
        text = self.query.meaning()
        if not text:
            return []
        model = EmbeddingModel.searched()
        if model is None or encode is None:
            self.notices.append(NO_MODEL if model is None else "search by meaning is off: these hits are by text alone")
            return []
        try:
            vector = encode(model, text)
        except EncoderMissing as error:
            self.notices.append(f"these hits are by text alone: {error}")
            return []
        scope = self.scope if self.wanted.language else ALWAYS  # what is gone has no vectors
        holds = both(condition_of(self.query.conditions(), self.lexemes), scope)
        near = find_near(self.db, model, self.kind, vector, holds)
        self.starts = {one.id: one.start for one in near}
        return [one.id for one in near]

    def _alike(self) -> list[int]:
        """Return words like the query's single word, when that is in no text."""
        terms = self.query.terms()
        if len(terms) != 1 or terms[0].quoted or len(terms[0].text) > LONGEST:
            return []
        exact = named_words(self.db, self.query, self.scope)
        return [] if exact else find_alike(self.db, terms[0].text, self.scope)

    def _fused(self, rankings: Mapping[str, Ranking]) -> list[Fused]:
        """Return all hits, best first; those that the query names outright before all others."""
        named = self._named() if self.wanted.mode != "meaning" else []
        first = [Fused(one, 1.0, (DIRECT,)) for one in named]
        return first + [hit for hit in fuse(rankings) if hit.id not in named]

    def _by_thread(self, rankings: Mapping[str, Ranking]) -> tuple[list[Fused], dict[int, int]]:
        """Return the best hit of each thread, and how many hits it stands for. What is fused are the threads."""
        hits = self._fused(rankings)
        if self.kind != "message":
            return hits, {}
        threads = threads_of(self.db, [hit.id for hit in hits])
        order = {hit.id: place for place, hit in enumerate(fuse({n: grouped(r, threads) for n, r in rankings.items()}))}
        best: dict[int, Fused] = {}
        counts: dict[int, int] = {}
        for hit in hits:
            first = best.setdefault(threads[hit.id], hit)
            counts[first.id] = counts.get(first.id, 0) + 1
        shown = sorted(best, key=lambda one: (best[one].found_by != (DIRECT,), order.get(one, 0)))
        return [best[one] for one in shown], counts

    def _shown(self, hits: Sequence[Fused], in_thread: dict[int, int]) -> Sequence[Hit]:
        if self.kind == "word":
            return show_words(self.db, hits)
        if self.kind == "sentence":
            return show_sentences(self.db, hits)
        marked = any_of((term for group in self.query.positive_text() for term in group), self.lexemes)
        return show_messages(self.db, hits, _anywhere(marked), self.starts, in_thread)


def _anywhere(tsquery: str) -> str:
    """Return the tsquery without weights: a snippet has no subject."""
    return tsquery.replace("':A", "'")
