"""The order of entries, and the sections that they stand in. Pure.

A key starts with what decides the section, so that a section is never interrupted: entries that start with no letter
come first ("#"), then the alphabets, then all that is written in Chinese characters as one section. Those are ordered
by radical and strokes, which is the order of their code points (The Unicode Standard, 18.1).
"""

from __future__ import annotations

import re
import unicodedata

from mrilu.text.marks import limit_marks

NO_LETTER = "#"
HAN = "漢字"
_FIRST, _LAST = "\0", "\U0010fffd"  # before and after all letters
_LEADING = "-–—'’\"“„«(.…*¿¡ "
# "LATIN SMALL LETTER O WITH STROKE" is an o to whoever looks it up, and has no decomposition.
_BASE = re.compile(
    r"LATIN (?:CAPITAL |SMALL )?(?:LETTER|LIGATURE) (?:[A-Z]+ )?([A-Z]{1,2})(?: WITH .*)?"
)
_BASES = {"þ": "th", "ð": "d", "ŋ": "n", "ə": "e"}
# The first letter of each row of the Japanese syllabary.
_KANA = "あかさたなはまやらわ"
_SMALL_KANA = str.maketrans("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ")
_HANGUL_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"


def headword_key(word: str) -> tuple[str, str]:
    """Return the sorting key of a Lojban word: letters alone, without pauses and stress; "'" sorts as "h"."""
    letters = word.lower().replace("'", "h").replace("’", "h")
    key = "".join(letter for letter in letters if letter.isalnum() or letter == " ").strip()
    return _sectioned(key), word


def reverse_key(text: str) -> tuple[str, str]:
    """Return the sorting key of a word of any language: letters without marks, case and leading punctuation."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", limit_marks(text))
        if not unicodedata.combining(letter)
    )
    plain = plain.casefold().lstrip(_LEADING)
    if not plain.isascii():
        plain = "".join(map(_base, plain))
    return _sectioned(plain), text


def letter_of(key: str) -> str:
    """Return the section that a sorting key belongs to: its first letter, or one for what has none."""
    first = key[:1]
    if first == _LAST:
        return HAN
    if not first.isalpha():
        return NO_LETTER
    if "\u3041" <= first <= "\u3096":
        return max(row for row in _KANA if row <= first)
    if "\u1100" <= first <= "\u1112":
        return _HANGUL_INITIALS[ord(first) - 0x1100]
    return first.upper()


def _sectioned(key: str) -> str:
    first = key[:1]
    if not first.isalpha():
        return _FIRST + key
    return _LAST + key if _is_han(first) else key


def _is_han(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or letter >= "\U00020000" or letter in "々〆"


def _base(letter: str) -> str:
    """Return the letter as the alphabet counts it: æ is ae, ø is o, katakana are hiragana."""
    if letter.isascii():
        return letter
    if "\u30a1" <= letter <= "\u30f6":
        letter = chr(ord(letter) - 0x60)
    if "\u3041" <= letter <= "\u3096":
        return letter.translate(_SMALL_KANA)
    if letter in _BASES:
        return _BASES[letter]
    name = _BASE.fullmatch(unicodedata.name(letter, ""))
    return name[1].lower() if name else letter
