"""Charset labels that lie, are missing, unknown or misspelt."""

from encodings import aliases

import pytest

from mrilu.mail.text.charset import codec_name, decode_text
from tests.mail.letters import read

RUSSIAN = "Привет, это обычное письмо на русском языке."


@pytest.mark.parametrize(
    ("text", "encoding", "label"),
    [
        ("naïve café — “quoted”", "utf-8", "iso-8859-1"),
        ("naïve café", "utf-8", "us-ascii"),
        ("naïve café", "utf-8", ""),
        ("naïve café", "utf-8", "x-unknown"),
        ("naïve café “quoted” €", "cp1252", "iso-8859-1"),
        ("naïve café", "latin-1", ""),
        ("naïve café", "latin-1", "us-ascii"),
        ("naïve café", "latin-1", "utf-8"),
        ("naïve café", "utf-8", "utf-8?q?"),
        ("naïve café", "utf-8", "utf8"),
        ("naïve café", "utf-8", "'UTF-8'"),
        ("中文邮件", "gbk", "x-gbk"),
        ("中文邮件镕", "gb18030", "gb2312"),
        ("中文邮件列表的测试", "utf-8", "gb2312"),
        ("繁體中文", "big5", "big5"),
        ("香港嘅粵語", "big5hkscs", "Big5-HKSCS"),
        ("香港嘅粵語", "big5hkscs", "big5"),
        ("한국어 편지 똠방", "cp949", "ks_c_5601-1987"),
        ("日本語①②", "cp932", "shift_jis"),
        ("日本語のメール", "euc_jp", "euc-jp"),
        ("日本語のメール", "iso2022_jp", "iso-2022-jp"),
        ("日本語のメール", "iso2022_jp", ""),
        ("日本語のメール", "iso2022_jp", "us-ascii"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "koi8-r", ""),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "cp1251", ""),
        (RUSSIAN, "cp1251", "cp-1251"),
        (RUSSIAN, "utf-8", "koi8-r"),
        ("日本語のメールです、よろしく", "shift_jis", ""),
        ("日本語のメールです、よろしく", "euc_jp", "iso-8859-1"),
        ("这是一封没有标明字符集的中文邮件", "gb2312", "us-ascii"),
        ("這是一封沒有標明字集的中文郵件，請大家看看", "big5", ""),
        ("안녕하세요 여러분 반갑습니다", "euc_kr", "utf-8"),
        ("שלום", "iso8859-8", "iso-8859-8-i"),
        ("สวัสดี", "cp874", "windows-874"),
        ("naïve", "utf-7", "unicode-1-1-utf-7"),
        ("Üben", "cp850", "cp-850"),
        ("Žluťoučký kůň", "iso8859-2", "iso8859-2"),
        ("naïve", "utf-16-le", "utf-16"),
        ("naïve", "utf-16-be", "utf-16"),
        ("naïve", "utf-16", "utf-16"),
        ("汉字", "hz", "hz-gb-2312"),
        ("ğüş", "cp1254", "iso-8859-9"),
        ("déjà", "mac_roman", "macintosh"),
        ("don’t", "utf-8", "gb2312"),
        ("don’t", "utf-8", "shift_jis"),
        ("“quoted”", "cp1252", "csISOLatin1"),
        ("naïve café", "utf-8", "utf-8n"),
        ("naïve", "utf-16", ""),
        ("日本語", "cp932", "x-sjis-jp"),
        (RUSSIAN, "cp1251", "ansi-1251"),
        ("ｶﾀｶﾅ", "cp932", "shift_jis"),
    ],
)
def test_text_is_what_its_bytes_say(text: str, encoding: str, label: str) -> None:
    assert decode_text(text.encode(encoding), label)[0] == text


def test_vendor_characters_in_iso_2022_jp_are_decoded() -> None:
    assert decode_text(b"\x1b$B-!F|\x1b(B ok", "iso-2022-jp")[0] == "①日 ok"


def test_half_width_katakana_in_iso_2022_jp_are_decoded() -> None:
    assert decode_text(b"\x1b(I6@6E\x1b(B", "iso-2022-jp")[0] == "ｶﾀｶﾅ"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b$(Q\x2e\x21\x1b(B ok", "俱 ok"),
        (b"\x1b$(O\x2e\x21\x1b(B ok", "俱 ok"),
        (b"\x1b$(P\x21\x22\x1b(B", "丂"),
        (b"\x1b$(Q\x2e\x21\x1b$B-!F|\x1b$(P\x21\x22\x1b(B", "俱①日丂"),
    ],
)
@pytest.mark.parametrize("label", ["iso-2022-jp-2004", "iso-2022-jp-3", "iso-2022-jp"])
def test_jis_x_0213_in_iso_2022_jp_is_decoded(data: bytes, text: str, label: str) -> None:
    assert decode_text(data, label) == (text, True)


@pytest.mark.parametrize("text", ["Tiếng Việt", "ẠẢÂẪỨ đồng ỳ", "người Việt Nam ở đây"])
def test_viscii_is_known(text: str) -> None:
    assert decode_text(text.encode("viscii"), "VISCII") == (text, True)


def test_hz_without_a_label_is_read_and_a_program_is_not_taken_for_it() -> None:
    text = "这是一封没有标明的信 ok"
    assert decode_text(text.encode("hz"))[0] == text
    assert read(body=text.encode("hz")).body == text
    for data in (
        b'(format t "~{~A~}~%" x)',
        b"~{ab~} ~{cd~}",
        b"a ~{ b",
        b"~{some_words_of_code~}",
    ):
        assert decode_text(data) == (data.decode(), True)


def test_a_truncated_last_character_keeps_the_rest() -> None:
    text, truthful = decode_text("naïve café".encode()[:-1], "utf-8")
    assert text.startswith("naïve caf")
    assert not truthful


def test_a_stray_plus_in_utf_7_is_kept() -> None:
    assert decode_text(b"+AOk- 1+1\n", "utf-7")[0].startswith("é 1+")


def test_a_hint_serves_where_the_label_is_missing() -> None:
    assert decode_text("Žluť".encode("iso8859-2"), "", "iso-8859-2")[0] == "Žluť"


@pytest.mark.parametrize(
    "label",
    [
        "rot13",
        "base64",
        "hex",
        "punycode",
        "idna",
        "unicode_escape",
        "undefined",
        "zip",
        "",
        "x" * 500,
        "\udce4",
        "💥",
        "../../etc",
        "mbcs",
    ],
)
def test_a_name_that_is_no_charset_means_none(label: str) -> None:
    assert codec_name(label) == ""


@pytest.mark.parametrize(
    "label",
    [
        "utf-8",
        "us-ascii",
        "iso-2022-jp",
        "gb18030",
        "utf-16",
        "utf-7",
        "hz",
        "koi8-r",
        "iso-2022-kr",
        "cp037",
        "",
        "utf-32",
        "big5",
        "euc-jp",
        "johab",
    ],
)
def test_any_bytes_decode_under_any_label(label: str) -> None:
    for data in (
        bytes(range(256)),
        b"\x1b$B\x21",
        b"\xff\xfe",
        b"~{",
        b"\x1b$)C\x0e1",
        b"+AAA",
        b"\xd8\x00" * 3,
    ):
        assert isinstance(decode_text(data, label)[0], str)


@pytest.mark.parametrize(
    "label", sorted({*aliases.aliases, *aliases.aliases.values(), "viscii", "cp65001", "mbcs"})
)
def test_any_bytes_decode_under_any_label_of_python(label: str) -> None:
    for data in (
        bytes(range(256)),
        bytes(range(128)),
        b"~{VP!~\xff",
        b"\x1b$B!\xff\x1b$(Q!",
        b"\x0e\x1b$)C!!\x0f",
    ):
        text, truthful = decode_text(data, label)
        assert isinstance(text, str) and isinstance(truthful, bool)


def test_ascii_that_is_called_ebcdic_is_read() -> None:
    assert decode_text(b"power users wait", "cp424") == ("power users wait", False)


def test_holes_of_windows_1252_give_no_replacement_character() -> None:
    assert "\ufffd" not in decode_text(bytes(range(0x80, 0x100)), "iso-8859-1")[0]
