"""The PDF as its readers see it: guide words, places, every script, and no text that became markup."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mrilu.dictionary.entries import Reverse
from mrilu.exports import fonts, pdf_join, to_pdf, typesetters
from mrilu.exports.book import Book, EntryFailed, Report, ordered_book
from mrilu.exports.build import FORMATS, check_installed
from mrilu.exports.entry_lines import facts
from mrilu.exports.typesetters import NotTypeset
from tests.exports.books import HOSTILE, book, entry, hostile_book, text_of


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        check_installed("pdf")
    except fonts.NotInstalled as error:
        pytest.skip(str(error))


def typeset(one: Book, folder: Path) -> tuple[Path, Report]:
    report = to_pdf.write(one, folder / "x.pdf")
    return folder / "x.pdf", report


def parts_shown(one: Book) -> list[list[dict[str, Any]]]:
    """Return the sections of each part, as the template gets them."""
    pieces = to_pdf.pieces_of(one, to_pdf.parts_of(one))
    return [part["sections"] for piece, _ in pieces for part in piece["parts"]]


def definition_shown(text: str) -> list[Any]:
    [[section], *_] = parts_shown(book(entry(definition=text)))
    return section["entries"][0]["definition"]


def test_hostile_entries_are_shown_and_nothing_is_read(tmp_path):
    pdf, report = typeset(hostile_book(), tmp_path)
    text = text_of(pdf, 1, 0, "-raw")
    flat = re.sub(r"[\s\u00ad\u200b]|-\n", "", text)
    for shown in (
        r"\input{/etc/passwd}",
        '#read("/etc/passwd")',
        "*bold*_it_`raw`<here>@there",
        "<script>alert(1)",
    ):
        assert shown in flat
    assert "root:x:0" not in text
    assert not report.missing
    assert not report.warnings


def test_every_script_of_the_corpora_has_its_glyphs(tmp_path):
    pdf, _ = typeset(book(entry(definition=HOSTILE["scripts"])), tmp_path)
    # Indic and Arabic text is drawn with glyphs in another order than its letters.
    text = unicodedata.normalize("NFC", text_of(pdf))
    for run in ("日本語", "한국어", "Ἰθάκη", "привет", "৳", "ไทย", "∘", "∄", "ụṣ", "ɾɑʔ", "℥"):
        assert run in text, run


def test_a_character_without_a_glyph_is_reported_and_shown_by_its_number(tmp_path):
    pdf, report = typeset(
        book(entry(definition="one \U00012000 and \U00012000, \ue000"), entry("b", 2)), tmp_path
    )
    assert report.missing == {"\U00012000": 2, "\ue000": 1}
    assert "[U+12000]" in text_of(pdf)


def test_only_the_families_that_a_text_needs_are_named():
    own = ("Noto Serif", "New Computer Modern Math")
    assert fonts.families_for("mlatu ›\u00ad\u200b x₁", "en") == own
    assert fonts.families_for("東", "ja")[:2] == ("Noto Serif", "Noto Serif JP")
    assert fonts.families_for("東", "zh")[:2] == ("Noto Serif", "Noto Serif SC")
    assert "Noto Sans Arabic" in fonts.families_for("سلام", "en")
    everything = "".join(map(chr, range(0x20, 0xD800)))
    assert fonts.families_for(everything, "en") == fonts.families("en")


def test_invisible_characters_need_no_glyph():
    assert not fonts.missing_glyphs("a\u200b\u200d\ufe0f\u202e\u00ad\n b")


@pytest.mark.parametrize(("large", "piece"), [(False, 10**6), (True, 10**6), (True, 1)])
def test_guide_words_are_the_first_and_the_last_of_each_page(large, piece, tmp_path, monkeypatch):
    monkeypatch.setattr(to_pdf, "PIECE", piece)
    monkeypatch.setattr(to_pdf, "LARGE", 10 if large else 1000)
    monkeypatch.setattr(to_pdf, "RUN", 20)
    words = [f"{letter}vla{number:02}" for letter in "abc" for number in range(25)]
    entries = [
        entry(word, n, "a definition that fills some lines, " * 12)
        for n, word in enumerate(words, 1)
    ]
    reverse = tuple(Reverse(f"word{n:03}", "", "mlatu", 0) for n in range(300))
    pdf, _ = typeset(book(*entries, reverse=reverse), tmp_path)
    pages = text_of(pdf, 3, 0, "-raw").split("\f")[:-1]
    begun = []
    # The number of a page is its place in the file: odd ones are on the right.
    for number, page in enumerate(pages, 3):
        here = re.findall(r"^([abc]vla\d\d) gismu|^(word\d{3}) mlatu", page, re.MULTILINE)
        shown = [first or second for first, second in here]
        head = re.findall(r"[abc]vla\d\d|word\d{3}", re.split(r" gismu| mlatu", page)[0])
        assert head[:2] == ([shown[0], shown[-1]] if shown else begun[-1:] * 2), page[:200]
        assert str(number) in page.split()
        begun += shown
    assert begun == [*words, *(one.text for one in reverse)]


def test_a_page_on_which_no_entry_begins_is_headed_by_the_one_that_goes_on(tmp_path):
    pdf, _ = typeset(
        book(entry("aa", 1), entry("bb", 2, "very long. " * 2600), entry("cc", 3)), tmp_path
    )
    assert text_of(pdf, 4, 4, "-layout").split()[:2] == ["bb", "bb"]


@pytest.mark.parametrize(
    ("tag", "name", "title", "back"),
    [
        ("ja", "日本語", "ロジバン 日本語 ロジバン語 1 語 2026-11-20", "出典: jbovlaste"),
        ("en", "English", "Lojban English 1 Lojban word 2026-11-20", "Source: jbovlaste"),
        ("xx", "Xx", "Lojban Xx 1 Lojban word 2026-11-20", "Source: jbovlaste"),
        ("jbo", "lojban", "la .lojban. 1 valsi 2026-11-20", "krasi: jbovlaste"),
    ],
)
def test_title_page_and_colophon_are_in_the_dictionarys_language(tag, name, title, back, tmp_path):
    pdf, _ = typeset(book(tag=tag, name=name), tmp_path)
    assert text_of(pdf, 1, 1).split() == title.split()
    colophon = text_of(pdf, 2, 2)
    assert back in colophon and "2026-11-20" in colophon and "-kla-" in colophon


TITLE = 80  # points from the top of a page, above which titles and guide words stand


def boxes(pdf: Path) -> list[tuple[int, float, float, str]]:
    """Return each word of the dictionary's pages: its page, left and right edge in points, and its text."""
    bbox = text_of(pdf, 3, 0, "-bbox")
    found, number = [], 2
    for line in bbox.splitlines():
        number += "<page" in line
        box = re.search(
            r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" .*?>(.*)</word>', line
        )
        if box and float(box[2]) > TITLE:
            found.append((number, float(box[1]), float(box[3]), box[4]))
    return found


def outside(pdf: Path) -> list[tuple[int, float, float, str]]:
    """Return the words that are in no column (68 mm each, 6 mm between, the inner margin 19 mm), nor in the head."""
    point = 72 / 25.4
    wrong = []
    for number, left, right, word in boxes(pdf):
        start = (19 if number % 2 else 15) * point
        columns = [(start, start + 68 * point), (start + 74 * point, start + 142 * point)]
        centred = word.isdecimal() or any(left >= a - 1 and right <= b + 1 for a, b in columns)
        if not centred:
            wrong.append((number, left, right, word))
    return wrong


def test_nothing_leaves_its_column(tmp_path):
    long = "ζ = 1.2020569031595942853997381615114499907649862923404988… " * 5
    words = [
        entry("samjavyfonxypliduskemjuglerci'analka'ebi'ojaxyja'e" * 2, 1, long, notes="W" * 60),
        entry("mlatu", 2, "http://www.example.org/a/very_long/path?with=a&query=of&many=words"),
        entry(
            "g", 3, "$ga_1$=$ga_2$=$ga_3$=$ga_4$=$ga_5$=$ga_6$=$ga_7$=$ga_8$=$ga_9$=$ga_1$=$ga_2$"
        ),
        entry("h", 4, "{samjavyfonxypliduskemjuglerci'analka'ebi'ojaxyja'e} " + "M'" * 40),
        entry("i", 5, "x", type="t" * 50, selmaho="S" * 50, rafsi=("r" * 50,)),
    ]
    reverse = (Reverse("W" * 70, "y" * 70, "m" * 70, 0),)
    pdf, _ = typeset(book(*words, reverse=reverse, name="E"), tmp_path)
    assert outside(pdf) == []


FOOT = 665  # points from the top of a page, below which its number stands


def in_pieces(monkeypatch: pytest.MonkeyPatch, piece: int = 1) -> None:
    """Have each letter of a small book start a page, and a piece."""
    for name, value in (("LARGE", 10), ("RUN", 5), ("PIECE", piece)):
        monkeypatch.setattr(to_pdf, name, value)


def small_book_of_pieces() -> Book:
    words = [f"{letter}vla{vowel}" for letter in "abcdf" for vowel in "aeiou"]
    entries = [entry(word, n, "some lines, " * 16 * n) for n, word in enumerate(words, 1)]
    return book(*entries, reverse=tuple(Reverse(f"w{n}", "", "avlaa", 0) for n in range(30)))


def test_a_piece_that_begins_on_a_left_page_has_its_margins_there(tmp_path, monkeypatch):
    import pikepdf  # installed in the background, as typst is

    in_pieces(monkeypatch)
    pdf, _ = typeset(small_book_of_pieces(), tmp_path)
    assert outside(pdf) == []
    with pikepdf.open(pdf) as opened:
        moved = {round(float(page.MediaBox[0]), 2) for page in opened.pages}
    assert moved == {0, 11.34, -11.34}  # 4 mm: there were pieces of both kinds


def test_each_page_has_its_number_in_the_middle_of_its_foot(tmp_path, monkeypatch):
    in_pieces(monkeypatch)
    pdf, _ = typeset(small_book_of_pieces(), tmp_path)
    bbox = text_of(pdf, 3, 0, "-bbox")
    word = r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" .*?>(.*)</word>'
    for number, page in enumerate(bbox.split("<page")[1:], 3):
        feet = [box for box in re.findall(word, page) if float(box[1]) > FOOT]
        assert [box[3] for box in feet] == [str(number)]
        middle = (float(feet[0][0]) + float(feet[0][2])) / 2
        assert middle * 25.4 / 72 == pytest.approx((19 if number % 2 else 15) + 71, abs=0.01)


def test_the_bytes_are_the_same_however_many_pieces_are_typeset_at_once(tmp_path, monkeypatch):
    in_pieces(monkeypatch)
    made = []
    for processors in (1, 4):
        monkeypatch.setattr(typesetters, "_processors", lambda: processors)  # noqa: B023 - asked at once
        pdf, _ = typeset(small_book_of_pieces(), tmp_path)
        made.append(pdf.read_bytes())
    assert made[0] == made[1]


def test_a_book_without_entries_is_typeset(tmp_path):
    pdf, _ = typeset(Book("en", "English", "2026-11-20", (), ()), tmp_path)
    assert "0 Lojban words" in text_of(pdf, 1, 1)


def test_entries_are_under_the_letters_where_people_look(tmp_path):
    words = ("0", "zoo", "±", "Ænglisc", "日本", "かな", "ガス", "Øl", "一")
    one = book()
    one = ordered_book(
        "en", "E", one.edition, one.entries, (Reverse(w, "", "mlatu", 0) for w in words)
    )
    found = [
        (section["letter"], [entry["word"] for entry in section["entries"]])
        for section in parts_shown(one)[1]
    ]
    assert found == [
        ("#", ["0", "±"]),
        ("A", ["Ænglisc"]),
        ("O", ["Øl"]),
        ("Z", ["zoo"]),
        ("か", ["ガス", "かな"]),
        ("漢字", ["一", "日本"]),
    ]


def test_lojban_has_no_reverse_part():
    parts = parts_shown(book(reverse=(Reverse("zda", "", "zda", 0),), tag="jbo", name="lojban"))
    assert len(parts) == 1


def test_a_letter_with_few_entries_starts_no_page(monkeypatch):
    monkeypatch.setattr(to_pdf, "LARGE", 5)
    monkeypatch.setattr(to_pdf, "RUN", 3)
    words = ["a", "ab", "ac", "b", "c", "ca", "cb", "d", "da", "dx"]
    [sections] = parts_shown(book(*(entry(word, n) for n, word in enumerate(words, 1))))
    assert [(one["letter"], one["apart"]) for one in sections] == [
        ("A", False),
        ("B", False),
        ("C", True),
        ("D", True),
    ]


def test_unofficial_is_said_once():
    assert facts(entry(type="experimental gismu", unofficial=True)) == "exp. gismu, -lat-"
    assert facts(entry(type="gismu", unofficial=True)) == "gismu, unofficial, -lat-"


def test_places_are_set_as_subscripts():
    shown = definition_shown("$x_1$ loves x2")
    assert shown == [["letter", "x₁"], " loves ", ["letter", "x₂"]]


def test_what_is_no_digit_is_lowered():
    shown = definition_shown("$x_n=y$ $10^3$")
    assert shown == [["letter", "x"], ["low", "n"], "=", ["letter", "y"], " 10", ["high", "3"]]


def test_long_lojban_words_may_be_broken_where_syllables_start():
    broken = to_pdf.breakable("carkemkasygaukepyblikemkeitci").replace("\u00ad", "-")
    assert broken == "car-kem-ka-sy-gau-ke-pyb-li-kem-keit-ci"
    assert to_pdf.breakable("mlatu") == "mlatu"


def test_an_error_names_the_entry(tmp_path):
    with pytest.raises(EntryFailed, match=r"entry 'broda' \(definitionid 7\)"):
        typeset(book(entry("broda", 7, glosses=(None,))), tmp_path)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(fonts.PACKAGES, "no_such_fonts", "")
    with pytest.raises(fonts.NotInstalled, match="no-such-fonts is not installed"):
        fonts.folders()
    monkeypatch.setitem(FORMATS, "pdf", FORMATS["pdf"]._replace(packages=("no-such-package",)))
    with pytest.raises(fonts.NotInstalled, match="no-such-package is not installed"):
        check_installed("pdf")


@pytest.mark.parametrize("piece", [10**6, 1])
def test_links_and_outline_lead_to_the_pages_of_their_entries(piece, tmp_path, monkeypatch):
    import pikepdf  # installed in the background, as typst is

    in_pieces(monkeypatch, piece)
    monkeypatch.setattr(pdf_join, "LEAF", 4)
    words = [f"{letter}vla{vowel}" for letter in "abc" for vowel in "aeiou"]
    entries = [
        entry(word, n, "some lines, " * 100, notes=f"{{{other}}} {{nosuch}}")
        for n, (word, other) in enumerate(zip(words, reversed(words), strict=True), 1)
    ]
    reverse = tuple(Reverse(f"word{n}", "", word, 0) for n, word in enumerate(words))
    pdf, _ = typeset(book(*entries, reverse=reverse), tmp_path)
    pages = text_of(pdf, 1, 0, "-raw").split("\f")
    begun = {
        word: number
        for number, page in enumerate(pages)
        for word in words
        if re.search(rf"^{word} gismu", page, re.MULTILINE)
    }
    with pikepdf.open(pdf) as opened:
        numbers = {page.objgen: number for number, page in enumerate(opened.pages)}
        links = [one for page in opened.pages for one in page.get("/Annots", ())]
        assert not [one for one in links if "/A" in one]
        names = pikepdf.NameTree(opened.Root.Names.Dests)
        found = Counter(numbers[names[str(one.Dest)][0].objgen] for one in links)
        with opened.open_outline() as outline:
            tops = {
                part.title: [numbers[one.destination[0].objgen] for one in part.children]
                for part in outline.root
            }
    assert found == {page: 2 * count for page, count in Counter(begun.values()).items()}
    assert tops["Lojban – English"] == [begun["avlaa"], begun["bvlaa"], begun["cvlaa"]]
    assert len(tops["English – Lojban"]) == 1


def test_typsts_refusal_is_told(tmp_path, monkeypatch):
    broken = tmp_path / "book.typ"
    broken.write_text("#nosuch")
    monkeypatch.setattr(to_pdf, "TEMPLATE", broken)
    with pytest.raises(NotTypeset, match="unknown variable: nosuch"):
        typeset(book(), tmp_path)
