"""`./run.sh confirm-gone NAME`: what vanished from a Maildir is really gone."""

from __future__ import annotations

import click


@click.command("confirm-gone")
@click.argument("name")
def confirm_gone(name: str) -> None:
    """Believe that the files that vanished together from the Maildir NAME are gone (GONE_FILES=remove acts on it)."""
    from models import Maildir
    from mrilu.archive import vanishings
    from mrilu.cli.connect import connect
    from mrilu.queues.ledgers import enqueue_missing
    from mrilu.runtime.database import database

    settings = connect()
    maildir = Maildir.get_or_none(Maildir.name == name)
    if maildir is None:
        raise click.BadParameter(
            f"no Maildir is registered as {name!r}; ./run.sh status lists them"
        )
    files = vanishings.confirm_gone(database(), maildir)
    offered = enqueue_missing(maildir, settings.batch_size)
    print(f"{name}: {files:,} files are gone, {len(offered):,} more are looked at", flush=True)
