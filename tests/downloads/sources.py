"""Small jbovlaste exports and muplis files for the tests."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr


def valsi(
    word: str = "mlatu",
    number: int | str | None = 1,
    *,
    definition: str = "$x_1$ is a cat.",
    type: str = "gismu",
    notes: str = "",
    rafsi: tuple[str, ...] = (),
    attributes: str = "",
    more: str = "",
) -> str:
    """Return one <valsi>; `number` is its definitionid (None: it has none)."""
    parts = [f"<rafsi>{escape(one)}</rafsi>" for one in rafsi]
    parts.append("<user>\n<username>mirli</username>\n<realname>Mirli Alis</realname>\n</user>")
    parts.append(f"<definition>{escape(definition)}</definition>")
    if number is not None:
        parts.append(f"<definitionid>{number}</definitionid>")
    if notes:
        parts.append(f"<notes>{escape(notes)}</notes>")
    return f"<valsi word={quoteattr(word)} type={quoteattr(type)} {attributes}>{''.join(parts)}{more}</valsi>"


def export(*entries: str, reverse: str = "", name: str = "English", head: str = "") -> bytes:
    """Return a whole export of these <valsi> and <nlword>."""
    halves = (
        f'<direction from="lojban" to={quoteattr(name)}>{"".join(entries)}</direction>',
        f'<direction from={quoteattr(name)} to="lojban">{reverse}</direction>',
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<dictionary>{"".join(halves)}</dictionary>'.encode()


def many(count: int, first: int = 1, definition: str = "$x_1$ is number {n}.") -> list[str]:
    """Return `count` entries."""
    return [
        valsi(f"word{n}", n, definition=definition.format(n=n)) for n in range(first, first + count)
    ]


def write(folder: Path, tag: str, content: bytes) -> Path:
    """Write jbo-TAG.xml into the folder."""
    folder.mkdir(exist_ok=True)
    path = folder / f"jbo-{tag}.xml"
    path.write_bytes(content)
    return path


def pairs(count: int, first: int = 1, rating: str = "") -> bytes:
    """Return `count` lines of a muplis file."""
    return "".join(
        f"ti du li {n}\tThis is number {n}.\t{rating}\n" for n in range(first, first + count)
    ).encode()
