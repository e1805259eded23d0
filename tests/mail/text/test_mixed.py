"""Texts that are UTF-8 for the most part."""

from __future__ import annotations

import pytest

from mrilu.mail.text.charset import decode_text
from tests.mail.letters import read


def cesu(text: str) -> bytes:
    """The text as programs write it that take UTF-16's surrogates for characters."""
    units = text.encode("utf-16-be")
    return b"".join(
        chr(int.from_bytes(units[at : at + 2], "big")).encode("utf-8", "surrogatepass")
        for at in range(0, len(units), 2)
    )


UTF_8, LATIN = "I don’t know — “really”.\n".encode(), "für alle möglich".encode("latin-1")
RUSSIAN, RUSSIAN_FOOTER = "Привет, это обычное письмо.\n", "Чтобы отписаться от рассылки"


@pytest.mark.parametrize("label", ["utf-8", "", "us-ascii", "iso-8859-1", "x-unknown", "cesu-8"])
@pytest.mark.parametrize("text", ["Ein Grüner für dich 😀", "😀", "👍🏽 naïve 𝄞", "中文邮件😀"])
def test_surrogate_pairs_are_joined(text: str, label: str) -> None:
    assert decode_text(cesu(text), label)[0] == text


def test_a_pair_beside_another_charset_is_joined() -> None:
    assert (
        decode_text(cesu("Ein Grüner 😀 für ") + b"\xfcber", "utf-8")[0] == "Ein Grüner 😀 für über"
    )


def test_half_a_pair_is_a_replacement_character() -> None:
    assert decode_text(b"x\xed\xa0\xbdy \xc3\xbc", "utf-8")[0] == "x\ufffdy ü"
    assert decode_text(b"a\xc0\x80b \xc3\xbc", "utf-8")[0] == "a\0b ü"


@pytest.mark.parametrize("label", ["utf-8", "", "us-ascii", "iso-8859-1", "windows-1252"])
@pytest.mark.parametrize("joint", [b"", b"\n", b"\n_______\n"])
def test_bytes_of_windows_1252_do_not_spoil_the_rest(label: str, joint: bytes) -> None:
    text = UTF_8.decode() + joint.decode() + "für alle möglich"
    assert decode_text(UTF_8 + joint + LATIN, label)[0] == text
    assert decode_text("“größer” ".encode() + b"\x93so\x94 \x80", "utf-8")[0] == "“größer” “so” €"


@pytest.mark.parametrize(
    ("text", "encoding", "footer", "of_footer", "label"),
    [
        (RUSSIAN, "utf-8", RUSSIAN_FOOTER, "koi8-r", "utf-8"),
        (RUSSIAN, "utf-8", RUSSIAN_FOOTER, "cp1251", ""),
        (RUSSIAN, "koi8-r", RUSSIAN_FOOTER, "utf-8", "koi8-r"),
        (RUSSIAN, "cp1251", "— abmelden —", "utf-8", "windows-1251"),
        ("这个问题已经解决了\n", "utf-8", "取消订阅请点击这个链接", "gbk", "utf-8"),
        ("这个问题已经解决了\n", "gbk", "取消订阅请点击这个链接", "utf-8", "gb2312"),
        ("日本語のメールです\n", "cp932", "購読の解除はこちら", "utf-8", "shift_jis"),
        ("Zażółć gęślą\n", "utf-8", "Zażółć gęślą jaźń", "iso8859-2", "utf-8"),
        ("Schöne Grüße\n", "latin-1", "naïve — “x”", "utf-8", "iso-8859-1"),
        ("Ελληνικά γράμματα\n", "cp1253", "Ελληνικά γράμματα", "utf-8", "windows-1253"),
    ],
)
def test_each_line_is_read_in_its_own_charset(
    text: str, encoding: str, footer: str, of_footer: str, label: str
) -> None:
    assert decode_text(text.encode(encoding) + footer.encode(of_footer), label)[0] == text + footer


@pytest.mark.parametrize("label", ["gb2312", "", "utf-8"])
def test_a_line_of_gbk_that_happens_to_be_utf_8_is_gbk(label: str) -> None:
    text = "这个问题已经解决了\n联通\n为什么不能登录\n"
    assert decode_text(text.encode("gbk"), label)[0] == text


@pytest.mark.parametrize("encoding", ["koi8-r", "cp1251", "iso8859-5", "cp866", "koi8-u"])
def test_text_of_one_charset_stays_whole(encoding: str) -> None:
    text = RUSSIAN * 3 + "\n" + RUSSIAN_FOOTER
    assert decode_text(text.encode(encoding), encoding) == (text, True)


def test_a_mail_with_a_footer_in_another_charset_is_read() -> None:
    found = read(b"Content-Type: text/plain; charset=utf-8", body=UTF_8 + b"Abmelden: " + LATIN)
    assert found.body == UTF_8.decode() + "Abmelden: für alle möglich"
    assert found.defects == ("wrong-charset",)
