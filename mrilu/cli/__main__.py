"""`./run.sh COMMAND`: the front door. Each command imports what it needs when it runs, so that all start fast."""

from __future__ import annotations

import json
import os
import shlex
import sys
from importlib import import_module
from pathlib import Path

import click

from mrilu.cli import terminal
from mrilu.service.account import ServerError
from mrilu.settings.fields import SettingError
from mrilu.settings.table import Settings

# Commands that live in modules of their own, which are imported only when one of them is named.
ELSEWHERE = {
    "doctor": "mrilu.cli.doctoring",
    "backup": "mrilu.cli.backups",
    "restore": "mrilu.cli.backups",
    "schedule": "mrilu.cli.scheduling",
    "run": "mrilu.cli.scheduling",
    "confirm-gone": "mrilu.cli.confirming",
    "withhold": "mrilu.cli.withholding",
    "restore-message": "mrilu.cli.withholding",
    "search": "mrilu.cli.searching",
    "export": "mrilu.cli.exporting",
    "subscribe": "mrilu.cli.notifying",
    "unsubscribe": "mrilu.cli.notifying",
    "subscriptions": "mrilu.cli.notifying",
}


class FrontDoor(click.Group):
    """A group whose commands end with one line on standard error instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all commands, those of other modules too."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; its module's attribute is the command's name with "_" for "-"."""
        if cmd_name in ELSEWHERE:
            return getattr(import_module(ELSEWHERE[cmd_name]), cmd_name.replace("-", "_"))
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; known errors become `mrilu: ...` and exit code 1. What it prints is escaped."""
        with terminal.escaped_output():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> object:
        from mrilu.cli.connect import ServiceDown, line_of
        from mrilu.cli.shown import visible
        from mrilu.maildir.errors import MaildirError

        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (SettingError, ServerError, ServiceDown, MaildirError, OSError) as error:
            lines = map(visible, str(error).splitlines())
            print(f"mrilu: {os.linesep.join(lines)}", file=sys.stderr)
            ctx.exit(1)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            line = line_of(error)
            if line is None:
                raise
            print(f"mrilu: {line}", file=sys.stderr)
            ctx.exit(1)


@click.group(cls=FrontDoor, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Keep a mailing-list archive and a dictionary up to date. `./run.sh` alone starts everything."""


@main.command()
@click.option(
    "--only", metavar="ROLES", default="", help="only these programs: watcher,mail (ROLES)"
)
def up(only: str) -> None:
    """Start the service, or the roles of this host, and stay until Ctrl-C."""
    from mrilu.service import up as service

    sys.exit(service.up(only))


@main.command()
def stop() -> None:
    """Stop the service that runs in this folder."""
    from mrilu.service import up as service

    print("stopped" if service.stop() else "nothing runs here")


@main.command()
def env() -> None:
    """Print the servers' URLs, DATA_DIR, SERVER_USER and PATH for eval "$(./run.sh env)"."""
    from mrilu.service import up as service

    for name, value in service.environment().items():
        print(f"export {name}={shlex.quote(value)}")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="everything, for scripts")
@click.option("--exact", is_flag=True, help="look at each file now, however many there are")
def status(as_json: bool, exact: bool) -> None:
    """Show the ledger of each Maildir, queues, workers, rejected mail and last runs; exit code 1 if not level."""
    from mrilu.cli import status as page
    from mrilu.cli.connect import connect

    connect()
    facts = page.gather(exact)
    if as_json:
        print(json.dumps(facts, default=str, indent=1))
    else:
        page.show(facts, terminal.console())
    sys.exit(0 if facts["level"] else 1)


@main.command()
@click.argument("question", metavar="PATH|MESSAGE-ID")
@click.option("--json", "as_json", is_flag=True, help="for scripts")
def why(question: str, as_json: bool) -> None:
    """Tell the history of a file or a Message-ID: why is it, or is it not, in the archive?"""
    from mrilu.cli import why as history
    from mrilu.cli.connect import connect
    from mrilu.cli.shown import visible

    connect()
    facts = history.explain(question)
    print(
        json.dumps(facts, default=str, indent=1)
        if as_json
        else "\n".join(map(visible, history.lines(facts)))
    )
    sys.exit(0 if facts["found"] else 1)


@main.command("import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--wait", is_flag=True, help="show progress and stay until all is in")
def import_(path: Path, wait: bool) -> None:
    """Import a Maildir, a folder of .eml files, an mbox file or one mail."""
    from mrilu.cli import importing, sources
    from mrilu.cli.connect import connect
    from mrilu.queues.ledgers import enqueue_missing

    settings = connect()
    unpacked = settings.data_dir / "unpacked"
    _prepare_import(path, settings)
    try:
        if path.is_file():
            maildir, paths = importing.unpack_and_offer(path, unpacked, settings.batch_size)
        else:
            maildir = sources.register(path, unpacked)
            paths = enqueue_missing(maildir, settings.batch_size)
    except sources.NotMail as error:
        raise ServerError(str(error)) from error
    print(f"{len(paths):,} files of {maildir.place} go in as Maildir {maildir.name!r}", flush=True)
    if wait:
        importing.follow(maildir, paths)
        sys.exit(0 if _tell_level(maildir.name) else 1)


def _prepare_import(path: Path, settings: Settings) -> None:
    """Keep others from what is unpacked; raise ServerError for a folder that our programs may not read."""
    from mrilu.service.first_look import unreadable_for
    from mrilu.service.instance import account_of

    account = account_of(settings)
    os.umask(0o027 if account.drops else 0o077)
    if path.is_dir() and (problem := unreadable_for(account, path.absolute())):
        raise ServerError(problem)


def _tell_level(name: str) -> bool:
    """Print the ledger's line of one Maildir; return whether it is level."""
    from mrilu.queues.ledgers import ledgers
    from mrilu.service.first_look import level_line

    facts = next(one for one in ledgers() if one["maildir"] == name)
    print(level_line(facts), flush=True)
    return bool(facts["level"])


@main.command()
@click.option("--wait", is_flag=True, help="stay until all is in")
def rescan(wait: bool) -> None:
    """Compare every Maildir with the archive and enqueue the difference; exit code 1 if one cannot be read."""
    from models import Maildir
    from mrilu.cli import importing
    from mrilu.cli.connect import connect
    from mrilu.maildir.errors import MaildirError
    from mrilu.queues.ledgers import enqueue_missing, queued_in

    settings = connect()
    level = True
    for maildir in list(Maildir.select().order_by(Maildir.name)):
        try:
            paths = enqueue_missing(maildir, settings.batch_size)
        except MaildirError as error:  # the others are compared all the same
            print(f"mrilu: {maildir.name}: {error}", file=sys.stderr)
            level = level and not maildir.watched
            continue
        print(f"{maildir.name}: {len(paths):,} files differ", flush=True)
        if wait:
            importing.follow(maildir, {*paths, *queued_in(maildir.name)})
            level = _tell_level(maildir.name) and level
    sys.exit(0 if level else 1)


@main.command()
@click.option("--reason", help="only files rejected for this reason (see ./run.sh status)")
@click.option("--wait", is_flag=True, help="stay until all have been tried")
def retry(reason: str | None, wait: bool) -> None:
    """Give rejected files another chance."""
    from models import Maildir
    from mrilu.cli import importing
    from mrilu.cli.connect import connect
    from mrilu.queues.retries import retry_rejected

    settings = connect()
    offered = retry_rejected(reason, settings.batch_size)
    print(f"{sum(map(len, offered.values())):,} rejected files will be tried again", flush=True)
    if wait:
        for name, paths in offered.items():
            importing.follow(Maildir.get(Maildir.name == name), paths)


if __name__ == "__main__":
    main(prog_name="./run.sh")
