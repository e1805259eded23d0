"""Who wrote a mail that a list sends under its own address; and that no one else can name an author for another."""

import pytest

from mrilu.mail.message import ParsedMessage
from mrilu.mail.parse import parse_message

LIST = b"List-Id: Tea <tea.lists.example.org>\nList-Post: <mailto:tea@lists.example.org>\n"
REST = (
    b"To: tea@lists.example.org\nSubject: Tea\nDate: Tue, 9 Nov 2021 18:50:39 +0100\n"
    b"Message-ID: <one@example.org>\n"
)
FROM = b"From: 'Ann Example' via Tea <tea@lists.example.org>\n"
ORIGINAL = b"X-Original-From: Ann Example <ann@example.org>\n"
ANN = ("Ann Example", "ann@example.org")


def read(*fields: bytes, body: bytes = b"\nx\n") -> ParsedMessage:
    raw = b"".join(fields) + REST + body
    found = parse_message(raw)
    assert found == parse_message(raw, lean=False)
    return found


def author(*fields: bytes) -> tuple[str, str]:
    found = read(*fields)
    return found.from_name, found.from_address


@pytest.mark.parametrize(
    "field",
    [
        ORIGINAL,
        b"Reply-To: Ann Example <ann@example.org>\n",
        b"Reply-To: ann@example.org\n",
        b"Reply-To: Tea <tea@lists.example.org>, Ann Example <ann@example.org>\n",
        b"Reply-To: Bob <bob@example.net>, Ann Example <ann@example.org>\n",
        b"X-Original-Sender: ann@example.org\nReply-To: Ann Example <ann@example.org>\n",
        b"Reply-To: Tea <TEA@lists.example.org>\nCc: Bob <b@x.org>, Ann Example <ann@example.org>\n",
        b"X-Original-From: =?utf-8?Q?Ann?= Example\n <ann@example.org>\n",
    ],
)
def test_the_author_is_whom_the_list_names_where_from_is_its_own_address(field: bytes) -> None:
    assert author(FROM, LIST, field) == ANN


@pytest.mark.parametrize(
    "line",
    [
        b"List-Id: <tea.lists.example.org>\n",
        b"List-Post: <https://lists.example.org/tea>, <mailto:TEA%40lists.example.org?subject=x>\n",
        b"List-Id: Tea <tea.example.org>\nList-Post: <mailto:tea@lists.example.org>\n",
        b"List-ID: =?utf-8?Q?Tea?= <tea.lists.example.org>\n",
    ],
)
def test_either_field_tells_which_address_is_the_lists(line: bytes) -> None:
    assert author(FROM, line, ORIGINAL) == ANN


@pytest.mark.parametrize(
    "via",
    [
        "Ann Example via Tea",
        '"Ann Example via Tea"',
        "=?utf-8?Q?Ann_Example_=C3=BCber_Tea?=",
        "Ann Example (via Tea)",
    ],
)
def test_the_name_is_taken_out_of_what_the_list_wrote(via: str) -> None:
    line = f"From: {via} <tea@lists.example.org>\n".encode()
    assert author(line, LIST, b"Reply-To: ann@example.org\n") == ANN


MALLORY = ("Mallory", "mallory@example.net")


@pytest.mark.parametrize(
    ("sender", "fields"),
    [
        (b"From: Mallory <mallory@example.net>\n", LIST),  # another address than the list's
        (b"From: Mallory <mallory@example.net>\n", b""),
        (b"From: Mallory <mallory@example.net>\n", b"List-Id: <mallory.example.org>\n"),
        (b"From: Mallory <mallory@example.net>\n", b"Sender: tea@lists.example.org\n" + LIST),
        (b"From: Mallory <mallory@example.net>\n", b"List-Post: NO\n"),
    ],
)
@pytest.mark.parametrize("claim", [ORIGINAL, b"Reply-To: Ann Example <ann@example.org>\n"])
def test_nobody_but_the_list_names_another_as_the_author(
    sender: bytes, fields: bytes, claim: bytes
) -> None:
    assert author(sender, fields, claim) == MALLORY


def test_a_list_without_its_fields_is_an_author_like_any_other() -> None:
    assert author(FROM, ORIGINAL)[1] == "tea@lists.example.org"
    assert author(FROM, b"X-BeenThere: tea@lists.example.org\n", ORIGINAL)[1].startswith("tea@")


def test_a_list_that_names_nobody_is_the_author_itself() -> None:
    assert author(FROM, LIST) == ("'Ann Example' via Tea", "tea@lists.example.org")
    service = b"Reply-To: tea-request@lists.example.org, owner-tea@lists.example.org\n"
    assert author(FROM, LIST, service)[1] == "tea@lists.example.org"
    copied = b"Cc: Bob <bob@example.net>\nReply-To: tea@lists.example.org\n"
    assert author(FROM, LIST, copied)[1] == "tea@lists.example.org"


INNER = (
    b"From: Ann Example <ann@example.org>\nReferences: <zero@x>\n" + REST + b"\nThe real words\n"
)
FOOTER = b"--b\n\n_______________________________________________\nTea mailing list\n--b--\n"


def wrapped(inner: bytes, footer: bytes = FOOTER) -> bytes:
    return (
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n'
        b"Content-Disposition: inline\n\n" + inner + b"\n" + footer
    )


def test_what_the_list_wrapped_is_the_mail() -> None:
    found = read(FROM, LIST, body=wrapped(INNER))
    assert (found.from_name, found.from_address) == ANN
    assert found.own_text == "The real words" and found.body.startswith("The real words\n")
    assert found.references == ("zero@x",) and not found.has_attachment


def test_a_wrapped_mail_may_stand_below_the_lists_header() -> None:
    body = wrapped(INNER).replace(b"--b\n", b"--b\n\nWelcome to Tea\n--b\n", 1)
    found = read(FROM, LIST, body=body)
    assert (found.from_name, found.from_address) == ANN and "The real words" in found.own_text


def test_a_digest_holds_no_wrapped_mail() -> None:
    found = read(
        FROM, LIST, body=wrapped(INNER + b"\n--b\nContent-Type: message/rfc822\n\n" + INNER)
    )
    assert found.from_address == "tea@lists.example.org"


def test_a_mail_that_is_nothing_but_the_wrapped_one_is_that_mail() -> None:
    found = read(FROM, LIST, body=b"Content-Type: message/rfc822\n\n" + INNER)
    assert found.from_address == "ann@example.org" and found.own_text == "The real words"


@pytest.mark.parametrize(
    ("sender", "inner"),
    [
        (b"From: Mallory <mallory@example.net>\n", INNER),
        (FROM, INNER.replace(b"<one@example.org>", b"<another@example.org>")),
        (FROM, INNER.replace(b"ann@example.org", b"tea@lists.example.org")),
    ],
)
def test_a_mail_that_is_forwarded_is_no_wrapped_one(sender: bytes, inner: bytes) -> None:
    found = read(sender, LIST, body=wrapped(inner))
    assert found.from_address in ("mallory@example.net", "tea@lists.example.org")
    assert found.own_text == "" and "The real words" in found.body


def test_a_wrapped_mail_without_message_id_is_known_by_its_date_and_subject() -> None:
    def without(raw: bytes) -> bytes:
        return raw.replace(b"Message-ID: <one@example.org>\n", b"")

    raw = FROM + LIST + without(REST) + wrapped(without(INNER))
    assert parse_message(raw).from_address == "ann@example.org"


def test_the_direct_copy_and_the_lists_copies_are_one_message() -> None:
    direct = read(b"From: Ann Example <ann@example.org>\n")
    rewritten = read(FROM, LIST, ORIGINAL)
    inside = read(FROM, LIST, body=wrapped(INNER))
    assert direct.identity == rewritten.identity == inside.identity
    assert direct.identity != read(FROM, LIST).identity
