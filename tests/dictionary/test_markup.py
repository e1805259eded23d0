"""What jbovlaste's markup means, and that nothing else means anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.dictionary.markup import REPLACEMENT, clean, one_line, plain, readable, spans


def shown(text: str) -> str:
    marks = {"text": "{}", "letter": "/{}/", "low": "_{}", "high": "^{}", "word": "[{}]"}
    return "".join(marks[span.kind].format(span.text) for span in spans(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$x_1$ is a cat", "/x/_1 is a cat"),
        ("$x_{12}$.", "/x/_12."),
        ("$k_1=b_2$", "/k/_1=/b/_2"),
        ("10: $10^{-3}$", "10: 10^-3"),
        ("$x_n$ but $x_10$", "/x/_n but /x/_10"),
        ("see {mlatu}, {la .alis.}", "see [mlatu], [la .alis.]"),
        ("x1 and x2's", "/x/_1 and x2's"),
        ("x_3 of x_{4}", "/x/_3 of /x/_4"),
        ("max1 x1000", "max1 x1000"),
        ("xu_1=vi_{2}, l33t_x", "/xu/_1=/vi/_2, l33t_x"),
        (r"$\pi r^2$", "π /r/^2"),
        (r"$\nosuch{a}$", r"\nosuch/a/"),
        ("costs $5", "costs $5"),
        ("{} { } {1} }{", "{} { } {1} }{"),
        ("$$", "$$"),
        ("  two\n\tlines ", "two lines"),
        ("constant N_{A}; ct_{123}, B_{n+1}", "constant N_A; ct_123, B_n+1"),
        ("10^{23}, e^{-(t)} but ^{2} and _{2}", "10^23, e^-(t) but ^{2} and _{2}"),
        ("set {a, b}, {1, 2}, {x | x > 3}, {n+1}", "set {a, b}, {1, 2}, {x | x > 3}, {n+1}"),
        ("{bc} {A} {!} {a,} {(A)}", "{bc} {A} {!} {a,} {(A)}"),
        (
            "{a} {b} {na,aus} {CO'A} {.i'eku'i} {djan.}",
            "[a] [b] [na,aus] [CO'A] [.i'eku'i] [djan.]",
        ),
        ("{lo (((ckule nixli) cmalu) melbi)}", "[lo (((ckule nixli) cmalu) melbi)]"),
        ("{xrabo/xebro} {di’au}", "[xrabo/xebro] [di’au]"),
    ],
)
def test_markup_is_read(text, expected):
    assert shown(text) == expected


@given(st.text(alphabet="$x_{}12^\\ab \n'", max_size=40))
def test_no_text_makes_it_fail_or_lose_words(text):
    kept = "".join(span.text for span in spans(text))
    assert {letter for letter in text if letter in "ab"} <= set(kept) | set("π")


def test_what_no_page_can_hold_is_made_visible():
    assert clean("a\x00\x07\ufffe\ud800b\t\n\x9b") == "a" + REPLACEMENT * 4 + "b\t\n\x9b"
    assert one_line("a\x9bb\x85c") == f"a{REPLACEMENT}b c"
    assert one_line("x\u0303\r\n y") == "x\u0303 y"


def test_a_long_word_stays_as_it_is():
    assert one_line("a" * 150) == "a" * 150


@pytest.mark.parametrize(
    ("text", "in_ascii", "as_people_write"),
    [
        ("$x_{1}$ goes to $x_2$", "x1 goes to x2", "x₁ goes to x₂"),
        ("see also {klama}, {la .alis.}", "see also klama, la .alis.", "see also klama, la .alis."),
        ("$x_{1}=y_{2}$", "x1=y2", "x₁=y₂"),
        ("10: $10^{6}$, $10^{-3}$", "10: 10^6, 10^-3", "10: 10⁶, 10⁻³"),
        ("$x_n$", "x_n", "xₙ"),
        ("$x_{qz}$ $a^{q}$", "x_qz a^q", "x_qz a^q"),
        ("costs $5", "costs $5", "costs $5"),
        ("{} and }{", "{} and }{", "{} and }{"),
        (r"$\pi r^2$", "π r^2", "π r²"),
    ],
)
def test_markup_is_taken_out_for_readers_and_for_models(text, in_ascii, as_people_write):
    assert plain(text) == in_ascii
    assert readable(text) == as_people_write


def test_readable_text_keeps_its_lines_and_plain_text_is_one():
    assert readable("$x_1$ a\n{b}  c") == "x₁ a\nb c"
    assert plain("$x_1$ a\n{b}  c") == "x1 a b c"
    assert "\N{ZERO WIDTH SPACE}" not in plain("a" * 200) + readable("a" * 200)
