"""Compare requirements.lock with a database of advisories, without a network: `.ci/audit FILE.zip`.

FILE.zip is OSV's of PyPI, https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip: a JSON file each advisory
(https://ossf.github.io/osv-schema/). The exit code is 1 if a pinned version is affected, 2 if there is no database.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from packaging.version import InvalidVersion, Version

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
STALE = timedelta(days=14)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


class Database(NamedTuple):
    """Advisories, and when the youngest of them was changed (UTC)."""

    advisories: list[dict[str, Any]]
    changed: datetime


def plain(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, Version]:
    """Return the versions of a lock file by name."""
    return {plain(name): Version(version) for name, version in _PIN.findall(text)}


def read(file: Path) -> Database:
    """Read the advisories that were not withdrawn; raises OSError, zipfile.BadZipFile, ValueError if there are none."""
    with zipfile.ZipFile(file) as packed:
        names = [name for name in packed.namelist() if name.endswith(".json")]
        found = [json.loads(packed.read(name)) for name in names]
    if not found:
        raise ValueError("it holds no advisory")
    changed = max(datetime.fromisoformat(one["modified"]) for one in found)
    return Database([one for one in found if not one.get("withdrawn")], changed)


def affected(
    pins: dict[str, Version], advisories: Iterable[dict[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """Yield (package, advisory's id, summary) of each pinned version that an advisory is about."""
    for advisory in advisories:
        for one in advisory.get("affected", ()):
            package = one.get("package", {})
            name = plain(package.get("name", ""))
            if package.get("ecosystem") == "PyPI" and name in pins and concerns(one, pins[name]):
                summary = advisory.get("summary") or advisory.get("details", "").partition("\n")[0]
                yield name, advisory["id"], summary[:100]


def concerns(one: dict[str, Any], version: Version) -> bool:
    """Tell whether an advisory's entry for a package is about the version: listed, or in one of its ranges."""
    if any(_version(text) == version for text in one.get("versions", ())):
        return True
    ranges = (span for span in one.get("ranges", ()) if span.get("type") == "ECOSYSTEM")
    return any(_within(span.get("events", ()), version) for span in ranges)


def _within(events: Iterable[dict[str, str]], version: Version) -> bool:
    """Go through a range's events in the order of their versions, as the schema says."""
    inside = False
    known = [(kind, text, _version(text)) for event in events for kind, text in event.items()]
    for kind, text, when in sorted(known, key=lambda one: (one[1] != "0", one[2] or Version("0"))):
        if kind == "introduced" and (text == "0" or (when is not None and when <= version)):
            inside = True
        elif when is None:
            continue
        elif kind == "fixed" and when <= version or kind == "last_affected" and when < version:
            inside = False
    return inside


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def main(arguments: list[str]) -> int:
    """Print the database's date and what it says of our pins; return the exit code."""
    if len(arguments) != 1:
        print("usage: .ci/audit FILE.zip, such as OSV's of PyPI", file=sys.stderr)
        return 2
    try:
        database = read(Path(arguments[0]))
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        print(f"{arguments[0]} is no database of advisories: {error}", file=sys.stderr)
        return 2
    pins = pinned(LOCK.read_text())
    age = datetime.now(UTC) - database.changed
    print(
        f"{len(pins)} packages, {len(database.advisories)} advisories, the youngest of {database.changed:%Y-%m-%d}"
    )
    if age > STALE:
        print(f"the database is {age.days} days old: fetch a newer one", file=sys.stderr)
    found = sorted(set(affected(pins, database.advisories)))
    for name, number, summary in found:
        print(f"{name} {pins[name]}: {number}: {summary}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
