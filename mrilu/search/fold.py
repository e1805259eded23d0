"""Text as the full-text index sees it; index and query must both pass through `fold`. Pure."""

from __future__ import annotations

import re
import unicodedata

from mrilu.text.marks import limit_marks

# PostgreSQL's parser splits words at an apostrophe. In Lojban it is a letter, found only between vowels
# (The Complete Lojban Language, 3.3), and "h" is how people write it where they have no apostrophe.
# The mark comes first in each pattern: the engine then finds it 30 times as fast as by a class or a look behind.
_LOJBAN_APOSTROPHES = tuple(
    (mark, re.compile(rf"{mark}(?<=[aeiouyAEIOUY].)(?=[aeiouyAEIOUY])")) for mark in "'’"
)
_COMBINING = re.compile("[\u0300-\u036f]+")
# Scripts without spaces between words: each character becomes a word, a run of them a phrase.
_UNSPACED = re.compile(
    "([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff])"
)


def fold_apostrophes(text: str) -> str:
    """Return `text` with Lojban apostrophes as "h" and all else as it was; as long as before."""
    for mark, between_vowels in _LOJBAN_APOSTROPHES:
        if mark in text:
            text = between_vowels.sub("h", text)
    return text


def fold(text: str) -> str:
    """Return `text` with Lojban apostrophes as "h", accents dropped and CJK characters set apart.

    "a'u" -> "ahu", "e'ú" -> "ehu", "Café" -> "Cafe", "日本語" -> " 日  本  語 ". Dakuten and other marks that are not
    accents stay, since they make another letter.
    """
    if text.isascii():
        return fold_apostrophes(text)
    decomposed = unicodedata.normalize("NFKD", limit_marks(text))
    bare = unicodedata.normalize("NFC", _COMBINING.sub("", decomposed))
    return _UNSPACED.sub(r" \1 ", fold_apostrophes(bare))
