"""What the documents name is there."""

from __future__ import annotations

import ast
import re

import pytest

from jobs.schedule import SCHEDULE
from mrilu.queues import blame
from mrilu.settings.table import PROJECT

DOCS = PROJECT / "docs"
DOCUMENTS = [
    DOCS / "guarantees.md",
    DOCS / "architecture.md",
    DOCS / "operations.md",
    DOCS / "security.md",
    PROJECT / "CONTRIBUTING.md",
]
FOLDERS = "jobs|watcher|mrilu|bench|docs"
EXAMPLE = "count_threads"  # CONTRIBUTING's, which is for the reader to write


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_test_and_file_that_a_document_names_is_there(document):
    text = document.read_text().replace(EXAMPLE, "...")
    for file, test in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text):
        assert (PROJECT / file).exists(), file
        assert not test or f"def {test}(" in (PROJECT / file).read_text(), test
    for name in re.findall(rf"`((?:{FOLDERS})/[\w/]+\.(?:py|md|sql))`", text):
        assert (PROJECT / name).exists(), name
    for link in re.findall(r"\]\(([\w./]+)\)", text):
        assert (document.parent / link).exists(), link


def test_the_hops_of_the_two_walks_are_there():
    text = (DOCS / "architecture.md").read_text()
    hops = re.findall(r"^    ([\w/]+\.py) +(.*)$", text, re.MULTILINE)
    assert len(hops) > 15
    for file, hop in hops:
        code = (PROJECT / file).read_text()
        for name in re.findall(r"^(?:\w+\.)?(\w+):", hop):
            assert re.search(rf"\b(?:def|class) {name}\b|^{name} = ", code, re.MULTILINE), hop


def test_every_promise_has_a_test():
    text = (PROJECT / "docs" / "guarantees.md").read_text()
    rows = [
        row for row in text.splitlines() if row.startswith("| ") and not row.startswith("| promise")
    ]
    assert len(rows) > 20
    assert all("`tests/" in row or "`python -m bench" in row for row in rows)
    promises = [row.split(" | ")[0] for row in rows]
    assert sorted(set(promises)) == sorted(promises)


def _when(cron: str) -> str:
    """Return the README's words for a cron string of the schedule."""
    minute, hour = cron.split()[:2]
    if minute == "*":
        return "every minute"
    if minute.startswith("*/"):
        return f"every {minute[2:]} minutes"
    if hour == "*":
        return f"hourly at :{int(minute):02}"
    return f"daily {int(hour):02}:{int(minute):02}"


@pytest.mark.parametrize("row", SCHEDULE, ids=lambda row: row.id)
def test_the_readme_says_when_a_job_runs(row):
    told = re.search(
        rf"^\| `{row.id}` \| (.*?) \|", (PROJECT / "README.md").read_text(), re.MULTILINE
    )
    assert told is not None
    times = told[1].split(", ")
    assert times[0] == _when(row.cron)
    assert ("at start" in times) == row.at_start


def _reasons() -> set[str]:
    """Return the reasons for which files are rejected, as the code has them."""
    found = {blame.KILLED, blame.TOO_SLOW, blame.RAISED}
    places = {"RejectedMail": 0, "Rejection": 1}
    for path in (PROJECT / "mrilu").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            place = places.get(getattr(getattr(node, "func", None), "id", ""), -1)
            if place >= 0 and isinstance(node.args[place], ast.Constant):
                found.add(node.args[place].value)
    return found


def test_the_readme_names_each_reason_for_which_a_file_is_rejected():
    text = (PROJECT / "README.md").read_text()
    told = text[text.index("A file is rejected") : text.index("No file is ever deleted")]
    assert _reasons() == set(re.findall(r"`([a-z-]+)`", told)) - {"rejected"}
