"""What a printed dictionary says of itself, in the dictionary's own language where we have it. Pure.

jbovlaste's contributors give their entries to the public domain when they submit them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Phrases(NamedTuple):
    """The phrases of one language; {name} is the language's own name for itself, {n} a number."""

    lojban: str
    title: str
    one_word: str
    words: str
    one_reverse: str
    reverse: str
    thousands: str
    source: str
    edition: str
    licence: str
    signs: str
    meanings: tuple[str, ...]


SOURCE = "jbovlaste, https://jbovlaste.lojban.org"
SIGNS = ("x₁, x₂ …", "-kla-", "KOhA, UI …", "exp.", "obs.", "›", "—")
PHRASES = {
    "en": Phrases(
        "Lojban",
        "Lojban – {name} dictionary",
        "{n} Lojban word",
        "{n} Lojban words",
        "{n} entry from {name} to Lojban",
        "{n} entries from {name} to Lojban",
        ",",
        "Source",
        "Edition",
        "The contributors have given the entries to the public domain.",
        "Signs",
        (
            "the places of a word",
            "rafsi: the forms that a word takes in compounds",
            "selma’o: a word’s grammatical class",
            "experimental, not official",
            "obsolete, not official",
            "words that translate the entry",
            "notes",
        ),
    ),
    "de": Phrases(
        "Lojban",
        "Wörterbuch Lojban – {name}",
        "{n} Lojban-Wort",
        "{n} Lojban-Wörter",
        "{n} Eintrag {name} – Lojban",
        "{n} Einträge {name} – Lojban",
        ".",
        "Quelle",
        "Ausgabe",
        "Die Beitragenden haben die Einträge gemeinfrei gestellt.",
        "Zeichen",
        (
            "die Stellen eines Wortes",
            "Rafsi: die Formen eines Wortes in Zusammensetzungen",
            "Selma’o: die grammatische Klasse eines Wortes",
            "experimentell, nicht amtlich",
            "veraltet, nicht amtlich",
            "Wörter, die den Eintrag übersetzen",
            "Anmerkungen",
        ),
    ),
    "ja": Phrases(
        "ロジバン",
        "ロジバン・{name}辞典",
        "ロジバン語 {n} 語",
        "ロジバン語 {n} 語",
        "{name}からロジバンへ {n} 項目",
        "{name}からロジバンへ {n} 項目",
        ",",
        "出典",
        "版",
        "各項目は執筆者によりパブリックドメインとして公開されている。",
        "記号",
        (
            "語の項",
            "ラフシ：合成語に現れる形",
            "セルマホ：文法上の類",
            "試験的（非公式）",
            "廃語（非公式）",
            "訳語",
            "備考",
        ),
    ),
    "fr": Phrases(
        "Lojban",
        "Dictionnaire lojban – {name}",
        "{n} mot lojban",
        "{n} mots lojban",
        "{n} entrée {name} – lojban",
        "{n} entrées {name} – lojban",
        "\u202f",
        "Source",
        "Édition",
        "Les contributeurs ont versé les entrées dans le domaine public.",
        "Signes",
        (
            "les places d’un mot",
            "rafsi : les formes d’un mot dans les composés",
            "selma’o : la classe grammaticale d’un mot",
            "expérimental, non officiel",
            "obsolète, non officiel",
            "mots qui traduisent l’entrée",
            "notes",
        ),
    ),
    "es": Phrases(
        "Lojban",
        "Diccionario lojban – {name}",
        "{n} palabra lojban",
        "{n} palabras lojban",
        "{n} entrada {name} – lojban",
        "{n} entradas {name} – lojban",
        ".",
        "Fuente",
        "Edición",
        "Los colaboradores han cedido las entradas al dominio público.",
        "Signos",
        (
            "los lugares de una palabra",
            "rafsi: las formas de una palabra en los compuestos",
            "selma’o: la clase gramatical de una palabra",
            "experimental, no oficial",
            "obsoleto, no oficial",
            "palabras que traducen la entrada",
            "notas",
        ),
    ),
    "jbo": Phrases(
        "la .lojban.",
        "lo vlaste be fu la .lojban.",
        "{n} valsi",
        "{n} valsi",
        "{n} valsi",
        "{n} valsi",
        ",",
        "krasi",
        "detri",
        "ro te vlaste cu gubni",
        "sinxa",
        (
            "sumti tcita",
            "rafsi",
            "selma’o",
            "cipra valsi",
            "na’e jai ca’o pilno valsi",
            "smuni valsi",
            "pinka",
        ),
    ),
}


def phrases_of(language: str) -> Phrases:
    """Return the phrases of a language (ISO 639), English ones when we have none of its own."""
    return PHRASES.get(language, PHRASES["en"])


def counted(number: int, one: str, many: str, thousands: str, name: str) -> str:
    """Return a number of things in words: "20,724 Lojban words"."""
    grouped = f"{number:,}".replace(",", thousands)
    return (one if number == 1 else many).format(n=grouped, name=name)


def title_lines(language: str, name: str, words: int, reverse: int) -> list[str]:
    """Return what the title page counts: words, and entries of the other direction if there are any."""
    said = phrases_of(language)
    lines = [counted(words, said.one_word, said.words, said.thousands, name)]
    if reverse:
        lines.append(counted(reverse, said.one_reverse, said.reverse, said.thousands, name))
    return lines


def colophon(language: str, edition: str) -> list[tuple[str, str]]:
    """Return the colophon's lines, each a heading and its text: source, edition and licence."""
    said = phrases_of(language)
    return [(said.source, SOURCE), (said.edition, edition), ("", said.licence)]


def signs(language: str) -> list[tuple[str, str]]:
    """Return the key: each sign with its meaning."""
    meanings: Iterable[str] = phrases_of(language).meanings
    return list(zip(SIGNS, meanings, strict=True))
