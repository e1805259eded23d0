"""How far imports are, without a look at every file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.import_messages import import_messages
from models import Maildir
from mrilu.queues import progress
from mrilu.queues.queues import MAIL, queue, submit_backlog
from tests.factories import deliver, mail


def test_what_imports_took_in_is_counted(root: Path, redis_client: Any) -> None:
    before = progress.taken_in()
    import_messages("test", [deliver(root, mail()), deliver(root, b"no\0mail")])
    assert progress.taken_in() - before == 2


def test_waiting_work_is_seen(root: Path, redis_client: Any) -> None:
    assert not progress.work_waits()
    submit_backlog("test", [deliver(root, mail())], 100)
    assert progress.work_waits()
    queue(MAIL).empty()
    assert not progress.work_waits()


def test_the_ledger_is_not_drawn_up_while_imports_go_on(
    root: Path, redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [deliver(root, mail()) for _ in range(5)]
    submit_backlog("test", paths, 1)
    drawn, real = [], progress.ledgers
    monkeypatch.setattr(progress, "ledgers", lambda: drawn.append(1) or real())
    steps, counts = progress.Settling(0.0).steps(), []
    for path in paths:
        counts.append(next(steps))
        import_messages("test", [path])
    assert counts == [0, 1, 2, 3, 4] and not drawn
    queue(MAIL).empty()
    [facts] = next(step for step in steps if isinstance(step, list))
    assert facts["level"] and facts["maildir"] == Maildir.get().name and len(drawn) == 1
