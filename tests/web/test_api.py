"""The JSON beside the pages: what it holds is what its description says, and no more than the pages show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from models import Definition, DefinitionVersion, Language, LedgerCheck, Maildir, Sentence, Word
from mrilu.openapi.document import openapi, path_of
from mrilu.openapi.shapes import Operation
from mrilu.openapi.table import BESIDE, OPERATIONS, SCHEMAS
from mrilu.web.routes import api
from tests.web.conftest import LIST, Ask, Import, entry, hide

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def check(answer: Any, operation: Operation | None = None) -> dict[str, Any]:
    """Return the JSON of an answer, after it was compared with the schema of the operation, or of an error."""
    name = operation.schema if operation and answer.status_code == 200 else "Error"
    assert answer.content_type == "application/json", answer.text[:200]
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
    errors = list(Draft202012Validator(root).iter_errors(answer.json))
    assert not errors, errors
    return dict(answer.json)


def operation(name: str) -> Operation:
    return next(one for one in OPERATIONS if one.name == name)


@pytest.fixture
def filled(take_in: Import, pages: FlaskClient) -> str:
    """The hash of a message with an answer; words, a sentence, an export and a ledger are there, too."""
    one = take_in(
        "one@x",
        subject="green tea",
        body="klama bob@people.example\n",
        sender="Ann <ann@x.example>",
    )
    take_in("two@x", subject="Re: green tea", in_reply_to="<one@x>", body="> klama\nyes\n")
    language = Language.create(tag="en", name="English", source="x", synced_at=NOW)
    word = Word.create(word="klama", type="gismu")
    facts = {
        "notes": "",
        "selmaho": "",
        "username": "",
        "realname": "",
        "search": "klama",
        "type": "gismu",
    }
    Definition.create(
        language=language.id, word=word.id, source_id=1, text="to come", rafsi=["kla"], added_at=NOW,
        changed_at=NOW, content_hash="0" * 32, **facts,
    )  # fmt: skip
    DefinitionVersion.create(
        definition=Definition.get().id, version=1, change="added", bulk=False, recorded_at=NOW,
        content=entry("klama", 1, "to come", rafsi=("kla",)).content(),
    )  # fmt: skip
    Sentence.create(
        pair_hash="0" * 32,
        lojban="mi klama",
        english="I come",
        rating="",
        added_at=NOW,
        changed_at=NOW,
    )
    Maildir.update(watched=True).execute()
    row = {
        "checked_at": NOW,
        "complete_to": NOW,
        "waiting": 0,
        "rejected": 0,
        "trouble": "",
        "seconds": 0,
    }
    LedgerCheck.insert(maildir=Maildir.get().id, **row).execute()
    return one


OPERATORS = frozenset(("status", "rejected", "message_history"))
# Pages that act, and a letter's own HTML: nothing on them is for programs.
NO_DATA = frozenset(
    (
        "files.letter", "operators.ask_password", "operators.ask_withhold", "subscribing.ask_confirm",
        "subscribing.ask_subscribe", "subscribing.ask_unsubscribe", "subscribing.show_preferences",
    )
)  # fmt: skip


def addresses(one: str) -> Iterator[tuple[str, str]]:
    yield from (
        ("lists", "/lists.json"),
        ("mailing_list", f"/l/{LIST}.json"),
        ("month_of_list", f"/l/{LIST}/2025-10.json"),
        ("thread", f"/t/{one}.json"),
        ("message", f"/m/{one}.json"),
        ("find", "/search.json?q=klama"),
        ("find", "/search.json?q=klama&by=thread"),
        ("find", "/search.json?q=klama&in=word"),
        ("find", "/search.json?q=klama&in=sentence"),
        ("similar", f"/t/{one}/similar.json"),
        ("word", "/w/klama.json"),
        ("word_then", f"/w/klama/at/{NOW.date()}.json"),
        ("word_history", "/w/klama/history.json"),
        ("words", "/words.json"),
        ("words", f"/words.json?q=kl*&at={NOW.date()}"),
        ("exports", "/exports.json"),
        ("why", "/why.json?id=one@x"),
    )


def test_each_answer_is_as_described(filled: str, pages: FlaskClient) -> None:
    named = dict(addresses(filled))
    assert set(named) == {one.name for one in OPERATIONS} - OPERATORS
    for name, path in addresses(filled):
        answer = pages.get(path)
        assert answer.status_code == 200, path
        found = check(answer, operation(name))
        assert any(found.values()) or name == "exports", path
        assert "people.example" not in answer.text and "x.example" not in answer.text, path
        again = pages.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304, path


def test_what_is_told_is_what_is_there(filled: str, pages: FlaskClient) -> None:
    thread = pages.get(f"/t/{filled}.json").json
    assert thread["messages"] == 2 and thread["items"][0]["message_id"] == "one@x"
    assert thread["items"][1]["own_text"] == "yes" and thread["items"][1]["in_reply_to"] == [
        "one@x"
    ]
    listed = pages.get(f"/l/{LIST}.json").json
    assert listed["messages"] == 2 and listed["ledger"]["complete_to"] == "2026-01-01T00:00:00Z"
    assert listed["threads"][0]["url"] == f"/t/{filled}/"
    assert pages.get("/w/klama.json").json["definitions"][0]["rafsi"] == ["kla"]
    assert len(pages.get("/search.json?q=klama&in=sentence").json["hits"]) == 1
    facets = pages.get("/search.json?q=klama").json["facets"]
    assert facets["total"] == 1 and facets["authors"][0]["name"] == "Ann"
    assert facets["years"][0]["url"] == "/search?q=klama+after%3A2025+before%3A2026"


def test_a_page_is_json_where_the_client_prefers_it(filled: str, pages: FlaskClient) -> None:
    for page, path in (("/", "/lists.json"), (f"/l/{LIST}/", f"/l/{LIST}.json"), (f"/t/{filled}/", f"/t/{filled}.json"),
                       (f"/m/{filled}/", f"/m/{filled}.json"), ("/w/klama", "/w/klama.json")):  # fmt: skip
        answer = pages.get(page, headers={"Accept": "application/json"})
        assert answer.json == pages.get(path).json and "Accept" in answer.vary, page
        for accepted in ("text/html,application/json;q=0.9", "*/*", ""):
            assert pages.get(page, headers={"Accept": accepted}).mimetype == "text/html", page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/l/none.json", 404),
        (f"/l/{LIST}/2025-13.json", 404),
        (f"/l/{LIST}/1999-01.json", 404),
        ("/t/x.json", 404),
        ("/m/x.json", 404),
        ("/w/nothing.json", 404),
        ("/why.json?id=never@x", 404),
        ("/why.json", 400),
        ("/search.json?q=before:never", 400),
        ("/nothing.json", 404),
    ],
)
def test_errors_are_json(filled: str, pages: FlaskClient, path: str, status: int) -> None:
    answer = pages.get(path)
    assert answer.status_code == status and check(answer)["status"] == status
    if "search" in path:
        assert answer.json["column"] == 1


def test_pages_lead_on_until_the_end(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrilu.web.routes.lists.ON_LIST", 2)
    monkeypatch.setattr(api, "MOST_OF_THREAD", 2)
    hashes = [take_in("0@x")] + [take_in(f"{n}@x", references="<0@x>") for n in range(1, 5)]
    alone = {take_in(f"alone{n}@x", subject=f"alone {n}") for n in range(4)}
    seen, place = [], f"/t/{hashes[0]}.json"
    while place:
        found = check(pages.get(place), operation("thread"))
        seen += [one["hash"] for one in found["items"]]
        place = found.get("next", "")
    assert sorted(seen) == sorted(hashes)
    listed, place = [], f"/l/{LIST}.json"
    while place:
        found = check(pages.get(place), operation("mailing_list"))
        listed += [one["newest"]["hash"] for one in found["threads"]]
        place = found.get("next", "")
    assert len(listed) == 5 and alone < set(listed)


def test_what_is_withheld_or_closed_is_so_here_too(
    filled: str, pages: FlaskClient, open_pages: Ask
) -> None:
    strangers = open_pages(private_lists=(LIST,))
    for name, path in addresses(filled):
        answer = strangers.get(path)
        assert "green tea" not in answer.text and LIST not in answer.text.replace(path, ""), name
        assert "klama bob" not in answer.text, name
    hide(filled)
    assert pages.get(f"/m/{filled}.json").status_code == 410
    items = check(pages.get(f"/t/{filled}.json"), operation("thread"))["items"]
    assert {"hash": filled, "withheld": True} in items
    assert pages.get("/why.json?id=one@x").json["state"] == "withheld"


@pytest.mark.parametrize(
    ("place", "items"),
    [(f"/l/{LIST}.json", "threads"), ("/l/{}/{}.json", "threads"), ("/t/{}.json", "items")],
)
def test_what_did_not_change_is_told_without_its_messages(
    filled: str,
    pages: FlaskClient,
    take_in: Import,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    items: str,
) -> None:
    month = pages.get(f"/l/{LIST}.json").json["months"][0]["month"]
    place = place.format(filled) if place.startswith("/t/") else place.format(LIST, month)
    first = pages.get(place)
    tag = first.headers["ETag"]
    with monkeypatch.context() as patched:
        patched.setattr(api, "jsonify", None)
        assert pages.get(place, headers={"If-None-Match": tag}).status_code == 304
    take_in("three@x", subject="Re: green tea", in_reply_to="<one@x>")
    take_in("other@x", subject="black tea")
    second = pages.get(place, headers={"If-None-Match": tag})
    assert second.status_code == 200 and len(second.json[items]) == len(first.json[items]) + 1
    hide(filled)
    last = pages.get(place, headers={"If-None-Match": second.headers["ETag"]})
    assert last.status_code == 200 and last.json != second.json


def test_the_description_names_each_route_with_its_parameters(pages: FlaskClient) -> None:
    described = pages.get("/openapi.json").json
    rules = {path_of(one): set(re.findall(r"<(?:\w+:)?(\w+)>", one.rule)) for one in OPERATIONS}
    routes = {
        str(rule): rule.arguments
        for rule in pages.application.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.description"
    }
    assert {one.rule: rules[path_of(one)] for one in OPERATIONS} == routes
    assert set(described["paths"]) == set(rules)
    for path, names in rules.items():
        given = described["paths"][path]["get"]["parameters"]
        assert {one["name"] for one in given if one["in"] == "path"} == names
    assert described["openapi"] == "3.1.0" and described["servers"][0]["url"].startswith("http")
    Draft202012Validator.check_schema({"$defs": SCHEMAS})
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(described)))
    assert named == set(described["components"]["schemas"])


def test_each_page_beside_which_json_stands_is_there(pages: FlaskClient) -> None:
    endpoints = {rule.endpoint for rule in pages.application.url_map.iter_rules()}
    assert {one.page for one in OPERATIONS} <= endpoints
    assert openapi("http://x")["servers"] == [{"url": "http://x"}]


def test_each_page_has_json_beside_it_or_is_a_form(filled: str, operator: FlaskClient) -> None:
    values = {
        "name": LIST, "month": "2025-10", "word": "klama", "message_hash": filled, "day": f"{NOW.date()}",
    }  # fmt: skip
    shown = set()
    for rule in operator.application.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint.startswith("rq_dashboard."):  # type: ignore[operator]
            continue
        place = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), str(rule))
        for query in ("", "?q=klama", "?id=one@x"):
            with operator.get(place + query) as answer:
                if answer.status_code == 200 and answer.mimetype == "text/html":
                    shown.add(rule.endpoint)
    assert {"status.status", "words.history", "why.why", "operators.ask_withhold"} <= shown
    assert shown - set(BESIDE) <= NO_DATA
    assert not NO_DATA & set(BESIDE)
