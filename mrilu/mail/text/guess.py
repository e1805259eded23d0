"""The charset of 8-bit text that names none, or the wrong one, from the patterns its bytes form."""

import re
from itertools import islice

from mrilu.mail.text.alphabets import guess_alphabet, guess_thai

_SAMPLE = 20_000
_HIGH = bytes(range(0x80, 0x100))
_KANA = re.compile("[\u3041-\u30fc]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_WIDE = re.compile("[^\x00-\x7f]")
# Pairs of the first level of GB 2312, in which the frequent characters are; "~{" in a program holds other things.
_HZ_RUN = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e]){1,200})~\}")
_HZ_FREQUENT = re.compile(rb"(?:[\x21-\x29\x30-\x57][\x21-\x7e])+")
_MAX_HZ_RUNS = 1000
_MIN_CHARACTERS = 4
_MIN_BIG5_CHARACTERS = 8


def guess_charset(data: bytes) -> str:
    """Python codec of non-UTF-8 text in another than the Latin alphabet; "" where it rather is Latin."""
    sample = data[:_SAMPLE]
    if len(sample) - len(sample.translate(None, _HIGH)) < 2 * _MIN_CHARACTERS:
        return ""
    return (
        guess_alphabet(sample) or _guess_euc(sample) or guess_thai(sample) or _guess_shifted(sample)
    )


def _guess_euc(sample: bytes) -> str:
    """EUC pairs are two bytes above 0xA0, which Western text, with its lone accents, hardly ever is throughout."""
    japanese = _decoded(sample, "euc_jp")
    if japanese and _share(_KANA, japanese) >= 0.2:
        return "euc_jp"
    korean = _decoded(sample, "euc_kr")
    if korean and _share(_HANGUL, korean) >= 0.7:
        return "cp949"
    chinese = _decoded(sample, "gb2312")
    if chinese and len(_WIDE.findall(chinese)) >= _MIN_CHARACTERS:
        # The frequent characters are the first level, rows B0 to D7.
        frequent = sum(
            1
            for character in _WIDE.findall(chinese)
            if 0xB0 <= character.encode("gb2312")[0] <= 0xD7
        )
        return "gb18030" if frequent >= 0.6 * len(_WIDE.findall(chinese)) else ""
    return ""


def _guess_shifted(sample: bytes) -> str:
    """Shift_JIS shows by its kana; Big5 by frequent characters (rows A4 to C6) half of whose second bytes are high."""
    japanese = _decoded(sample, "cp932")
    if japanese and _share(_KANA, japanese) >= 0.25:
        return "cp932"
    chinese = _decoded(sample, "cp950")
    if not chinese or len(found := _WIDE.findall(chinese)) < _MIN_BIG5_CHARACTERS:
        return ""
    pairs = [character.encode("cp950") for character in found]
    frequent = sum(1 for pair in pairs if 0xA1 <= pair[0] <= 0xC6)
    high = sum(1 for pair in pairs if pair[-1] >= 0xA1)
    return "cp950" if frequent >= 0.8 * len(pairs) and high >= 0.25 * len(pairs) else ""


def _share(pattern: re.Pattern[str], text: str) -> float:
    wide = len(_WIDE.findall(text))
    return len(pattern.findall(text)) / wide if wide >= _MIN_CHARACTERS else 0.0


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
