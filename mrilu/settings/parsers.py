"""How the text of an environment variable becomes a setting's value; a ValueError says what to use instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from mrilu.settings.fields import SettingError
from mrilu.settings.secrets import masked

UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
MOST, MOST_DAYS = 999_999_999, 700_000
_AUTHORITY = re.compile(r"[^/?#]*")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SENDER = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")
_PLAIN_URL = re.compile(r"[!$-;=@-~]+")  # printable ASCII but quotes, angles, ? and #
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_EXPORT = re.compile(
    r"(?:(?P<tag>[A-Za-z0-9-]{1,35})=)?(?P<url>https?://\S*?(?:/jbo-(?P<file>[A-Za-z0-9-]{1,35})\.(?:xml|json))?)"
)


def text(value: str) -> str:
    """Take the text as it is."""
    return value


def flag(value: str) -> bool:
    """Parse on or off."""
    known = {
        "on": True,
        "true": True,
        "yes": True,
        "1": True,
        "off": False,
        "false": False,
        "no": False,
        "0": False,
    }
    if value.lower() not in known:
        raise ValueError("use on or off")
    return known[value.lower()]


def count(value: str) -> int:
    """Parse a whole number from 1 up that any clock, queue or slice can take."""
    if not value.isdecimal() or not 1 <= int(value) <= MOST:
        raise ValueError(f"use a whole number from 1 to {MOST}")
    return int(value)


def days(value: str) -> int:
    """Parse a number of days that can be taken off today's date, which has some 739,000 before it."""
    if not value.isdecimal() or not 1 <= int(value) <= MOST_DAYS:
        raise ValueError(f"use a whole number of days from 1 to {MOST_DAYS}")
    return int(value)


def percent(value: str) -> int:
    """Parse a percentage, 0 to 100."""
    if not value.isdecimal() or int(value) > 100:
        raise ValueError("use a whole number from 0 to 100")
    return int(value)


def seconds(value: str) -> float:
    """Parse a number of seconds above 0."""
    number = float(value)
    if not 0 < number < 1e9:
        raise ValueError("use a number of seconds above 0")
    return number


def hours(value: str) -> float:
    """Parse a number of hours above 0."""
    number = float(value)
    if not 0 < number < 1e6:
        raise ValueError("use a number of hours above 0")
    return number


def size(value: str) -> int:
    """Parse a number of bytes such as 50M."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", value.strip().lower())
    if not match or int(match[1]) < 1:
        raise ValueError("use a size such as 50M or 1048576")
    return int(match[1]) * UNITS[match[2]]


def cron(value: str) -> str:
    """Check a cron string of five fields, or "off"."""
    if value.lower() == "off":
        return "off"
    try:
        if len(value.split()) != 5:
            raise CronSimError("it has not five fields")
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(
            f"use a cron string such as '30 4 * * *' (minute, hour, day, month, weekday), or off ({error})"
        ) from error
    return value


def folder(value: str) -> Path:
    """Make a path absolute, from where the user stands."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # ~name of nobody
        raise ValueError(f"there is no user whose home folder {value} begins with") from error


def folder_of(variable: str, value: str) -> Path:
    """Return what `folder` does, of a part of this variable's text. Raises SettingError."""
    try:
        return folder(value)
    except ValueError as error:
        raise SettingError(f"{variable}: {value!r} cannot be used: {error}") from error


def zone(value: str) -> str:
    """Check the name of a time zone."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("use a name of the tz database such as Europe/Berlin") from error
    return value


def address(value: str) -> str:
    """Check HOST:PORT to listen on, or "off"."""
    host, _, port = value.rpartition(":")
    if value.lower() == "off":
        return "off"
    if (
        not host
        or not port.isdecimal()
        or not 0 < int(port) < 65536
        or (":" in host and host[0] != "[")
    ):
        raise ValueError("use HOST:PORT such as 127.0.0.1:8025 or [::1]:8025, or off")
    return value


def choice(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of `words`."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(f"use one of {', '.join(words)}")
        return value.lower()

    return parse


def some_of(*words: str) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of a list with commas that takes any of `words`, in their order here."""

    def parse(value: str) -> tuple[str, ...]:
        chosen = {word.strip().lower() for word in value.split(",") if word.strip()}
        if not chosen or chosen - set(words):
            raise ValueError(f"use some of {', '.join(words)}, with commas between")
        return tuple(word for word in words if word in chosen)

    return parse


def list_ids(value: str) -> tuple[str, ...]:
    """Take List-Ids (RFC 2919) with commas between, in lower case, angle brackets aside."""
    named = [one.strip().strip("<>").lower() for one in value.split(",") if one.strip()]
    for one in named:
        if not one or any(sign.isspace() or sign in "<>@/" for sign in one):
            raise ValueError(f"{one!r} is no List-Id: write list.example.org")
    return tuple(dict.fromkeys(named))


def url(*schemes: str) -> Callable[[str], str]:
    """Return a parser that takes URLs of these schemes."""

    def parse(value: str) -> str:
        if urlsplit(value).scheme not in schemes:
            raise ValueError(
                f"use a URL that starts with {' or '.join(s + '://' for s in schemes)}"
            )
        if not value.startswith("unix:") and _is_unescaped(value):
            # not what it is: it is a piece of the password
            raise ValueError(
                "escape what stands in its user name and password: %40 for @, %2F for /, %23 for #, %25 for %"
            )
        return value

    return parse


def redis_url(value: str) -> str:
    """Check the URL of a Redis, or of its Sentinels."""
    checked = url("redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix")(value)
    parts = urlsplit(value)
    if "+sentinel" in parts.scheme and not (parts.hostname and parts.path.strip("/")):
        raise ValueError(
            "use redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0: its Sentinels, its service"
        )
    return checked


def _is_unescaped(value: str) -> bool:
    """Tell whether a server's URL ends its authority too early, or has a "%" that is no escape (RFC 3986, 2.1)."""
    rest = value.partition("://")[2]
    path, _, query = rest[len(_AUTHORITY.match(rest)[0]) :].partition("?")  # type: ignore[index]
    cut_short = "@" in path or ("@" in query and "=" not in query.partition("@")[0])
    return cut_short or "#" in rest or _NO_ESCAPE.search(rest) is not None


def web_or_file(value: str) -> str:
    """Take an http(s) URL, or return the absolute path of a file."""
    if urlsplit(value).scheme in ("http", "https"):
        return value
    return str(folder(value.removeprefix("file://")))


def sender(value: str) -> str:
    """Check an address, with or without a name: mrilu <notify@example.org>."""
    address = parseaddr(value)[1]
    if not _SENDER.fullmatch(address) or not value.isprintable():
        raise ValueError("use an address such as mrilu <notify@example.org>")
    return value


def bounce_address(value: str) -> str:
    """Check an address that stays one when "+" and 32 digits stand before its "@" (RFC 5321, 4.5.3.1.1: 64 octets)."""
    if not _SENDER.fullmatch(value) or len(value.partition("@")[0]) > 31:
        raise ValueError(
            "use an address such as bounces@example.org, at most 31 characters before the @"
        )
    return value


def smtp_url(value: str) -> str:
    """Check a URL of a mail server: smtp://, smtp+starttls:// or smtps://."""
    parts = urlsplit(value)
    if (
        parts.scheme not in ("smtp", "smtp+starttls", "smtps")
        or not parts.hostname
        or parts.path not in ("", "/")
    ):
        raise ValueError(
            "use smtp://HOST, smtp+starttls://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST"
        )
    if parts.query not in ("", "starttls=never", "starttls=required", "starttls=offered"):
        raise ValueError(
            "after the ? only starttls=offered, starttls=required or starttls=never is known"
        )
    _ = parts.port
    return value


def site_url(value: str) -> str:
    """Check the address of a web site, without the last slash."""
    parts = urlsplit(value)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not _PLAIN_URL.fullmatch(value)
    ):
        raise ValueError("use a URL such as https://archive.example.org")
    _ = parts.port
    return value.rstrip("/")


def parse_maildirs(value: str) -> list[tuple[str, Path]]:
    """Parse MAILDIR_PATH into names and folders, in its order."""
    entries = [entry.strip() for entry in value.split(",") if entry.strip()]
    named: dict[str, Path] = {}
    for entry in entries:
        name, path = _named_path(entry)
        if name in named:
            raise SettingError(
                f"MAILDIR_PATH names {name!r} twice: give each Maildir a name of its own (name=PATH)"
            )
        named[name] = path
    return list(named.items())


def _named_path(entry: str) -> tuple[str, Path]:
    name, equals, path = entry.partition("=")
    if not equals or "/" in name:
        whole = folder_of("MAILDIR_PATH", entry)
        return _name_of(whole), whole
    if not _NAME.match(name) or not path:
        raise SettingError(
            f"MAILDIR_PATH: {entry!r} is not name=PATH (a name has letters, digits, '_', '.', '-')"
        )
    return name, folder_of("MAILDIR_PATH", path)


def _name_of(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.name)[:64] or "mail"


def parse_export(entry: str) -> tuple[str, str]:
    """Parse one entry of DICTIONARY_SOURCE into language tag and URL."""
    named = _EXPORT.fullmatch(entry.strip())
    if not named or not (named["tag"] or named["file"]):
        shown = masked(entry.strip())
        raise SettingError(
            f"DICTIONARY_SOURCE: {shown!r} is not an http(s) URL of a jbo-LANG.xml or jbo-LANG.json: write LANG=URL"
        )
    return named["tag"] or named["file"], named["url"]


def parse_modes(value: str, names: set[str]) -> dict[str, str]:
    """Parse WATCH_MODE into modes by Maildir's name; the one of all others is under ""."""
    modes = {"": "inotify"}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        name, _, mode = entry.rpartition("=")
        if mode not in ("inotify", "poll"):
            raise SettingError(f"WATCH_MODE: {entry!r}: use inotify, poll or name=poll")
        if name and name not in names:
            raise SettingError(
                f"WATCH_MODE: no Maildir is named {name!r}; MAILDIR_PATH has {', '.join(sorted(names))}"
            )
        modes[name] = mode
    return modes
