"""The table of all metrics. docs/operations.md lists them; a test compares the two.

Labels hold names of jobs, queues, Maildirs, reasons and the like: never an address or a Message-ID.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "mrilu_"


class Metric(NamedTuple):
    """One metric: its name without the prefix, its kind (counter, gauge, histogram), its labels, what it says."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str

    @property
    def full_name(self) -> str:
        """The name that is scraped."""
        return PREFIX + self.name


METRICS = (
    # the service
    Metric(
        "build_info",
        "gauge",
        ("version", "python", "parser", "schema"),
        "1; the labels hold the versions",
    ),
    Metric(
        "up",
        "gauge",
        ("service",),
        "whether postgresql, redis, the watcher and the scheduler respond",
    ),
    Metric("scrape_seconds", "gauge", (), "time taken to gather these metrics"),
    # jobs
    Metric(
        "job_runs_total",
        "counter",
        ("job", "outcome"),
        "finished runs by outcome (done, failed)",
    ),
    Metric("job_run_seconds_total", "counter", ("job", "outcome"), "total duration of these runs"),
    Metric(
        "job_items_total",
        "counter",
        ("job", "item"),
        "items that the runs counted: added, sent, imported ...",
    ),
    Metric(
        "job_running_seconds", "gauge", ("job",), "how long the current run of the job has taken"
    ),
    Metric("job_last_success_timestamp_seconds", "gauge", ("job",), "when a run last succeeded"),
    Metric(
        "job_next_run_timestamp_seconds",
        "gauge",
        ("job",),
        "when the job is scheduled next",
    ),
    # queues and workers
    Metric(
        "queue_jobs", "gauge", ("queue", "state"), "rq jobs: waiting, running, to_retry, failed"
    ),
    Metric(
        "queue_oldest_job_seconds",
        "gauge",
        ("queue",),
        "age of the oldest of the next 100 jobs of the queue",
    ),
    Metric(
        "workers",
        "gauge",
        ("queue", "state"),
        "rq workers by state (idle, busy, suspended, starting)",
    ),
    # mail
    Metric(
        "mails_total",
        "counter",
        ("result",),
        "processed files: imported, copies, rejected, moved, gone, vanished",
    ),
    Metric("messages", "gauge", (), "messages in the archive, as PostgreSQL estimates it"),
    Metric(
        "outdated_messages",
        "gauge",
        ("state",),
        "messages that an older parser read: waiting to be read again, gone (no file is left)",
    ),
    Metric("rejected_files", "gauge", ("reason",), "files on disk that are rejected"),
    Metric(
        "import_lag_seconds",
        "histogram",
        (),
        "from a file's arrival in a registered Maildir to its commit",
    ),
    Metric(
        "ledger_files",
        "gauge",
        ("maildir", "side"),
        "on_disk = imported + copies + rejected + waiting",
    ),
    Metric(
        "ledger_gap_files",
        "gauge",
        ("maildir",),
        "files that are not accounted for, or that only the database has",
    ),
    Metric(
        "vanished_files",
        "gauge",
        ("maildir",),
        "files that vanished together and are held back: is a disk away?",
    ),
    Metric(
        "ledger_checked_timestamp_seconds",
        "gauge",
        (),
        "when the ledger was drawn up last, for the three above",
    ),
    # watcher and scheduler
    Metric(
        "watcher_overflows_total",
        "counter",
        ("maildir",),
        "inotify overflows since the watcher's start",
    ),
    Metric(
        "watcher_folders", "gauge", ("maildir", "mode"), "folders watched, by mode (inotify, poll)"
    ),
    Metric("watcher_pending_paths", "gauge", (), "paths seen but not enqueued yet"),
    Metric("watcher_rescans_total", "counter", (), "rescans since the watcher's start"),
    Metric(
        "watcher_trouble",
        "gauge",
        (),
        "1 while the watcher cannot reach Redis, PostgreSQL or a Maildir",
    ),
    # what the jobs produce
    Metric(
        "embeddings_waiting",
        "gauge",
        ("kind",),
        "texts without a current vector of EMBEDDING_MODEL",
    ),
    Metric(
        "export_age_seconds",
        "gauge",
        ("language", "format"),
        "age of the copy in the cache",
    ),
    Metric("exports_failed", "gauge", (), "exports whose last build failed"),
    Metric("notifications", "gauge", ("state",), "outbox rows: waiting, sending"),
    Metric(
        "notifications_total",
        "counter",
        ("result",),
        "mails of the outbox: sent, dead, cancelled, retried; subscribers: capped",
    ),
    Metric("notification_oldest_seconds", "gauge", (), "age of the oldest notification that waits"),
    Metric(
        "notification_overdue_seconds",
        "gauge",
        (),
        "how long the most overdue notification has been due",
    ),
    Metric(
        "notifications_paused",
        "gauge",
        (),
        "1 while the mail server refuses our mail or cannot be reached",
    ),
)
