"""Foreign text on a terminal: names of files, subjects and servers' answers are shown, and never obeyed.

A terminal takes control characters for commands (ECMA-48): a subject may recolour, move or delete lines, set the title
or answer for the keyboard. So what is printed passes through here: `escaped_output` for print and click, `console`
for rich, which makes control characters of its own. (shown.py does more to a name: it cannot pass for another line.)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# C0 but tab and line feed, DEL, C1, marks of direction, separators of lines, lone surrogates.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escaped(text: str) -> str:
    """Return `text` with "\\x1b" for ESC, and so on for all that a terminal would obey; lines stay lines."""
    return _OBEYED.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


class _Escaping:
    """A stream that writes text escaped; all else is the stream's it stands before."""

    def __init__(self, stream: IO[str]) -> None:
        # rich writes to what this names: its Console has escaped the text, and its own commands are to be obeyed
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        self.rich_proxied_file.write(escaped(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write them all."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape what is printed on standard output and standard error within the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Escaping(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def console(**options: Any) -> Console:
    """Return a rich console that escapes the text it is given, whatever it is in: tables, styled text, names."""
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Escaped:
        def __init__(self, inner: ConsoleRenderable) -> None:
            self.inner = inner

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for segment in console.render(self.inner, options):
                yield (
                    segment
                    if segment.control
                    else Segment(escaped(segment.text), segment.style and _unlinked(segment.style))
                )

    class Hook(RenderHook):
        def process_renderables(
            self, renderables: list[ConsoleRenderable]
        ) -> list[ConsoleRenderable]:
            return [one if hasattr(one, "segment") else Escaped(one) for one in renderables]

    made = Console(**options)
    made.push_render_hook(Hook())
    return made


def _unlinked(style: Any) -> Any:
    """Return the style without a link, which markup in a foreign text may hold."""
    return style.update_link(None) if style.link else style
