"""What vanished together is told, and can be confirmed."""

from __future__ import annotations

from click.testing import CliRunner
from rich.console import Console

import models
from jobs.import_messages import import_messages
from models import Maildir
from mrilu.archive.vanishings import Bounds, note_vanishings
from mrilu.cli import status
from mrilu.cli.__main__ import main
from mrilu.cli.diagnosis.machine import check_vanished
from mrilu.queues import ledgers
from tests.factories import deliver, mail


def test_what_vanished_together_is_shown_until_it_is_confirmed(
    root, redis_client, service_settings, monkeypatch
):
    monkeypatch.setattr("mrilu.cli.connect.connect", lambda: service_settings)
    paths = [deliver(root, mail()) for _ in range(12)]
    import_messages("test", paths)
    for path in paths:
        (root / path).unlink()
    import_messages("test", paths)
    note_vanishings(models.db, Bounds(20, 72))
    [facts] = ledgers.ledgers()
    console = Console(record=True, width=400)
    status._show_gap(facts, console, held_up=False)
    shown = console.export_text()
    assert "12 files vanished together" in shown and "confirm-gone test" in shown
    done = CliRunner().invoke(main, ["confirm-gone", "test"])
    assert done.exit_code == 0 and "12 files are gone" in done.output
    assert ledgers.ledgers()[0]["vanished"] == [] and Maildir.get().gone_confirmed_at
    assert CliRunner().invoke(main, ["confirm-gone", "none"]).exit_code != 0


def test_doctor_says_what_to_do_about_it():
    assert list(check_vanished("m", "/m", 0, False)) == []
    [one, two] = check_vanished("m", "/m", 7, True)
    assert "/m" in one.what and "7 files" in two.what
    assert all("confirm-gone m" in finding.advice for finding in (one, two))
