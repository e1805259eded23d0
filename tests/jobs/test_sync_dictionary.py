"""The dictionary in the database follows its exports."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from peewee import PostgresqlDatabase

from jobs.sync_dictionary import DictionaryNotSynced, sync_dictionary
from models import Definition, DefinitionVersion, JobRun, Keyword, Language, Source, Word
from mrilu.dictionary.store import store_export
from mrilu.downloads.errors import SourceRefused, SourceUnreachable
from mrilu.settings.current import use_settings
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.table import Settings
from tests.conftest import unpacked
from tests.downloads import lying_server
from tests.downloads.lying_server import LyingServer, answer
from tests.downloads.sources import export, many, valsi, write

Sync = dict[str, int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exports"


@pytest.fixture(autouse=True)
def settings(service_settings: Settings, database: PostgresqlDatabase, folder: Path) -> Settings:
    chosen = replace(service_settings, dictionary_source=str(folder))
    use_settings(chosen)
    return chosen


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server.lying_server() as running:
        yield running


def put(folder: Path, *entries: str, tag: str = "en", **more: Any) -> Path:
    """Write the export as a new version (the clock's ticks are too coarse for a test)."""
    path = write(folder, tag, export(*entries, **more))
    stamp = put.__dict__["stamp"] = put.__dict__.get("stamp", 1_000_000_000) + 1
    os.utime(path, (stamp, stamp))
    return path


def versions() -> list[tuple[int, int, str, bool]]:
    rows = DefinitionVersion.select().order_by(DefinitionVersion.id)
    return [(row.definition, row.version, row.change, row.bulk) for row in rows]


def changes(counts: Sync) -> Sync:
    return {key: counts[key] for key in ("added", "edited", "returned", "gone") if counts[key]}


def test_the_first_sync_stores_words_definitions_and_keywords_of_both_directions(
    folder: Path,
) -> None:
    glosses = '<glossword word="cat" sense="animal" /><keyword word="breed" place="2" />'
    more = f"<selmaho>UI</selmaho><score>3</score>{glosses}"
    put(
        folder,
        valsi(rafsi=("lat",), more=more),
        reverse='<nlword word="breed" valsi="mlatu" place="2" />',
    )
    counts = sync_dictionary()
    assert changes(counts) == {"added": 1} and counts["reverse_added"] == 1
    word, definition, language = Word.get(), Definition.get(), Language.get()
    assert (word.word, word.type, word.rafsi, word.unofficial) == ("mlatu", "gismu", ["lat"], False)
    assert (definition.text, definition.selmaho, definition.score) == ("$x_1$ is a cat.", "UI", 3)
    assert (definition.username, definition.realname) == ("mirli", "Mirli Alis")
    assert (language.tag, language.name, language.source) == (
        "en",
        "English",
        str(folder / "jbo-en.xml"),
    )
    found = Keyword.select().order_by(Keyword.direction, Keyword.position)
    assert [(one.direction, one.text, one.sense, one.place, one.valsi) for one in found] == [
        ("from", "cat", "animal", 0, "mlatu"),
        ("from", "breed", "", 2, "mlatu"),
        ("to", "breed", "", 2, "mlatu"),
    ]
    assert versions() == [(definition.id, 1, "added", True)]


def test_an_unchanged_export_changes_nothing_whether_it_is_read_or_not(folder: Path) -> None:
    put(folder, *many(5))
    sync_dictionary()
    before = list(Definition.select().order_by(Definition.id).dicts())
    assert sync_dictionary() == {"languages": 1, "unchanged": 1}
    put(folder, *many(5))
    assert changes(sync_dictionary()) == {}
    assert list(Definition.select().order_by(Definition.id).dicts()) == before
    assert len(versions()) == 5


def test_one_edited_definition_makes_one_version_and_keeps_its_id(folder: Path) -> None:
    put(folder, *many(5))
    sync_dictionary()
    before = {row.source_id: row.id for row in Definition.select()}
    put(folder, *many(4), valsi("word5", 5, definition="edited", more='<glossword word="new" />'))
    assert changes(sync_dictionary()) == {"edited": 1}
    assert {row.source_id: row.id for row in Definition.select()} == before
    assert versions()[5:] == [(before[5], 2, "edited", False)]
    last = DefinitionVersion.get(DefinitionVersion.version == 2).content
    assert last["definition"] == "edited" and last["glosses"] == [
        {"text": "new", "sense": "", "place": 0}
    ]
    assert [one.text for one in Keyword.select()] == ["new"]


def test_a_words_new_rafsi_is_a_change_of_its_entry(folder: Path) -> None:
    put(folder, valsi())
    sync_dictionary()
    put(folder, valsi(rafsi=("lat",)))
    assert changes(sync_dictionary()) == {"edited": 1}
    assert Word.get().rafsi == ["lat"]


def test_what_disappears_is_marked_and_may_return(folder: Path) -> None:
    put(folder, *many(10))
    sync_dictionary()
    put(folder, *many(9))
    assert changes(sync_dictionary()) == {"gone": 1}
    gone = Definition.get(Definition.source_id == 10)
    assert gone.gone_at is not None and versions()[-1] == (gone.id, 2, "gone", False)
    put(folder, *many(10))
    assert changes(sync_dictionary()) == {"returned": 1}
    back = Definition.get(Definition.source_id == 10)
    assert (
        back.id == gone.id
        and back.gone_at is None
        and versions()[-1] == (gone.id, 3, "returned", False)
    )


def test_definitions_that_are_gone_wake_the_embeddings_which_forget_them(
    folder: Path, monkeypatch
) -> None:
    put(folder, *many(10))
    sync_dictionary()
    woken: list[bool] = []
    monkeypatch.setattr(
        "jobs.sync_dictionary.wake_embedding", lambda *, recent: woken.append(recent)
    )
    put(folder, *many(9))
    assert changes(sync_dictionary()) == {"gone": 1} and woken == [False]
    sync_dictionary(force=True)
    assert woken == [False]


def test_a_new_definition_after_the_first_sync_is_news(folder: Path) -> None:
    put(folder, *many(5))
    sync_dictionary()
    put(folder, *many(6))
    assert changes(sync_dictionary()) == {"added": 1}
    assert versions()[-1][2:] == ("added", False)


@pytest.mark.parametrize("left", [many(79), many(100, first=101), [valsi("word1", 1)]])
def test_a_source_that_shrinks_is_refused_with_the_numbers(folder: Path, left: list[str]) -> None:
    put(folder, *many(100))
    sync_dictionary()
    put(folder, *left)
    with pytest.raises(DictionaryNotSynced, match=r"jbo-en would shrink from 100 to \d+ rows.*20%"):
        sync_dictionary()
    assert Definition.select().where(Definition.gone_at.is_null()).count() == 100
    # It is looked at again the next day, not taken for read.
    with pytest.raises(DictionaryNotSynced):
        sync_dictionary()
    assert changes(sync_dictionary(force=True))["gone"] > 20


def test_a_source_may_shrink_by_a_fifth(folder: Path) -> None:
    put(folder, *many(100))
    sync_dictionary()
    put(folder, *many(80))
    assert changes(sync_dictionary()) == {"gone": 20}


def test_a_broken_export_keeps_its_language_and_the_others_are_synced(folder: Path) -> None:
    put(folder, *many(3), tag="en")
    put(folder, *many(3, first=11), tag="ja", name="日本語")
    sync_dictionary()
    put(folder, *many(4, first=11), tag="ja", name="日本語")
    write(folder, "en", export(*many(3))[:-30])
    with pytest.raises(DictionaryNotSynced, match="^en: .*not a jbovlaste export"):
        sync_dictionary()
    assert Definition.select().where(Definition.gone_at.is_null()).count() == 3 + 4
    run = JobRun.select().order_by(JobRun.id.desc()).get()
    assert run.outcome == "failed" and "jbo-en.xml" in run.error


def test_a_language_that_postgresql_cannot_hold_keeps_the_others_from_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(db: PostgresqlDatabase, tag: str, *facts: Any, **more: Any) -> Sync:
        if tag == "en":
            raise psycopg.errors.ProgramLimitExceeded("string is too long for tsvector\nDETAIL: no")
        return store_export(db, tag, *facts, **more)

    monkeypatch.setattr("jobs.sync_dictionary.store_export", store)
    put(folder, *many(3), tag="en")
    put(folder, *many(3, first=11), tag="ja", name="日本語")
    with pytest.raises(DictionaryNotSynced, match="^en: .*jbo-en.xml cannot be stored: string.*r$"):
        sync_dictionary()
    assert [language.tag for language in Language.select()] == ["ja"]


def test_an_export_that_is_no_more_is_an_error_until_forced(folder: Path) -> None:
    put(folder, *many(3), tag="en")
    put(folder, *many(3, first=11), tag="ja")
    sync_dictionary()
    (folder / "jbo-ja.xml").unlink()
    with pytest.raises(DictionaryNotSynced, match="^ja: .*was deleted"):
        sync_dictionary()
    assert Definition.select().where(Definition.gone_at.is_null()).count() == 6
    assert sync_dictionary(force=True)["gone"] == 3
    assert sync_dictionary() == {"languages": 1, "unchanged": 1}


def test_a_folder_without_exports_is_refused(folder: Path) -> None:
    with pytest.raises(SourceRefused, match="^DICTIONARY_SOURCE: "):
        sync_dictionary()
    folder.mkdir()
    with pytest.raises(SourceRefused, match="no jbo-LANG.xml"):
        sync_dictionary()


def test_without_a_source_the_sample_is_the_dictionary(settings: Settings) -> None:
    use_settings(replace(settings, dictionary_source=""))
    assert changes(sync_dictionary()) == {"added": 12}
    assert {Keyword.select().where(Keyword.direction == way).count() for way in ("from", "to")} == {
        28
    }


def test_a_real_source_after_the_sample_is_taken_and_the_sample_after_a_real_source_is_not(
    settings: Settings, folder: Path
) -> None:
    use_settings(replace(settings, dictionary_source=""))
    sync_dictionary()
    put(folder, *many(100))
    use_settings(settings)
    assert changes(sync_dictionary()) == {"added": 100, "gone": 12}
    assert all(bulk for *_, bulk in versions())
    use_settings(replace(settings, dictionary_source=""))
    with pytest.raises(DictionaryNotSynced, match="from 100 to 12"):
        sync_dictionary()


def test_data_that_was_lost_is_read_again(folder: Path) -> None:
    put(folder, *many(5))
    sync_dictionary()
    Definition.delete().where(Definition.source_id == 1).execute()
    assert changes(sync_dictionary()) == {"added": 1}


def test_an_export_is_read_again_by_a_newer_reader(folder: Path) -> None:
    put(folder, *many(5))
    sync_dictionary()
    Source.update(reader=0).execute()
    assert "unchanged" not in sync_dictionary()


def test_urls_are_downloaded_once_while_they_do_not_change(
    settings: Settings, server: LyingServer
) -> None:
    url = server.url("/jbo-en.xml", lying_server.with_validators(export(*many(5)), '"1"', ""))
    other = server.url(
        "/export", answer(export(*many(2, first=11), name="Deutsch"), content_type="text/xml")
    )
    use_settings(replace(settings, dictionary_source=f"{url},de={other}"))
    assert changes(sync_dictionary()) == {"added": 7}
    counts = sync_dictionary()
    assert counts["unchanged"] == 1 and changes(counts) == {}
    assert Language.select().count() == 2


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answer(b"<html>not found</html>", 404), DictionaryNotSynced),
        (answer(b"<html>sorry</html>", 200, "text/html"), DictionaryNotSynced),
        (answer(b"", 503), SourceUnreachable),
        (lying_server.hang_up, SourceUnreachable),
        (lying_server.truncated(export(*many(5))), SourceUnreachable),
    ],
)
def test_a_server_that_lies_leaves_the_dictionary(
    settings: Settings,
    server: LyingServer,
    behaviour: lying_server.Behaviour,
    error: type[Exception],
) -> None:
    url = server.url("/jbo-en.xml", answer(export(*many(5))))
    use_settings(replace(settings, dictionary_source=url))
    sync_dictionary()
    server.url("/jbo-en.xml", behaviour)
    with pytest.raises(error, match="en: "):
        sync_dictionary()
    assert Definition.select().where(Definition.gone_at.is_null()).count() == 5


@pytest.mark.parametrize(
    "value", ["https://example.org/all", "ftp://example.org/jbo-en.xml", "https://a/jbo-en.xml x"]
)
def test_a_url_whose_language_is_unknown_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="^DICTIONARY_SOURCE: "):
        load({"DICTIONARY_SOURCE": value})


def test_the_five_real_dictionaries_twice(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    real = unpacked("dictionary", tmp_path_factory.mktemp("dictionary"))
    use_settings(replace(settings, dictionary_source=str(real)))
    first = sync_dictionary()
    assert (first["languages"], first["definitions"], first["added"], first["skipped"]) == (
        5,
        30406,
        30406,
        1,
    )
    second = sync_dictionary(force=True)
    changed = ("added", "edited", "returned", "gone", "reverse_added", "reverse_removed")
    assert second["definitions"] == 30406 and not any(second[key] for key in changed)
    assert DefinitionVersion.select().count() == 30406


def test_a_json_export_is_read_as_well(folder: Path) -> None:
    folder.mkdir()
    rows = [{"word": "klama", "word_type": "gismu", "definition": "va", "definition_id": 3}]
    (folder / "jbo-fr.json").write_text(json.dumps(rows))
    assert changes(sync_dictionary()) == {"added": 1}
    assert (Language.get().name, Definition.get().source_id) == ("fr", 3)


def test_two_exports_of_one_language_are_refused(folder: Path) -> None:
    put(folder, *many(1))
    (folder / "jbo-en.json").write_text("[]")
    with pytest.raises(SourceRefused, match="two exports of en: jbo-en.json and jbo-en.xml"):
        sync_dictionary()


def test_what_was_lost_is_counted_and_logged_with_its_place(folder: Path, caplog) -> None:
    put(folder, valsi(more="<video>v</video>"))
    assert sync_dictionary()["lost"] == 1
    assert "lost word='mlatu (definitionid 1)': <video> is not kept: 'v'" in caplog.text


def test_what_another_version_of_the_reader_finds_in_a_known_file_is_no_news(folder: Path) -> None:
    put(folder, valsi(more="<jargon>j</jargon>"))
    sync_dictionary()
    Source.update(reader=1).execute()
    Definition.update(jargon="", content_hash=uuid.uuid4()).execute()
    assert changes(sync_dictionary()) == {"edited": 1}
    assert [row[2:] for row in versions()] == [("added", True), ("edited", True)]
    assert Definition.get().jargon == "j"
