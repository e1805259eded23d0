"""JSON and TSV hold all that the book holds, whatever it holds."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from mrilu.dictionary.entries import Entry, Gloss, Reverse
from mrilu.exports import to_json, to_tsv
from mrilu.exports.book import Book, EntryFailed
from tests.exports.books import book, entry, hostile_book

NAMES = {"t": "\t", "n": "\n", "r": "\r"}


def read_json(path: Path) -> Book:
    whole = json.loads(path.read_bytes())
    entries = [
        Entry(
            one["word"],
            one["type"],
            one["unofficial"],
            tuple(one["rafsi"]),
            one["selmaho"],
            one["user"]["username"],
            one["user"]["realname"],
            one["definition"],
            one["definitionid"],
            one["notes"],
            one["score"],
            tuple(
                Gloss(gloss["word"], gloss["sense"], gloss.get("place", 0))
                for gloss in one["glosswords"] + one["keywords"]
            ),
        )
        for one in whole["entries"]
    ]
    reverse = tuple(Reverse(**one) for one in whole["reverse"])
    return Book(
        whole["language"]["tag"],
        whole["language"]["name"],
        whole["edition"],
        tuple(entries),
        reverse,
    )


def read_tsv(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    header, *lines = archive.read(name).decode().split("\n")[:-1]
    names = header.split("\t")
    rows = [
        [re.sub(r"\\(.)", lambda m: NAMES.get(m[1], m[1]), cell) for cell in line.split("\t")]
        for line in lines
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def read_tables(path: Path, tag: str, name: str) -> Book:
    with zipfile.ZipFile(path) as archive:
        words, glosses = (
            read_tsv(archive, f"jbo-{tag}.tsv"),
            read_tsv(archive, f"jbo-{tag}-glosses.tsv"),
        )
        reverse = read_tsv(archive, f"{tag}-jbo.tsv")
    entries = [
        entry(
            one["word"],
            int(one["definitionid"]),
            one["definition"],
            type=one["type"],
            unofficial=one["unofficial"] == "true",
            selmaho=one["selmaho"],
            notes=one["notes"],
            username=one["username"],
            realname=one["realname"],
            score=float(one["score"]) if one["score"] else None,
            rafsi=tuple(one["rafsi"].split(" ")) if one["rafsi"] else (),
            glosses=tuple(
                Gloss(row["word"], row["sense"], int(row["place"]))
                for row in glosses
                if row["definitionid"] == one["definitionid"]
            ),
        )
        for one in words
    ]
    back = tuple(
        Reverse(row["word"], row["sense"], row["valsi"], int(row["place"])) for row in reverse
    )
    return Book(tag, name, "2026-11-20", tuple(entries), back)


def test_json_comes_back_as_it_went(tmp_path):
    to_json.write(hostile_book(), tmp_path / "x")
    assert read_json(tmp_path / "x") == hostile_book()


def test_tsv_comes_back_as_it_went(tmp_path):
    one = hostile_book()
    # The list of rafsi has spaces between, which no rafsi has.
    spaceless = tuple(known._replace(rafsi=("lat", "ma'o"), score=None) for known in one.entries)
    one = Book(one.tag, one.name, one.edition, spaceless, one.reverse)
    to_tsv.write(one, tmp_path / "x")
    assert read_tables(tmp_path / "x", one.tag, one.name) == one


def test_no_cell_of_the_tsv_is_a_formula(tmp_path):
    to_tsv.write(hostile_book(), tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x") as archive:
        cells = [
            cell
            for name in archive.namelist()
            for line in archive.read(name).decode().split("\n")
            for cell in line.split("\t")
        ]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@")]
    assert r"\=1+1" in cells


def test_json_has_an_entry_a_line(tmp_path):
    to_json.write(book(entry(), entry("gerku", 2)), tmp_path / "x")
    lines = (tmp_path / "x").read_text().splitlines()
    assert json.loads(lines[3].rstrip(","))["word"] == "gerku"


@pytest.mark.parametrize("writer", [to_json.write, to_tsv.write])
def test_an_error_names_the_entry(writer, tmp_path):
    bad = entry("broda", 7, glosses=(None,))
    with pytest.raises(EntryFailed, match=r"entry 'broda' \(definitionid 7\)"):
        writer(book(entry(), bad), tmp_path / "x")
