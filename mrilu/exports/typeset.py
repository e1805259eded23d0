"""Typesets one piece of a book in a process of its own: `python -m mrilu.exports.typeset FOLDER PAGES`.

FOLDER has book.typ and book.json and gets piece.pdf; PAGES come before the piece. What it has to say is a line of JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from mrilu.exports import fonts

TEMPLATE, BOOK, PDF = "book.typ", "book.json", "piece.pdf"
FIRST = 3  # the page after title and colophon


def typeset(folder: Path, pages: int) -> tuple[int, tuple[str, ...]]:
    """Typeset the piece; return the number of its last page, and typst's warnings. Raises typst.TypstError."""
    import pikepdf
    import typst  # 84 MB: only where a PDF is made

    book = json.loads((folder / BOOK).read_text(encoding="utf-8"))
    first = pages + 1 if pages else FIRST
    padded = first % 2 == 0
    place = {"first-page": first, "padded": padded}
    (folder / BOOK).write_text(json.dumps(book | place, ensure_ascii=False), encoding="utf-8")
    edition = date.fromisoformat(book["edition"])
    del book
    chosen = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=fonts.folders()
    )
    _, warnings = typst.compile_with_warnings(
        folder / TEMPLATE,
        folder / PDF,
        root=folder,
        font_paths=chosen,
        format="pdf",
        timestamp=datetime(edition.year, edition.month, edition.day, tzinfo=UTC),
        pdf_tags=False,
    )
    with pikepdf.open(folder / PDF, allow_overwriting_input=True) as pdf:
        if padded:
            del pdf.pages[0]
            pdf.save(folder / PDF)
        last = pages + len(pdf.pages)
    return last, tuple(warning.message for warning in warnings)


def main(folder: str, pages: str) -> int:
    """Typeset and print what there is to say, or one line of error and exit with 1."""
    try:
        last, warnings = typeset(Path(folder), int(pages))
    except Exception as error:
        diagnostic = getattr(error, "diagnostic", "")
        said = " ".join(f"{type(error).__name__}: {error} {diagnostic}".split())
        print(said[:1000], file=sys.stderr)
        return 1
    print(json.dumps({"pages": last, "warnings": warnings}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
