"""Let the message index keep a short list of unsorted entries: each search reads that list from end to end.

At 32 MB (step 1) a whole first import stayed in it, and each search took 20 ms more until the next VACUUM. At 4 MB it
is 2 ms, and the importers merge the list on both processors instead of leaving it all to the end.
"""

STATEMENT = "ALTER INDEX message_search SET (gin_pending_list_limit = 4096)"


def up(migrator, db):
    """Change the setting; entries that wait already are merged by the next mail or VACUUM."""
    db.execute_sql(STATEMENT)
