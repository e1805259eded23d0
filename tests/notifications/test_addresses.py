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
    with pytest.raises(InvalidAddress, match="not a mail address"):
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
    assert (
        len(line) <= limit
        and line.encode() is not None
        and "  " not in line
        and line == line.strip()
    )
    assert not any(ord(letter) < 32 or letter in "\x7f\x85\u2028\u2029\u202e" for letter in line)


def test_a_cut_line_keeps_letters_whole():
    assert one_line("e\u0301" * 30, 10) == "e\u0301" * 4 + "…"
    assert one_line("short", 5) == "short"


def test_only_ids_that_are_fit_for_a_header_are_taken():
    ids = ["a@b", "a@b", "no-at", "a b@c", "<a@b", "x\r\nBcc: y@z", "é@b", "a@" + "b" * 200]
    assert bracketed_ids(ids) == ["<a@b>"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("u@straße.example.org", "u@xn--strae-oqa.example.org"),
        ("u@FAß.example", "u@xn--fa-hia.example"),
        ("u@βόλος.example", "u@xn--nxasmm1c.example"),
        ("u@نامه\u200cای.example", "u@xn--mgba3gch31f060k.example"),
        ("u@BÜCHER.example", "u@xn--bcher-kva.example"),
        ("u@例え。テスト", "u@xn--r8jz45g.xn--zckzah"),
        ("u@XN--STRAE-OQA.example", "u@xn--strae-oqa.example"),
        ("u@r3---x.example", "u@r3---x.example"),
        ("ü@x.example", "ü@x.example"),
    ],
)
def test_a_domain_is_the_owners_by_idna_2008(text, address):
    assert checked_address(text) == address
    assert checked_address(checked_address(text)) == address


@pytest.mark.parametrize(
    "text", ["u@xn--a.example", "u@\u200d.example", "u@a\u0301\u200cb.example", "u@☃☃.example/x"]
)
def test_what_idna_2008_forbids_is_refused(text):
    with pytest.raises(InvalidAddress):
        checked_address(text)


def test_blanks_of_other_kinds_stay_and_runs_become_one():
    assert one_line(" a  b\t\r\n c\u3000d\xa0e ") == "a b c\u3000d\xa0e"
