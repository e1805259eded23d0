"""Pinned versions are compared with advisories in a file, and its age is told."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from mrilu.settings.table import PROJECT

SCRIPT = PROJECT / ".ci" / "audit.py"


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


def entry(events: list[dict[str, str]], versions: tuple[str, ...] = (), name: str = "Some.Thing"):
    return {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": list(versions),
    }


@pytest.mark.parametrize(
    ("events", "version", "concerned"),
    [
        ([{"introduced": "0"}, {"fixed": "2.0"}], "1.9", True),
        ([{"introduced": "0"}, {"fixed": "2.0"}], "2.0", False),
        ([{"introduced": "0"}], "99", True),
        ([{"introduced": "1.10"}, {"fixed": "2"}], "1.9", False),
        ([{"introduced": "1"}, {"last_affected": "1.5"}], "1.5", True),
        ([{"introduced": "1"}, {"last_affected": "1.5"}], "1.6", False),
        ([{"introduced": "0"}, {"fixed": "1"}, {"introduced": "2"}, {"fixed": "2.1"}], "2.0", True),
        (
            [{"introduced": "2"}, {"fixed": "2.1"}, {"introduced": "0"}, {"fixed": "1"}],
            "1.5",
            False,
        ),
        ([{"introduced": "what"}], "1", False),
    ],
)
def test_a_range_is_read_as_the_schema_says(audit, events, version, concerned):
    assert audit.concerns(entry(events), Version(version)) is concerned


def test_a_version_that_is_listed_is_concerned(audit):
    assert audit.concerns(entry([], ("1.0", "odd one")), Version("1"))


def database(folder: Path, *advisories: dict) -> Path:
    file = folder / "all.zip"
    with zipfile.ZipFile(file, "w") as packed:
        for one in advisories:
            packed.writestr(f"{one['id']}.json", json.dumps(one))
    return file


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", SCRIPT, *arguments], capture_output=True, text=True
    )


def test_what_is_found_is_named_and_the_date_of_the_database_told(tmp_path):
    bad = {"id": "X-1", "modified": "2020-01-02T00:00:00Z", "summary": "all is lost",
           "affected": [entry([{"introduced": "0"}], name="RQ_Scheduler")]}  # fmt: skip
    other = {
        "id": "X-2",
        "modified": "2019-01-01T00:00:00Z",
        "affected": [entry([{"introduced": "0"}])],
    }
    gone = {**bad, "id": "X-3", "withdrawn": "2020-01-01T00:00:00Z"}
    done = run(str(database(tmp_path, bad, other, gone)))
    assert done.returncode == 1 and "rq-scheduler 0.14.0: X-1: all is lost" in done.stdout
    assert "X-2" not in done.stdout and "X-3" not in done.stdout
    assert "the youngest of 2020-01-02" in done.stdout and "days old" in done.stderr
    assert run(str(database(tmp_path, other))).returncode == 0


def test_without_a_database_it_does_not_end_well(tmp_path):
    (tmp_path / "no.zip").write_text("no")
    for arguments in (
        [],
        [str(tmp_path / "none.zip")],
        [str(tmp_path / "no.zip")],
        [str(database(tmp_path))],
    ):
        assert run(*arguments).returncode == 2
