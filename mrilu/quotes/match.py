"""Which passages of earlier messages the quoted lines of one came from. Pure; the work is linear in the texts.

Runs of four words (shingles) of the quotation are looked up in the candidates, and each is made as long as it goes.
What is found has to be most of the lines that it is on: a phrase that two texts share is no quotation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from mrilu.quotes.named import Named
from mrilu.quotes.words import Quoted, Source, weight

SHINGLE = 4  # words
LEAST = 20  # letters of a quotation that tell it from another one
LEAST_AFAR = (
    40  # letters, where the source is in the same thread, and is not named as what is answered
)
SHARE = 0.8  # of the words on the lines of a link that must be the source's
GAP = 3  # words that may stand between two pieces of one quotation: somebody mended a slip
MOST_PLACES = 16  # of a shingle that are looked at

Shingle = tuple[str, ...]


class Candidate(NamedTuple):
    """A message that may be quoted. `rank`: 0 the one that is answered, 1 what that answers ...; -1 of the thread.

    `author` (the address) tells whether two are by one person; `name` is how mails call that person.
    """

    message: int
    rank: int
    sent_at: datetime
    author: str
    text: Source
    name: str = ""


class Link(NamedTuple):
    """body[start:stop] of the message came from body[source_start:source_stop] of `source`.

    These are whole lines; `passage` to `last_passage` are the source's passages there. `whole`: the run of quoted
    lines holds all of the source's own words, unchanged. `answered`: the message's own words follow, and of the lines
    above them none is quoted less deep.
    """

    start: int
    stop: int
    source: int
    source_start: int
    source_stop: int
    passage: int
    last_passage: int
    whole: bool
    answered: bool


class _Piece(NamedTuple):
    """Words [start, stop) of the quotation are words [at, at_stop) of the candidate; `hits` of them are equal."""

    candidate: Candidate
    start: int
    stop: int
    at: int
    at_stop: int
    hits: int


def find_links(runs: Sequence[Quoted], candidates: Sequence[Candidate]) -> tuple[list[Link], int]:
    """Return the links of these runs of quoted lines, in their order, and how many runs have none.

    Runs too short to tell where they came from are not counted.
    """
    places = _places(runs, candidates)
    named = Named(candidates)
    links: list[Link] = []
    unfound = 0
    for run in runs:
        found = list(_links(run, places, named))
        links += found
        unfound += not found and sum(weight(word.text) for word in run.words) >= LEAST
    return links, unfound


Places = Mapping[Shingle, Sequence[tuple[Candidate, int]]]


def _places(runs: Sequence[Quoted], candidates: Sequence[Candidate]) -> Places:
    """Return where in the candidates each shingle of the runs stands."""
    places: dict[Shingle, list[tuple[Candidate, int]]] = {
        shingle: [] for run in runs for shingle in _shingles([word.text for word in run.words])
    }
    for candidate in candidates:
        for at, shingle in enumerate(_shingles([word.text for word in candidate.text.words])):
            found = places.get(shingle)
            if found is not None and len(found) < MOST_PLACES:
                found.append((candidate, at))
    return places


def _shingles(words: Sequence[str]) -> Iterator[Shingle]:
    return zip(*(words[shift:] for shift in range(SHINGLE)), strict=False)


def _links(run: Quoted, places: Places, named: Named) -> Iterator[Link]:
    found = (_trimmed(run, piece) for piece in _pieces(run, places, named))
    pieces = [one for one in found if one]
    whole = _whole(pieces)
    for piece in pieces:
        words, text = run.words, piece.candidate.text
        first, last = text.words[piece.at], text.words[piece.at_stop - 1]
        yield Link(
            run.lines[words[piece.start].line].start,
            run.lines[words[piece.stop - 1].line].end,
            piece.candidate.message,
            text.lines[first.line].start,
            text.lines[last.line].end,
            first.passage,
            last.passage,
            piece.candidate.message in whole,
            run.followed and _depth(run, piece.start) == min(run.depths),
        )


def _pieces(run: Quoted, places: Places, named: Named) -> Iterator[_Piece]:
    """Yield what of the run is found, in its order; what is nearly continuous in one source is one piece."""
    texts = tuple(word.text for word in run.words)
    place, held = 0, None
    while place + SHINGLE <= len(texts):
        found = _longest(run, texts, place, places, named)
        if found is None:
            place += 1
            continue
        place = found.stop
        if held and _continues(run, held, found):
            held = held._replace(
                stop=found.stop, at_stop=found.at_stop, hits=held.hits + found.hits
            )
            continue
        if held:
            yield held
        held = found
    if held:
        yield held


def _continues(run: Quoted, held: _Piece, found: _Piece) -> bool:
    """Tell whether one quotation goes on: a few words at most were changed, and no line of others stands between."""
    lines = [run.words[word].line for word in range(held.stop - 1, found.start + 1)]
    return (
        held.candidate is found.candidate
        and 0 <= found.at - held.at_stop <= GAP
        and len(lines) - 2 <= GAP
        and all(line in (lines[0], lines[-1]) for line in lines)
        and run.depths[lines[0]] == run.depths[lines[-1]]
    )


def _longest(
    run: Quoted, texts: tuple[str, ...], place: int, places: Places, named: Named
) -> _Piece | None:
    """Return the longest piece from this word on; of equally long ones the likeliest, None where that is open."""
    end = _end_of_depth(run, place)
    if place + SHINGLE > end:
        return None
    found: list[_Piece] = []
    for candidate, at in places[texts[place : place + SHINGLE]]:
        words = candidate.text.words
        length = SHINGLE
        most = min(end - place, len(words) - at)
        while length < most and texts[place + length] == words[at + length].text:
            length += 1
        found.append(_Piece(candidate, place, place + length, at, at + length, length))
    return _likeliest(named.possible(found, _head(run, place)), _depth(run, place))


def _likeliest(found: Sequence[_Piece], depth: int) -> _Piece | None:
    if not found:
        return None
    longest = max(piece.hits for piece in found)
    best = [piece for piece in found if piece.hits == longest]
    named = [piece for piece in best if piece.candidate.rank >= 0]
    if not named:
        # nobody says that one of them is answered: two that say the same leave it open
        return best[0] if len({piece.candidate.message for piece in best}) == 1 else None
    if len({piece.candidate.author for piece in named}) > 1:
        # one of them took the other's words in without a mark
        return min(named, key=lambda piece: (piece.candidate.sent_at, piece.at))
    return min(named, key=lambda piece: (abs(piece.candidate.rank - depth + 1), piece.at))


def _end_of_depth(run: Quoted, place: int) -> int:
    """Return the first word behind `place` that is quoted deeper or less deep: it is another one's."""
    depth, end = _depth(run, place), place
    while end < len(run.words) and _depth(run, end) == depth:
        end += 1
    return end


def _head(run: Quoted, word: int) -> str:
    return run.heads[run.words[word].line]


def _depth(run: Quoted, word: int) -> int:
    return run.depths[run.words[word].line]


def _trimmed(run: Quoted, piece: _Piece) -> _Piece | None:
    """Return the piece without lines at its ends most of which are other words; None if it says too little, or too
    much of its lines is not the source's."""
    start, stop = piece.start, piece.stop
    first, last = run.words[start].line, run.words[stop - 1].line
    before = _words_on(run, first)
    behind = _words_on(run, last)
    if first != last and 2 * (before[1] - start) < before[1] - before[0]:
        start = before[1]
    if first != last and 2 * (stop - behind[0]) < behind[1] - behind[0]:
        stop = behind[0]
    cut = piece._replace(
        start=start,
        stop=stop,
        at=piece.at + start - piece.start,
        at_stop=piece.at_stop - (piece.stop - stop),
        hits=piece.hits - (start - piece.start) - (piece.stop - stop),
    )
    on_lines = (
        _words_on(run, run.words[stop - 1].line)[1] - _words_on(run, run.words[start].line)[0]
    )
    told = sum(weight(word.text) for word in run.words[start:stop])
    least = LEAST if piece.candidate.rank >= 0 else LEAST_AFAR
    return cut if cut.hits >= SHINGLE and cut.hits >= SHARE * on_lines and told >= least else None


def _words_on(run: Quoted, line: int) -> tuple[int, int]:
    """Return the places [start, stop) of the words of a line."""
    start = bisect_left(run.words, line, key=lambda word: word.line)
    return start, bisect_left(run.words, line + 1, key=lambda word: word.line)


def _whole(pieces: Sequence[_Piece]) -> set[int]:
    """Return the messages all of whose own words these pieces hold, in their order and unchanged."""
    reached: dict[int, int] = {}
    sources = {piece.candidate.message: piece.candidate for piece in pieces}
    for piece in pieces:
        number = piece.candidate.message
        exact = piece.hits == piece.stop - piece.start == piece.at_stop - piece.at
        if exact and reached.get(number, 0) == piece.at:
            reached[number] = piece.at_stop
        else:
            reached[number] = -1  # a word was changed, left out, or moved
    return {number for number, end in reached.items() if end == len(sources[number].text.words)}
