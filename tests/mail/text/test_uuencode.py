"""Files uuencoded into the text."""

import binascii

from mrilu.mail.text.uuencode import split_uuencoded


def encoded(data: bytes, name: str = "a b.bin") -> str:
    lines = [
        binascii.b2a_uu(data[start : start + 45]).decode() for start in range(0, len(data), 45)
    ]
    return f"begin 644 {name}\n" + "".join(lines) + "`\nend\n"


def test_the_file_leaves_the_text() -> None:
    data = bytes(range(256))
    text, files = split_uuencoded(f"before\n{encoded(data)}after\n")
    assert text == "before\nafter\n"
    assert [(found.name, found.data) for found in files] == [("a b.bin", data)]


def test_two_files_are_found() -> None:
    assert [
        found.name for found in split_uuencoded(encoded(b"one", "x") + encoded(b"two" * 40, "y"))[1]
    ] == ["x", "y"]


def test_a_file_without_its_end_is_kept_as_far_as_it_goes() -> None:
    cut = encoded(bytes(200)).rpartition("`\nend")[0]
    assert split_uuencoded(cut + "\nThat was it, folks, it is a pity.\n")[1][0].data == bytes(200)


def test_prose_that_begins_like_a_file_stays() -> None:
    prose = "begin 644 the story\nOnce upon a time there was a list, and it was long.\n"
    assert split_uuencoded(prose) == (prose, [])


def test_trailing_blanks_may_have_been_stripped() -> None:
    data = bytes(45)
    text = "".join(
        line.rstrip() + "\n"
        for line in encoded(data).replace("`", " ").replace(" \nend", "`\nend").split("\n")
    )
    assert split_uuencoded(text)[1][0].data[:45] == data


def test_base64_files_are_known() -> None:
    assert split_uuencoded("begin-base64 644 x\nYWJj\n====\nrest\n")[1][0].data == b"abc"
