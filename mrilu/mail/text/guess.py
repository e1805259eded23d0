"""The charset of 8-bit text that names none, or the wrong one, from the patterns its bytes form.

Which of the charsets it is, `chardet` tells by its models of their languages; here stands when to ask it at
all (text in the Latin alphabet is read otherwise) and which of its answers to believe, since a subject of
two characters fits many charsets.
"""

import re
from itertools import islice
from unicodedata import category

from mrilu.mail.clock import check_time

_SAMPLE = 20_000
_HIGH = bytes(range(0x80, 0x100))
_KANA = re.compile("[\u3041-\u30fc]")
_WIDE = re.compile("[^\x00-\x7f]")
_FLIPPED = re.compile("[a-zà-öø-ÿα-ωά-ώа-џ][A-ZÀ-ÖØ-ÞΑ-ΩЀ-Я]")
# Latin words have their accented letters one or two at a time.
_RUN = re.compile(rb"[\x80-\xff]{3,}")
_LATIN_WORD, _TWO = re.compile(rb"[A-Za-z][\x80-\xff][a-z]"), re.compile(rb"[\x80-\xff]{2}")
# A character of Shift_JIS, Big5 or GBK; in Latin text the byte behind an accented letter is mostly a letter.
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HIGH_WORD = re.compile(rb"[\x80-\xff][^\x00-\x20]*")
_MOST, _MOST_LETTERS = 0.6, 0.85
_FEWEST_DIFFERENT = 3
# Pairs of the first level of GB 2312, in which the frequent characters are; "~{" in a program holds other things.
_HZ_RUN = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e]){1,200})~\}")
_HZ_FREQUENT = re.compile(rb"(?:[\x21-\x29\x30-\x57][\x21-\x7e])+")
_MAX_HZ_RUNS = 1000
_MIN_CHARACTERS = 4
# The detector's names for what mail is written in, and ours.
_CANDIDATES = {
    "gb18030": "gb18030",
    "big5hkscs": "cp950",
    "cp949": "cp949",
    "euc_jis_2004": "euc_jp",
    "shift_jis_2004": "cp932",
    "cp932": "cp932",
    "koi8-u": "koi8-u",
    "koi8-r": "koi8-u",
    "cp1251": "cp1251",
    "cp866": "cp866",
    "iso8859-5": "iso8859-5",
    "cp1253": "cp1253",
    "iso8859-7": "iso8859-7",
    "cp1255": "cp1255",
    "cp1256": "cp1256",
    "iso8859-6": "iso8859-6",
    "cp874": "cp874",
    "cp1252": "",
}
OTHER_ALPHABETS = frozenset({*_CANDIDATES.values(), "koi8-r", "big5hkscs"} - {""})
# First bytes of the frequent characters: the first levels of GB 2312, JIS X 0208 and Big5, kana, Hangul.
_FREQUENT = {
    "gb18030": (0xB0, 0xD7),
    "cp950": (0xA4, 0xC6),
    "cp949": (0xB0, 0xC8),
    "euc_jp": (0xA4, 0xCF),
    "cp932": (0x82, 0x97),
}
_SIGNS = {"gb18030": 0xA3, "cp950": 0xA3, "cp949": 0xA3, "euc_jp": 0xA3, "cp932": 0x81}
_MOST_ANSWERS = 6


def guess_charset(data: bytes) -> str:
    """Python codec of non-UTF-8 text in another than the Latin alphabet; "" where it rather is Latin."""
    sample = data[:_SAMPLE]
    if kana := _guess_by_kana(sample):
        return kana
    if _is_in_runs(sample):
        # "Re:" and other Latin words would speak for a charset that ends in the Latin alphabet.
        return _detect(b" ".join(_HIGH_WORD.findall(sample)))
    return _detect(sample) if _is_in_pairs(sample) else ""


def is_latin_word(data: bytes) -> bool:
    """Tell whether each byte above ASCII stands alone, one of them between two Latin letters, as in "Müller"."""
    return _LATIN_WORD.search(data) is not None and _TWO.search(data) is None


def is_foreign(sample: bytes) -> bool:
    """Tell whether the bytes above ASCII stand as they do not in the Latin alphabet."""
    return _is_in_runs(sample) or _is_in_pairs(sample)


def _is_in_runs(sample: bytes) -> bool:
    runs = b"".join(_RUN.findall(sample))
    high = len(sample) - len(sample.translate(None, _HIGH))
    return len(runs) >= _MOST * high and len(set(runs)) >= _FEWEST_DIFFERENT


def _is_in_pairs(sample: bytes) -> bool:
    """Tell whether all bytes above ASCII make pairs, and most of them such as do not come in words of Latin letters."""
    pairs = _PAIR.findall(sample)
    if len(pairs) < 2 or not _PAIR.sub(b"", sample).isascii():
        return False
    odd = sum(1 for pair in pairs if pair[1] not in _ASCII_LETTERS or 0xA4 <= pair[0] <= 0xBF)
    return 2 * odd >= len(pairs)


def _detect(sample: bytes) -> str:
    """The first of the detector's answers that can be."""
    # Imported here: it takes 90 ms to load, and hardly any mail needs it.
    from chardet import detect

    candidates = set(_CANDIDATES)
    for _ in range(_MOST_ANSWERS):
        check_time()
        answer = detect(sample, compat_names=False, include_encodings=candidates)["encoding"]
        name = str(answer).lower()
        codec = _CANDIDATES.get(name, "")
        if not codec or _is_plausible(sample, codec):
            return codec
        candidates.discard(name)
    return ""


def _is_plausible(sample: bytes, codec: str) -> bool:
    text = sample.decode(codec, "ignore")
    wide = _WIDE.findall(text)
    if codec not in _FREQUENT:
        letters = sum(1 for sign in wide if sign.isalpha() or category(sign) == "Mn")
        # Hardly a sign stands in words, and no capital right behind a small letter.
        return letters >= _MOST_LETTERS * len(wide) and len(_FLIPPED.findall(text)) * 8 < letters
    pairs = [pair for found in wide if len(pair := found.encode(codec, "ignore")) > 1]
    first, last = _FREQUENT[codec]
    words = [pair[0] for pair in pairs if pair[0] > _SIGNS[codec]]
    frequent = sum(1 for byte in words if first <= byte <= last)
    return frequent >= _MOST * len(words) and len(words) > 0


def _guess_by_kana(sample: bytes) -> str:
    """Japanese shows by its kana: in EUC they have the place of GB 2312's, which no Chinese text uses."""
    if _share(_KANA, _decoded(sample, "euc_jp")) >= 0.2:
        return "euc_jp"
    japanese = _decoded(sample, "cp932")
    return (
        "cp932"
        if max(_share(_KANA, japanese) - 0.25, _share(_KANA, japanese, 3) - 0.5) >= 0
        else ""
    )


def _share(pattern: re.Pattern[str], text: str, fewest: int = _MIN_CHARACTERS) -> float:
    wide = len(_WIDE.findall(text))
    return len(pattern.findall(text)) / wide if wide >= fewest else 0.0


def _decoded(sample: bytes, codec: str) -> str:
    """The sample in a codec, a character cut off at its end forgiven; "" where it does not fit."""
    try:
        return sample.decode(codec)
    except UnicodeDecodeError as error:
        if len(sample) < _SAMPLE or error.start < len(sample) - 3:
            return ""
        return sample[: error.start].decode(codec, "ignore")


def decode_hz(data: bytes) -> str:
    """ASCII that is in fact HZ (RFC 1843) as text; "" where it is not: most of its runs have to be Chinese."""
    runs = [match[1] for match in islice(_HZ_RUN.finditer(data), _MAX_HZ_RUNS)]
    frequent = sum(len(run) for run in runs if _HZ_FREQUENT.fullmatch(run))
    total = sum(map(len, runs))
    if (
        total < 2 * _MIN_CHARACTERS
        or frequent < 0.7 * total
        or len(runs) < min(data.count(b"~{"), _MAX_HZ_RUNS)
    ):
        return ""
    try:
        return data.decode("hz")
    except UnicodeDecodeError:
        return ""
