"""HTML as a reader sees it."""

import pytest

from mrilu.mail.text.hypertext import charset_in_html, enriched_to_text, html_to_text


def test_markup_goes_and_text_stays() -> None:
    text = html_to_text(
        "<html><head><style>p{}</style><title>t</title></head><body><p>One &amp; <b>two</b></p>"
        "<script>x()</script><p>three</p></body></html>"
    )
    assert text.split() == ["One", "&", "two", "three"]


def test_a_blockquote_becomes_a_quotation() -> None:
    lines = [
        line
        for line in html_to_text(
            "<p>yes</p><blockquote><p>tea?</p><BLOCKQUOTE type=cite>more</BLOCKQUOTE>"
            "</blockquote><p>no</p>"
        ).split("\n")
        if line.strip("> ")
    ]
    assert lines == ["yes", "> tea?", "> > more", "no"]


def test_line_breaks_are_kept() -> None:
    assert html_to_text("a<br>b<br/>c").split() == ["a", "b", "c"]


def test_deep_nesting_does_no_harm() -> None:
    assert "x" in html_to_text("<div>" * 100_000 + "x")


def test_the_charset_of_the_document_is_found() -> None:
    assert charset_in_html(b'<META http-equiv=x content="text/html; charset=koi8-r">') == "koi8-r"
    assert charset_in_html(b"<meta charset='utf-8'>") == "utf-8"
    assert charset_in_html(b"<p>") == ""


def test_enriched_text_loses_its_commands() -> None:
    assert enriched_to_text("<bold>a</bold> <<b <color><param>red</param>c</color>") == "a <b c"


@pytest.mark.parametrize(
    "tag",
    [
        '<blockquote style="margin:0 0 0 40px;border:none;padding:0px">',
        '<BlockQuote dir=ltr style="MARGIN-RIGHT: 0px">',
        '<blockquote class="webkit-indent-blockquote" style="margin: 0 0 0 40px; border: none">',
    ],
)
def test_a_blockquote_that_only_indents_is_no_quotation(tag: str) -> None:
    html = f"<p>one</p>{tag}two<blockquote type=cite>theirs</blockquote>three</BLOCKQUOTE>four"
    text = html_to_text(html)
    assert [line for line in text.split("\n") if line.strip("> ")] == [
        "one",
        "two",
        "> theirs",
        "three",
        "four",
    ]


@pytest.mark.parametrize(
    "tag",
    [
        "<blockquote>",
        "<BlockQuote>",
        '<blockquote type="cite" style="margin:0">',
        '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex">',
        '<blockquote style="border-left:2px solid blue;margin-left:5px">',
        '<blockquote cite="mid:a@example.org" style="margin:0">',
    ],
)
def test_a_blockquote_with_a_line_or_a_source_is_a_quotation(tag: str) -> None:
    assert "> theirs" in html_to_text(f"{tag}theirs</blockquote>mine")
