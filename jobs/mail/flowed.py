"""format=flowed (RFC 3676): soft line breaks joined, space-stuffing removed, quote depth kept."""

import re

_QUOTED = re.compile(r"(>*)(.*)", re.DOTALL)


def unflow(text: str, delete_space: bool = False) -> str:
    """Join flowed lines; quoted ones come out as "> " per depth; `delete_space` is the DelSp parameter."""
    lines: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, content = _split_line(line)
        signature = content == "-- "
        if depth == open_depth and not signature:
            lines[-1] += content
        else:
            lines.append("> " * depth + content if depth else content)
        open_depth = -1
        if content.endswith(" ") and not signature:
            open_depth = depth
            if delete_space:
                lines[-1] = lines[-1][:-1]
    return "\n".join(lines)


def _split_line(line: str) -> tuple[int, str]:
    if line[:1] == ">":
        match = _QUOTED.match(line)
        marks, content = (match[1], match[2]) if match else ("", line)
        return len(marks), content[1:] if content[:1] == " " else content
    return 0, line[1:] if line[:1] == " " else line
