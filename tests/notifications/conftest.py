from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from peewee import PostgresqlDatabase

from jobs.import_messages import import_messages
from jobs.send_notifications import delivery_of
from mrilu.notifications import subscriptions
from mrilu.runtime.database import database as process_database
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings
from tests.factories import deliver, mail, make_maildir, register
from tests.notifications.postoffice import PostOffice

FROM = "mrilu <notify@archive.example>"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority of the tests."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def certified(authority: trustme.CA) -> Callable[[str], ssl.SSLContext]:
    """A function that returns the context of a server with a certificate for that name."""

    def context(name: str) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(made)
        return made

    return context


@pytest.fixture
def office() -> Iterator[PostOffice]:
    """A server that takes everything."""
    with PostOffice() as running:
        yield running


@pytest.fixture
def configured(service_settings: Settings, database: PostgresqlDatabase) -> Callable[..., Settings]:
    """A function that makes this process use other settings, such as an office's port."""

    def configure(office: PostOffice | None, **changes: object) -> Settings:
        url = f"smtp://127.0.0.1:{office.port}" if office else None
        facts = {
            "smtp_url": url,
            "mail_from": FROM,
            "smtp_timeout": 0.5,
            "site_url": "https://archive.example",
        }
        chosen = replace(
            service_settings, **{**facts, "mail_rate": 10**6, "domain_rate": 10**6, **changes}
        )
        use_settings(chosen)
        process_database()
        return chosen

    return configure


@pytest.fixture
def arrive(tmp_path: Path, database: PostgresqlDatabase) -> Callable[..., None]:
    """A function that delivers a mail of today and imports it."""
    root = make_maildir(tmp_path / "Maildir")
    register(root)

    def deliver_now(message_id: str | None = None, **facts: str) -> None:
        dated = {"date": format_datetime(datetime.now(UTC)), **facts}
        raw = mail(message_id, **dated)  # type: ignore[arg-type]
        assert import_messages("test", [deliver(root, raw)]) == {"imported": 1}

    return deliver_now


@pytest.fixture
def search_for(database: PostgresqlDatabase) -> Callable[..., None]:
    """A function that saves a search for some addresses."""

    def save(query: str, *addresses: str, **facts: object) -> None:
        db = process_database()
        target = subscriptions.target_for_query(db.connection(), query)
        for address in addresses:
            assert subscriptions.subscribe(db, address, target, **facts)

    return save


def run(settings: Settings, **changes: object) -> dict[str, int]:
    """Send what is due now and return the counts."""
    delivery = delivery_of(process_database(), settings)
    for name, value in changes.items():
        setattr(delivery, name, value)
    return dict(delivery.run())
