"""Typesets one piece of a book in a process of its own: `python -m mrilu.exports.typeset FOLDER PARENT`.

FOLDER has book.typ with its data, and gets piece.pdf. What it has to say is a line of JSON: where the names
are that links of any piece lead to, and typst's warnings.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mrilu.exports import fonts, pdf_names
from mrilu.exports.parent import die_with

TEMPLATE, PDF = "book.typ", "piece.pdf"
BOOK, PIECE_DATA, FONTS = "book.json", "piece.json", "fonts.json"


def typeset(folder: Path) -> dict[str, Any]:
    """Typeset the piece; return the places of its names, and the warnings. Raises typst.TypstError, NotUnderstood."""
    import typst  # 84 MB: only where a PDF is made

    book = json.loads((folder / BOOK).read_text(encoding="utf-8"))
    edition = date.fromisoformat(book["edition"])
    pdf, warnings = typst.compile_with_warnings(
        folder / TEMPLATE,
        root=folder,
        font_paths=typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=True, font_paths=fonts.folders()
        ),
        format="pdf",
        timestamp=datetime(edition.year, edition.month, edition.day, tzinfo=UTC),
        pdf_tags=False,
    )
    named, places = pdf_names.with_names(pdf)
    (folder / PDF).write_bytes(named)
    return {"places": places, "warnings": [warning.message for warning in warnings]}


def main(folder: str, parent: str) -> int:
    """Typeset and print what there is to say, or one line of error and exit with 1."""
    die_with(int(parent))
    try:
        told = typeset(Path(folder))
    except Exception as error:
        diagnostic = getattr(error, "diagnostic", "")
        said = " ".join(f"{type(error).__name__}: {error} {diagnostic}".split())
        print(said[:1000], file=sys.stderr)
        return 1
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
