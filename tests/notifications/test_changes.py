"""What an edit of a definition changed."""

from __future__ import annotations

import pytest

from mrilu.notifications.changes import Change, changes_of, is_edited


def gloss(text, sense="", place=0):
    return {"text": text, "sense": sense, "place": place}


ENTRY = {
    "word": "klama", "type": "gismu", "unofficial": False, "rafsi": ["kla"], "selmaho": "", "username": "a",
    "realname": "A", "definition": "x1 goes", "source_id": 1, "notes": "old", "score": 1.0,
    "glosses": [gloss("come"), gloss("goer", "person", 1)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        ({"glosses": [*ENTRY["glosses"], gloss("go")]}, [Change("glosses", added=("go",))]),
        ({"glosses": [gloss("come")]}, [Change("glosses", removed=("goer (person) [x1]",))]),
        ({"glosses": ENTRY["glosses"][::-1]},
         [Change("glosses", "come; goer (person) [x1]", "goer (person) [x1]; come")]),
        ({"notes": "new"}, [Change("notes", "old", "new")]),
        ({"notes": ""}, [Change("notes", "old", "")]),
        ({"rafsi": ["kla", "ka'a"]}, [Change("rafsi", added=("ka'a",))]),
        ({"type": "cmavo", "selmaho": "UI"}, [Change("type", "gismu", "cmavo"), Change("selmaho", "", "UI")]),
        ({"unofficial": True}, [Change("unofficial", "−", "+")]),
        ({"definition": "x1 comes"}, []),
        ({"score": 2.0, "username": "b", "realname": "B"}, []),
    ],
)  # fmt: skip
def test_each_field_says_what_changed(edit, changes):
    after = {**ENTRY, **edit}
    assert list(changes_of(ENTRY, after)) == changes
    assert is_edited(ENTRY, after) == bool(changes or "definition" in edit)


def test_a_field_that_a_version_lacks_is_empty():
    after = {**ENTRY, "etymology": "from kla", "tags": ["travel"]}
    assert list(changes_of(ENTRY, after)) == [
        Change("etymology", "", "from kla"),
        Change("tags", added=("travel",)),
    ]
    assert is_edited(after, ENTRY) and not is_edited(ENTRY, {**ENTRY, "etymology": "", "tags": []})


def test_glosses_with_further_facts_are_told_apart():
    before = {**ENTRY, "glosses": [gloss("go")]}
    after = {**ENTRY, "glosses": [{**gloss("go"), "kind": "verb"}]}
    [change] = changes_of(before, after)
    assert change.added == ("go kind: verb",) and change.removed == ("go",)
