"""The log: one line an event, logfmt or JSON, with the rq job's id and the run's; no secrets, no mail content.

rq's workers set up only rq's own loggers, and do so when they start: a job calls `log_as` first of all.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import peewee
import psycopg
from rq import get_current_job

from mrilu.settings.load import secrets_of
from mrilu.settings.secrets import hidden
from mrilu.settings.table import Settings

_run: ContextVar[int | None] = ContextVar("run", default=None)

# What these raise may quote the mail that it is about; ./run.sh why FILE tells it to whoever may read that.
ABOUT_MAIL = ("mrilu.archive", "jobs.import_messages", "mrilu.mail")
# SQLSTATE classes whose messages quote values: data exceptions, broken constraints, limits (PostgreSQL, appendix A)
_QUOTING = ("22", "23", "54")
# A message's "key=%s" is a fact of its own, and so is a "key=word" written out.
_FACT = re.compile(
    r"(?<![^\s])(?P<key>[a-z_]+)=(?:(?P<value>%(?:\.\d+)?[a-z])|(?P<word>[a-z]+)(?![^\s]))"
    r"|(?P<alone>%(?:\.\d+)?[a-z])|%%"
)
Fact = str | int | float
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+@%-]+")


@contextmanager
def run_of(number: int | None) -> Iterator[None]:
    """Give each line that is logged within the run's number."""
    token = _run.set(number)
    try:
        yield
    finally:
        _run.reset(token)


def log_as(settings: Settings) -> None:
    """Log as LOG_LEVEL and LOG_FORMAT say, to standard error, which supervisor rotates. Calling it again is free."""
    root = logging.getLogger()
    if any(isinstance(handler, _Handler) for handler in root.handlers):
        return
    root.addHandler(handler_for(settings))
    root.setLevel(settings.log_level.upper())
    # At debug level it would log each statement with its values: mail.
    logging.getLogger("peewee").setLevel(logging.INFO)
    _take_over_rq()
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _take_over_rq() -> None:
    """Let rq's lines go through our handler: its own print whole tracebacks, with what they quote."""
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and (name == "rq" or name.startswith("rq.")):
            logger.handlers.clear()
            logger.propagate = True


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: object) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("uncaught").critical("%s", kind.__name__, exc_info=error)


def handler_for(settings: Settings) -> logging.Handler:
    """Return a handler that writes the settings' format to whatever standard error is at the time."""
    write = as_json if settings.log_format == "json" else as_logfmt
    handler = _Handler()
    handler.setFormatter(EventFormatter(write, secrets_of(settings)))
    return handler


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to the standard error of the moment, which a test or a supervisor may have replaced."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class EventFormatter(logging.Formatter):
    """Makes one line of a record; `write` is as_logfmt or as_json, `secrets` are shown as ***."""

    def __init__(self, write: Callable[[dict[str, Fact]], str], secrets: Collection[str]) -> None:
        super().__init__()
        self._write, self._secrets = write, secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._write({key: self._masked(value) for key, value in _facts(record).items()})

    def _masked(self, value: Fact) -> Fact:
        return hidden(value, self._secrets) if isinstance(value, str) else value


def _facts(record: logging.LogRecord) -> dict[str, Fact]:
    """Return what the line says, in the order in which it says it."""
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    facts: dict[str, Fact] = {"time": moment, "level": record.levelname.lower()}
    facts["logger"] = record.name
    job, run = get_current_job(), _run.get()
    if job is not None:
        facts["job_id"] = job.id
    if run is not None:
        facts["run_id"] = run
    event, more = _event(record)
    facts["event"] = event
    facts.update({key: value for key, value in more.items() if key not in facts})
    if record.exc_info and record.exc_info[1]:
        facts["exception"] = told(
            record.exc_info[1], quoting=not record.name.startswith(ABOUT_MAIL)
        )
    return facts


def _event(record: logging.LogRecord) -> tuple[str, dict[str, Fact]]:
    """Return what happened, and the facts that the message names."""
    text = record.getMessage()
    if record.name.startswith("rq."):
        if "\n" not in text:
            return text, {}
        # a traceback, as text: its first line, and the error's name
        last = re.match(r"[\w.]*", text.strip().splitlines()[-1])
        return f"{text.splitlines()[0]} {last[0] if last else ''}".rstrip(), {}
    if not isinstance(record.msg, str) or not isinstance(record.args, tuple):
        return text, {}
    event, facts = _parted(record.msg, record.args)
    return event or record.funcName, facts


def _parted(message: str, arguments: tuple[object, ...]) -> tuple[str, dict[str, Fact]]:
    """Take the facts out of a message; what is left says what happened."""
    facts: dict[str, Fact] = {}
    values = iter(arguments)

    def take(match: re.Match[str]) -> str:
        if match["word"]:
            facts[match["key"]] = match["word"]
            return ""
        if match[0] == "%%":
            return "%"
        value = next(values)
        if match["key"]:
            facts[match["key"]] = _fact(match["value"], value)
            return ""
        if isinstance(value, dict):
            facts.update({str(key): one for key, one in value.items()})
            return ""
        return str(match["alone"] % (value,))

    event = _FACT.sub(take, message)
    return re.sub(" +(?=[ ,:;])", "", event).strip(" ,:;"), facts


def _fact(conversion: str, value: object) -> Fact:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value, 3)
    return str(value) if conversion == "%r" else str(conversion % (value,))


def told(error: BaseException, *, quoting: bool = True) -> str:
    """Return the traceback of an error and of what led to it, without the values that a message may quote."""
    parts, seen = [], set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"{frames}{brief(current, quoting=quoting)}")
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n\n".join(reversed(parts))


def brief(error: BaseException, *, quoting: bool) -> str:
    """Return an error's name and, without the values that it may quote, what it says."""
    return f"{type(error).__name__}: {_message(error, quoting)}"


def _message(error: BaseException, quoting: bool) -> str:
    if isinstance(error, peewee.PeeweeException) and isinstance(error.__context__, psycopg.Error):
        error = error.__context__
    if isinstance(error, psycopg.Error) and error.sqlstate:
        told_all = error.sqlstate[:2] not in _QUOTING
        return f"SQLSTATE {error.sqlstate}{f' {error.diag.message_primary}' if told_all else ''}"
    return (str(error).strip().splitlines() or [""])[0] if quoting else "(its text is not logged)"


def as_logfmt(facts: dict[str, Fact]) -> str:
    """Return key=value pairs, with quotes (and escapes as in JSON) where a value needs them."""
    shown = ((key, str(value)) for key, value in facts.items())
    return " ".join(
        f"{key}={text if _PLAIN.fullmatch(text) else _quoted(text)}" for key, text in shown
    )


def _quoted(text: str) -> str:
    # What is not printable could end the line or, alone, be no UTF-8.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def as_json(facts: dict[str, Fact]) -> str:
    """Return one JSON object: each fact is a key, and a number is a number."""
    return json.dumps(facts)
