"""Has typst's links lead to names, in the bytes of a PDF: typst's own cost it minutes and gigabytes in a large book.

A piece has links to two kinds of addresses: "!NAME" stands on what NAME means, "#NAME" is to lead there. Typst writes
each object on a line and none of them compressed; what is changed keeps its length, so that all stay where they are.
A hundred thousand links as objects of a PDF library would take longer than the typesetting. Pure.
"""

from __future__ import annotations

import re

Places = dict[
    str, tuple[int, list[float]]
]  # name: its page's object number; left, bottom, right, top in points

_LEAD = re.compile(rb"/A<</Type/Action/S/URI/URI\(#([\w-]+)\)>>")
_NAMED = rb"/Dest(\1)".ljust(len(rb"/A<</Type/Action/S/URI/URI(#\1)>>"))
_MARK = re.compile(rb" 0 obj\n<</Type/Annot/Subtype/Link/Rect\[([\d. -]+)\][^\n]*/URI\(!([\w-]+)\)")
_PAGE = re.compile(rb" 0 obj\n<</Type/Page/[^\n]*/Annots(\[[\d R]*\])")
_REFERENCE = re.compile(rb"(\d+) 0 R ?")


class NotUnderstood(Exception):
    """Typst's PDF is not written as it was when this was made (typst 0.15)."""


def with_names(pdf: bytes) -> tuple[bytes, Places]:
    """Return the PDF with links to names and without what stands for a place, and the places. Raises NotUnderstood."""
    marks = {_number_before(pdf, mark.start()): mark for mark in _MARK.finditer(pdf)}
    missed = pdf.count(b"/URI(!") - len(marks)
    kept, places = _without(marks, pdf)
    named = _LEAD.sub(_NAMED, kept)
    if missed or marks or b"/URI(#" in named or len(named) != len(pdf):
        raise NotUnderstood(NotUnderstood.__doc__)
    return named, places


def _without(marks: dict[bytes, re.Match[bytes]], pdf: bytes) -> tuple[bytes, Places]:
    """Take the marks out of the pages' lists of annotations, and out of `marks` those that were on a page."""
    places: Places = {}
    written: list[bytes] = []
    end = 0
    for page in _PAGE.finditer(pdf):
        number, kept = int(_number_before(pdf, page.start())), []
        for annotation in _REFERENCE.findall(page[1]):
            mark = marks.pop(annotation, None)
            if mark:
                box = [float(edge) for edge in mark[1].split()]
                places.setdefault(mark[2].decode(), (number, box))
            else:
                kept.append(annotation)
        written += [pdf[end : page.start(1)], _references(kept).ljust(len(page[1]))]
        end = page.end(1)
    return b"".join([*written, pdf[end:]]), places


def _references(numbers: list[bytes]) -> bytes:
    return b"[" + b" ".join(number + b" 0 R" for number in numbers) + b"]"


def _number_before(pdf: bytes, end: int) -> bytes:
    """Return the number that ends at `end`: that of an object."""
    return pdf[pdf.rindex(b"\n", 0, end) + 1 : end]
