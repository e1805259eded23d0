"""Cutting a long text into pieces that a model reads whole. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

Span = tuple[int, int]  # character offsets, start and end
Spans = Sequence[Span]

# Where a text is best cut, best first: between paragraphs, after a sentence, at the end of a line.
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"(?<=[.!?])\s+(?=\S)"), re.compile(r"\n"))
# A cut in the first half of a piece would waste half of what the model can read.
EARLIEST = 0.5


def pieces(text: str, tokens: Spans, budget: int, most: int) -> list[Span]:
    """Return at most `most` character spans that cover `text` from its start, of at most `budget` tokens each.

    `tokens` are the character spans of the text's tokens, in order, as the model's tokenizer gives them.
    A piece ends at a paragraph, sentence or line if one ends in its second half. No tokens, no pieces.
    """
    spans: list[Span] = []
    first = 0
    while first < len(tokens) and len(spans) < most:
        last = _last_token(text, tokens, first, min(first + max(1, budget), len(tokens)))
        spans.append((tokens[first][0], tokens[last - 1][1]))
        first = last
    return spans


def _last_token(text: str, tokens: Spans, first: int, limit: int) -> int:
    """Return the token after the piece that begins with token `first`; `limit` is the furthest it may be."""
    if limit == len(tokens):
        return limit
    start, end = tokens[first][0], tokens[limit][0]
    earliest = start + int((end - start) * EARLIEST)
    for cut in _CUTS:
        # the newline that ends the piece may lie between the last token and the next one
        ends = [match.end() for match in cut.finditer(text, earliest, end)]
        if ends:
            return _token_at(tokens, ends[-1], first, limit)
    return limit


def _token_at(tokens: Spans, offset: int, first: int, limit: int) -> int:
    """Return the first token from `offset` on, but at least one after `first`."""
    for number in range(first + 1, limit):
        if tokens[number][0] >= offset:
            return number
    return limit


def batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts of these token counts, longest first, so that padded to the longest none exceeds `budget` tokens.

    Return the texts' indices. Neighbours in length share a batch, so that little is padding; a text longer
    than the budget is alone.
    """
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    starts = [0]
    for position in range(len(order)):
        longest = max(1, lengths[order[starts[-1]]])
        if position > starts[-1] and (position - starts[-1] + 1) * longest > budget:
            starts.append(position)
    return [order[start:end] for start, end in pairwise([*starts, len(order)]) if end > start]
