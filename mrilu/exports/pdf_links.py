"""Joins the pieces of a PDF and makes its links: typst's own cost it minutes and gigabytes in a large book.

The pieces have links to two kinds of addresses: "!NAME" stands on what NAME means, "#NAME" is to lead there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

Outline = Iterable[tuple[str, str, list[tuple[str, str]]]]


def join(pieces: list[Path], outline: Outline, path: Path) -> None:
    """Write one PDF of all pieces, whose outline has parts (name, title) and their sections (name, title)."""
    import pikepdf

    with ExitStack() as opened:
        pdf, *others = [opened.enter_context(pikepdf.open(piece)) for piece in pieces]
        for other in others:
            pdf.pages.extend(other.pages)
        _link(pdf, outline)
        pdf.save(
            path,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )


def _link(pdf: Any, outline: Outline) -> None:
    places: dict[str, Any] = {}
    leads: list[tuple[str, Any]] = []
    for page in pdf.pages:
        _read_page(page.obj, places, leads)
    for name, annotation in leads:
        del annotation["/A"]
        if name in places:
            annotation["/Dest"] = places[name]
    _write_outline(pdf, outline, places)


def _read_page(page: Any, places: dict[str, Any], leads: list[tuple[str, Any]]) -> None:
    """Note where names are on the page, and its links; what only marks a place is taken away."""
    import pikepdf

    kept = []
    for annotation in page.get("/Annots", ()):
        address = str(annotation.get("/A", {}).get("/URI", ""))
        if address.startswith("!"):
            top = annotation["/Rect"][3]
            place = [page, pikepdf.Name.XYZ, None, top, None]  # ISO 32000-1, 12.3.2.2
            places.setdefault(address[1:], pikepdf.Array(place))
            continue
        if address.startswith("#"):
            leads.append((address[1:], annotation))
        kept.append(annotation)
    if kept:
        page["/Annots"] = pikepdf.Array(kept)
    elif "/Annots" in page:
        del page["/Annots"]


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
