"""The class of the mail workers: rq's SimpleWorker, with what an import needs loaded before the first mail comes.

`rq worker-pool mail -w jobs.workers.MailWorker` imports this module once and forks its workers from there, so
neither the first mail nor a worker that takes a dead one's place waits for imports (0.4 s). No connection is opened.
"""

from __future__ import annotations

import logging
import threading

import chardet  # noqa: F401 - the parser loads it with the first 8-bit text without a charset
import resiliparse.extract.html2text  # noqa: F401 - the parser loads it with the first HTML mail
from redis import RedisError
from rq import Queue
from rq.job import Job
from rq.worker import SimpleWorker

import jobs.import_messages  # noqa: F401
from mrilu.queues.queues import LIVE, give_turn

logger = logging.getLogger(__name__)

LEFT_PAUSE = (
    0.2  # seconds after a job that was left to another host: a long queue of them is no busy loop
)
IN_A_ROW = 4  # live jobs, after which one that waits has its turn


class MailWorker(SimpleWorker):
    """Runs each job in its own process: 2 ms from the queue to the job's first line, 8 with a fork.

    After IN_A_ROW live jobs without a pause the backlog's oldest job has its turn, then the oldest live one.
    """

    live_in_a_row = 0
    _rest = threading.Event()  # never set

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job as rq does, and see to it that live mail alone does not keep the worker."""
        super().execute_job(job, queue)
        if jobs.import_messages.was_left(job):
            self._rest.wait(LEFT_PAUSE)
        self.live_in_a_row = self.live_in_a_row + 1 if job.id.startswith(LIVE) else 0
        if self.live_in_a_row and self.live_in_a_row % IN_A_ROW == 0:
            try:
                give_turn(queue, backlog=self.live_in_a_row % (2 * IN_A_ROW) == IN_A_ROW)
            except RedisError as error:
                logger.warning("nothing else has its turn: %s", type(error).__name__)
