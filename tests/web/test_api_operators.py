"""The JSON of the machine room: as described, for operators alone, and honest where a server is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import peewee
import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.import_messages import import_messages
from jobs.upkeep import upkeep
from models import JobRun, Maildir, Notification, Rejected, Subscriber
from mrilu.mail.permalinks import hash_of
from mrilu.openapi.table import SCHEMAS
from tests.factories import deliver, mail, make_maildir, register
from tests.web.conftest import Ask
from tests.web.test_api import check, operation
from tests.web.test_operators import PASSWORD, log_in, token_in

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
PLACES = ("/status.json", "/status/rejected/1.json", f"/m/{hash_of('1@x')}/history.json")


@pytest.fixture
def filled(tmp_path: Path, operator: FlaskClient) -> Maildir:
    """A Maildir of a mail, its copy and a rejected file, with a lost one and a notification that was given up."""
    maildir = register(make_maildir(tmp_path / "Maildir"), "lists")
    root = Path(maildir.root)
    paths = [deliver(root, mail("<1@x>")) for _ in range(2)]
    import_messages("lists", [*paths, deliver(root, b"\0 for me@inside.example\n")])
    deliver(root, mail("<2@x>"))
    upkeep()
    JobRun.record(
        "upkeep", "", NOW, NOW + timedelta(seconds=1), {}, "ValueError: me@inside.example"
    )
    subscriber = Subscriber.create(
        address="me@there.example", locale="en", timezone="UTC", digest="none", digest_hour=0, unsubscribed=0,
        suppressed_at=NOW, suppressed_reply="550", created_at=NOW,
    )  # fmt: skip
    Notification.insert(
        subscriber=subscriber.id, subscription=1, kind="word", subject=1, state="dead", attempts=9,
        finished_at=NOW, reply="550 me@there.example is unknown",
    ).execute()  # fmt: skip
    return maildir


def test_the_machine_room_is_as_described(filled: Maildir, operator: FlaskClient) -> None:
    answer = operator.get("/status.json")
    assert answer.status_code == 200 and "no-store" in answer.headers["Cache-Control"]
    found = check(answer, operation("status"))
    assert set(found) == set(SCHEMAS["Status"]["properties"])
    ledger = found["ledgers"][0]
    names = ("maildir", "on_disk", "imported", "copies", "rejected", "state")
    assert [ledger[name] for name in names] == ["lists", 4, 1, 1, 1, "gap"]
    assert (found["down"], found["rejected_by_reason"]) == ([], {"no-header": 1})
    assert len(found["hours"]) == 25 and sum(one["imported"] for one in found["hours"]) == 1
    assert {one["name"] for one in found["queues"]} >= {"mail", "default"}
    assert (
        found["given_up"][0]["attempts"] == 9
        and "The ledger of lists has a gap." in found["troubles"]
    )
    assert "inside.example" not in answer.text and "there.example" not in answer.text
    again = operator.get("/status.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_rejected_file_and_a_message_have_their_history(
    filled: Maildir, operator: FlaskClient
) -> None:
    row = Rejected.get()
    found = check(operator.get(f"/status/rejected/{row.id}.json"), operation("rejected"))
    assert found["file"]["reason"] == row.reason and found["lines"] and not found["problem"]
    assert "inside.example" not in str(found)
    assert check(operator.get("/status/rejected/999.json"))["status"] == 404
    place = f"/m/{hash_of('1@x')}/history"
    (one,) = check(operator.get(f"{place}.json"), operation("message_history"))["messages"]
    assert [file["copy"] for file in one["files"]] == [False, True] and one["message_id"] == "1@x"
    assert "withheld" not in one
    form = {"token": token_in(operator), "reason": "asked for"}
    operator.post(f"/m/{hash_of('1@x')}/withhold", data=form)
    (one,) = check(operator.get(f"{place}.json"), operation("message_history"))["messages"]
    assert one["withheld"]["reason"] == "asked for"


@pytest.mark.parametrize("accept", ["application/json", "*/*", HTML])
def test_strangers_are_refused_in_json_at_either_address(
    open_pages: Ask, redis_client: Redis, accept: str
) -> None:
    stranger = open_pages(operator_password=PASSWORD)
    for place in PLACES:
        answer = stranger.get(place, headers={"Accept": accept})
        assert check(answer)["status"] == 401 and answer.headers["WWW-Authenticate"], place
        beside = stranger.get(place.removesuffix(".json"), headers={"Accept": accept})
        assert beside.status_code in (401, 303), place
    wrong = stranger.get("/status.json", headers={"Authorization": "Basic bWU6bm8="})
    assert check(wrong)["status"] == 401
    log_in(stranger)
    assert check(stranger.get("/status.json"), operation("status"))["down"] == []


def test_what_a_server_that_is_away_would_have_told_is_absent(
    filled: Maildir, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise peewee.OperationalError("away")

    monkeypatch.setattr("mrilu.web.queries.status.Hour.since", away)
    answer = operator.get("/status", headers={"Accept": "application/json"})
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    found = answer.json
    assert found["down"] == ["PostgreSQL"] and "queues" in found and "hours" not in found  # type: ignore[index]
