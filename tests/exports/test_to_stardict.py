"""StarDict as its description says, and as sdcv finds it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from mrilu.dictionary.entries import Reverse
from mrilu.exports import to_stardict
from mrilu.exports.book import Book, ordered_book
from mrilu.exports.to_stardict import synonyms_of
from tests.exports.books import book, entry, hostile_book

LONG = "jbojevysofkemsuzgugje'ake'eborkemfaipaltrusi'oke'ekemgubyseltru"


def written(one: Book, folder: Path) -> dict[str, bytes]:
    to_stardict.write(one, folder / "x.zip")
    with zipfile.ZipFile(folder / "x.zip") as archive:
        archive.extractall(folder)
        return {name: archive.read(name) for name in archive.namelist()}


def articles(files: dict[str, bytes], name: str) -> dict[str, str]:
    """Read a StarDict dictionary by its format's description; synonyms lead to their word's article."""
    assert files[f"{name}.ifo"].startswith(b"StarDict's dict ifo file\nversion=3.0.0\n")
    facts = dict(line.split("=", 1) for line in files[f"{name}.ifo"].decode().splitlines()[1:])
    words, found, index = [], {}, files[f"{name}.idx"]
    assert int(facts["idxfilesize"]) == len(index)
    while index:
        word, _, rest = index.partition(b"\0")
        start, size = struct.unpack(">II", rest[:8])
        words.append(word)
        found[word.decode()] = files[f"{name}.dict"][start : start + size].decode()
        index = rest[8:]
    assert int(facts["wordcount"]) == len(words)
    others, index = [], files.get(f"{name}.syn", b"")
    while index:
        word, _, rest = index.partition(b"\0")
        others.append(word)
        found[word.decode()] = found[words[struct.unpack(">I", rest[:4])[0]].decode()]
        index = rest[4:]
    assert int(facts.get("synwordcount", 0)) == len(others)
    for listed in (words, others):
        assert listed == sorted(listed, key=lambda word: (word.lower(), word))
    return found


def test_both_directions_hold_every_word_with_links(tmp_path):
    one = book(
        entry(notes="{.Gerku.} {nosuch}"),
        entry("gerku", 2, "$x_1$ is a <dog> & friend"),
        reverse=(Reverse("dog", "pet", "gerku", 1), Reverse("dog", "", "mlatu", 0)),
    )
    files = written(one, tmp_path)
    found = articles(files, "jbo-en")
    assert found.keys() == {"mlatu", "gerku"}
    assert "<i>x</i><sub>1</sub> is a &lt;dog&gt; &amp; friend" in found["gerku"]
    assert '<a href="bword://gerku">.Gerku.</a> <b>nosuch</b>' in found["mlatu"]
    assert articles(files, "en-jbo") == {
        "dog": '<div><i>(pet)</i> <a href="bword://gerku">gerku</a> <i>x</i><sub>1</sub></div>'
        '<div><a href="bword://mlatu">mlatu</a></div>'
    }


def test_words_are_found_as_people_type_them(tmp_path):
    assert synonyms_of("mlatu") == []
    assert set(synonyms_of(".i'eku'i")) == {
        ".i’eku’i",
        ".ihekuhi",
        "i'eku'i",
        "ihekuhi",
        "i’eku’i",
    }
    found = articles(written(book(entry("a'o"), entry("aho", 2, "other")), tmp_path), "jbo-en")
    assert "other" in found["aho"] and found["a’o"] == found["a'o"]


def test_hostile_texts_stay_text(tmp_path):
    files = written(hostile_book(), tmp_path)
    found = articles(files, "jbo-en")
    words = files["jbo-en.ifo"].decode().split("\nwordcount=")[1].split()[0]
    assert int(words) == len(hostile_book().entries)
    assert not any("<script" in article for article in found.values())
    assert max(len(word.encode()) for word in found) <= to_stardict.LONGEST


def test_sdcv_finds_every_headword_and_natural_words(tmp_path):
    if shutil.which("sdcv") is None:
        pytest.skip("sdcv is not installed")
    words = [LONG, "a'o", ".i'eku'i", "la .alis.", "Zzz", "mlatu", "C#", "a_b"]
    natural = ["house", "Ænglisc", "π", "日本", "to go", "0", "a|b", "e-mail", "O'Brien", "Zürich"]
    one = ordered_book(
        "en",
        "English",
        "2026-11-20",
        (entry(word, number) for number, word in enumerate(words)),
        (Reverse(word, "", "mlatu", 0) for word in natural),
    )
    written(one, tmp_path)
    environment = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
    wanted = [*words, *natural, "aho", "ihekuhi", "la alis"]
    done = subprocess.run(
        ["sdcv", "-n", "-e", "-2", str(tmp_path), *wanted],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.count("Found 1 items") == len(wanted), done.stdout
