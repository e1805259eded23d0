"""Numbers the pages of a PDF, once their number is known, with digits that typst has set on a page of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

from mrilu.exports.pdf_names import NotUnderstood

DIGITS = 10
FONT = "/Number"  # its name in each page's resources


class Numbers(NamedTuple):
    """The digits of page numbers and where these stand; lengths are points (ISO 32000-1, 8.3.2.3).

    `centre` is the middle of a number on a right page, `shift` how much farther right than on a left one that is.
    """

    font: Any
    size: float
    codes: list[bytes]
    advance: float
    centre: float
    baseline: float
    width: float
    shift: float

    def put(self, pdf: Any, page: Any, number: int, typeset_right: bool) -> None:
        """Write the number on a page that was typeset as a right or left one; its place is as the number wants it."""
        import pikepdf

        box = [float(edge) for edge in page.MediaBox]
        if typeset_right != bool(number % 2):
            by = self.shift if typeset_right else -self.shift
            page.MediaBox = pikepdf.Array([box[0] + by, box[1], box[2] + by, box[3]])
        if "/Font" not in page.Resources:
            page.Resources.Font = pikepdf.Dictionary()
        page.Resources.Font[FONT] = self.font
        drawn = pikepdf.Stream(pdf, self._drawn(number, typeset_right))
        page.Contents = pikepdf.Array([page.Contents, drawn])

    def _drawn(self, number: int, typeset_right: bool) -> bytes:
        text = str(number)
        centre = self.centre if typeset_right else self.width - self.centre
        left = centre - len(text) * self.advance / 2
        codes = b"".join(self.codes[int(digit)] for digit in text).hex()
        return (
            f"q 0 g BT {FONT} {self.size:g} Tf 1 0 0 1 {left:.5f} {self.baseline:.5f} Tm"
            f" <{codes}> Tj ET Q"
        ).encode()


def read_numbers(page: Any, box: list[float]) -> Numbers:
    """Read the page, on which the ten digits stand at the foot, within `box`, and nothing else.

    Raises NotUnderstood.
    """
    import pikepdf

    found = {
        str(one.operator): list(one.operands)
        for one in pikepdf.parse_content_stream(page)
        if isinstance(one, pikepdf.ContentStreamInstruction)
    }
    font, size = found["Tf"]
    runs = found.get("Tj") or list(found["TJ"][0])
    digits, width = bytes(runs[0]), float(page.MediaBox[2])
    codes = [digits[start : start + 2] for start in range(0, len(digits), 2)]
    if len(runs) > 1 or len(codes) != DIGITS:
        raise NotUnderstood(NotUnderstood.__doc__)
    middle = (box[0] + box[2]) / 2
    centre = max(middle, width - middle)
    return Numbers(
        font=page.Resources.Font[font],
        size=float(size),
        codes=codes,
        advance=(box[2] - box[0]) / DIGITS,
        centre=centre,
        baseline=float(found["cm"][5]),
        width=width,
        shift=2 * centre - width,
    )
