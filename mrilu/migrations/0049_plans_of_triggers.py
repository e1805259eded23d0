"""The triggers of imports look rows up by index, also where their plans were made when the tables were small.

PL/pgSQL keeps a plan for as long as the session lives, or until the table is analyzed next. One that was made at the
start of a first import reads a whole table for each batch, and the table grows: of 200,000 messages that were
42,000,000 rows of thread_link.
"""

# Each function is changed in a transaction of its own, and can be changed again.
atomic = False

FUNCTIONS = (
    "count_postings()",
    "touch_threads(bigint[])",
    "touch_months(bigint[], date[])",
    "touch_for_new_messages()",
    "touch_for_messages()",
    "touch_for_new_links()",
    "touch_for_links()",
    "touch_for_quotes()",
    "note_names()",
    "note_new_names()",
    "quote_forget()",
)


def up(migrator, db):
    """Let none of these functions read whole tables; `migrator` and `db` come from playhouse.migrations."""
    for function in FUNCTIONS:
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(f"ALTER FUNCTION {function} SET enable_seqscan = off")
