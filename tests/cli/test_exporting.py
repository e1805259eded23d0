"""`./run.sh export`: the cached copy as a file, and what is there."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models import CachedExport, FailedExport, Language
from mrilu.cli import connect
from mrilu.cli.__main__ import main
from mrilu.settings.table import Settings

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
CONTENT = b"<dictionary/>" * 200_000  # more than two pieces


@pytest.fixture(autouse=True)
def cached(database, service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(connect, "connect", lambda: service_settings)
    language = Language.create(tag="en", name="English", source="x", synced_at=NOW)
    CachedExport.store(
        language.id,
        "xml",
        filename="jbo-en.xml",
        content_type="application/xml",
        content=CONTENT,
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        source_hash="x",
        seconds=1.5,
        built_at=NOW,
    )
    return int(language.id)


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


def test_the_copy_is_written_whole(tmp_path: Path):
    done = export("en", "xml", "-o", str(tmp_path / "x.xml"))
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / "x.xml"))
    assert (tmp_path / "x.xml").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"]


def test_without_a_name_the_file_gets_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert export("en", "xml").exit_code == 0
    assert (tmp_path / "jbo-en.xml").read_bytes() == CONTENT


def test_standard_output_gets_the_bytes_alone():
    assert export("en", "xml", "-o", "-").stdout_bytes == CONTENT


def test_a_copy_that_is_replaced_while_it_is_read_is_no_mixture(cached: int):
    copy = CachedExport.find("en", "xml")
    assert copy is not None
    pieces = copy.pieces()
    next(pieces)
    CachedExport.update(content=b"new", sha256="other").execute()
    with pytest.raises(LookupError, match="jbo-en.xml was replaced"):
        next(pieces)


@pytest.mark.parametrize(
    ("arguments", "said"), [(("en", "pdf"), "there is en xml"), (("fr", "xml"), "'fr' as 'xml'")]
)
def test_what_is_not_cached_is_said_with_what_is(
    arguments: tuple[str, ...], said: str, tmp_path: Path
):
    done = export(*arguments, "-o", str(tmp_path / "x"))
    assert done.exit_code == 1
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_failed_is_said_with_its_reason(cached: int):
    FailedExport.note(cached, "pdf", "entry 'mlatu': it is a cat", NOW)
    assert "entry 'mlatu': it is a cat (2026-11-20 23:30 UTC)" in export("en", "pdf").stderr
    assert "failed: en pdf at 2026-11-20 23:30: entry 'mlatu': it is a cat" in " ".join(
        export().stdout.split()
    )


def test_a_format_has_to_be_named():
    assert export("en").exit_code == 2


def test_the_list_tells_file_size_and_time():
    shown = CliRunner(env={"COLUMNS": "150"}).invoke(main, ["export"]).stdout
    assert all(
        part in shown
        for part in ("en", "xml", "jbo-en.xml", "2,600,000", "2026-11-20 23:30", "1.5")
    )
    listed = json.loads(export("--json").stdout)
    assert listed["cached"][0]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert listed["failed"] == []


def test_an_empty_cache_says_how_to_fill_it():
    CachedExport.delete().execute()
    assert "./run.sh run export_dictionaries --wait" in export().stdout
