"""An encoder that shares words, a Maildir that is registered and a small archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import embed_missing as job
from tests.embeddings.made import FakeEncoder
from tests.factories import mail
from tests.search.made import NEW, OLD, receive
from tests.search.many import times  # noqa: F401 - a fixture


@pytest.fixture
def encoder(database, redis_client, monkeypatch: pytest.MonkeyPatch) -> FakeEncoder:
    made = FakeEncoder()
    monkeypatch.setattr(job, "find_model", lambda source: made.model)
    monkeypatch.setattr(job, "load_encoder", lambda model, device: made)
    return made


@pytest.fixture
def archive(root: Path) -> Path:
    """Four mails of two lists; the last two are a thread."""
    attachment = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n', "--b\nContent-Type: text/plain\n\n"
        "The figure is here.\n--b\nContent-Type: image/png; name=cats.png\nContent-Disposition: attachment; "
        "filename=cats.png\n\nx\n--b--\n",
    )  # fmt: skip
    receive(
        root,
        mail(
            "<1@x>",
            subject="Feeding",
            body="cats eat fish\n",
            date=OLD,
            sender="Ann <ann@cats.example>",
            list_id="<a.x>",
        ),
        mail(
            "<2@x>",
            subject="Pictures",
            body=attachment[1],
            more=attachment[0],
            date=NEW,
            sender="Bob <bob@x>",
            list_id="<b.x>",
        ),
        mail(
            "<3@x>",
            subject="Cafés",
            body="coi .a'u rodo, le café\n",
            date=NEW,
            more="To: Eve <eve@y>\n",
            list_id="<b.x>",
        ),
        mail(
            "<4@x>",
            subject="Re: Cafés",
            body="> le café\n日本語でいい\n",
            date=NEW,
            references="<3@x>",
            list_id="<b.x>",
        ),
    )
    return root
