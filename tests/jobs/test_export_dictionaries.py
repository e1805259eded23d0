"""The job: what it builds, what it leaves alone, and what becomes of the last good copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import pytest
from peewee import PostgresqlDatabase
from rq.timeouts import JobTimeoutException

from jobs import export_dictionaries as job
from models import CachedExport, FailedExport, JobRun, Language, db
from mrilu.dictionary.entries import Export, Gloss, Reverse
from mrilu.dictionary.jbovlaste_xml import read_export
from mrilu.dictionary.store import store_export
from mrilu.exports import build
from mrilu.exports.fonts import NotInstalled
from mrilu.exports.rows import read_book, source_hash
from mrilu.settings.current import use_settings
from mrilu.settings.table import PROJECT, Settings
from tests.conftest import unpacked
from tests.exports.books import entry

QUICK = ["latex", "xml", "json", "tsv"]
DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def two_languages(database: PostgresqlDatabase) -> None:
    store("en")
    store("de", entry(definition="$x_1$ ist eine Katze."), name="Deutsch")


def store(
    tag: str,
    *entries,
    name: str = "English",
    reverse: tuple[Reverse, ...] = (),
    now: datetime = DAY,
) -> None:
    reverse = reverse or (Reverse("cat", "", "mlatu", 0),)
    with db.atomic():
        store_export(
            db, tag, "test", Export(name, list(entries or [entry()]), list(reverse)), now, 100
        )


def content(tag: str, name: str) -> bytes:
    return b"".join(CachedExport.find(tag, name).pieces())


def hashes() -> dict[tuple[str, str], str]:
    return {(row["tag"], row["format"]): row["sha256"] for row in CachedExport.listed()}


def fail(monkeypatch: pytest.MonkeyPatch, tag: str, name: str, error: Exception) -> None:
    """Make the build of one language in one format fail."""
    real = build.build

    def failing(format_name, book, target, limits):
        if format_name == name and f'"{tag}"' in book.read_text()[:20]:
            target.write_bytes(b"half a file")
            raise error
        return real(format_name, book, target, limits)

    monkeypatch.setattr(build, "build", failing)


def test_every_language_is_cached_in_every_format(two_languages):
    assert job.export_dictionaries(formats=QUICK) == {"built": 8, "unchanged": 0}
    rows = CachedExport.listed()
    wanted = [(tag, name) for tag in ("de", "en") for name in sorted(QUICK)]
    assert [(row["tag"], row["format"]) for row in rows] == wanted
    for row in rows:
        assert len(content(row["tag"], row["format"])) == row["size"] > 100
    assert [(row["filename"], row["content_type"]) for row in rows[4:]] == [
        ("jbo-en.json", "application/json"),
        ("jbo-en.tex", "application/x-tex"),
        ("jbo-en-tsv.zip", "application/zip"),
        ("jbo-en.xml", "application/xml"),
    ]


def test_the_pdf_is_built_too(two_languages):
    try:
        build.check_installed("pdf")
    except NotInstalled as error:
        pytest.skip(str(error))
    assert job.export_dictionaries(languages=["de"], formats=["pdf"]) == {
        "built": 1,
        "unchanged": 0,
    }
    assert content("de", "pdf").startswith(b"%PDF-")


def test_an_unchanged_night_builds_nothing_and_reads_no_rows(two_languages, monkeypatch):
    job.export_dictionaries(formats=QUICK)
    before = hashes()
    monkeypatch.setattr(job, "read_book", lambda *args: pytest.fail("rows were read"))
    assert job.export_dictionaries(formats=QUICK) == {"built": 0, "unchanged": 8}
    assert hashes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"entries": [entry(definition="$x_1$ is a dog.")]},
        {"entries": [entry(glosses=(Gloss("kitty", "", 0),))]},
        {"entries": [entry(rafsi=("lat", "la'u"))]},
        {"entries": [entry(), entry("gerku", 2)]},
        {"entries": [entry()], "reverse": (Reverse("cat", "", "mlatu", 1),)},
        {"entries": [entry()], "name": "Simple English"},
    ],
)
def test_any_change_of_the_data_is_exported(change, two_languages):
    job.export_dictionaries(formats=["json"])
    before = hashes()
    store("en", *change.pop("entries"), **change)
    assert job.export_dictionaries(languages=["en"], formats=["json"]) == {
        "built": 1,
        "unchanged": 0,
    }
    assert {key for key, value in hashes().items() if before[key] != value} == {("en", "json")}


def test_another_builder_builds_again(two_languages, monkeypatch):
    job.export_dictionaries(formats=["json"])
    monkeypatch.setattr(build, "builder_hash", lambda name: "newer")
    assert job.export_dictionaries(formats=["json"])["built"] == 2
    assert job.export_dictionaries(formats=["json"], force=True)["built"] == 2


def test_one_export_that_fails_keeps_its_last_copy_and_stops_nothing(
    two_languages, monkeypatch, caplog
):
    job.export_dictionaries(formats=QUICK)
    before = hashes()
    store("en", entry(definition="new"))
    store("de", entry(definition="neu"), name="Deutsch")
    with monkeypatch.context() as patch:
        fail(patch, "de", "xml", build.BuildFailed("entry 'mlatu' (definitionid 1): it is a cat"))
        with pytest.raises(
            job.ExportsFailed, match=r"1 failed \(built=7 unchanged=0\): de xml: entry 'mlatu'"
        ):
            job.export_dictionaries(formats=QUICK)
    assert {key for key, value in hashes().items() if before[key] == value} == {("de", "xml")}
    assert "eine Katze" in content("de", "xml").decode()
    assert [(row["tag"], row["format"], row["error"]) for row in FailedExport.listed()] == [
        ("de", "xml", "entry 'mlatu' (definitionid 1): it is a cat")
    ]
    assert "language=de format=xml cannot be exported" in caplog.text
    run = JobRun.latest()[0]
    assert (run.outcome, run.error.startswith("ExportsFailed: 1 failed")) == ("failed", True)

    assert job.export_dictionaries(formats=QUICK) == {"built": 1, "unchanged": 7}
    assert not FailedExport.listed()
    assert "neu" in content("de", "xml").decode()


def test_a_failure_is_forgotten_when_the_copy_is_the_current_one_again(two_languages, monkeypatch):
    job.export_dictionaries(formats=["json"])
    store("de", entry(definition="neu"), name="Deutsch")
    with monkeypatch.context() as patch:
        fail(patch, "de", "json", build.BuildFailed("it is a cat"))
        with pytest.raises(job.ExportsFailed):
            job.export_dictionaries(formats=["json"])
    assert FailedExport.select().count() == 1
    store("de", entry(definition="$x_1$ ist eine Katze."), name="Deutsch")
    assert job.export_dictionaries(formats=["json"]) == {"built": 0, "unchanged": 2}
    assert not FailedExport.listed()


def test_a_failure_of_a_format_that_is_exported_no_more_is_forgotten(
    two_languages, service_settings: Settings
):
    for name in ("epub", "json"):
        FailedExport.note(Language.get(tag="de").id, name, "it is a cat", DAY)
    use_settings(replace(service_settings, export_formats=("json", "xml")))
    job.export_dictionaries(formats=["xml"])
    assert [row["format"] for row in FailedExport.listed()] == ["json"]


def test_a_real_entry_that_cannot_be_shown_is_named(two_languages, monkeypatch):
    def read_broken(*args):
        book = read_book(*args)
        return replace(book, entries=(book.entries[0]._replace(type=None),))

    monkeypatch.setattr(job, "read_book", read_broken)
    with pytest.raises(
        job.ExportsFailed, match=r"en latex: entry 'mlatu' \(definitionid 1\): TypeError"
    ):
        job.export_dictionaries(languages=["en"], formats=["latex", "json"])
    assert hashes().keys() == {("en", "json")}


def test_a_language_that_cannot_be_read_does_not_stop_the_others(two_languages, monkeypatch):
    monkeypatch.setattr(job, "read_book", lambda *args: 1 / 0 if "de" in args else read_book(*args))
    with pytest.raises(job.ExportsFailed, match="de json: division by zero"):
        job.export_dictionaries(formats=["json"])
    assert hashes().keys() == {("en", "json")}


def test_the_end_of_the_jobs_time_ends_the_job(two_languages, monkeypatch):
    fail(monkeypatch, "de", "json", JobTimeoutException("too long"))
    with pytest.raises(JobTimeoutException):
        job.export_dictionaries(formats=["json"])
    assert not hashes()


def test_formats_wait_for_packages_that_are_not_there_yet(two_languages, monkeypatch, caplog):
    caplog.set_level("INFO")
    missing = build.FORMATS["pdf"]._replace(packages=("no-such-package",))
    with monkeypatch.context() as patch:
        patch.setitem(build.FORMATS, "pdf", missing)
        assert job.export_dictionaries(formats=["pdf", "json"]) == {
            "built": 2,
            "unchanged": 0,
            "waiting": 2,
        }
    assert "format=pdf waits: the package no-such-package is not installed" in caplog.text
    assert {name for _, name in hashes()} == {"json"}
    assert not FailedExport.listed()
    assert JobRun.latest()[0].outcome == "done"


def test_a_format_whose_packages_come_during_the_run_is_built_in_it(two_languages, monkeypatch):
    missing = {"xml"}

    def check(name):
        if name in missing:
            raise NotInstalled("lxml")

    def built(*arguments, real=job.export_format):
        missing.clear()
        real(*arguments)

    monkeypatch.setattr(build, "check_installed", check)
    monkeypatch.setattr(job, "export_format", built)
    assert job.export_dictionaries(formats=["json", "xml"]) == {"built": 4, "unchanged": 0}


def test_a_job_that_is_killed_in_mid_build_leaves_the_last_copy(
    two_languages, service_settings: Settings, tmp_path
):
    job.export_dictionaries(formats=["json"])
    before = hashes()
    os.mkfifo(tmp_path / "book")
    script = (
        "from pathlib import Path; from jobs import export_dictionaries as job; "
        f"job._written_book = lambda *args: Path({str(tmp_path / 'book')!r}); "
        "job.export_dictionaries(formats=['json'], force=True)"
    )
    servers = {
        "DATABASE_URL": service_settings.database_url,
        "REDIS_URL": service_settings.redis_url,
    }
    killed = subprocess.Popen(
        [sys.executable, "-c", script], cwd=PROJECT, env={**os.environ, **servers}
    )
    reached = os.open(tmp_path / "book", os.O_WRONLY)  # returns when the build is under way
    killed.kill()
    killed.wait()
    os.close(reached)
    assert hashes() == before
    assert json.loads(content("de", "json"))["language"]["name"] == "Deutsch"
    assert job.export_dictionaries(formats=["json"]) == {"built": 0, "unchanged": 2}


def test_the_best_definition_of_a_word_is_printed_and_data_have_them_all(database):
    entries = [
        entry(number=4, definition="low", score=1.0), entry(number=3, definition="later of two", score=7.0),
        entry(number=2, definition="earlier of two", score=7.0), entry(number=1, definition="none", score=None),
    ]  # fmt: skip
    store("en", *entries)
    language = Language.get()
    book = read_book(database.connection(), language.id, "en", "English")
    assert [one.definition for one in book.entries] == ["earlier of two"]
    assert [one.definition for one in book.definitions] == [
        "earlier of two",
        "later of two",
        "low",
        "none",
    ]
    assert book.edition == "2026-11-20"
    assert source_hash(database.connection(), language.id) == source_hash(
        database.connection(), language.id
    )


def test_a_definition_that_is_gone_is_exported_no_more(two_languages):
    job.export_dictionaries(formats=["json"])
    store("en", entry("gerku", 2), now=datetime(2026, 11, 22, tzinfo=UTC))
    job.export_dictionaries(formats=["json"])
    whole = json.loads(content("en", "json"))
    assert [one["word"] for one in whole["entries"]] == ["gerku"]
    assert whole["edition"] == "2026-11-22"


def test_a_language_that_is_not_there_is_named(two_languages):
    with pytest.raises(job.ExportsFailed, match="there is no dictionary of fr; there is de, en"):
        job.export_dictionaries(languages=["en", "fr"])


def test_an_empty_dictionary_is_no_error(database):
    assert job.export_dictionaries() == {"built": 0, "unchanged": 0}


@pytest.mark.parametrize("tag", ["de", "ja"])
def test_what_is_exported_equals_the_database(tag, database, tmp_path):
    corpus = unpacked("dictionary", tmp_path)
    with (corpus / f"jbo-{tag}.xml").open("rb") as file:
        real = read_export(file)
    store(tag, *real.entries, name=real.language, reverse=tuple(real.reverse))
    job.export_dictionaries(formats=QUICK)

    back = read_export(BytesIO(content(tag, "xml")))
    assert back.language == real.language
    assert sorted(back.entries, key=lambda one: one.source_id) == sorted(
        real.entries, key=lambda one: one.source_id
    )
    assert sorted(back.reverse) == sorted(set(real.reverse))
    whole = json.loads(content(tag, "json"))
    assert {one["definitionid"]: one["definition"] for one in whole["entries"]} == {
        one.source_id: one.definition for one in real.entries
    }
    with zipfile.ZipFile(BytesIO(content(tag, "tsv"))) as archive:
        assert archive.read(f"jbo-{tag}.tsv").count(b"\n") == len(real.entries) + 1
        assert archive.read(f"{tag}-jbo.tsv").count(b"\n") == len(set(real.reverse)) + 1


def test_facts_of_a_definition_are_its_own_whatever_other_languages_say(database):
    cib = entry(
        "ci", 1, rafsi=("cib",), type="cmavo", jargon="maths", examples=("a", "b"), tags=("t",)
    )
    store("gua", cib, name="guaspi")
    store("en", entry("ci", 2, rafsi=(), type="experimental cmavo", unofficial=True))
    job.export_dictionaries(formats=["xml", "json"])
    for tag in ("gua", "en"):
        first = read_export(BytesIO(content(tag, "xml"))).entries
        assert read_export(BytesIO(content(tag, "json"))).entries == first
        assert (first[0].rafsi, first[0].type, first[0].unofficial) == (
            (("cib",), "cmavo", False) if tag == "gua" else ((), "experimental cmavo", True)
        )
    back = read_export(BytesIO(content("gua", "xml"))).entries
    assert back == [cib]


def test_further_definitions_come_back_with_their_own_facts(database):
    one, two = entry(rafsi=("lat",)), entry(number=2, rafsi=(), definition="another", score=99.0)
    store("en", one, two)
    job.export_dictionaries(formats=QUICK)
    assert read_export(BytesIO(content("en", "xml"))).entries == [two, one]
    assert read_export(BytesIO(content("en", "json"))).entries == [two, one]
    with zipfile.ZipFile(BytesIO(content("en", "tsv"))) as archive:
        assert archive.read("jbo-en.tsv").count(b"\n") == 3
    assert b"another" in content("en", "latex") and b"a cat of breed" not in content("en", "latex")


def test_definitions_of_an_earlier_version_have_their_words_facts(two_languages, database):
    database.execute_sql("UPDATE definition SET type = NULL, rafsi = '{}'")
    job.export_dictionaries(formats=["xml"])
    [back] = read_export(BytesIO(content("en", "xml"))).entries
    assert (back.type, back.rafsi) == ("gismu", ("lat",))
