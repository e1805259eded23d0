"""Encoded words and raw 8-bit in headers."""

import pytest

from mrilu.mail.headers.encoded_words import decode_header


def raw(data: bytes) -> str:
    return data.decode("ascii", "surrogateescape")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?Q?caf=C3=A9?=", "café"),
        ("=?UTF-8?b?Y2Fmw6k=?=", "café"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        ("=?utf-8?B?Y2Fmw?=\n =?utf-8?B?6k=?=", "café"),
        ("=?utf-8?B?Y2Fmw6k?=", "café"),
        ("=?utf-8?Q?two words?=", "two words"),
        ("=?utf-8?Q?why?_me=3F?=", "why? me?"),
        ("=?utf-8?Q?a_b?= and =?utf-8?Q?c?=", "a b and c"),
        ("=?utf-8?Q?a?= \n =?utf-8?Q?b?=", "ab"),
        ("=?utf-8*en?Q?caf=C3=A9?=", "café"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?gb2312?B?1tDOxA==?=", "中文"),
        ("=?x-unknown?Q?caf=C3=A9?=", "café"),
        ("=?utf-8?Q??=", ""),
        ("=?UTF-8?Q?a?==?UTF-8?Q?b?=", "ab"),
        ("=?utf-8?Q?x=?=", "x"),
        ('=?"utf-8"?Q?=C3=A9?=', "é"),
        ("=?ISO-8859-1?Q?=93hi=94?=", "“hi”"),
        ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        ("=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished"),
        ("(=?utf-8?Q?a?=)", "(a)"),
        ("x=?utf-8?Q?=C3=A9?=y", "xéy"),
        ("=?utf-8?Q?=ZZ=C3=A9?=", "=ZZé"),
        ("plain\n folded", "plain folded"),
        ("=?utf-8?Q?nul=00_here?=", "nul here"),
        ("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        ("=?UTF-8?B?4oI?= =?UTF-8?B?rA?=", "€"),
        ("=??Q?caf=C3=A9?=", "café"),
        ("=?csISOLatin1?Q?=93hi=94?=", "“hi”"),
        ("=?gb2312?B?1tA=?= =?utf-8?B?5paH?=", "中文"),
        ("=?ISO-2022-JP?B?GyRCRnw=?= =?ISO-2022-JP?B?S1wbKEI=?=", "日本"),
    ],
)
def test_encoded_words_become_text(value: str, text: str) -> None:
    assert decode_header(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?UTF-8?Q?f\u00fcr?=", "für"),
        ("=?iso-8859-1?Q?f\u00fcr_=C3=A9?=", "für é"),
        ("=?utf-8?B?Zm9\u00e9y?=", "for"),
        ("=?utf-8?Q?a\ud800b?=", "a\ufffdb"),
        ("=?utf-8?Q?\u65e5\udcc3\udca9?=", "日é"),
    ],
)
def test_a_word_that_something_else_decoded_before_is_read(value: str, text: str) -> None:
    assert decode_header(value) == text


def test_raw_utf_8_is_read() -> None:
    assert decode_header(raw("Grüße 日本".encode())) == "Grüße 日本"


def test_raw_8_bit_uses_the_charset_of_the_body() -> None:
    assert decode_header(raw("Žluťoučký".encode("iso8859-2")), "iso-8859-2") == "Žluťoučký"


def test_raw_8_bit_without_a_hint_is_windows_1252() -> None:
    assert decode_header(raw("Grüße".encode("latin-1"))) == "Grüße"


def test_raw_8_bit_beside_an_encoded_word_is_read() -> None:
    assert decode_header(raw("é =?utf-8?Q?=C3=A9?=".encode())) == "é é"


def test_raw_iso_2022_jp_is_read() -> None:
    assert decode_header("\x1b$BF|K\\\x1b(B") == "日本"
