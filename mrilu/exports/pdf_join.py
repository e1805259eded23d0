"""Joins the pieces of a PDF: their pages with numbers, the names that links lead to, the outline.

A piece is typeset as if it began the book, on a right page. In one that begins on a left page the margins are swapped
here, by moving its pages' boxes: links and names keep their coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from mrilu.exports.pdf_names import Places
from mrilu.exports.pdf_numbers import Numbers, read_numbers

Outline = Iterable[tuple[str, str, list[tuple[str, str]]]]
DIGITS = 2  # pages of the first piece that are taken away: the digits of numbers, and an empty one
FRONT = 2  # pages that have no number: title and colophon
LEAF = 128  # names of a leaf of the tree of names


class Joined:
    """A PDF of pieces, which are added in their order: the first one begins with a page of the digits."""

    def __init__(self) -> None:
        self._pdf: Any = None
        self._numbers: Numbers
        self._places: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pdf:
            self._pdf.close()

    def add(self, path: Path, places: Places) -> None:
        """Add the pages of a piece."""
        import pikepdf

        piece = pikepdf.open(path)
        if self._pdf is None:
            self._pdf = piece
            self._numbers = read_numbers(piece.pages[0], places.pop("digits")[1])
            del piece.pages[:DIGITS]
            self._finish(list(piece.pages), list(piece.pages), places, 0)
            return
        # What was copied needs the piece no longer: a hundred thousand objects, and these twice, are 150 MB.
        with piece:
            before = len(self._pdf.pages)
            for page in piece.pages:
                self._pdf.pages.append(page)
            self._finish(list(piece.pages), self._pdf.pages[before:], places, before)

    def _finish(self, originals: list[Any], added: list[Any], places: Places, before: int) -> None:
        """Note the places on pages that were added after `before` others, and number these pages."""
        import pikepdf

        pages = {page.obj.objgen[0]: one.obj for page, one in zip(originals, added, strict=True)}
        for name, (number, box) in places.items():
            place = [pages[number], pikepdf.Name.XYZ, None, box[3], None]  # ISO 32000-1, 12.3.2.2
            self._places[name] = pikepdf.Array(place)
        for number, page in enumerate(added, before + 1):
            if number > FRONT:
                typeset_right = bool((number - before) % 2)
                self._numbers.put(self._pdf, page.obj, number, typeset_right)

    def save(self, outline: Outline, path: Path) -> None:
        """Write the PDF, whose outline has parts (name, title) and their sections (name, title)."""
        import pikepdf

        self._pdf.Root.Names = pikepdf.Dictionary(Dests=_tree(self._pdf, self._places))
        _write_outline(self._pdf, outline, self._places)
        self._pdf.save(
            path,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )


def _tree(pdf: Any, places: dict[str, Any]) -> Any:
    """Return a tree of names (ISO 32000-1, 7.9.6)."""
    import pikepdf

    names = sorted(places)
    leaves = [
        pdf.make_indirect(
            pikepdf.Dictionary(
                Limits=pikepdf.Array([pikepdf.String(leaf[0]), pikepdf.String(leaf[-1])]),
                Names=pikepdf.Array(list(_pairs(leaf, places))),
            )
        )
        for leaf in (names[start : start + LEAF] for start in range(0, len(names), LEAF))
    ]
    return pdf.make_indirect(pikepdf.Dictionary(Kids=pikepdf.Array(leaves)))


def _pairs(names: list[str], places: dict[str, Any]) -> Iterator[Any]:
    import pikepdf

    for name in names:
        yield pikepdf.String(name)
        yield places[name]


def _write_outline(pdf: Any, outline: Outline, places: dict[str, Any]) -> None:
    import pikepdf

    with pdf.open_outline() as written:
        written.root.clear()
        for name, title, sections in outline:
            part = pikepdf.OutlineItem(title, places.get(name))
            part.children.extend(
                pikepdf.OutlineItem(letter, places.get(section)) for section, letter in sections
            )
            written.root.append(part)
