"""Typst's links become links to names, and nothing else of its PDF moves."""

from __future__ import annotations

import pytest

from mrilu.exports.pdf_names import NotUnderstood, with_names


def annotation(number: int, address: str, box: str = "1 2 3.5 40.25") -> str:
    link = f"/A<</Type/Action/S/URI/URI({address})>>/F 4>>"
    return f"{number} 0 obj\n<</Type/Annot/Subtype/Link/Rect[{box}]/Border[0 0 0]{link}\nendobj"


def page(number: int, annotations: str) -> str:
    return (
        f"{number} 0 obj\n<</Type/Page/Parent 1 0 R/Contents 9 0 R/Annots[{annotations}]>>\nendobj"
    )


def pdf(*objects: str) -> bytes:
    return "\n".join(("%PDF-1.7", *objects, "trailer")).encode()


def test_links_lead_to_names_and_marks_are_no_links():
    before = pdf(
        annotation(2, "!12"),
        annotation(3, "#7"),
        annotation(4, "https://example.org/#7"),
        annotation(5, "!words-3", "-1 2 3 55"),
        annotation(6, "!12"),
        page(7, "2 0 R 3 0 R"),
        page(8, "4 0 R 5 0 R 6 0 R"),
    )
    after, places = with_names(before)
    assert places == {"12": (7, [1, 2, 3.5, 40.25]), "words-3": (8, [-1, 2, 3, 55])}
    assert len(after) == len(before)
    lines = [" ".join(line.split()) for line in after.decode().splitlines()]
    assert "<</Type/Annot/Subtype/Link/Rect[1 2 3.5 40.25]/Border[0 0 0]/Dest(7) /F 4>>" in lines
    assert any("URI(https://example.org/#7)" in line for line in lines)
    assert [line.split("/Annots")[1] for line in lines if "/Annots" in line] == [
        "[3 0 R] >>",
        "[4 0 R] >>",
    ]
    assert [line for line in lines if line.endswith(" obj")] == [
        f"{number} 0 obj" for number in range(2, 9)
    ]


def test_a_pdf_without_links_stays_as_it_is():
    before = pdf("2 0 obj\n<</Type/Page/Parent 1 0 R/Contents 9 0 R>>\nendobj")
    assert with_names(before) == (before, {})


@pytest.mark.parametrize(
    "other",
    [
        pdf(annotation(2, "!12"), page(3, "4 0 R")),
        pdf(annotation(2, "#7").replace("/A<<", "/A <<"), page(3, "2 0 R")),
        pdf(annotation(2, "!7").replace("/Subtype/Link", "/Subtype /Link"), page(3, "2 0 R")),
    ],
    ids=["a mark on no page", "a link written otherwise", "a mark written otherwise"],
)
def test_what_typst_writes_otherwise_is_refused(other):
    with pytest.raises(NotUnderstood, match="not written as it was"):
        with_names(other)
