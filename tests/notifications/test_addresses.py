import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.notifications.addresses import InvalidAddress, bracketed_ids, checked_address, one_line


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("a@x.org", "a@x.org"),
        (" First.Last+tag@EXAMPLE.org ", "First.Last+tag@example.org"),
        ("a'b@x.org", "a'b@x.org"),
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("ユーザー@例え.jp", "ユーザー@xn--r8jz45g.jp"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_address_is_taken_with_its_domain_in_ascii(text, address):
    assert checked_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@x.org", "a@", "a b@x.org", "a@x org", "<a@x.org>", "a@x.org>", "a@x.org\r\nBcc: b@x.org",
        "a\r\nRCPT TO:<b@x.org>@x.org", "a@-x.org", "a@x..org", '"a b"@x.org', "a,b@x.org", ".a@x.org", "a.@x.org",
        "a\u2028b@x.org", "a\u00a0b@x.org", "a\x00b@x.org", "a" * 65 + "@x.org", "a@" + "x" * 64 + ".org",
        "é" * 40 + "@x.org", "a\ud800@x.org", "a@x.org;b@x.org", "a\u200bb@x.org",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InvalidAddress, match="no mail address"):
        checked_address(text)


@given(st.text())
def test_an_address_never_has_what_ends_a_command_or_a_header(text):
    try:
        address = checked_address(text)
    except InvalidAddress:
        return
    assert address.isprintable() and not set(address) & set(' <>,;:()[]"\\')


@given(st.text(), st.integers(1, 50))
def test_a_line_is_one_line_and_can_be_encoded(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit and line.encode() is not None and line == " ".join(line.split())
    assert not any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029\u202e" for letter in line)


def test_a_cut_line_keeps_letters_whole():
    assert one_line("e\u0301" * 30, 10) == "e\u0301" * 4 + "…"
    assert one_line("short", 5) == "short"


def test_only_ids_that_are_fit_for_a_header_are_taken():
    ids = ["a@b", "a@b", "no-at", "a b@c", "<a@b", "x\r\nBcc: y@z", "é@b", "a@" + "b" * 200]
    assert bracketed_ids(ids) == ["<a@b>"]
