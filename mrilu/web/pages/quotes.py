"""The blocks of a message with where its quotations came from, and who answers its passages. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from mrilu.mail.permalinks import hash_of
from mrilu.web import addresses
from mrilu.web.pages.texts import Block
from mrilu.web.queries.quotes import End, LinkRow

MOST_ORIGINS = 4  # of one block of quoted lines that are named


class Reference(NamedTuple):
    """A link to another message, with who wrote it and when."""

    place: str
    end: End


class Piece(NamedTuple):
    """Some passages of a block; `anchor` is the id of the first ("" for none), `answers` quote the last."""

    anchor: str
    html: Markup
    answers: tuple[Reference, ...]


class ShownBlock(NamedTuple):
    """A block as a page shows it: `origins` of what it quotes; `whole` is the message all of whose words it quotes."""

    block: Block
    origins: tuple[Reference, ...] = ()
    whole: End | None = None
    pieces: tuple[Piece, ...] = ()


class Graph:
    """The links of a page's messages. `together`: they stand on one page, and are linked to there."""

    def __init__(
        self, links: Iterable[LinkRow], messages: Iterable[int], *, together: bool
    ) -> None:
        self._here = set(messages) if together else set()
        self._together = together
        self._quoting: dict[int, list[LinkRow]] = defaultdict(list)
        self._quoted: dict[int, list[LinkRow]] = defaultdict(list)
        for link in links:
            self._quoting[link.message].append(link)
            self._quoted[link.source].append(link)

    def shown(self, message: int, message_hash: str, blocks: Sequence[Block]) -> list[ShownBlock]:
        """Return the blocks of one message with their links."""
        quoting, quoted = self._quoting.get(message, []), self._quoted.get(message, [])
        if not quoting and not quoted:
            return [ShownBlock(block) for block in blocks]
        answers = self._answers(quoted)
        anchors = {link.passage for link in quoted} | set(answers)
        prefix = f"{message_hash}-" if self._together else ""
        return [
            self._quotation(block, quoting)
            if block.kind == "quote"
            else ShownBlock(block, pieces=_pieces(block, prefix, anchors, answers))
            for block in blocks
        ]

    def _quotation(self, block: Block, quoting: Sequence[LinkRow]) -> ShownBlock:
        within = [one for one in quoting if block.start <= one.start and one.stop <= block.stop]
        origins = dict.fromkeys(
            Reference(self._place_of_passage(one), one.origin) for one in within
        )
        first: dict[End, Reference] = {}
        for one in origins:
            first.setdefault(one.end, one)
        wholes = [one.origin for one in within if one.whole]
        whole = max(wholes, key=lambda end: end.sent_at) if wholes and block.folded else None
        return ShownBlock(block, tuple(first.values())[:MOST_ORIGINS], whole)

    def _answers(self, quoted: Sequence[LinkRow]) -> dict[int, tuple[Reference, ...]]:
        """Return who quotes each passage, each once. Who only carries it along does not answer it."""
        found: dict[int, dict[Reference, None]] = defaultdict(dict)
        for link in quoted:
            if link.answered and not link.whole:
                place = self._place(link.message, link.answer)
                found[link.last_passage][Reference(place, link.answer)] = None
        return {number: tuple(those) for number, those in found.items()}

    def _place(self, message: int, end: End) -> str:
        name = hash_of(end.message_id)
        return f"#{name}" if message in self._here else addresses.of_message(name)

    def _place_of_passage(self, link: LinkRow) -> str:
        place = self._place(link.source, link.origin)
        return f"{place}{'-' if place.startswith('#') else '#'}p{link.passage}"


def _pieces(
    block: Block, prefix: str, anchors: set[int], answers: Mapping[int, tuple[Reference, ...]]
) -> tuple[Piece, ...]:
    """Cut a block at the passages that are linked to, and behind those that are answered; none where nothing is."""
    if not any(one.number in anchors for one in block.passages):
        return ()
    made: list[Piece] = []
    open_piece = False
    for one in block.passages:
        anchor = f"{prefix}p{one.number}" if one.number in anchors else ""
        if open_piece and not anchor:
            made[-1] = made[-1]._replace(html=Markup("\n").join((made[-1].html, one.html)))
        else:
            made.append(Piece(anchor, one.html, answers.get(one.number, ())))
        open_piece = not made[-1].answers
    return tuple(one._replace(html=one.html.rstrip("\n")) for one in made)
