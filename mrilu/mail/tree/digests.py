"""A digest in plain text (RFC 1153): where each of its mails has its words."""

import re

DIGEST_RULE = "\n" + "-" * 30 + "\n\n"
_PREAMBLE_RULE = re.compile(r"\n-{70}\n\n")
_FIELD = re.compile(r"(?:Message: \d|(?:Date|From|Subject|To|Message-ID): )", re.IGNORECASE)
_DIGEST = re.compile(r"\bdigest\b|today's topics", re.IGNORECASE)
_REPLY = re.compile(
    r"\n(?:>|[-_]{2,} ?(?:original|forwarded))|\b(?:wrote|writes|schrieb):[ \t]*\n", re.IGNORECASE
)
_MAX_MAILS = 1000


def split_digest(text: str, end: int) -> list[tuple[int, int]]:
    """[start, end) of the preamble and of each mail's body; [] where the text is not a digest, or answers one."""
    first = _PREAMBLE_RULE.search(text, 0, end)
    if (
        not first
        or not _DIGEST.search(text, 0, first.start())
        or _REPLY.search(text, 0, first.start())
    ):
        return []
    pieces = [(0, first.start())]
    position = first.end()
    for _ in range(_MAX_MAILS):
        rule = text.find(DIGEST_RULE, position - 1, end)
        piece_end = rule if rule >= 0 else end
        if _FIELD.match(text, position):
            blank = text.find("\n\n", position, piece_end)
            # "Message: 1" may stand apart from the fields.
            while blank >= 0 and _FIELD.match(text, blank + 2):
                blank = text.find("\n\n", blank + 2, piece_end)
            pieces.append((blank if blank >= 0 else piece_end, piece_end))
        if rule < 0:
            break
        position = rule + len(DIGEST_RULE)
    return pieces
