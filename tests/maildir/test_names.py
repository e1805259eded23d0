import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrilu.maildir.names import MailPath, parse_path, split_name, to_disk, to_text

disk_bytes = st.binary(min_size=1, max_size=40).filter(
    lambda name: b"/" not in name and b"\0" not in name
)


@given(disk_bytes)
@example(b"caf\xe9")
@example("\U0010ff81".encode())
@example(b"\xf4\x8f\xbe\x81\xff")
@example(b"\xff" + "\U0010ffff\U0010ff80".encode())
def test_every_file_name_has_a_text_that_leads_back_to_it(name):
    text = to_text(os.fsdecode(name))
    assert os.fsencode(to_disk(text)) == name
    assert to_disk(text) == os.fsdecode(name)
    assert json.loads(json.dumps(text)) == text
    text.encode()  # no lone surrogate is left, which PostgreSQL would refuse


@given(st.lists(disk_bytes, unique=True))
def test_two_names_never_share_a_text(names):
    assert len({to_text(os.fsdecode(name)) for name in names}) == len(names)


def test_a_name_in_utf_8_is_its_own_text():
    assert to_text("1.x.höst:2,S") == "1.x.höst:2,S"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("new/123.x", MailPath("", "new", "123.x", "123.x", "")),
        ("cur/1.x.h:2,SF", MailPath("", "cur", "1.x.h:2,SF", "1.x.h", "FS")),
        (
            ".r-help/cur/1.M2P3.mail:2,FS",
            MailPath(".r-help", "cur", "1.M2P3.mail:2,FS", "1.M2P3.mail", "FS"),
        ),
        (".a.b.c/new/1", MailPath(".a.b.c", "new", "1", "1", "")),
        ("Lists/foo/cur/1:2,", MailPath("Lists/foo", "cur", "1:2,", "1", "")),
        (".a/.b/cur/1", MailPath(".a/.b", "cur", "1", "1", "")),
        (".a.directory/b/new/1", MailPath(".a.directory/b", "new", "1", "1", "")),
        ("Lists/.foo/cur/1", MailPath("Lists/.foo", "cur", "1", "1", "")),
        ("cur/3a/1:2,S", MailPath("", "cur/3a", "1:2,S", "1", "S")),
        (".a/.b/new/00/1", MailPath(".a/.b", "new/00", "1", "1", "")),
        ("foo.eml", MailPath("", "", "foo.eml", "foo.eml", "")),
        ("sub/Foo.EML", MailPath("sub", "", "Foo.EML", "Foo.EML", "")),
        (
            "1721705830.3949238_35.lebna_2,S",
            MailPath("", "", "1721705830.3949238_35.lebna_2,S", "1721705830.3949238_35.lebna", "S"),
        ),
    ],
)
def test_a_path_is_split_into_its_parts(path, parts):
    assert parse_path(path) == parts


@pytest.mark.parametrize(
    "path",
    [
        "", "new", "new/", "/new/1", "tmp/1", "cur/.hidden", ".r-help/tmp/1", "../cur/1", "./cur/1", "cur/../new/1",
        "cur/sub/1", "new/cur/1", "cur/3a/3b/1", "3a/1", ".a/cur/b/cur/1", "Lists//cur/1", "a/b/foo.eml", ".a/./cur/1",
        ".a/foo.eml", "tmp/foo.eml", ".foo.eml", "notes.txt", "dovecot-uidlist", "cur/a\0b", "..eml/../foo.eml",
    ],
)  # fmt: skip
def test_a_path_where_no_mail_lives_has_no_parts(path):
    assert parse_path(path) is None


@given(
    st.text()
    | st.lists(
        st.sampled_from(["new", "cur", "tmp", ".", "..", ".a", "b", "x.eml", "1:2,S", ""])
    ).map("/".join)
)
@example("\ud800/cur/\udcff:2,S")
def test_no_text_makes_parse_path_raise(path):
    parts = parse_path(path)
    assert parts is None or (
        parts.unique and path.endswith(parts.name) and ".." not in path.split("/")
    )


@pytest.mark.parametrize(
    ("name", "unique", "flags"),
    [
        ("1.x.h", "1.x.h", ""),
        ("1.x.h:2,", "1.x.h", ""),
        ("1.x.h:2,RSaSb", "1.x.h", "RSab"),
        ("1.x.h;2,S", "1.x.h", "S"),
        ("1.x.h!2,S", "1.x.h", "S"),
        ("1.x.h_2,S", "1.x.h", "S"),
        ("1.x.h_2,S.eml", "1.x.h", "S"),
        ("1.x.h:1,whatever", "1.x.h", ""),
        ("1.x.h,S=123,W=130:2,S", "1.x.h", "S"),
        ("1.x.h,W=130,S=123,U=7:2,", "1.x.h", ""),
        ("1.x.h,U=7,FMD5=abc:2,S", "1.x.h,U=7,FMD5=abc", "S"),
        ("1.x.h,S=123", "1.x.h", ""),
        (":2,S", ":2,S", ""),
        (",S=1", ",S=1", ""),
        ("odd\nname:2,F", "odd\nname", "F"),
    ],
)
def test_flags_and_size_suffixes_are_not_part_of_the_unique_name(name, unique, flags):
    assert split_name(name) == (unique, flags)


@given(
    st.text(st.characters(exclude_characters="/:;!_,\0", codec="utf-8"), min_size=1),
    st.sets(st.sampled_from("DFPRSTab")),
)
def test_any_order_of_flags_is_the_same_file(base, flags):
    shuffled = "".join(flags)
    assert (
        split_name(f"{base}:2,{shuffled}")
        == split_name(f"{base},S=12:2,{shuffled[::-1]}")
        == (base, "".join(sorted(flags)))
    )
