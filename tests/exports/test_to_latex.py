"""The LaTeX source compiles and shows what the entries say, whatever they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.dictionary.jbovlaste_xml import Reverse
from mrilu.exports import to_latex
from mrilu.exports.book import Book, EntryFailed
from tests.exports.books import HOSTILE, book, entry, hostile_book, text_of

# The commands that our sources use in an entry; nothing else may follow a backslash there.
OURS = re.compile(
    r"\\(?:entry|variable|low|high|valsi|glosses|placekeyword|notes|sense|place|script|textbackslash|textasciicircum"
    r"|textasciitilde|nobreakspace|hspace|[{}$&#%_,-])"
)


def compiled(one: Book, folder: Path) -> Path:
    if shutil.which("xelatex") is None:
        pytest.skip("xelatex is not installed (texlive-xetex)")
    to_latex.write(one, folder / "book.tex")
    command = [
        "xelatex",
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        "book.tex",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return folder / "book.pdf"


def test_hostile_entries_compile_and_are_shown(tmp_path):
    text = text_of(compiled(hostile_book(), tmp_path), 1, 0, "-raw")
    flat = re.sub(r"[\s\u00ad]|-\n", "", text)
    assert r"\input{/etc/passwd}\write18{id}" in flat
    assert '#import"@preview' in flat
    assert "root:x:0" not in text
    assert "<script>alert(1)</script>" in flat


def test_guide_words_are_the_first_and_the_last_of_a_page(tmp_path):
    words = [f"vla{letter}" for letter in "abcdefghijk"]
    one = book(
        *(
            entry(word, n, "a definition that fills a line or two. " * 25)
            for n, word in enumerate(words, 1)
        )
    )
    pdf = compiled(one, tmp_path)
    pages = [page for page in text_of(pdf, 2, 0, "-raw").split("\f") if "definition" in page]
    for page in pages:
        begun = re.findall(r"^(vla[a-k]) gismu", page, re.MULTILINE)
        assert re.findall(r"vla[a-k]", page.split("gismu")[0])[:2] == [begun[0], begun[-1]]


@given(st.text(alphabet="\\{}$&#%_^~\"'`-<>[]/ab\u00a0", max_size=60))
def test_no_special_character_is_left_bare(text):
    source = to_latex.latex(text)
    assert to_latex.unescape(source) == text
    bare = OURS.sub("", source)
    assert not re.search(r"[\\$&#%_^~]", bare), source


def test_braces_of_every_entry_are_balanced(tmp_path):
    to_latex.write(hostile_book(), tmp_path / "x.tex")
    body = (tmp_path / "x.tex").read_text().split("\\begin{document}")[1]
    for line in body.splitlines():
        if line.startswith(r"\entry"):
            assert not re.search(r"\\(?!end\{document\}\Z)[A-Za-z]", OURS.sub("", line)), line
            plain = re.sub(r"\\[{}]", "", line)
            assert plain.count("{") == plain.count("}")


def test_runs_of_other_scripts_are_marked():
    assert to_latex.latex("a привет 日本") == r"a \script{Cyrl}{привет} \script{Hani}{日本}"
    assert to_latex.latex(HOSTILE["rtl"]).startswith(r"\script{Hebr}{")


def test_an_error_names_the_entry(tmp_path):
    with pytest.raises(EntryFailed, match="entry 'broda'"):
        to_latex.write(book(entry("broda", 7, glosses=(None,))), tmp_path / "x")
    with pytest.raises(EntryFailed, match="entry 'cat = mlatu'"):
        to_latex.write(book(reverse=(Reverse("cat", None, "mlatu", 1),)), tmp_path / "x")  # type: ignore[arg-type]
