"""New mail is found by its meaning within a minute, without waiting for the hour."""

from __future__ import annotations

import json

import pytest

from tests.factories import deliver, mail


def test_a_mail_that_just_came_is_found_by_what_it_means(service):
    pytest.importorskip("sentence_transformers", reason="the packages for meaning are not installed")
    service.start()
    body = "The kettle boils; put the leaves into the pot.\n"
    deliver(service.maildir, mail("<tea@x>", subject="Brewing", body=body))

    def found() -> bool:
        done = service.run("search", "--meaning", "--json", "how to make a hot drink")
        if done.returncode:
            return False
        pages = json.loads(done.stdout)
        return "tea@x" in json.dumps(pages)

    service.until(found, 60)
