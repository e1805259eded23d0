"""HTML that was made to hold up its reader is read in linear time, and all other HTML as before."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.mail.text.canonical_html import DEEPEST, MOST_ATTRIBUTES, canonical_html
from mrilu.mail.text.hypertext import html_to_text

ATTRIBUTES = " ".join(f"a{number}=1" for number in range(1000))


def repeated(before: str, pump: str, after: str = ""):
    return lambda count: before + pump * count + after


PUMPS = {
    "attributes of one element": repeated("<p ", ATTRIBUTES + " ", ">x"),
    "attributes behind a tag that ends in a value": repeated('<p x=">" ', ATTRIBUTES + " ", ">x"),
    "attributes behind a script that hides a quotation mark": repeated(
        '<script><p x="</script><q y=">" ', ATTRIBUTES + " ", ">x"
    ),
    "attributes in CDATA of a drawing": repeated(
        '<svg><![CDATA[<p x="]]><q y=">" ', ATTRIBUTES + " ", ">x"
    ),
    "options of one select": repeated("<select>", "<option></option>" * 100),
    "formatting that each paragraph opens again": repeated(
        "<p>" + "".join(f"<b id={number}>" for number in range(400)) + "</p>", "<p>x</p>" * 50
    ),
    "nesting": repeated("", "<div>" * 100),
    "nested quotations": repeated("", "<blockquote>" * 100),
    "beginnings of tags": repeated("", "<a " * 100),
    "values without an end": repeated("", '<p a="' * 100),
    "comments without an end": repeated("", "<!--" * 100),
    "texts without an end": repeated("", "<textarea></textare>" * 100),
    "blanks before an equals sign": repeated("<p ", "a " * 100, "="),
    "end tags of nothing that is open": repeated("", "<span></x>" * 100),
    "paragraphs and cells without an end": repeated("<table>", "<tr><td><p>x<li>" * 25),
    "tables that throw out what is in them": repeated("", "<table><b>" * 100),
}


@pytest.mark.parametrize("make", PUMPS.values(), ids=PUMPS)
def test_time_grows_no_faster_than_length(make):
    def seconds(count: int) -> float:
        began = time.process_time()
        html_to_text(make(count))
        return time.process_time() - began

    short, long = (min(seconds(count) for _ in range(2)) for count in (50, 400))
    assert long < max(0.5, 24 * short)  # 8 times the length; the square would be 64 times


def test_what_is_written_again_has_few_attributes_and_is_not_deep():
    made = canonical_html(f"<p {ATTRIBUTES}>" + "<div>" * 5000 + "x")
    assert made.count("=") == MOST_ATTRIBUTES and made.count("<div") <= DEEPEST and made[-1] == "x"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<p title="a>b" class=c>x</p>', '<p title="a&gt;b" class="c">x</p>'),
        ("<a href=x>link</a>", "<a>link</a>"),
        ("1 < 2 <3", "1 &lt; 2 &lt;3"),
        ("<!-- <p> -->x<!---->y<!-->z", "xyz"),
        ("<style>p {}</style>x<SCRIPT>'<p>'</SCRIPT >y", " x y"),
        ("<textarea>a<b></textarea>", " a&lt;b>  "),
        ("<br/><hr />", "<br><hr>"),
        ("<p title=it's>x", '<p title="it\'s">x'),
        ("</ p>x<?php ?>y", "xy"),
        ("x<p", "x<p>"),
        ("<b>x</i></b></b>", "<b>x </b> "),
    ],
)
def test_each_piece_is_written_in_one_way(html, expected):
    assert canonical_html(html) == expected


@given(st.text(alphabet="<>/='\" ap-!?&\n", max_size=60))
def test_writing_twice_is_writing_once(html):
    once = canonical_html(html)
    assert canonical_html(once).replace(" ", "") == once.replace(" ", "")


def test_paragraphs_without_an_end_stay_paragraphs():
    assert canonical_html("<p>x" * 1000).count("<p>") == 1000


def test_a_long_mail_is_read_as_a_short_one():
    html = (
        "<blockquote type='cite'><p>caf&eacute; &lt;x&gt;</p></blockquote><ul><li>one<li>two</ul>"
    )
    assert html_to_text(html * 300).splitlines()[:4] == html_to_text(html * 2).splitlines()[:4]


def test_memory_is_bounded_by_length():
    html = (
        "<p>" + "".join(f"<b id={number}>" for number in range(400)) + "</p>" + "<p>x</p>" * 20_000
    )
    tracemalloc.start()
    made = canonical_html(html)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "id=" not in made and peak < 40 * len(html)
