"""Which alphabet unlabelled single-byte text is in, told by how often its language uses which letters."""

import re
from dataclasses import dataclass

_HIGH = bytes(range(0x80, 0x100))
_WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
_HIGH_WORD = re.compile(rb"[\x80-\xff]{2,}")
_MIN_LETTERS = 8
_MIN_DIFFERENT = 5
_MAX_LETTERS = 4000
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўјљњћђџ"
_GREEK = "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"
_ARABIC = "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهويى،؛؟ـ"
_THAI = "".join(map(chr, [*range(0xE01, 0xE3B), *range(0xE40, 0xE5B)]))


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The bytes of one codec: the dozen letters that make most of a text, their capitals, and all letters."""

    codec: str
    frequent: bytes
    capitals: bytes
    letters: bytes


def _alphabet(codec: str, letters: str, frequent: str) -> Alphabet:
    small = frequent.encode(codec, "ignore")
    capitals = frequent.upper() if frequent.upper() != frequent else ""
    return Alphabet(
        codec,
        small,
        capitals.encode(codec, "ignore"),
        (letters + letters.upper()).encode(codec, "ignore"),
    )


_FREQUENT_CYRILLIC, _FREQUENT_GREEK = "оеаинтсрвлкі", "αοιετσνηυράέήίόύ"
_FREQUENT_ARABIC, _FREQUENT_THAI = "اليمونرتبةهعد", "านรอกเงมยลวดทตส่้ัีิะบ"
ALPHABETS = (
    *(
        _alphabet(codec, _CYRILLIC, _FREQUENT_CYRILLIC)
        for codec in ("cp1251", "koi8-u", "iso8859-5", "cp866")
    ),
    *(_alphabet(codec, _GREEK, _FREQUENT_GREEK) for codec in ("iso8859-7", "cp1253")),
    _alphabet("cp1255", "אבגדהוזחטיךכלםמןנסעףפץצקרשת", "יוהלארתבמשנם"),
    *(_alphabet(codec, _ARABIC, _FREQUENT_ARABIC) for codec in ("cp1256", "iso8859-6")),
)
_THAI_ALPHABET = _alphabet("cp874", _THAI, _FREQUENT_THAI)
# A consonant with a vowel or tone mark above or below it, as Thai has everywhere.
_THAI_MARKS = re.compile(rb"[\xa1-\xce][\xd1\xd4-\xda\xe7-\xee]")
# Bytes that Windows-1252 holds as signs and that are letters in Central Europe, inside a word.
_INSIDE = re.compile(rb"(?<=[A-Za-z\xc0-\xff])[\x80-\xff](?=[a-z\xc0-\xff])")
_EITHER_PAGE, _ISO_PAGE, _WINDOWS_PAGE = (
    b"\xb3\xb9\xbe\xbf",
    b"\xb1\xb6\xbb\xbc",
    b"\x9a\x9c\x9d\x9e\x9f",
)
_NOT_TURKISH = b"\xe1\xe5\xe6\xed\xf3\xf8"
_SCANDINAVIAN = b"\xe4\xe5\xe6"


def guess_alphabet(sample: bytes) -> str:
    """Codec of text whose words are wholly above 0x80, as no Western text is; else ""."""
    words = _high_words(sample)
    if len(words) < _MIN_LETTERS:
        return ""
    score, codec = max((_score(words, alphabet), alphabet.codec) for alphabet in ALPHABETS)
    return codec if score else ""


def guess_thai(sample: bytes) -> str:
    """cp874 for text that has Thai's letters and marks; East Asian pairs lie on the same bytes: ask for those first."""
    words = _high_words(sample)
    if len(words) < 2 * _MIN_LETTERS or len(_THAI_MARKS.findall(words)) < len(words) // 10:
        return ""
    return _THAI_ALPHABET.codec if _score(words, _THAI_ALPHABET) else ""


def _high_words(sample: bytes) -> bytes:
    """The words that are wholly above 0x80, joined; b"" unless nearly all bytes above it are in such words."""
    words = [word for word in _WORD.findall(sample) if not word.isascii()]
    pure = b"".join(word for word in words if _HIGH_WORD.fullmatch(word))
    high = sum(_count(word, _HIGH) for word in words)
    varied = len(set(pure[:_MAX_LETTERS])) >= _MIN_DIFFERENT
    return pure[:_MAX_LETTERS] if varied and len(pure) >= 0.85 * high else b""


def _score(text: bytes, alphabet: Alphabet) -> float:
    """How well the text fits; 0 where too few of its bytes are letters, or too few of them the usual ones."""
    letters = _share(text, alphabet.letters)
    small, capitals = _share(text, alphabet.frequent), _share(text, alphabet.capitals)
    if letters < 0.85 or small + capitals < 0.5:
        return 0.0
    return small + 0.6 * capitals + 0.5 * letters


def _share(text: bytes, values: bytes) -> float:
    return _count(text, values) / len(text)


def guess_latin(sample: bytes) -> str:
    """Codec of Polish, Czech or Turkish text; else ""."""
    inside = b"".join(_INSIDE.findall(sample))
    if not inside:
        return ""
    czech = (
        _count(inside, b"\xf8") >= 2
        and _count(inside, b"\xec") >= 2
        and not _count(inside, _SCANDINAVIAN)
    )
    if czech or _count(inside, _EITHER_PAGE) + _count(inside, _ISO_PAGE) >= 3:
        return (
            "cp1250" if _count(inside, _WINDOWS_PAGE) > _count(inside, _ISO_PAGE) else "iso8859-2"
        )
    if (
        _count(inside, b"\xfd") >= 2
        and _count(inside, b"\xf0\xfe") >= 2
        and not _count(inside, _NOT_TURKISH)
    ):
        return "cp1254"
    return ""


def _count(text: bytes, values: bytes) -> int:
    return len(text) - len(text.translate(None, values))
