"""A header block cut into fields (RFC 5322, 2.2)."""

import re

Fields = list[tuple[str, str]]
# Name without blanks; lines after the first begin with white space and are not blank. What a line has is not given
# back: a last line of blanks without an end would take the square of its length.
_FIELD = re.compile(r"^([!-9;-~]+):[ \t]*+([^\n]*+(?>(?:\n[ \t]+[^\s][^\n]*)*))\n", re.MULTILINE)


def split_fields(header: bytes) -> Fields | None:
    """Names and values in order, values folded and surrogate-escaped; None unless every line belongs to a field."""
    if b"\r" in header:
        return None
    text = header.decode("ascii", "surrogateescape")
    fields = _FIELD.findall(text)
    lines = len(fields) + "".join([value for _, value in fields]).count("\n")
    return fields if lines == text.count("\n") and text[-1:] == "\n" else None
