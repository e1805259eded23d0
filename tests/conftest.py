"""Servers started once a session from the wheels; each test that asks for them gets them empty."""

from __future__ import annotations

import importlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase
from redis import Redis

import migrations
import models
from jobs import resources
from local.install import HOOK
from local.postgres import Cluster
from local.valkey import Server
from settings import Settings, load
from settings import fields as setting_fields
from tests.factories import make_maildir, register

rq_defaults = importlib.import_module(HOOK)  # as setup put it into the .venv
rq_defaults.ALSO.extend(["tests.", "operator."])  # what tests let a worker run

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"


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
    monkeypatch.setattr("jobs.import_messages.limit_memory", lambda address_space: None)


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
    chosen = replace(load({}), database_url=migrated, redis_url=valkey.url, data_dir=tmp_path / "data")
    resources.use(chosen)
    yield chosen
    resources.forget()


@pytest.fixture
def database(service_settings: Settings) -> PostgresqlDatabase:
    """The connected database, all tables of ours empty."""
    db = resources.database()
    tables = [row[0] for row in db.execute_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    names = ", ".join(f'"{name}"' for name in tables if name != "schema_migration")
    db.execute_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    return db


@pytest.fixture
def redis_client(service_settings: Settings) -> Redis:
    """A client of the session's Valkey, which is empty."""
    client = resources.redis_connection()
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
        tar.extractall(folder, filter="data")
    return folder / name


@pytest.fixture(scope="session")
def lists_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Maildir++ of 17,332 list mails; never written to."""
    return unpacked("lists", tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="session")
def odd_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """428 odd mails of three projects' tests; never written to."""
    return unpacked("odd-mail", tmp_path_factory.mktemp("odd"))
