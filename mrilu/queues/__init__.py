"""How the table of periodic jobs is put on rq-scheduler: slots, the table's checks, the scheduler."""
