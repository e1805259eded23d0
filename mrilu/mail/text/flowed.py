"""format=flowed (RFC 3676): soft line breaks joined, space-stuffing removed, quote depth kept."""

import re

_MAX_DEPTH = 50
_QUOTED = re.compile(r"(>*)(.*)", re.DOTALL)


def unflow(text: str, delete_space: bool = False) -> str:
    """Join flowed lines; quoted ones come out as "> " per depth; `delete_space` is the DelSp parameter."""
    pieces: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, content = _split_line(line)
        signature = content == "-- "
        if depth != open_depth or signature:
            if pieces:
                pieces.append("\n")
            pieces.append("> " * depth)
        flows = content.endswith(" ") and not signature
        pieces.append(content[:-1] if flows and delete_space else content)
        open_depth = depth if flows else -1
    return "".join(pieces)


def _split_line(line: str) -> tuple[int, str]:
    if line[:1] == ">":
        match = _QUOTED.match(line)
        marks, content = (match[1], match[2]) if match else ("", line)
        return min(len(marks), _MAX_DEPTH), content[1:] if content[:1] == " " else content
    return 0, line[1:] if line[:1] == " " else line
