"""Runs of combining marks, which Unicode's normal forms sort in the square of their length."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# UAX #15, section 13: no writing system puts more marks than this on one letter.
MOST_MARKS = 30
# The planes of letters: those above hold ideographs, tags and private use. All of them would take 0.3 s to look at.
_MAY_BE_MARKS = range(0x300, 0x20000)


def limit_marks(text: str) -> str:
    """Return `text` with at most MOST_MARKS combining marks behind one another, those that come first.

    Call it before `unicodedata.normalize`: 80,000 marks took that three seconds, of which no signal ends one.
    """
    return text if text.isascii() else _long_runs().sub(lambda run: run[0][:MOST_MARKS], text)


@lru_cache(maxsize=1)
def _long_runs() -> re.Pattern[str]:
    """Return what finds a run that is too long; which characters are marks is known to Unicode's tables."""
    marks = [number for number in _MAY_BE_MARKS if unicodedata.combining(chr(number))]
    starts = [number for number in marks if not unicodedata.combining(chr(number - 1))]
    ranges = "".join(f"{chr(start)}-{chr(_end_of_run(start))}" for start in starts)
    return re.compile(f"[{ranges}]{{{MOST_MARKS + 1},}}")


def _end_of_run(start: int) -> int:
    end = start
    while unicodedata.combining(chr(end + 1)):
        end += 1
    return end
