"""StarDict and EPUB by PyGlossary, whose licence is the GPL: its own command, in a process of its own."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import NAMESPACE_URL, uuid5

from mrilu.dictionary.entries import Entry
from mrilu.dictionary.markup import one_line, spans
from mrilu.exports.book import Book, Report, glosses_of, naming, write_text
from mrilu.exports.entry_lines import facts, gloss_text
from mrilu.exports.fonts import NotInstalled
from mrilu.exports.to_tsv import STARTED

COMMAND = "import sys; from pyglossary.ui.main import main; sys.exit(main())"
QUIET = ("--ui=cmd", "--no-progress-bar", "--no-interactive", "--no-color", "--read-format=Tabfile")
STARDICT = "--write-options=dictzip=no;sametypesequence=h"
# What has a meaning in a Tabfile's headword (and in no Lojban word) becomes its wide form.
_MEANINGLESS = str.maketrans("#|\\", "＃｜＼")
_TAGS = {"letter": "i", "low": "sub", "high": "sup", "word": "b"}
_DATE = re.compile(rb"(<dc:date[^>]*>)[^<]*(</dc:date>)")


class NotConverted(Exception):
    """PyGlossary failed."""


def write_stardict(book: Book, path: Path) -> Report:
    """Write a zip of the three files of a StarDict dictionary. Raises EntryFailed, NotInstalled, NotConverted."""
    with TemporaryDirectory(prefix="mrilu-") as folder:
        made = _convert(
            Path(folder), tabfile(book, str), f"jbo-{book.tag}.ifo", "Stardict", STARDICT
        )
        files = {one.name: one.read_bytes() for one in made.parent.iterdir()}
    _zip(path, files)
    return Report()


def write_epub(book: Book, path: Path) -> Report:
    """Write an EPUB 2. Raises EntryFailed, NotInstalled, NotConverted."""
    with TemporaryDirectory(prefix="mrilu-") as folder:
        made = _convert(Path(folder), tabfile(book, html.escape), f"jbo-{book.tag}.epub", "Epub2")
        with zipfile.ZipFile(made) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    edition = book.edition.encode()
    files = {name: _DATE.sub(rb"\g<1>" + edition + rb"\2", data) for name, data in files.items()}
    _zip(path, files, stored="mimetype")
    return Report()


def _convert(folder: Path, source_text: str, name: str, writer: str, *options: str) -> Path:
    if find_spec("pyglossary") is None:
        raise NotInstalled("pyglossary")
    source, target = folder / "source.txt", folder / "made" / name
    target.parent.mkdir()
    write_text(source, source_text)
    python = [sys.executable, "-P", "-c", COMMAND]
    command = [*python, str(source), str(target), *QUIET, f"--write-format={writer}", *options]
    # It keeps its configuration and cache in the home folder: a temporary one.
    environment = {
        "HOME": str(folder),
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
    }
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode or not target.exists():
        raise NotConverted(
            f"pyglossary ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}"
        )
    return target


def tabfile(book: Book, escape: Callable[[str], str]) -> str:
    """Return the book as PyGlossary's Tabfile: a word, a tab, its definition in HTML.

    `escape` is for names and headwords: StarDict's are plain, while the EPUB writer takes them for HTML.
    """
    number = uuid5(NAMESPACE_URL, f"jbo-{book.tag}")
    name = escape(f"Lojban - {one_line(book.name)}")
    head = {"name": name, "uuid": number, "date": book.edition, "sourceLang": "Lojban"}
    lines = [f"##{key}\t{_cell(str(value))}" for key, value in head.items()]
    return "\n".join([*lines, *(_line(entry, escape) for entry in book.entries)]) + "\n"


def _line(entry: Entry, escape: Callable[[str], str]) -> str:
    with naming(entry):
        return f"{escape(one_line(entry.word).translate(_MEANINGLESS))}\t{_cell(_html(entry))}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\")


def _html(entry: Entry) -> str:
    glosses, keywords = glosses_of(entry)
    shown = [f"<i>{html.escape(facts(entry))}</i>", f"<div>{_shown(entry.definition)}</div>"]
    if glosses:
        shown.append(f"<div>{html.escape('; '.join(map(gloss_text, glosses)))}</div>")
    shown += [
        f"<div><i>x</i><sub>{one.place}</sub> {html.escape(gloss_text(one))}</div>"
        for one in keywords
    ]
    if entry.notes:
        shown.append(f"<p>{_shown(entry.notes)}</p>")
    return "".join(shown)


def _shown(text: str) -> str:
    pieces = ((_TAGS.get(span.kind), html.escape(span.text)) for span in spans(text))
    return "".join(f"<{tag}>{piece}</{tag}>" if tag else piece for tag, piece in pieces)


def _zip(path: Path, files: dict[str, bytes], stored: str = "") -> None:
    """Write a zip whose bytes depend on the files alone; `stored` comes first, as EPUB wants its mimetype."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(files, key=lambda name: (name != stored, name)):
            info = zipfile.ZipInfo(name, STARTED)
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name == stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
