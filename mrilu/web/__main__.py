"""python -m mrilu.web: the pages under waitress, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from dataclasses import replace
from types import FrameType

from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.logs import log_as
from mrilu.settings.current import current_settings, use_settings
from mrilu.settings.fields import SettingError
from mrilu.settings.table import Settings
from mrilu.web.app import make_app
from mrilu.web.server import make_server

logger = logging.getLogger("web")

REDIS_SECONDS = 3
# Until a thread gives way to another one that waits for Python's lock: a page waits for it after each answer of the
# database, behind all threads that make pages.
SWITCH_SECONDS = 0.001
OFF = "off"


def main() -> int:
    """Serve; the exit code: 0 stopped by a signal or off, 1 the address is taken, 2 a setting is wrong."""
    try:
        settings = current_settings()
        if settings.database_url is None or settings.redis_url is None:
            raise NotConfigured
    except (SettingError, NotConfigured) as error:
        print(error, file=sys.stderr)
        return 2
    log_as(settings)
    if settings.web_address == OFF:
        return _stay_off()
    database = settings.web_database_url or settings.database_url
    use_settings(replace(settings, database_url=database, redis_url=impatient(settings.redis_url)))
    return _serve(settings)


def impatient(url: str) -> str:
    """Return Redis's URL with a shorter wait for its answers, so that one that hangs does not take all our threads."""
    return (
        url
        if "socket_timeout=" in url
        else f"{url}{'&' if '?' in url else '?'}socket_timeout={REDIS_SECONDS}"
    )


def _serve(settings: Settings) -> int:
    signal.signal(signal.SIGTERM, _stop)
    sys.setswitchinterval(SWITCH_SECONDS)
    logging.getLogger("waitress.queue").setLevel(
        logging.ERROR
    )  # it warns of each page that waits for a thread
    try:
        server = make_server(make_app(settings), settings.web_address)
    except OSError as error:
        logger.critical(
            "WEB_ADDRESS: cannot listen on %s: %s", settings.web_address, error.strerror or error
        )
        return 1
    logger.info("serving http://%s", settings.web_address)
    server.run()
    server.close()
    return 0


def _stay_off() -> int:
    """Wait for the end: supervisor starts again what ends."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    logger.info("WEB_ADDRESS=off: no web pages")
    ended.wait()
    return 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
