"""Which list a mail says it came through."""

import pytest

from mrilu.mail.headers.mailing_list import list_id_of


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("list-id", "R help <r-help.r-project.org>", "r-help.r-project.org"),
        ("list-id", "<R-Help.R-Project.ORG>", "r-help.r-project.org"),
        ("list-id", "r-help.r-project.org", "r-help.r-project.org"),
        ("list-id", "<r-help@r-project.org>", "r-help.r-project.org"),
        ("list-id", '"List <x>" <r-help.r-project.org>', "r-help.r-project.org"),
        ("list-id", "Lojban\n <lojban.googlegroups.com>", "lojban.googlegroups.com"),
        ("list-post", "<mailto:r-help@r-project.org>", "r-help.r-project.org"),
        ("list-post", "NO (posting not allowed)", None),
        (
            "x-mailing-list",
            "<debian-user@lists.debian.org> archive/latest/1",
            "debian-user.lists.debian.org",
        ),
        (
            "mailing-list",
            "list lojban@yahoogroups.com; contact lojban-owner@yahoogroups.com",
            "lojban.yahoogroups.com",
        ),
        ("x-beenthere", "r-help@r-project.org", "r-help.r-project.org"),
        ("delivered-to", "mailing list foo@bar.org", "foo.bar.org"),
        ("delivered-to", "ann@bar.org", None),
        ("sender", "owner-lojban@lojban.org", "lojban.lojban.org"),
        ("sender", "r-help-bounces@r-project.org", "r-help.r-project.org"),
        ("sender", '"R-help" <r-help-bounces+ann=x.org@r-project.org>', "r-help.r-project.org"),
        ("sender", "ann@example.org", None),
        ("list-id", "abuse@x.org Mailing List", "abuse.x.org"),
        ("list-id", "", None),
    ],
)
def test_the_list_is_named(name: str, value: str, expected: str | None) -> None:
    assert list_id_of({name: value}) == expected


def test_list_id_outranks_the_others() -> None:
    assert list_id_of({"sender": "owner-a@b.org", "list-id": "<c.d.org>"}) == "c.d.org"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?UTF-8?Q?<=E8=8C=B6=E9=A6=86.tea.example.org>?=", "茶馆.tea.example.org"),
        ("=?UTF-8?B?6Iy26aaG?= <tea.example.org>", "tea.example.org"),
        ("=?UTF-8?Q?Tea_<tea.example.org>?=", "tea.example.org"),
        ("<=?UTF-8?Q?tea?=.example.org>", "tea.example.org"),
        ("<चाय.example.org>".encode().decode("ascii", "surrogateescape"), "चाय.example.org"),
    ],
)
def test_a_list_id_that_is_encoded_or_not_ascii_is_read(value: str, expected: str) -> None:
    assert list_id_of({"list-id": value}) == expected
