"""What HTML hides from a reader is not read."""

from __future__ import annotations

import pytest

from mrilu.mail.text.hypertext import html_to_text
from tests.mail.letters import read


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none;max-height:0;overflow:hidden">no</div>',
        '<div STYLE="Display : None !important">no</div>',
        "<span style='display:none'>no</span>",
        "<span style=display:none>no</span>",
        "<p hidden>no",
        '<div hidden="">no <div>no</div> no</div>',
        "<div hidden=until-found>no</div>",
        '<font style="mso-hide:all">no</font>',
        '<a style="visibility: hidden" href="x">no</a>',
        '<b style="opacity:0">no</b>',
        '<div style="max-height:0px;overflow:hidden">no</div>',
        '<div style="overflow:hidden;height:0">no</div>',
        "<style>.pre, #top { display: none }</style><p class='a pre'>no</p><div id=top>no</div>",
        "<style>/* a { */ div.x{color:red;display:none!important}</style><div class=x>no</div>",
        "<table><tr><td style='display:none'>no</tr><tr hidden><td>no</td></tr></table>",
        "<ul><li hidden>no<ul><li>no</ul></ul>",
        "<div hidden><p>no<table><tr><td>no</table><br>no</div>",
        "<img hidden src=x>",
        "<div hidden><blockquote>no</blockquote></div>",
    ],
)
def test_what_is_hidden_is_not_read(hidden: str) -> None:
    assert html_to_text(f"{hidden}<p>Tea is ready.</p>").strip() == "Tea is ready."


@pytest.mark.parametrize(
    "shown",
    [
        '<div style="display:block">Tea</div>',
        '<div style="opacity:0.5">Tea</div>',
        '<div style="overflow:hidden;max-height:100%">Tea</div>',
        '<div aria-hidden="true">Tea</div>',
        "<style>@media (max-width:9px) {.t {display:none}}</style><p class=t>Tea</p>",
        "<input type=hidden value=no>Tea",
        '<div style="font-size:0"><span style="font-size:16px">Tea</span></div>',
        "<p hidden></p>Tea",
        "<div hidden>no</div></p>Tea",
        "<td><span hidden>no</td><td>Tea",
    ],
)
def test_what_is_shown_is_read(shown: str) -> None:
    assert html_to_text(shown).strip() == "Tea"


def test_a_mail_that_hides_all_is_read_all_the_same() -> None:
    assert html_to_text('<div style="display:none">Tea</div>') == "Tea"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Ge&shy;samt&shy;kon&shy;zept", "Gesamtkonzept"),
        ("Tea" + "&zwnj;&nbsp;&#847; &#8203;" * 30 + "<p>is ready</p>", "Tea\n\nis ready"),
        ("<p>&#8199;&#65279;&#847;</p>Tea", "Tea"),
        ("می‌خواهم", "می‌خواهم"),
        ("👨‍👩‍👧", "👨‍👩‍👧"),
        ("&#55357;&#56832; &#xD83D;&#xDE00;", "😀 😀"),
        ("Tea&#8203;, please", "Tea\u200b, please"),
    ],
)
def test_signs_without_a_form_are_left_out(html: str, text: str) -> None:
    found = read(b"Content-Type: text/html; charset=utf-8", body=html.encode())
    assert "\n".join(line.strip() for line in found.body.split("\n")) == text


def test_plain_text_has_its_soft_hyphens_and_fillers_taken_out_too() -> None:
    line = b"Content-Type: text/plain; charset=utf-8"
    assert (
        read(line, body="Ge\xadsamt\xadkonzept\u200b \u200b".encode()).body.strip()
        == "Gesamtkonzept"
    )
    assert (
        read(line, body="tea \xad cup, 1\xad2, JesÃ\xads".encode()).body
        == "tea \xad cup, 1\xad2, JesÃ\xads"
    )
