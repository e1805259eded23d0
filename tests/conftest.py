"""Servers started once a session from the wheels; each test that asks for them gets them empty."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import fields as setting_fields
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import rq.job
from peewee import PostgresqlDatabase
from redis import Redis

import models
from mrilu import migrations
from mrilu.runtime.database import database as process_database
from mrilu.runtime.database import disconnect
from mrilu.runtime.redis import redis_connection
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from mrilu.settings.table import Settings
from tests.factories import make_maildir, register

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"


SAMPLES = (
    "count_up",
    "second",
    "fail_for_good",
    "fail_for_now",
    "die",
    "NOT_CALLABLE",
)
# The tests' own jobs, which rq refuses everywhere else (mrilu/service/rq_defaults.py): for this process and its forks.
rq.job.ALSO_JOBS |= {"operator.add", *(f"tests.queues.sample_jobs.{name}" for name in SAMPLES)}


def pytest_configure() -> None:
    """Scrub the environment: no setting of the person who runs the tests may reach them."""
    names = [one.metadata["variable"] for one in setting_fields(Settings)]
    ours = [name.rstrip("*") for name in names if name.endswith("*")]
    for variable in list(os.environ):
        if variable.removesuffix("_FILE") in names or variable.startswith(tuple(ours)):
            del os.environ[variable]


@pytest.fixture(autouse=True)
def unbounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process here, and the bound on a worker's memory would stay with it for good."""
    for job in ("import_messages", "reread_messages", "link_quotes"):
        monkeypatch.setattr(f"jobs.{job}.limit_memory", lambda address_space: None)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Our commands close what they write to others (umask 077); run in this process, they would for all later tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that this process sends from now on."""
    sent: list[str] = []
    send = psycopg.Cursor.execute

    def execute(self: Any, query: Any, *arguments: Any, **facts: Any) -> Any:
        if query:  # else it is a sign of life
            sent.append(str(query))
        return send(self, query, *arguments, **facts)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    return sent


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A throw-away PostgreSQL for the session; what it holds is not worth an fsync."""
    with Cluster(tmp_path_factory.mktemp("pg"), durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A throw-away Valkey for the session."""
    with Server(tmp_path_factory.mktemp("vk")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """The URL of the session's database, with the current schema."""
    migrations.apply(models.bind(cluster.url))
    return cluster.url


@pytest.fixture
def service_settings(migrated: str, valkey: Server, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a service on the session's servers, which this process uses from now on."""
    chosen = replace(
        load({}), database_url=migrated, redis_url=valkey.url, data_dir=tmp_path / "data"
    )
    use_settings(chosen)
    yield chosen
    disconnect()
    forget_settings()


@pytest.fixture
def database(service_settings: Settings) -> PostgresqlDatabase:
    """The connected database, all tables of ours empty."""
    db = process_database()
    tables = [
        row[0]
        for row in db.execute_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    names = ", ".join(f'"{name}"' for name in tables if name != "schema_migration")
    db.execute_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    return db


@pytest.fixture
def redis_client(service_settings: Settings) -> Redis:
    """A client of the session's Valkey, which is empty."""
    client = redis_connection()
    client.flushall()
    return client


@pytest.fixture
def root(tmp_path: Path, database: PostgresqlDatabase) -> Path:
    """A Maildir, empty and registered as "test"."""
    made = make_maildir(tmp_path / "Maildir")
    register(made)
    return made


def unpacked(name: str, folder: Path) -> Path:
    """Unpack one corpus into `folder`, or skip the test with the reason."""
    archive = CORPORA / f"{name}.tar.xz"
    if not archive.exists():
        pytest.skip(f"the corpus {archive.name} is not beside the project (shared/corpora)")
    with tarfile.open(archive) as tar:
        # Python 3.11.4 brought the filter.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)
    return folder / name


@pytest.fixture(scope="session")
def lists_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Maildir++ of 17,332 list mails; never written to."""
    return unpacked("lists", tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="session")
def odd_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """428 odd mails of three projects' tests; never written to."""
    return unpacked("odd-mail", tmp_path_factory.mktemp("odd"))
