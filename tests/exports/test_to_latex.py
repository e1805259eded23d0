"""The LaTeX source compiles and shows what the entries say, whatever they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.dictionary.entries import Reverse
from mrilu.exports import to_latex
from mrilu.exports.book import Book, EntryFailed
from tests.exports.books import HOSTILE, book, entry, hostile_book, text_of

# The commands that our sources use in an entry; nothing else may follow a backslash there.
OURS = re.compile(
    r"\\(?:entry|lead|variable|low|high|valsi|glosses|placekeyword|notes|sense|place|script|textbackslash|textasciicircum"
    r"|textasciitilde|nobreakspace|hspace|symbol|[{}$&#%_,-])"
)


def compiled(one: Book, folder: Path, engine: str = "xelatex") -> Path:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed (texlive-xetex, texlive-luatex)")
    to_latex.write(one, folder / "book.tex")
    command = [
        engine,
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        "book.tex",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return folder / "book.pdf"


@pytest.mark.parametrize("engine", ["xelatex", "lualatex"])
def test_hostile_entries_compile_and_are_shown(engine, tmp_path):
    text = text_of(compiled(hostile_book(), tmp_path, engine), 1, 0, "-raw")
    flat = re.sub(r"[\s\u00ad\u200b]|-\n", "", text)
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
    # An ounce is a letterlike symbol that fonts for mathematics lack.
    assert to_latex.latex("℥ ℝ") == r"℥ \script{Math}{ℝ}"


def test_an_error_names_the_entry(tmp_path):
    with pytest.raises(EntryFailed, match="entry 'broda'"):
        to_latex.write(book(entry("broda", 7, glosses=(None,))), tmp_path / "x")
    with pytest.raises(EntryFailed, match="entry 'cat = mlatu'"):
        to_latex.write(book(reverse=(Reverse("cat", None, "mlatu", 1),)), tmp_path / "x")  # type: ignore[arg-type]


def log_of(folder: Path) -> str:
    # TeX breaks the lines of its log after 79 bytes.
    return (folder / "book.log").read_bytes().decode(errors="replace").replace("\n", "")


@pytest.mark.parametrize("engine", ["xelatex", "lualatex"])
def test_subscript_digits_have_their_glyphs(engine, tmp_path):
    text = text_of(compiled(book(entry(definition="H₂O and xₐ, 10⁻⁶")), tmp_path, engine), 3, 3)
    assert "Missing character" not in log_of(tmp_path)
    assert "H₂O" in unicodedata.normalize("NFC", text)


def test_nothing_leaves_its_column(tmp_path):
    long = "ζ = 1.2020569031595942853997381615114499907649862923404988… " * 5
    words = [
        entry("samjavyfonxypliduskemjuglerci'analka'ebi'ojaxyja'e" * 2, 1, long, notes="W" * 60),
        entry("mlatu", 2, "http://www.example.org/a/very_long/path?with=a&query=of&many=words"),
    ]
    compiled(book(*words, reverse=(Reverse("x" * 70, "y" * 70, "mlatu", 0),)), tmp_path)
    assert "Overfull" not in log_of(tmp_path)


def test_references_and_entries_of_the_other_direction_lead_to_their_entries(tmp_path):
    one = book(
        entry("mlatu", 1, notes="{.GErku} {nosuch}"),
        entry("gerku", 2),
        reverse=(Reverse("cat", "", "mlatu", 0),),
    )
    to_latex.write(one, tmp_path / "x")
    source = (tmp_path / "x").read_text()
    assert r"\lead{entry-0}{\valsi{.GErku}} \valsi{nosuch}" in source
    assert r"\lead{entry-1}{\valsi{mlatu}}" in source
    assert r"\entry{entry-0}{gerku}" in source


def test_lojban_has_no_reverse_part(tmp_path):
    reverse = (Reverse("zda", "", "zda", 0),)
    to_latex.write(book(reverse=reverse, tag="jbo", name="lojban"), tmp_path / "x")
    assert "zda" not in (tmp_path / "x").read_text()
