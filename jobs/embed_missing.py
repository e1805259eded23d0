"""Gives every definition, sentence and message without a current vector one; hourly, and soon after new mail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from peewee import PostgresqlDatabase

from models import EmbeddingModel, lack_of_vectors
from mrilu.embeddings.backlog import embed_backlog
from mrilu.embeddings.encoder import load_encoder
from mrilu.embeddings.index import drop_indexes_of_others, ensure_indexes
from mrilu.embeddings.model import Model, NotInstalled, find_model
from mrilu.embeddings.progress import report
from mrilu.embeddings.sources import count_waiting
from mrilu.embeddings.store import forget_gone
from mrilu.queues.queues import MAIL, queue
from mrilu.queues.runs import recorded
from mrilu.queues.wake import ask_for_run, heard_wake
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0  # mail that arrives one by one is embedded in groups
RUN_SECONDS = 1500.0  # then another run goes on, so that other work of the queue gets its turn
BACKLOG = 4  # import jobs that wait: more than live mail makes
STUCK_SECONDS = (
    60.0  # of a backlog that stays as it is: it waits for something, and embedding does not
)
LONGEST_REST = 600.0  # seconds before each slice, however much mail comes


@recorded
def embed_missing(recent: bool = False) -> dict[str, int]:
    """Embed what has no current vector; return how many sources, texts embedded and copied, and what is left.

    `recent` looks at the latest messages only. Without its packages, which are installed in the
    background, or without pgvector it does nothing. Raises EncoderMissing when the model cannot be used.
    """
    now, db = current_settings(), database()
    if not now.embeddings:
        return {"off": 1}
    if lack := lack_of_vectors(db):
        logger.warning("nothing is embedded: %s", lack)
        return {"no_pgvector": 1}
    if recent:
        time.sleep(SETTLE_SECONDS)
    heard_wake(recent=recent)
    try:
        return embed(db, find_model(now.embedding_model), now.embedding_device, recent=recent)
    except NotInstalled as error:
        logger.warning("nothing is embedded: %s", error)
        return {"not_installed": 1}


def embed(db: PostgresqlDatabase, model: Model, device: str, *, recent: bool) -> dict[str, int]:
    """Bring this model's vectors level with their sources; the model is loaded only if there is work for it."""
    row = EmbeddingModel.register(model.name, model.source, model.dimensions)
    counts = {"forgotten": 0 if recent else forget_gone(db)}
    complete = True
    if recent or any(count_waiting(db, row.id).values()):
        _give_way_to_mail()  # to load a model takes some processor seconds, too
        encoder = load_encoder(model, device)
        made, complete = embed_backlog(
            db,
            row.id,
            encoder,
            recent=recent,
            seconds=RUN_SECONDS,
            heard=report,
            before_slice=_give_way_to_mail,
        )
        counts.update(made)
    if not complete:
        ask_for_run(recent=False)
    elif not recent:
        counts["left"] = complete_model(db, row)
    return {key: number for key, number in counts.items() if number}


def _give_way_to_mail() -> None:
    give_way(lambda: queue(MAIL).count)


def give_way(
    mail_waiting: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Rest while a first import or a flood is on: for STUCK_SECONDS if none of it is done, LONGEST_REST at most.

    By its niceness alone embedding took a quarter of the processor time of such an import; with a slice each minute,
    a tenth.
    """
    began = changed = clock()
    last = waiting = mail_waiting()
    while waiting > BACKLOG and clock() < min(began + LONGEST_REST, changed + STUCK_SECONDS):
        rest(1.0)
        waiting = mail_waiting()
        if waiting != last:
            last, changed = waiting, clock()


def complete_model(db: PostgresqlDatabase, row: EmbeddingModel) -> int:
    """Build indices; once nothing waits, search this model's vectors and no other's. Return what waits still.

    Others may be left of a change of EMBEDDING_MODEL that was taken back before they were complete.
    """
    ensure_indexes(db, row.id, row.dimensions)
    left = sum(count_waiting(db, row.id).values())
    if not left and not row.is_alone():
        row.make_current()
        drop_indexes_of_others(db, row.id)
        logger.info("model=%s is searched, and no other is kept", row.name)
    return left
