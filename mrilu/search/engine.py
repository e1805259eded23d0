"""Search over messages, words and sentences: what is named outright, full text and meaning, fused.

Each kind is searched by itself. The rankings are of bounded depth and without chance in them, so that pages of
one query never overlap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from peewee import PostgresqlDatabase

from models import OPERATOR, Reader, visible_to
from mrilu.embeddings.model import EncoderMissing
from mrilu.search.conditions import ALWAYS, Condition, both, condition_of
from mrilu.search.direct import glossed_words, named_messages, named_words
from mrilu.search.facets import Facets
from mrilu.search.fulltext import LIVE_WORDS, find_text
from mrilu.search.fusion import Fused, Ranking, fuse, grouped
from mrilu.search.grammar import Query, QueryError, Term, parse
from mrilu.search.lexemes import (
    Lexemes,
    any_of,
    is_silent,
    names_something,
    without_weights,
)
from mrilu.search.meaning import find_near, leaves_few
from mrilu.search.names import with_names
from mrilu.search.newest import Place
from mrilu.search.opening import Opening, open_search
from mrilu.search.patience import within
from mrilu.search.query_vector import QueryEncoder
from mrilu.search.results import (
    Hit,
    MessageHit,
    show_messages,
    show_sentences,
    show_words,
    threads_of,
)
from mrilu.search.spelling import LONGEST, find_alike, is_spelt_right
from mrilu.search.statistics import Times, times_of

KINDS = ("message", "word", "sentence")
MODES = ("fused", "text", "meaning")
DIRECT = "direct"
# What the first place of each ranking counts; found on the labelled queries of bench/quality.
TEXT_COUNTS, MEANING_COUNTS, GLOSS_COUNTS, SPELLING_COUNTS = 0.7, 1.0, 1.0, 0.8
# Beside meaning, hits by text that hold less than this share of the query only disturb.
LEAST_SHARE = 0.7
NO_MODEL = "nothing has been embedded yet: these hits are by text alone"
NO_VECTORS = "the database holds no vectors: these hits are by text alone"
NO_TEXT = "there is no text here whose meaning could be looked for: these hits are by text alone"
TOO_COMMON = "{} is left out: it has nothing but words too common to be searched, or signs"
DEEPEST = 1_000_000  # hits that a page may lie below the ranked ones


@dataclass(frozen=True)
class Wanted:
    """How to search: `mode` is fused, text or meaning; words of one language (a tag) or of all.

    `seconds` are what PostgreSQL may take for all of it; `reader` finds what it may see. `after` is the place of the
    message behind which the page begins, where a page had one (`Page.last`); else `offset` tells. `facets` are seconds
    after which it is no longer looked how the messages found by text are spread.
    """

    mode: str = "fused"
    by_thread: bool = False
    limit: int = 20
    offset: int = 0
    language: str = ""
    seconds: float = 10.0
    reader: Reader = OPERATOR
    after: Place | None = None
    facets: float = 0.0


@dataclass
class Page:
    """One page of the hits of one kind; `notices` are for the reader.

    `total` counts the hits of all pages, or, if there are `more`, those that have been looked at so far. `last` is the
    place of its last message, behind which the next page begins; None where that is told by an offset. `spread` is how
    the messages that hold every word are spread; None where that was not wanted, or takes too long.
    """

    kind: str
    hits: Sequence[Hit]
    total: int
    notices: list[str] = field(default_factory=list)
    more: bool = False
    last: Place | None = None
    spread: Facets | None = None


DEFAULT = Wanted()
# Given a state of the database (Opening.state) and what makes the page, returns that page or one of the same state.
Keep = Callable[[str, Callable[[], Page]], Page]


def search(
    db: PostgresqlDatabase,
    text: str,
    kind: str = "message",
    wanted: Wanted = DEFAULT,
    encode: QueryEncoder | None = None,
    keep: Keep = lambda state, make: make(),
) -> Page:
    """Return one page of what answers the query. Raises QueryError, SearchTooSlow.

    Without `encode`, or when it raises EncoderMissing, the page is by text alone, with a notice. `keep` may have it.
    """
    query = parse(text).asked_by(wanted.reader)
    foreign = query.of_mail() if kind != "message" else None
    if foreign:
        raise QueryError(f"{foreign.operator}: is for messages only", foreign.column)
    with within(db, wanted.seconds) as deadline:
        opening = open_search(db, deadline, query.terms())
        found = partial(_Search, db, query, kind, wanted, opening)
        return keep(opening.state, lambda: found().page(encode))


class _Search:
    """One query over one kind."""

    def __init__(
        self, db: PostgresqlDatabase, query: Query, kind: str, wanted: Wanted, opening: Opening
    ) -> None:
        self.db, self.kind, self.wanted, self.opening = db, kind, wanted, opening
        self.facets_until = time.monotonic() + wanted.facets if wanted.facets else None
        self.query = with_names(db, query)
        self.lexemes: Lexemes = opening.lexemes
        self.scope = self._scope()
        self.notices: list[str] = []
        self.text_answers = wanted.mode != "meaning"
        self.rest: Callable[[int], list[int]] | None = None  # hits by text below the ranked ones
        self.behind: Callable[[int, Place], list[int]] | None = None
        self.starts: dict[int, int] = {}  # of a message's nearest chunk
        self.spread: Facets | None = None

    def _scope(self) -> Condition:
        if self.kind == "message":
            return Condition(*visible_to(self.wanted.reader, "s"))
        if self.kind == "sentence":
            return ALWAYS
        tag = Condition(
            "s.language = (SELECT id FROM language WHERE tag = %s)", (self.wanted.language,)
        )
        return both(LIVE_WORDS, tag if self.wanted.language else ALWAYS)

    def page(self, encode: QueryEncoder | None) -> Page:
        rankings = self.ranked(encode)
        hits, in_thread = self._arranged(rankings, [])
        after, offset = self.wanted.after, self.wanted.offset
        if after and self._goes_by_place():
            found = next((number for number, hit in enumerate(hits, 1) if hit.id == after[1]), None)
            if found is None and self.behind:
                return self._page_behind(after, hits)
            offset = offset if found is None else found
        last = offset + self.wanted.limit
        asked = 0
        while self.rest and len(hits) < last and asked < DEEPEST:
            asked = min(max(2 * asked, last - len(hits)), DEEPEST)
            further = self.rest(asked + 1)
            self.rest = self.rest if len(further) > asked else None
            hits, in_thread = self._arranged(rankings, further[:asked])
        more = self.rest is not None
        return self._made(self._shown(hits[offset:last], in_thread), len(hits), more)

    def _goes_by_place(self) -> bool:
        return self.kind == "message" and not self.wanted.by_thread

    def _page_behind(self, after: Place, ranked: Sequence[Fused]) -> Page:
        """Return the page of what comes after a message that is below the ranked ones."""
        assert self.behind is not None
        known = {hit.id for hit in ranked}
        without_text = sum(
            "text" not in hit.found_by for hit in ranked
        )  # these may be among the older ones
        found = self.behind(self.wanted.limit + without_text + 1, after)
        further = [Fused(one, 0.0, ("text",)) for one in found if one not in known]
        chosen = further[: self.wanted.limit]
        total = max(self.wanted.offset, len(ranked)) + len(chosen)
        return self._made(self._shown(chosen, {}), total, len(further) > len(chosen))

    def _made(self, hits: Sequence[Hit], total: int, more: bool) -> Page:
        left_out = (TOO_COMMON.format(term.text) for term in self._left_out(found=bool(total)))
        last = hits[-1] if hits and self._goes_by_place() else None
        place = (last.sent_at, last.id) if isinstance(last, MessageHit) else None
        notices = [*self.notices, *left_out]
        return Page(self.kind, hits, total, notices, more, place, self.spread)

    def _left_out(self, found: bool) -> list[Term]:
        """Return the terms of common words that the reader should hear of; a plain word, if there is nothing else.

        A word of the dictionary may be spelt like a common one: then it is found outright.
        """
        nothing = not found and not names_something(self.query, self.lexemes)
        outright = self.kind == "word" and len(self.query.terms()) == 1
        silent = [
            term
            for term in self.query.terms()
            if not term.negated and is_silent(term, self.lexemes)
        ]
        return [term for term in silent if nothing or not (term.is_wish or outright)]

    def ranked(self, encode: QueryEncoder | None) -> dict[str, Ranking]:
        """Return the rankings to be fused, by name."""
        rankings: dict[str, Ranking] = {}
        near = self._near(encode) if self.wanted.mode != "text" else []
        if near:
            rankings["meaning"] = dict.fromkeys(near, MEANING_COUNTS)
        if self.text_answers:
            rankings["text"] = self._text(beside_meaning=bool(near))
        if self.kind == "word" and self.wanted.mode != "meaning":
            rankings["gloss"] = dict.fromkeys(
                glossed_words(self.db, self.query, self.scope), GLOSS_COUNTS
            )
            rankings["spelling"] = dict.fromkeys(self._alike(), SPELLING_COUNTS)
        return rankings

    def _text(self, beside_meaning: bool) -> Ranking:
        found = find_text(
            self.db,
            self.kind,
            self.query,
            self.lexemes,
            self.scope,
            self._times(),
            self.facets_until,
        )
        self.spread = found.spread
        least = LEAST_SHARE if beside_meaning else 0.0
        kept = {one: share for one, share in found.shares.items() if share >= least}
        if len(kept) == len(found.shares):
            self.rest, self.behind = found.rest, found.behind
        return {
            one: TEXT_COUNTS * (share**2 if beside_meaning else 1.0) for one, share in kept.items()
        }

    def _times(self) -> Times:
        """Return what is known of the messages, where these are searched."""
        if self.kind != "message":
            return Times()
        return times_of(self.db, self.opening.newest, self.opening.counted)

    def _named(self) -> list[int]:
        if self.kind == "message":
            return named_messages(self.query, self.wanted.reader)
        return named_words(self.db, self.query, self.scope) if self.kind == "word" else []

    def _near(self, encode: QueryEncoder | None) -> list[int]:
        text = self.query.meaning()
        if not text and self.wanted.mode == "meaning":
            self._let_text_answer(NO_TEXT)
        if not text or not self._can_answer():
            return []
        model = self.opening.model
        if model is None or encode is None:
            off = "search by meaning is off: these hits are by text alone"
            self._let_text_answer(self._why_no_model() if model is None else off)
            return []
        try:
            vector = encode(model, text)
        except EncoderMissing as error:
            self._let_text_answer(f"these hits are by text alone: {error}")
            return []
        holds = both(condition_of(self.query.conditions(), self.lexemes), self.scope)
        few = leaves_few(self.query, self.lexemes, self._times())
        near = find_near(self.db, model, self.kind, vector, holds, measure_all=few)
        self.starts = {one.id: one.start for one in near}
        return [one.id for one in near]

    def _why_no_model(self) -> str:
        return NO_MODEL if self.opening.holds_vectors else NO_VECTORS

    def _can_answer(self) -> bool:
        """Tell whether meaning may: what a phrase demands, and no text can be found by, would not be looked at."""
        return names_something(self.query, self.lexemes) or any(
            term.is_wish for term in self.query.terms()
        )

    def _let_text_answer(self, notice: str) -> None:
        self.text_answers = True
        self.notices.append(notice)

    def _alike(self) -> list[int]:
        """Return words like the query's single word, when that is in no text."""
        terms = self.query.terms()
        if len(terms) != 1 or not terms[0].is_wish or len(terms[0].text) > LONGEST:
            return []
        if named_words(self.db, self.query, self.scope):
            return []
        right = is_spelt_right(self.db, self.lexemes.get(terms[0].text, ""), self.scope)
        return [] if right else find_alike(self.db, terms[0].text, self.scope)

    def _arranged(
        self, rankings: Mapping[str, Ranking], further: Sequence[int]
    ) -> tuple[list[Fused], dict[int, int]]:
        """Return all hits, best first, and by thread how many each stands for; `further` come after the ranked ones."""
        fused = self._fused(rankings)
        known = {hit.id for hit in fused}
        hits = fused + [Fused(one, 0.0, ("text",)) for one in further if one not in known]
        if not self.wanted.by_thread or self.kind != "message":
            return hits, {}
        return self._by_thread(rankings, hits)

    def _fused(self, rankings: Mapping[str, Ranking]) -> list[Fused]:
        """Return the ranked hits, best first; those that the query names outright before all others."""
        named = self._named() if self.wanted.mode != "meaning" else []
        first = [Fused(one, 1.0, (DIRECT,)) for one in named]
        return first + [hit for hit in fuse(rankings) if hit.id not in named]

    def _by_thread(
        self, rankings: Mapping[str, Ranking], hits: Sequence[Fused]
    ) -> tuple[list[Fused], dict[int, int]]:
        """Return the best hit of each thread, and how many hits it stands for. What is fused are the threads."""
        threads = threads_of(self.db, [hit.id for hit in hits])
        order = {
            hit.id: place
            for place, hit in enumerate(fuse({n: grouped(r, threads) for n, r in rankings.items()}))
        }
        best: dict[int, Fused] = {}
        counts: dict[int, int] = {}
        for hit in hits:
            if hit.id in threads:  # else it has been removed since it was found
                first = best.setdefault(threads[hit.id], hit)
                counts[first.id] = counts.get(first.id, 0) + 1
        shown = sorted(
            best, key=lambda one: (best[one].found_by != (DIRECT,), order.get(one, len(order)))
        )
        return [best[one] for one in shown], counts

    def _shown(self, hits: Sequence[Fused], in_thread: dict[int, int]) -> Sequence[Hit]:
        if self.kind == "word":
            return show_words(self.db, hits)
        if self.kind == "sentence":
            return show_sentences(self.db, hits)
        marked = any_of(
            (term for group in self.query.positive_text() for term in group), self.lexemes
        )
        return show_messages(self.db, hits, without_weights(marked), self.starts, in_thread)
