"""A batch costs what it brings: plans that were made when the tables were small read no whole table later on."""

from __future__ import annotations

from pathlib import Path

import pytest

import models
from jobs.import_messages import import_messages
from tests.factories import deliver, mail, make_maildir

BATCHES = (
    7  # PostgreSQL keeps one plan for all values after five runs; psycopg prepares after as many
)
ROWS = 4_000
# The table, and what its rows have of their own; all else is as the first row has it.
MANY = {
    "message": {"identity": "gen_random_uuid()", "node": "-n", "permalink": "-n"},
    "location": {"unique_name": "o.unique_name || n"},
    "rejected": {"unique_name": "o.unique_name || n"},
    "thread": {"id": "-n"},
    "thread_link": {"node": "-n", "thread": "-n"},
    "thread_version": {"thread": "-n"},
    "thread_edge": {"other": "-n"},
    "subject_entry": {"identity": "gen_random_uuid()", "sequence": "-n"},
    "posting_count": {"list": "-n"},
    "sender": {"key": "-n"},
}
COLUMNS = """
SELECT attname FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND (attidentity = '' OR attname = ANY(%s))
"""
READ = """
SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables
 WHERE seq_tup_read > %s AND relname <> 'incoming' ORDER BY 1
"""


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root)


def take_in(root: Path, number: int) -> None:
    """Import mails of a thread, a copy from another list, and what is no mail; then one is read, and one goes."""
    first, second = f"<{number}.1@x>", f"<{number}.2@x>"
    mails = (
        mail(first, list_id="<tea.x>"),
        mail(first, list_id="<milk.x>"),
        mail(second, list_id="<tea.x>", in_reply_to=first, references="<0.1@x>"),
        b"",
    )
    paths = [deliver(root, one) for one in mails]
    import_messages("test", paths)
    read, gone = paths[:2]
    moved = f"cur/{Path(read).name}:2,S"
    (root / read).rename(root / moved)
    (root / gone).unlink()
    import_messages("test", [read, moved, gone])


def multiply(table: str, own: dict[str, str]) -> None:
    """Copy the first row of a table ROWS times, with values of their own for some columns."""
    names = [name for (name,) in models.db.execute_sql(COLUMNS, (table, list(own)))]
    values = ", ".join(own.get(name, f"o.{name}") for name in names)
    models.db.execute_sql(
        f"INSERT INTO {table} ({', '.join(names)}) OVERRIDING SYSTEM VALUE "  # noqa: S608 - all of it is ours
        f"SELECT {values} FROM (SELECT * FROM {table} LIMIT 1) AS o, generate_series(1, {ROWS}) AS n"
    )


def test_a_batch_reads_no_whole_table_that_grew_meanwhile(root: Path) -> None:
    take_in(root, 0)
    models.db.execute_sql("ANALYZE")
    for number in range(1, BATCHES + 1):
        take_in(root, number)
    for table, own in MANY.items():
        multiply(table, own)
    with models.db.atomic():
        take_in(root, BATCHES + 1)
        read = models.db.execute_sql(READ, (ROWS // 2,)).fetchall()
    assert not read, read
