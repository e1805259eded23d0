"""Address lists, right and wrong."""

import pytest

from mrilu.mail.headers.addresses import parse_addresses, parse_author
from mrilu.mail.message import Address


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ann@example.org", [("", "ann@example.org")]),
        ("Ann@EXAMPLE.org", [("", "Ann@example.org")]),
        ("<ann@example.org>", [("", "ann@example.org")]),
        ("Ann Example <ann@example.org>", [("Ann Example", "ann@example.org")]),
        ('"Example, Ann" <ann@example.org>', [("Example, Ann", "ann@example.org")]),
        ('"Ann \\"A\\" E" <ann@example.org>', [('Ann "A" E', "ann@example.org")]),
        ("ann@example.org (Ann Example)", [("Ann Example", "ann@example.org")]),
        ("ann@example.org (Ann (nested) E)", [("Ann (nested) E", "ann@example.org")]),
        ("a@x.org, b@y.org", [("", "a@x.org"), ("", "b@y.org")]),
        ("a@x.org; b@y.org", [("", "a@x.org"), ("", "b@y.org")]),
        (
            "Team: a@x.org, B <b@y.org>;, c@z.org",
            [("", "a@x.org"), ("B", "b@y.org"), ("", "c@z.org")],
        ),
        ("undisclosed-recipients:;", []),
        ("Undisclosed recipients", []),
        ("", []),
        ("=?utf-8?Q?Andr=C3=A9?= <a@x.org>", [("André", "a@x.org")]),
        ('"=?utf-8?Q?Andr=C3=A9?=" <a@x.org>', [("André", "a@x.org")]),
        ("=?utf-8?Q?Doe,_Jane?= <a@x.org>", [("Doe, Jane", "a@x.org")]),
        ("ann@work.org <ann@example.org>", [("ann@work.org", "ann@example.org")]),
        ("Ann <ann@example.org", [("Ann", "ann@example.org")]),
        ("<@relay.org:ann@example.org>", [("", "ann@example.org")]),
        ("<mailto:ann@example.org>", [("", "ann@example.org")]),
        ("Ann Example ann@example.org", [("Ann Example", "ann@example.org")]),
        ("Ann\n Example\n <ann@example.org>", [("Ann Example", "ann@example.org")]),
        (",,a@x.org,,", [("", "a@x.org")]),
        ('"quoted local"@x.org', [("", '"quoted local"@x.org')]),
        ("'Ann' <a@x.org>", [("'Ann'", "a@x.org")]),
        ("A.B. Cee <a@x.org>", [("A.B. Cee", "a@x.org")]),
        ("Ann <<ann@x.org>>", [("Ann", "ann@x.org")]),
        ("Ann <ann@x.org,>", [("Ann", "ann@x.org")]),
        ("Ann <ann@x.org> Bob <bob@y.org>", [("Ann", "ann@x.org"), ("Bob", "bob@y.org")]),
        ("<a@x.org> <b@y.org>", [("", "a@x.org"), ("", "b@y.org")]),
        ("ann@x  . org, b@y.org", [("", "ann@x.org"), ("", "b@y.org")]),
        (
            "Ann <ann@[127.0.0.1]>, b@[IPv6:2001:db8::1]",
            [("Ann", "ann@[127.0.0.1]"), ("", "b@[ipv6:2001:db8::1]")],
        ),
        ("Example\\, Ann <ann@x.org>", [("Example, Ann", "ann@x.org")]),
        ('"Ann <ann@x.org>', [("Ann", "ann@x.org")]),
        ('b@y.org, "Ann <ann@x.org>', [("", "b@y.org"), ("Ann", "ann@x.org")]),
        ("=?utf-8?Q?J=C3=B6rg_<a=40x.org>?=", [("Jörg", "a@x.org")]),
        ("Ann Example [ann@x.org]", [("Ann Example", "ann@x.org")]),
        ('"Ann" <ann at x.org>', [("Ann", "ann@x.org")]),
    ],
)
def test_mailboxes_are_found(value: str, expected: list[tuple[str, str]]) -> None:
    assert [(found.name, found.address) for found in parse_addresses(value)] == expected


def test_raw_8_bit_names_are_read() -> None:
    value = "André <a@x.org>, Bé <b@y.org>".encode().decode("ascii", "surrogateescape")
    assert [found.name for found in parse_addresses(value)] == ["André", "Bé"]


def test_an_international_address_is_kept() -> None:
    assert parse_addresses(
        "δοκιμή@παράδειγμα.δοκιμή".encode().decode("ascii", "surrogateescape")
    ) == [Address("", "δοκιμή@παράδειγμα.δοκιμή")]


def test_the_author_without_an_address_is_a_name() -> None:
    assert parse_author("The Daemon") == Address("The Daemon", "")


def test_an_archive_disguise_is_undone() -> None:
    assert parse_author("ann at example.org (Ann Example)") == Address(
        "Ann Example", "ann@example.org"
    )


def test_the_first_of_several_authors_counts() -> None:
    assert parse_author("A <a@x.org>, B <b@x.org>").address == "a@x.org"


def test_the_number_of_addresses_is_bounded() -> None:
    assert len(parse_addresses("a@x.org, " * 5000, limit=2000)) == 2000


@pytest.mark.parametrize(
    "value",
    [
        "Müller, Hans <h@x.org>",
        "=?utf-8?Q?M=C3=BCller?=, Hans <h@x.org>",
        '"Müller, Hans" <h@x.org>',
    ],
)
def test_an_unquoted_comma_does_not_cut_the_author_s_name(value: str) -> None:
    assert parse_author(value) == Address("Müller, Hans", "h@x.org")


@pytest.mark.parametrize("value", ["ann@x.org, Hans <h@x.org>", "Ann <ann@x.org>, Hans <h@x.org>"])
def test_the_first_of_two_authors_keeps_a_name_of_its_own(value: str) -> None:
    assert parse_author(value).address == "ann@x.org"
    assert "," not in parse_author(value).name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Teahouse: A Place for Leaves <a@x.org>", "Teahouse: A Place for Leaves"),
        ("10:30 Club <a@x.org>", "10:30 Club"),
        ("Tea: <a@x.org>", "Tea"),
        ("Tea, Coffee, and More <a@x.org>", "Tea, Coffee, and More"),
        ("Tea; Coffee <a@x.org", "Tea; Coffee"),
        ("Doe, John (Tea) <a@x.org> (work)", "Doe, John"),
        ('"Tea Taster,<a@x.org>', "Tea Taster"),
        ('Tea Taster" <a@x.org>', "Tea Taster"),
        ('Ann "Example, PhD <a@x.org>', "Ann Example, PhD"),
        ('"Tea "The Leaf" Taster" <a@x.org>', "Tea The Leaf Taster"),
        ("Tea @ Home: news <a@x.org>", "Tea @ Home: news"),
        ("=?utf-8?Q?Tea=3A_Doe=2C?= John, PhD <a@x.org>", "Tea: Doe, John, PhD"),
        ('"Ann <a@x.org>"', "Ann"),
        ("Team: Ann <a@x.org>;", "Ann"),
        ('"Tea: Leaf" <a@x.org>', "Tea: Leaf"),
        ("Team: a@x.org", ""),
    ],
)
def test_an_author_whose_name_should_have_been_quoted_has_all_of_it(value: str, name: str) -> None:
    assert parse_author(value) == Address(name, "a@x.org")


def test_of_several_authors_the_first_counts() -> None:
    assert parse_author("ann@x.org, Doe: Bob <b@x.org>") == Address("", "ann@x.org")
    assert parse_author('"Ann" <ann@x.org>, "Bob: B" <b@x.org>') == Address("Ann", "ann@x.org")


@pytest.mark.parametrize(
    "value",
    [
        "ann@lists.exam\n ple.org",
        "ann@lists.example\n\t.org",
        "ann@lists.example.\n org",
        "<ann@lists.exam\n ple.org>",
        "Ann <ann@\n lists.example.org>",
        "ann@lists.exam\r\n ple.org",
    ],
)
def test_an_address_that_a_fold_broke_is_whole(value: str) -> None:
    assert parse_author(value).address == "ann@lists.example.org"


def test_a_local_part_that_a_fold_broke_is_whole() -> None:
    assert parse_author("ann.\n example@x.org") == Address("", "ann.example@x.org")
    assert parse_author("ann@x.org\n (Ann)") == Address("Ann", "ann@x.org")
    assert parse_author("Ann\n ann@x.org") == Address("Ann", "ann@x.org")
