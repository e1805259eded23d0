"""A real cluster: made, killed, started again."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from mrilu.service.account import ServerError, server_account
from mrilu.service.postgres import (
    Cluster,
    buffers,
    check_processor,
    embedded_binaries,
    maintenance_memory,
    memory_of_machine,
    most_wal,
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("postgres"), durable=True) as running:
        yield running


def ask(cluster: Cluster, sql: str) -> Any:
    with psycopg.connect(cluster.url) as link:
        row = link.execute(sql).fetchone()
    assert row
    return row[0]


def test_the_database_is_there_and_holds_utf8(cluster):
    assert ask(cluster, "SELECT current_database()") == "mrilu"
    assert ask(cluster, "SHOW server_encoding") == "UTF8"
    assert ask(cluster, "SELECT datlocale FROM pg_database WHERE datname = 'mrilu'") == "C.UTF-8"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("wal_level", "minimal"),
    ],
)
def test_a_durable_server_keeps_what_it_was_told(cluster, name, value):
    assert ask(cluster, f"SHOW {name}") == value


def test_the_log_of_a_failing_statement_quotes_no_mail(cluster):
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("CREATE TABLE unlike (words text PRIMARY KEY)")
        for _ in range(2):
            try:
                link.execute("INSERT INTO unlike VALUES (%s)", ("hidden words",))
            except psycopg.errors.UniqueViolation as error:
                assert "hidden words" in str(error)  # the client is told
        with pytest.raises(psycopg.errors.DivisionByZero):
            link.execute("SELECT 'hidden words', 1 / 0")
    log = cluster.log_file().read_text()
    assert "duplicate key" in log and "division by zero" in log and "hidden" not in log


def test_the_extensions_that_we_need_can_be_made(cluster):
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for extension in ("vector", "pg_trgm", "unaccent"):
            link.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        made = {name for (name,) in link.execute("SELECT extname FROM pg_extension")}
    assert made >= {"vector", "pg_trgm", "unaccent"}


def test_what_was_committed_outlives_a_kill_9(cluster):
    with psycopg.connect(cluster.url) as link:
        link.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    cluster.kill9()
    cluster.restart()
    assert ask(cluster, "SELECT answer FROM kept") == 42


def test_an_interrupted_initdb_is_begun_anew(tmp_path):
    unmade = Cluster(tmp_path, durable=False)
    try:
        unmade.account.run(["/bin/mkdir", str(unmade.folder / "cluster.partial")])
        unmade.account.write(unmade.folder / "cluster.partial" / "PG_VERSION", "18")
        unmade.prepare()
        assert unmade.account.attempt(["/bin/ls", str(unmade.data / "PG_VERSION")]).returncode == 0
    finally:
        unmade.place.remove()


def test_data_of_another_version_is_refused_with_the_setting_named(cluster):
    version = cluster.account.run(["/bin/cat", str(cluster.data / "PG_VERSION")]).stdout
    cluster.account.write(cluster.data / "PG_VERSION", "12\n")
    try:
        with pytest.raises(ServerError, match="made by PostgreSQL 12.*POSTGRES_BIN"):
            cluster.prepare()
    finally:
        cluster.account.write(cluster.data / "PG_VERSION", version)


def test_binaries_too_old_for_new_data_are_told_with_the_setting(tmp_path, monkeypatch):
    unmade = Cluster(tmp_path)
    monkeypatch.setattr(unmade, "_server_version", lambda: "15.18")
    try:
        with pytest.raises(ServerError, match="POSTGRES_BIN: .* is PostgreSQL 15.18, 17 or newer"):
            unmade.prepare()
    finally:
        unmade.place.remove()


def test_binaries_that_cannot_be_run_are_told_with_the_setting(tmp_path):
    with pytest.raises(ServerError, match="POSTGRES_BIN"):
        embedded_binaries(server_account("nobody"), tmp_path)


@pytest.mark.parametrize(
    ("facts", "good"),
    [
        ("flags\t: fpu avx avx2\n", True),
        ("flags\t: fpu avx\n", True),
        ("flags\t: fpu sse avx512\n", False),
        ("", True),
    ],
)
def test_a_processor_without_avx_is_told_before_the_server_dies_of_it(tmp_path, facts, good):
    file = tmp_path / "cpuinfo"
    file.write_text(facts)
    if good:
        return check_processor(file)
    with pytest.raises(ServerError, match="AVX"):
        check_processor(file)


def test_a_missing_list_of_processors_is_no_obstacle():
    check_processor(Path("/no/such/file"))


@pytest.mark.parametrize(
    ("memory", "shared"), [(256, 64), (2048, 256), (8192, 1024), (500_000, 2048)]
)
def test_the_buffers_grow_with_the_memory_up_to_a_bound(memory, shared):
    assert buffers(memory) == shared


@pytest.mark.parametrize(("memory", "own"), [(256, 64), (8192, 256), (500_000, 1024)])
def test_the_memory_for_an_index_grows_with_the_memory(memory, own):
    assert maintenance_memory(memory) == own


@pytest.mark.parametrize(("free", "wal"), [(500, 1024), (40_000, 4000), (1_000_000, 8192)])
def test_a_small_disk_is_not_filled_with_wal(free, wal):
    assert most_wal(free) == wal


def test_a_server_takes_the_settings_that_its_machine_allows(cluster):
    assert ask(cluster, "SHOW shared_buffers").endswith(("MB", "GB"))
    assert ask(
        cluster, "SELECT setting::int / 128 FROM pg_settings WHERE name = 'shared_buffers'"
    ) == (cluster.shared_buffers)


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_has_the_memory_that_its_control_group_allows(tmp_path, name):
    whole = memory_of_machine(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("max\n")
    assert memory_of_machine(tmp_path) == whole
    (tmp_path / name).write_text(f"{512 * 1024**2}\n")
    assert memory_of_machine(tmp_path) == 512
