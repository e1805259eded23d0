"""What the documents name is there."""

from __future__ import annotations

import re

import pytest

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
