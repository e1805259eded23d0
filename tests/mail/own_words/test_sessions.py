"""R's prompt is no quotation mark."""

import time

import pytest

from mrilu.mail.own_words.quotes import own_spans


def own(text: str) -> str:
    return "\n".join(text[start:end] for start, end in own_spans(text))


@pytest.mark.parametrize(
    "text",
    [
        "I tried\n> x <- rnorm(10)\n> mean(x)\n[1] 0.3\nWhy?",
        "Hello,\n\n> library(survival)\n> fit <- coxph(y ~ x)\n\nfails",
        "See\n\n   > plot(x,\n+ main=1)\nError in plot",
        "> x = function(a) a\n> y = if (x) 1 else 2  # two words here\n\nis what I typed",
        '> x = "two words"\n> n=5\n\nis what I typed',
        "> f(x)  # a comment\n> ?mean\n> x[1]\n\nis what I typed",
    ],
)
def test_a_session_is_own(text: str) -> None:
    assert own(text) == text


@pytest.mark.parametrize(
    ("text", "mine"),
    [
        ("On Tue, 9 Nov 1999, Ann wrote:\n> x <- 1\n> y <- f(x)\n\nNo.", "No."),
        ("> Does it work?\nNo:\n> x <- 1\n> f(x)\n\nfails.", "No:\nfails."),
        ("Yes.\n> thanks\n> bye", "Yes."),
        ("Hm.\n> I think that mean(x) is wrong here.\nNo.", "Hm.\nNo."),
        ("A> f(x)\nmine", "mine"),
        ("> n=5 is too few for this test, I think.\n\nI agree.", "I agree."),
        ("> a=b, so what?\nNothing.", "Nothing."),
        ("> p=0.05 is usual\nNo.", "No."),
        ("> E=mc2 works.\n> x=1 if you like\nNo.", "No."),
        ("> path=/usr/bin is wrong!\nYes.", "Yes."),
        ("> > f(x)\n> [1] 2\nmine", "mine"),
    ],
)
def test_quoted_code_is_not_own(text: str, mine: str) -> None:
    assert own(text) == mine


def test_a_session_in_an_answer_is_own_where_its_output_follows() -> None:
    text = "Ann wrote:\n> Does it work?\n\nYes:\n\n> f <- sum\n> f(1, 2)\n[1] 3\n"
    assert own(text) == "Yes:\n\n> f <- sum\n> f(1, 2)\n[1] 3"


def test_many_sessions_take_linear_time_and_hide_no_signature() -> None:
    text = "> f(x)\n\n" * 50_000 + "Bye\n-- \nAnn\n"
    start = time.process_time()
    assert own(text).endswith("\nBye")
    assert time.process_time() - start < 3
