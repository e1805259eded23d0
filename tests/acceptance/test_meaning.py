"""New mail is found by its meaning within a minute, without waiting for the hour."""

from __future__ import annotations

import json

import pytest

from tests.factories import deliver, mail


def test_a_mail_that_just_came_is_found_by_what_it_means(service):
    pytest.importorskip(
        "sentence_transformers", reason="the packages for meaning are not installed"
    )
    service.start()
    body = "The kettle boils; put the leaves into the pot.\n"
    deliver(service.maildir, mail("<tea@x>", subject="Brewing", body=body))

    def found() -> bool:
        done = service.run("search", "--meaning", "--json", "how to make a hot drink")
        return done.returncode == 0 and "tea@x" in json.dumps(json.loads(done.stdout))

    service.until(found, 60)
    assert service.run("search", "--text", "how to make a hot drink").returncode, (
        "by its words it would be no proof"
    )
