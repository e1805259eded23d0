"""What becomes of each row, by what the mail server does: a real one, in process."""

from __future__ import annotations

from models import Notification
from tests.jobs.notification.conftest import FROM, run


def rows(field: str = "state") -> dict[str, object]:
    """One field of every row, by the subscriber's address."""
    from models import Subscriber

    addresses = {row.id: row.address for row in Subscriber.select()}
    return {addresses[row.subscriber]: getattr(row, field) for row in Notification.select()}


def test_a_saved_search_that_a_new_mail_matches_becomes_one_mail(office, configured, arrive, search_for):
    search_for("coi -spam", "a@x.org")
    arrive(subject="coi do")
    assert run(configured(office)) == {"sent": 1}
    [mail] = office.accepted
    assert (mail.sender, mail.recipient) == ("notify@archive.example", "a@x.org")
    assert mail.message["From"] == FROM and mail.message["Subject"] == "Found for “coi -spam”: coi do"
    assert rows() == {"a@x.org": "sent"} and rows("reply") == {"a@x.org": "DATA: 250 2.0.0 OK"}
    assert run(configured(office)) == {} and len(office.accepted) == 1
