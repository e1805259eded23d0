"""Spans of a body that are its author's own, and the text that they make. Pure."""

from collections.abc import Iterable, Iterator, Sequence


def own_text(body: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return the author's own words: the spans [start, end) of `body`, each on lines of its own.

    Between two spans stood lines of somebody else: without a line end the last word of one and
    the first of the next would become one.
    """
    return "\n".join(body[start:end] for start, end in spans)


def paired(offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return spans as the database has them (start, end, start, end ...) as pairs."""
    return zip(offsets[::2], offsets[1::2], strict=True)
