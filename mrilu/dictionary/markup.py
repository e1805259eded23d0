"""Reads what jbovlaste writes into texts: $x_1$ is a place, {word} a reference. Everything else is plain. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from mrilu.text.marks import limit_marks

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# TeX commands that occur in the dictionaries, and kin; a command that is not here is shown as it was written.
SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω", "infty": "∞", "dots": "…", "ldots": "…", "cdot": "·", "times": "×",
    "sqrt": "√", "sum": "∑", "in": "∈", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "to": "→",
    "rightarrow": "→", "pm": "±", "approx": "≈", "operatorname": "", "text": "", "mathrm": "", "left": "", "right": "",
}  # fmt: skip

_PIECE = re.compile(
    r"\$(?P<math>[^$\n]{1,300})\$"
    r"|\{(?P<word>[^{}$\n]{0,80}[A-Za-z][^{}$\n]{0,80})\}"
    r"|(?<![A-Za-z0-9_'\\])(?:(?P<letter>[A-Za-z]{1,6})_|x)(?:\{(?P<braced>\d{1,2})\}|(?P<place>\d{1,2}))(?![A-Za-z0-9_'])"
)
_MATH = re.compile(
    r"(?P<mark>[_^])(?:\{(?P<group>[^{}]*)\}|(?P<digits>-?\d+|[^\s{}\\]))"
    r"|\\(?P<command>[A-Za-z]+)"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<other>[^A-Za-z_^\\{}]+|.)"
)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, 2.2
_NO_PRINT = re.compile(
    "[\x7f-\x84\x86-\x9f\ufdd0-\ufdef]"
)  # further control codes and non-characters
_ENDLESS = re.compile("[\u0021-\u024f]{60}(?=[\u0021-\u024f])")


_LOW = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_HIGH = str.maketrans("0123456789+-=()in", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿ")


class Span(NamedTuple):
    """A piece of a text. Kinds: text, letter (a variable), low and high (sub- and superscript), word (a reference)."""

    kind: str
    text: str


def clean(text: str) -> str:
    """Return the text with U+FFFD for each character that XML 1.0 cannot hold."""
    return _NO_XML.sub(REPLACEMENT, text)


def one_line(text: str) -> str:
    """Return the text for a printed line: cleaned, composed (NFC), each run of white space one space.

    A "word" that is longer than a column may be broken anywhere: TeX crashes on one of 3,000 letters.
    """
    plain = " ".join(
        unicodedata.normalize("NFC", limit_marks(_NO_PRINT.sub(REPLACEMENT, clean(text)))).split()
    )
    return _ENDLESS.sub(lambda run: run[0] + "\N{ZERO WIDTH SPACE}", plain)


def spans(text: str) -> list[Span]:
    """Split a definition or note into spans. Never fails: a `$` or brace without its partner is plain text."""
    return _spans(one_line(text))


def plain(text: str) -> str:
    """Return a text in one line without markup, for what reads ASCII: "$x_{1}$ is a {mlatu}" -> "x1 is a mlatu"."""
    return "".join(_plain_span(span) for span in _spans(" ".join(text.split())))


def _plain_span(span: Span) -> str:
    if span.kind == "high":
        return f"^{span.text}"
    return f"_{span.text}" if span.kind == "low" and not span.text.isdecimal() else span.text


def readable(text: str) -> str:
    """Return a text without markup as people write it, its lines kept: "$x_{1}$ is $10^{6}$" -> "x₁ is 10⁶"."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join("".join(map(_readable_span, _spans(line))) for line in lines)


def _readable_span(span: Span) -> str:
    """Return small digits and letters where Unicode has them all, otherwise "_" or "^" before them."""
    for kind, mark, small in (("low", "_", _LOW), ("high", "^", _HIGH)):
        if span.kind == kind:
            known = all(ord(letter) in small for letter in span.text)
            return span.text.translate(small) if known else mark + span.text
    return span.text


def _spans(text: str) -> list[Span]:
    return _joined(_pieces(text))


def _pieces(text: str) -> Iterator[Span]:
    end = 0
    for match in _PIECE.finditer(text):
        yield Span("text", text[end : match.start()])
        end = match.end()
        if match["math"]:
            yield from _math(match["math"])
        elif match["word"]:
            yield Span("word", match["word"].strip())
        else:
            yield from (
                Span("letter", match["letter"] or "x"),
                Span("low", match["braced"] or match["place"]),
            )
    yield Span("text", text[end:])


def _math(source: str) -> Iterator[Span]:
    for match in _MATH.finditer(source):
        if match["mark"]:
            yield Span(
                "low" if match["mark"] == "_" else "high",
                _plain(match["group"] or match["digits"] or ""),
            )
        elif match["command"]:
            yield Span("text", SYMBOLS.get(match["command"], match[0]))
        elif match["letters"]:
            yield Span("letter", match["letters"])
        elif match["other"] not in "{}":
            yield Span("text", match["other"])


def _plain(group: str) -> str:
    return re.sub(r"\\([A-Za-z]+)", lambda command: SYMBOLS.get(command[1], command[0]), group)


def _joined(pieces: Iterator[Span]) -> list[Span]:
    """Drop what is empty and join neighbours that are both plain."""
    joined: list[Span] = []
    for piece in pieces:
        if joined and piece.kind == joined[-1].kind == "text":
            joined[-1] = Span("text", joined[-1].text + piece.text)
        elif piece.text:
            joined.append(piece)
    return joined
