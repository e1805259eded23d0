"""The fonts of the PDF, from installed packages, and which characters they have: typst says nothing of the others."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

# Package -> folder of font files in it. All are Noto, under the SIL Open Font License.
PACKAGES = {
    "fontpkg_noto_serif": "files",
    "pylopdf_fonts_jp": "",
    "pylopdf_fonts_zh_cn": "",
    "pylopdf_fonts_ko": "",
    "manimgx_fonts": "",
}
TEXT = ("Noto Serif",)
LOJBAN = ("Noto Sans",)
EAST_ASIAN = {"ja": "Noto Serif JP", "zh": "Noto Serif SC", "ko": "Noto Serif KR"}
SCRIPTS = tuple(
    f"Noto Sans {script}"
    for script in (
        "Arabic",
        "Armenian",
        "Bengali",
        "Devanagari",
        "Ethiopic",
        "Georgian",
        "Gujarati",
        "Gurmukhi",
        "Hebrew",
        "Kannada",
        "Khmer",
        "Lao",
        "Malayalam",
        "Myanmar",
        "Oriya",
        "Sinhala",
        "Tamil",
        "Telugu",
        "Thai",
        "Symbols",
    )
)
# typst carries this one in itself. It is there for mathematical operators, of which it has the whole block.
EMBEDDED = "New Computer Modern Math"
EMBEDDED_CHARACTERS = frozenset(range(0x2200, 0x2300))


class NotInstalled(RuntimeError):
    """A package that exports need is not installed (yet)."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the package {package} is not installed (yet): ./run.sh installs the second part of requirements.txt in "
            "the background, and what waits for it is built then"
        )


def families(language: str) -> tuple[str, ...]:
    """Return all font families in the order in which a glyph is looked for, by the language's own habits."""
    east_asian = dict(EAST_ASIAN)
    first = east_asian.pop(language, None)
    ordered = ([first] if first else []) + list(east_asian.values())
    return (*TEXT, *ordered, *SCRIPTS, "Noto Emoji", *LOJBAN, EMBEDDED)


def families_for(text: str, language: str) -> tuple[str, ...]:
    """Return those of `families` that have a glyph of `text` which the first one lacks, and that one.

    Typst looks at each family of a list for each paragraph and each font: most books need a few.
    """
    beyond = {ord(letter) for letter in set(text)} - _characters_of_text()
    return tuple(
        family
        for family in families(language)
        if family in (*TEXT, EMBEDDED) or not beyond.isdisjoint(_characters_of(family))
    )


@lru_cache(maxsize=1)
def _characters_of_text() -> frozenset[int]:
    """Return the characters that the text's own family has in all styles."""
    return frozenset.intersection(*(_characters(path) for path in _files(*TEXT)))


@lru_cache(maxsize=64)
def _characters_of(family: str) -> frozenset[int]:
    return frozenset().union(*(_characters(path) for path in _files(family)))


def folders() -> list[Path]:
    """Return the folders of the font packages. Raises NotInstalled."""
    return [_folder(package) / inner for package, inner in PACKAGES.items()]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NotInstalled(package.replace("_", "-"))
    return Path(spec.origin).parent


def missing_glyphs(text: str) -> dict[str, int]:
    """Return the characters of `text` that no font has, with how often each occurs; invisible ones need no glyph."""
    wanted = {
        ord(letter) for letter in set(text) if not _is_invisible(letter)
    } - EMBEDDED_CHARACTERS
    for path in _font_files():
        if not wanted:
            break
        wanted = wanted.difference(wanted & _characters(path))
    return (
        {letter: number for letter, number in Counter(text).items() if ord(letter) in wanted}
        if wanted
        else {}
    )


def _is_invisible(letter: str) -> bool:
    # Default ignorable, or white space; variation selectors are marks (Mn).
    return (
        unicodedata.category(letter) in ("Cf", "Cc", "Zs", "Zl", "Zp")
        or "\ufe00" <= letter <= "\ufe0f"
    )


def _font_files() -> Iterable[Path]:
    """Yield the fonts of the families above, those that have the most first."""
    return (path for path in _files(*families("ja")) if "Italic" not in path.name)


def _files(*names: str) -> Iterator[Path]:
    wanted = {name.replace(" ", "") for name in names}
    for folder in folders():
        for path in sorted([*folder.glob("*.ttf"), *folder.glob("*.otf")]):
            if path.name.split("-")[0].split("[")[0] in wanted:
                yield path


@lru_cache(maxsize=64)
def _characters(path: Path) -> frozenset[int]:
    from fontTools.ttLib import (
        TTFont,
    )  # only here: a tenth of a second that formats without fonts do not need

    with TTFont(path, lazy=True) as font:
        return frozenset(font["cmap"].getBestCmap())
