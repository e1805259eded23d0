"""The English dictionary by other typesetters, each in a process of its own: `-m bench.export_peers NAME BOOK PDF`."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from mrilu.dictionary.markup import spans
from mrilu.exports import to_latex
from mrilu.exports.book import Book
from mrilu.exports.entry_lines import facts
from mrilu.settings.table import PROJECT

TAGS = {"letter": "i", "low": "sub", "high": "super", "word": "b"}


class Peer(NamedTuple):
    """A typesetter: how it writes the book, what keeps it from running here, what a reader should know."""

    write: Callable[[Book, Path], None]
    lacks: Callable[[], str]
    note: str


def with_xelatex(book: Book, path: Path) -> None:
    """Typeset our LaTeX source, one pass."""
    to_latex.write(book, path.with_suffix(".tex"))
    command = [
        "xelatex",
        "-interaction=batchmode",
        "-no-shell-escape",
        path.with_suffix(".tex").name,
    ]
    subprocess.run(
        command, cwd=path.parent, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def with_reportlab(book: Book, path: Path) -> None:
    """Typeset one paragraph an entry in two columns."""
    from reportlab.lib.pagesizes import B5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph

    width, height = B5
    columns = [
        Frame(left, 40, (width - 80) / 2, height - 80) for left in (36, 44 + (width - 80) / 2)
    ]
    document = BaseDocTemplate(str(path), pagesize=B5, pageTemplates=[PageTemplate(frames=columns)])
    style = ParagraphStyle(
        "entry", fontSize=8, leading=10, leftIndent=8, firstLineIndent=-8, alignment=4
    )
    document.build([Paragraph(entry, style) for entry in marked_up(book, TAGS)])


def with_weasyprint(book: Book, path: Path) -> None:
    """Typeset one paragraph an entry in two columns."""
    from weasyprint import HTML

    body = "columns:2; font:8pt 'Noto Serif',serif; text-align:justify; hyphens:auto"
    style = f"@page {{size:B5; margin:18mm}} body {{{body}}} p {{margin:0}}"
    entries = "".join(f"<p>{entry}</p>" for entry in marked_up(book, {**TAGS, "high": "sup"}))
    HTML(string=f"<html lang=en><style>{style}</style><body>{entries}</body></html>").write_pdf(
        path
    )


def marked_up(book: Book, tags: dict[str, str]) -> Iterator[str]:
    """Yield the words, then the other direction, as the few tags that both libraries know."""
    for entry in book.entries:
        texts = [entry.definition, *([entry.notes] if entry.notes else [])]
        shown = " - ".join(
            "".join(tagged(tags.get(one.kind), one.text) for one in spans(text)) for text in texts
        )
        yield f"<b>{html.escape(entry.word)}</b> <i>{html.escape(facts(entry))}</i> {shown}"
    for one in book.reverse:
        yield f"<b>{html.escape(one.text)}</b> {html.escape(one.valsi)}"


def tagged(tag: str | None, text: str) -> str:
    """Return the text, escaped, within a tag if there is one."""
    return f"<{tag}>{html.escape(text)}</{tag}>" if tag else html.escape(text)


def _needs(module: str) -> Callable[[], str]:
    return lambda: "" if find_spec(module) else f"pip install {module}"


PEERS = {
    "xelatex": Peer(
        with_xelatex, lambda: "" if shutil.which("xelatex") else "apt-get install texlive-xetex",
        "one pass of our source; a table of contents or references need two or three",
    ),
    "reportlab": Peer(with_reportlab, _needs("reportlab"), "no hyphenation, guide words or other scripts"),
    "weasyprint": Peer(with_weasyprint, _needs("weasyprint"), "no guide words"),
}  # fmt: skip


def run_peer(name: str, book: Path, folder: Path) -> tuple[float, int]:
    """Run one peer; return its wall seconds (the interpreter's start too) and the most MiB it had in memory."""
    target = folder / f"{name}.pdf"
    began = time.perf_counter()
    peer = subprocess.Popen(
        [sys.executable, "-m", "bench.export_peers", name, str(book), str(target)], cwd=PROJECT
    )
    _, status, usage = os.wait4(peer.pid, 0)
    peer.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if peer.returncode or target.stat().st_size < 1_000_000:
        raise SystemExit(f"{name} did not typeset the dictionary: exit code {peer.returncode}")
    return seconds, usage.ru_maxrss // 1024


if __name__ == "__main__":
    PEERS[sys.argv[1]].write(
        Book.from_json(Path(sys.argv[2]).read_text(encoding="utf-8")), Path(sys.argv[3])
    )
