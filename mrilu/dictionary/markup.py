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
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "theta": "θ",
    "lambda": "λ",
    "mu": "μ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Omega": "Ω",
    "infty": "∞",
    "dots": "…",
    "ldots": "…",
    "cdot": "·",
    "times": "×",
    "sqrt": "√",
    "sum": "∑",
    "in": "∈",
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "to": "→",
    "rightarrow": "→",
    "pm": "±",
    "approx": "≈",
    "operatorname": "",
    "text": "",
    "mathrm": "",
    "left": "",
    "right": "",
}

# Braces enclose a reference, or after "_" and "^" what is set lower or higher; all others are braces.
_PIECE = re.compile(
    r"\$(?P<math>[^$\n]{1,300})\$"
    r"|\{(?P<word>[^{}$\n]{1,160})\}"
    r"|(?<![A-Za-z0-9_'\\])(?:(?P<letter>[A-Za-z]{1,6})_|x)(?:\{(?P<braced>\d{1,2})\}|(?P<place>\d{1,2}))(?![A-Za-z0-9_'])"
    r"|(?<=[^\s_^{}$\\])(?P<mark>[_^])\{(?P<group>[^{}$\n]{1,40})\}"
)
_SYLLABLES = re.compile(r"[A-Za-z'’]*[AEIOUYaeiouy][A-Za-z'’]*\Z")
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

_ASCII = re.compile("[ -~]*")  # what one_line need not look at

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
    """Return the text for one line: cleaned, composed (NFC), each run of white space one space."""
    if _ASCII.fullmatch(text):
        return " ".join(text.split())
    printable = limit_marks(_NO_PRINT.sub(REPLACEMENT, clean(text)))
    return " ".join(unicodedata.normalize("NFC", printable).split())


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
    return "\n".join("".join(map(readable_span, _spans(line))) for line in lines)


def readable_span(span: Span) -> str:
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
            yield _braced(match["word"])
        elif match["mark"]:
            yield _raised(match["mark"], match["group"])
        else:
            yield from (
                Span("letter", match["letter"] or "x"),
                Span("low", match["braced"] or match["place"]),
            )
    yield Span("text", text[end:])


def _braced(inner: str) -> Span:
    """Return the reference that braces enclose; braces around anything else are what they are."""
    words = inner.split()
    if words and all(map(_is_lojban, words)):
        return Span("word", " ".join(words))
    return Span("text", f"{{{inner}}}")


def _is_lojban(word: str) -> bool:
    """Tell whether a word in braces may be Lojban: vowels in each part, a comma between syllables at most.

    Brackets and stars around it show how a phrase is grouped. Of single letters, a small one is the letter's name
    and a capital a variable.
    """
    bare = word.strip("()*").removeprefix(".").removesuffix(".")
    if len(bare) == 1:
        return "a" <= bare <= "z"
    return all(map(_SYLLABLES.match, re.split("[.,/]", bare)))


def _raised(mark: str, group: str) -> Span:
    return Span("low" if mark == "_" else "high", _plain(group))


def _math(source: str) -> Iterator[Span]:
    for match in _MATH.finditer(source):
        if match["mark"]:
            yield _raised(match["mark"], match["group"] or match["digits"] or "")
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
