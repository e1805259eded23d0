"""Work in Redis: the queues and their jobs, what a dead worker left, the table of periodic jobs on rq-scheduler."""
