import models
from mrilu import migrations
from tests.conftest import Cluster


def test_tables_and_columns_are_those_of_the_migrations(database):
    rows = database.execute_sql(
        "SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns "
        "WHERE table_schema = 'public'"
    )
    schema: dict[str, dict[str, bool]] = {}
    for table, column, nullable in rows:
        schema.setdefault(table, {})[column] = nullable
    for model in models.ALL:
        fields = {field.column_name: field.null for field in model._meta.sorted_fields}
        assert fields == schema[model._meta.table_name], model


def test_every_table_of_the_migrations_has_a_model(database):
    tables = {
        row[0]
        for row in database.execute_sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
    }
    assert tables - {"schema_migration"} == {model._meta.table_name for model in models.ALL}


def test_migrations_are_applied_once(database):
    database.close()
    assert migrations.apply(database) == []


def test_two_starts_at_once_apply_each_step_once(cluster: Cluster):
    import subprocess
    import sys

    import psycopg

    from mrilu.settings.table import PROJECT

    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("DROP DATABASE IF EXISTS twice")
        link.execute("CREATE DATABASE twice")
    url = cluster.url.replace("/mrilu?", "/twice?")
    script = f"import models; from mrilu import migrations; print(len(migrations.apply(models.bind({url!r}))))"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    applied = sorted(int(start.communicate(timeout=60)[0]) for start in starts)
    assert applied == [0, 0, applied[-1]] and applied[-1] >= 1
