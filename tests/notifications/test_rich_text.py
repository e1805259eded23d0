"""Marks and links in what people wrote, and nothing else of it is markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.notifications.rich_text import as_html, as_text, excerpt, with_marks


def marked(text: str, *words: str) -> str:
    return with_marks(text, sorted(m.span() for word in words for m in re.finditer(word, text)))


def test_matched_words_are_marked_in_both_parts():
    shown = excerpt(marked("mi klama le zarci\n", "klama", "zarci"))
    assert as_text(shown) == "mi *klama* le *zarci*"
    assert as_html(shown) == "mi <mark>klama</mark> le <mark>zarci</mark>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("see https://a.example/x?y=1&z=2.", 'see <a href="https://a.example/x?y=1&amp;z=2"'),
        ("(http://a.example/)", '(<a href="http://a.example/"'),
        ("www.a.example/b", '<a href="https://www.a.example/b"'),
        ("mail ann@x.example!", '<a href="mailto:ann@x.example">ann@x.example</a>'),
        ("“http://a.example/x”;", '“<a href="http://a.example/x" rel="nofollow noopener">'),
        ("javascript:alert(1)//x.y", "javascript:alert(1)//x.y"),
        ('https://x.example/"onclick=alert(1)', "&#34;onclick"),
    ],
)
def test_addresses_are_links(text, html):
    assert html in as_html(with_marks(text, ()))


def test_a_marked_address_is_a_marked_link():
    html = as_html(marked("http://zarci.example/", "zarci"))
    assert html.startswith('<mark><a href="http://zarci.example/"') and html.endswith("</mark>")


def test_an_excerpt_shows_the_first_mark_of_a_long_text():
    text = "".join(f"line {number}\n" for number in range(200)).replace("line 150", "a zarci")
    lines = excerpt(marked(text, "zarci")).split("\n")
    assert lines[:2] == ["[…]", "line 147"] and "a \x02zarci\x03" in lines and lines[-1] == "[…]"
    long_line = "word " * 3000 + "zarci"
    assert "zarci" in excerpt(marked(long_line, "zarci")) and len(excerpt(long_line)) < 3100


def test_a_mark_over_lines_and_one_that_is_cut_are_closed():
    html = as_html("\x02a\nb\x03 c \x02d")
    assert html == "<mark>a</mark>\n<mark>b</mark> c <mark>d</mark>"


@hypothesis.settings(deadline=None)
@given(st.text(), st.lists(st.integers(0, 30), max_size=6))
def test_whatever_the_text_is_no_other_markup_comes_of_it(text, places):
    places = sorted({min(place, len(text)) for place in places})
    spans = list(zip(places[::2], places[1::2], strict=False))
    html = str(as_html(excerpt(with_marks(text, spans))))
    tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert {name for name, _ in attrs} <= {"href", "rel"}

    parser = Tags()
    parser.feed(html)
    parser.close()
    assert set(tags) <= {"mark", "a"} and html.count("<mark>") == html.count("</mark>")
    assert not re.search("[\x00-\x08\x0b-\x1f]", html)
