"""A search as public-inbox and lei write it (Xapian's prefixes, manual lei-q), in the words of ours. Pure."""

from __future__ import annotations

import re
from datetime import date, timedelta

# Of `to:` ours are To and Cc together; a body's words are what is looked for without any prefix.
_NAMES = {
    "s": "subject:", "f": "from:", "t": "to:", "c": "to:", "tc": "to:", "l": "list:", "b": "", "nq": "", "bs": "",
}  # fmt: skip
_PREFIX = re.compile(rf"(?<!\S)(-?)({'|'.join(_NAMES)}):(?=[^\s.])")
_RANGE = re.compile(r"(?<!\S)(?:d|dt|rt):(\S*)\.\.(\S*)")


def translated(query: str) -> str:
    """Return the query with our operators; times (d:, dt:, rt:) are rounded to whole days, outwards."""
    return _PREFIX.sub(lambda one: one[1] + _NAMES[one[2]], _RANGE.sub(_time, query)).strip()


def _time(found: re.Match[str]) -> str:
    since, until = _day(found[1]), _day(found[2])
    if (found[1] and not since) or (found[2] and not until):
        return found[0]
    after = f"after:{since}" if since else ""
    before = f"before:{until + timedelta(days=1)}" if until and until < date.max else ""
    return f"{after} {before}".strip()


def _day(text: str) -> date | None:
    """Return the day of 20240131, 2024-01-31 or 20240131235959 (UTC), None for anything else."""
    digits = text.replace("-", "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) in (8, 14)):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None
