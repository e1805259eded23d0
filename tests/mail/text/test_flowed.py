"""format=flowed."""

from mrilu.mail.text.flowed import unflow


def test_soft_breaks_are_joined() -> None:
    assert unflow("one \ntwo\nthree") == "one two\nthree"


def test_delsp_removes_the_blank() -> None:
    assert unflow("日本 \n語", delete_space=True) == "日本語"


def test_space_stuffing_is_removed() -> None:
    assert unflow(" >not a quote\n From me") == ">not a quote\nFrom me"


def test_quotes_join_within_their_depth_only() -> None:
    assert unflow(">> a \n>> b \n> c") == "> > a b \n> c"


def test_a_quote_after_text_starts_its_own_line() -> None:
    assert unflow("a \n> b\nc") == "a \n> b\nc"


def test_a_signature_is_no_soft_break() -> None:
    assert unflow("text \n-- \nAnn") == "text \n-- \nAnn"
